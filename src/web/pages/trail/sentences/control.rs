//! Control: changed settings, checkpoints that do not come back, proposals that are announced.

use serde_json::Value;

use crate::reports::page::words::link;

use super::{Body, Said, about, plain};

/// Settings named in a sentence.
const NAMED: usize = 6;

/// What an event of control says.
pub(super) fn said(kind: &str, body: &Body<'_>) -> Option<Said> {
    match kind {
        "settings.changed" => Some(plain(format!("The program started with other control settings: {}.", names(body)))),
        "anchor.overdue" => Some(plain(format!(
            "No checkpoint has come back from outside for {}; at most {} are allowed.",
            body.counted("age_hours", "hour", "hours"),
            body.number("limit_hours")
        ))),
        "night.passed" => Some(plain(night(body))),
        "witness.refused" => Some(plain(format!("Witness {} refuses to sign: {}.", body.text("witness"), body.text("why")))),
        "witness.agreed" => Some(plain(format!("Witness {} signs again.", body.text("witness")))),
        "approval.announced" => {
            let proposal = body.number("proposal");
            let to = body.counted("mail", "officer", "officers");
            about(format!("A proposal was announced to {to}."), Some(link("Proposal", format!("/approvals/{proposal}"))))
        }
        _ => None,
    }
}

fn night(body: &Body<'_>) -> String {
    let (date, stored) = (body.text("date"), body.number("reports"));
    let what = match stored {
        0 if body.fields["day_off"] == true => "no report was due, it is no business day".to_owned(),
        0 => "no report was due".to_owned(),
        _ => format!("{} stored", body.counted("reports", "version of a report was", "versions of reports were")),
    };
    format!("The night of {date} came: {what}.")
}

fn names(body: &Body<'_>) -> String {
    let names: Vec<&str> = body.fields["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let more = names.len().saturating_sub(NAMED);
    let listed = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}
