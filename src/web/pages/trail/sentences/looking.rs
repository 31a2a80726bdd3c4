//! Who looked at customers, searched, or read with a key.

use crate::reports::page::words::{counted, words};

use super::{Body, Said, about, plain, records};

/// What an event of looking says.
pub(super) fn said(kind: &str, body: &Body<'_>) -> Option<Said> {
    let who = reader(body);
    Some(plain(match kind {
        "search.made" => format!("{who} searched by {}.", words(body.text("kind")).to_lowercase()),
        "key.read" => read_by_key(body),
        "access.redirected" => {
            let (asked, addresses) =
                (body.counted("counted", "page was", "pages were"), body.counted("addresses", "address", "addresses"));
            format!("{asked} asked for without a session, from {addresses}: whoever asked was shown the way in.")
        }
        "customer.viewed" if body.fields["list"] == "holds" => {
            format!("{who} read the list of {}.", body.counted("holds", "hold", "holds"))
        }
        "customer.viewed" if body.fields["list"].is_string() => {
            format!("{who} read a list of {}.", body.counted("alerts", "alert", "alerts"))
        }
        "customer.viewed" if body.fields["record"].is_i64() => {
            return about(format!("{who} looked at a record."), records::page(body));
        }
        "customer.viewed" => return about(format!("{who} looked at {}.", looked_at(body)), body.account()),
        _ => return None,
    }))
}

/// Who looked: without a session or a key it was a command.
pub(super) fn reader(body: &Body<'_>) -> String {
    match (body.fields["user"].is_i64(), body.fields["key"].as_i64()) {
        (true, _) => body.user(),
        (_, Some(key)) => format!("The key of event {key}"),
        _ => "A command".to_owned(),
    }
}

fn looked_at(body: &Body<'_>) -> String {
    let fields = ["entry", "alert", "context", "record", "account"];
    let found = fields.iter().find_map(|field| Some((*field, body.fields[*field].as_i64()?)));
    found.map_or_else(|| "a customer".to_owned(), |(field, id)| format!("{field} {id}"))
}

fn read_by_key(body: &Body<'_>) -> String {
    let list = |field: &str| body.fields[field].as_array().map_or(0, |list| list.len() as i64);
    let key = body.fields["key"].as_i64().map_or_else(|| "Further keys".to_owned(), |key| format!("The key of event {key}"));
    let reads = body.counted("counted", "time", "times");
    let (accounts, records) = (counted(list("accounts"), "account", "accounts"), counted(list("records"), "record", "records"));
    let unlisted = match body.number("unlisted") {
        0 => String::new(),
        n => format!(", and others {}", counted(n, "time", "times")),
    };
    format!("{key} read over the interface {reads} within a minute: {accounts} and {records}{unlisted}.")
}
