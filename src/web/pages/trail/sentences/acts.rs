//! Acts: their begin and their end.

use crate::reports::page::words::link;
use crate::web::pages::acts::in_words;

use super::{Body, Said, about, plain};

/// What an event of an act says.
pub(super) fn said(kind: &str, body: &Body<'_>) -> Option<Said> {
    match kind {
        "act.attempted" => {
            let who = if body.fields["user"].is_i64() { body.user() } else { "A command".to_owned() };
            Some(plain(format!("{who} set out to act: {}.", in_words(body.text("act")).to_lowercase())))
        }
        "act.ended" => {
            let attempt = body.fields["attempt"].as_i64().unwrap_or_default();
            let ended = match body.text("outcome") {
                "succeeded" => "was done",
                "refused" => "was refused",
                "failed" => "failed inside",
                _ => "has an unknown outcome: the program ended before it could say",
            };
            let from = link(format!("Event {attempt}"), format!("/trail?kinds=all&before={}#events", attempt.saturating_add(1)));
            about(format!("What was attempted {ended}."), Some(from))
        }
        _ => None,
    }
}
