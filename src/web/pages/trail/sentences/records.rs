//! What changed of records, and who looked.

use crate::ledger::BREAK_EXPLAINED;
use crate::reports::page::words::{count, counted, link, words};

use super::super::super::views::Link;
use super::{Body, Said, about};

pub(super) fn said(kind: &str, body: &Body<'_>) -> Option<Said> {
    let record = || Some(link("Record", format!("/records/{}", body.fields["record"].as_i64()?)));
    let source = body.source();
    match kind {
        "record.defined" => {
            let text = format!("Source {source} sent its first change of a record of type {}.", body.text("type"));
            about(text, None)
        }
        "record.changed" => about(changed(body, &source), record()),
        BREAK_EXPLAINED => {
            let (kind, seq) = (body.text("kind"), body.number("break"));
            let at = Some(link("Break", format!("/breaks/{seq}/{kind}")));
            about(format!("Two officers explained the {} break at {}.", words(kind).to_lowercase(), count(seq)), at)
        }
        "changes.refused" => {
            let flood = if body.fields["counted_only"] == true { " in a flood" } else { "" };
            let codes = body.fields["codes"].as_object().into_iter().flat_map(|codes| codes.keys());
            let codes: Vec<String> = codes.map(|code| words(code).to_lowercase()).collect();
            let rows = body.counted("rows", "change was", "changes were");
            about(format!("{rows} of source {source} refused{flood}: {}.", codes.join(", ")), None)
        }
        "capture.removed" => {
            let lost = body.counted("discarded", "row that waited was", "rows that waited were");
            about(format!("Table {} is captured no longer; {lost} discarded.", body.text("table")), None)
        }
        "capture.reconciled" => {
            let (rows, differing) = (body.counted("rows", "row", "rows"), count(body.number("differing")));
            let recorded = count(body.number("recorded"));
            let text = format!(
                "Table {} was compared with the log: {rows}, {differing} differing, {recorded} of them recorded.",
                body.text("table")
            );
            about(text, None)
        }
        _ => None,
    }
}

fn changed(body: &Body<'_>, source: &str) -> String {
    let fields = body.fields["fields"].as_array().map_or(0, Vec::len) as i64;
    let what = match body.text("action") {
        "create" => format!("was created with {}", counted(fields, "field", "fields")),
        "delete" => "was deleted".to_owned(),
        _ => format!("changed in {}", counted(fields, "field", "fields")),
    };
    let broken = match body.number("mismatches") {
        0 => String::new(),
        _ => ", and was not before what we knew of it".to_owned(),
    };
    let restored = match body.fields["restores"].as_i64() {
        Some(seq) => format!(", back to what change {} made it", count(seq)),
        None => String::new(),
    };
    format!("A record of source {source} {what}{restored}{broken}.")
}

/// Where a record's page is.
pub(super) fn page(body: &Body<'_>) -> Option<Link> {
    Some(link("Record", format!("/records/{}", body.fields["record"].as_i64()?)))
}
