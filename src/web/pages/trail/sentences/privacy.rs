//! What was erased, held, sealed and opened.

use crate::reports::page::words::{count, link, words};

use super::{Body, Said, about};

pub(super) fn said(kind: &str, body: &Body<'_>) -> Option<Said> {
    let proposal = || Some(link("Proposal", format!("/approvals/{}", body.fields["proposal"].as_i64()?)));
    let whole = |text: String| about(text, None);
    let parts = || body.counted("places", "private part was", "private parts were");
    match kind {
        "parts.erased" if body.text("cause") == "register" => whole(format!(
            "The database was an older copy: {} erased again that event {} had erased.",
            parts(),
            count(body.number("again"))
        )),
        "parts.erased" if body.text("cause") == "retention" => {
            whole(format!("{} dropped, whose time was over; every leaf stays.", capital(&parts())))
        }
        "values.pruned" => whole(pruned(body)),
        "prune.refused" => {
            let why = words(body.text("reason")).to_lowercase();
            whole(format!("No values were dropped, because the clock cannot be believed: {why}."))
        }
        "parts.erased" => about(format!("{} erased; every leaf stays.", capital(&parts())), proposal()),
        "erasure.refused" if body.fields["proposal"].is_i64() => {
            about("An approved erasure was not carried out: something keeps its subject.".to_owned(), proposal())
        }
        "erasure.refused" => whole("An erasure was asked for and cannot be at present.".to_owned()),
        "hold.placed" => about(format!("A legal hold was placed on {}.", a(body.text("scope"))), body.account()),
        "hold.released" => about(format!("Hold {} was released.", count(body.number("hold"))), proposal()),
        "recovery.made" => whole(format!("Recovery key {} was made; it counts once it was tested.", body.text("name"))),
        "recovery.tested" => whole(format!("Recovery key {} opened its test value.", body.text("name"))),
        "datakey.made" => whole(format!("A key was made to seal what is sensitive in month {}.", body.number("month"))),
        "keys.rewrapped" => {
            let keys = body.fields["keys"].as_object().map_or(0, serde_json::Map::len) as i64;
            whole(format!("{} data keys were wrapped for the {} key {}.", count(keys), body.text("for"), body.text("name")))
        }
        "value.revealed" if body.fields["record"].is_i64() => {
            let values = body.counted("fields", "sealed value", "sealed values");
            let at = link("Record", format!("/records/{}", body.number("record")));
            about(format!("{} opened {values} of a record.", body.user()), Some(at))
        }
        "value.revealed" => {
            let fields: Vec<String> = body.fields["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|f| f.as_str())
                .map(|f| words(f).to_lowercase())
                .collect();
            about(
                format!("{} opened what is sealed of entry {}: {}.", body.user(), count(body.number("entry")), fields.join(", ")),
                body.account(),
            )
        }
        _ => None,
    }
}

fn a(scope: &str) -> &str {
    if scope == "party" { "a holder" } else { "an account" }
}

/// What a run of retention did.
fn pruned(body: &Body<'_>) -> String {
    let of = |class: &str| body.fields["dropped"][class].as_i64().unwrap_or_default();
    let dropped: Vec<String> = ["critical", "normal", "debug"]
        .into_iter()
        .filter(|class| of(class) > 0)
        .map(|class| format!("{} of class {class}", count(of(class))))
        .collect();
    let held = body.number("held");
    let mut text = match dropped.is_empty() {
        true => "Nothing was due to be dropped".to_owned(),
        false => format!("Values of changes whose time was over were dropped: {}", dropped.join(", ")),
    };
    if held > 0 {
        text.push_str(&format!("; {} held", count(held)));
    }
    if body.fields["more"] == true {
        text.push_str(&format!("; more is due than the {} of one run", count(body.number("cap"))));
    }
    text.push('.');
    text
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}
