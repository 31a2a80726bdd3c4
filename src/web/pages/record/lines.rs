//! Changes and differences of a record, line by line, and its numbers as a drawing.

use crate::clock::Moment;
use crate::ids::Seq;
use crate::records::event::Private;
use crate::records::history::{self, Reading, Version};
use crate::records::store::FieldRow;
use crate::records::{Action, Held, Json, State};
use crate::reports::page::charts::{Point, Unit, steps};
use crate::reports::page::words::{LocalTime, UNKNOWN, count, counted, money, tag};

use super::super::fill::unjudged;
use super::super::views::{ChangeLine, Figure, Tag, VersionRow};

/// Decimals that a drawing can show.
const DECIMALS_MAX: i32 = 9;
const SEALED: &str = "sealed";
/// The value that was there already.
const SEALED_AGAIN: &str = "sealed, the same";

pub(in super::super) fn line(path: &str, old: Option<String>, new: Option<String>) -> ChangeLine {
    let sign = match (&old, &new) {
        (None, Some(_)) => "+",
        (Some(_), None) => "−",
        _ => "",
    };
    let text = |value: Option<String>| value.unwrap_or_else(|| UNKNOWN.to_owned());
    ChangeLine { path: path.to_owned(), old: text(old), new: text(new), sign }
}

/// Where two states differ.
pub(super) fn between(from: &State, to: &State) -> Vec<ChangeLine> {
    let text = |held: &Held| held.value.as_ref().map_or_else(|| SEALED.to_owned(), Json::for_people);
    let found = history::difference(from, to);
    found.iter().map(|found| line(&found.path, found.from.as_ref().map(text), found.to.as_ref().map(text))).collect()
}

fn field(row: &FieldRow, reveals: bool) -> ChangeLine {
    let shown = |value: &Option<String>, digest: &Option<String>| match (value, digest) {
        (Some(value), _) => Some(Json::stored(value.clone()).for_people()),
        (None, Some(_)) => Some(SEALED.to_owned()),
        (None, None) => None,
    };
    let mut line = line(&row.path, shown(&row.old, &row.old_digest), shown(&row.new, &row.new_digest));
    // To somebody who may not open it, and can send changes by another way, it would tell of a guess that it was right.
    if reveals && row.old_digest.is_some() && row.old_digest == row.new_digest {
        SEALED_AGAIN.clone_into(&mut line.new);
    }
    line
}

/// A change of the history, for somebody who may open what is sealed, or not.
pub(in super::super) fn version(version: &Version, id: Seq, time: LocalTime, reveals: bool) -> VersionRow {
    let (change, private) = (&version.change, version.private.clone().unwrap_or_default());
    let (at, recorded) = (time.second(Moment(change.changed_at)), time.second(Moment(change.recorded_at)));
    let whence = [&private.who.session_id, &private.who.ip];
    VersionRow {
        record: None,
        version: count(change.version),
        href: format!("/records/{id}?version={}", change.version),
        recorded: if at[..16] == recorded[..16] { String::new() } else { recorded },
        at,
        action: match Action::from_code(change.action) {
            Some(Action::Create) => "Created",
            Some(Action::Delete) => "Deleted",
            _ => "Changed",
        }
        .to_owned(),
        who: change
            .actor
            .clone()
            .unwrap_or_else(|| if version.private.is_some() { "nobody named" } else { "no longer kept" }.to_owned()),
        whence: whence.iter().filter_map(|text| text.as_deref()).collect::<Vec<_>>().join(" · "),
        why: private.reason.clone().unwrap_or_default(),
        lines: version.fields.iter().map(|row| field(row, reveals)).collect(),
        tags: tags(version),
        mismatches: mismatches(&private),
        broken: format!("/breaks/{}/record", change.seq),
        seq: count(change.seq),
    }
}

/// What a change did not find as we knew it.
pub(in super::super) fn mismatches(private: &Private) -> Vec<ChangeLine> {
    let told = |text: &Option<String>| text.clone().map(|text| Json::stored(text).for_people());
    private.mismatches.iter().map(|(path, ours, sent)| line(shown(path), told(ours), told(sent))).collect()
}

/// The whole record has the empty path.
fn shown(path: &str) -> &str {
    if path.is_empty() { "the record" } else { path }
}

fn tags(version: &Version) -> Vec<Tag> {
    let mut tags = Vec::new();
    if version.private.as_ref().is_some_and(|private| !private.mismatches.is_empty()) {
        tags.push(tag("Break", "bad"));
    }
    tags.extend(version.outcomes.iter().filter_map(|said| unjudged(&said.rule, &said.outcome)));
    if version.change.restores.is_some() {
        tags.push(tag("Restored", "info"));
    }
    if version.change.changed_at < version.change.effective_at {
        tags.push(tag("Late", "warn"));
    }
    if version.private.is_none() {
        tags.push(tag("Values gone", "neutral"));
    }
    tags
}

/// A number over time; `None` for one that never changed or is too long to draw.
pub(super) fn figure(path: &str, readings: &[Reading], time: LocalTime) -> Option<Figure> {
    if readings.len() < 2 {
        return None;
    }
    let decimals = readings.iter().filter_map(|reading| reading.value.decimal()).map(|d| d.decimals()).max()?;
    let decimals = Some(decimals).filter(|n| *n <= DECIMALS_MAX)?;
    let points: Option<Vec<Point>> = readings
        .iter()
        .zip(0..)
        .map(|(reading, entry)| {
            let balance = reading.value.decimal()?.scaled_to(decimals)?;
            let text = money(reading.value.as_str());
            Some(Point { entry, label: time.minute(reading.at), at: reading.at.0, balance, text })
        })
        .collect();
    let points = points?;
    let (first, last) = (points.first()?, points.last()?);
    let finding = format!(
        "{} since {}; {} at first, since {}; {} looked at.",
        last.text,
        last.label,
        first.text,
        first.label,
        counted(points.len() as i64, "change", "changes")
    );
    let name = path.trim_start_matches('/').replace('/', " · ");
    let svg = steps(&name, &finding, Unit { name: "", decimals: u32::try_from(decimals).ok()? }, &points, &[]);
    let rows = points.iter().map(|point| vec![point.label.clone(), point.text.clone()]).collect();
    let id = format!("number-{}", path.chars().filter(char::is_ascii_alphanumeric).collect::<String>());
    Some(Figure { id, title: name, finding, svg, columns: vec!["Since".to_owned(), "Value".to_owned()], rows })
}
