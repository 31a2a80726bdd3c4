//! Mail that left, or did not.

use crate::reports::page::words::{count, counted};

use super::{Body, Said, plain};

pub(super) fn said(kind: &str, body: &Body<'_>) -> Option<Said> {
    Some(plain(match kind {
        "mail.sent" => format!("A mail left: {}.", mail(body)),
        "mail.dead" => format!("A mail was given up after {}: {}.", body.counted("attempt", "try", "tries"), mail(body)),
        "mail.resent" => format!("{} had a mail that was given up sent again: {}.", asked(body), mail(body)),
        "mail.acknowledged" => format!("{} acknowledged that a mail was given up: {}.", asked(body), mail(body)),
        _ => return None,
    }))
}

fn mail(body: &Body<'_>) -> String {
    let kind = match body.text("kind") {
        "alert" => ("alert", "alerts"),
        "report" => ("report", "reports"),
        "notice" => ("notice", "notices"),
        _ => ("import", "imports"),
    };
    match body.fields["of"].as_i64() {
        Some(of) => format!("{} of {}", count(body.number("count")), counted(of, kind.0, kind.1)),
        None => body.counted("count", kind.0, kind.1),
    }
}

fn asked(body: &Body<'_>) -> String {
    if body.fields["user"].is_i64() { body.user() } else { "A command".to_owned() }
}
