//! What an event says, as one sentence. Only its public fields are read; what is private is not.

mod acts;
mod approvals;
mod control;
mod keys;
mod looking;
mod mail;
mod privacy;
mod records;

use std::collections::HashMap;

use serde_json::Value;

use crate::ids::Seq;
use crate::reports::page::words::{count, counted, link, rule_title, words};

use super::super::views::Link;

/// Names that sentences use instead of numbers.
#[derive(Default)]
pub(super) struct Names {
    /// Users' addresses by their ids.
    pub users: HashMap<Seq, String>,
    /// Sources' names by their ids.
    pub sources: HashMap<Seq, String>,
}

/// An event in words, and the page it is about.
pub(super) struct Said {
    pub text: String,
    pub about: Option<Link>,
}

/// A body with the names for its numbers.
struct Body<'a> {
    fields: &'a Value,
    names: &'a Names,
}

impl Body<'_> {
    fn number(&self, field: &str) -> i64 {
        self.fields[field].as_i64().unwrap_or_default()
    }

    fn counted(&self, field: &str, one: &str, many: &str) -> String {
        counted(self.number(field), one, many)
    }

    fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or("?")
    }

    fn user(&self) -> String {
        self.named("user", &self.names.users, "Nobody signed in")
    }

    fn source(&self) -> String {
        self.named("source", &self.names.sources, "an unknown source")
    }

    fn named(&self, field: &str, names: &HashMap<Seq, String>, none: &str) -> String {
        let id = self.fields[field].as_i64();
        id.map_or_else(|| none.to_owned(), |id| names.get(&id).cloned().unwrap_or_else(|| format!("number {id}")))
    }

    fn alert(&self) -> Option<Link> {
        let reference = self.fields["ref"].as_str()?;
        Some(link(reference, format!("/alerts/{reference}")))
    }

    fn account(&self) -> Option<Link> {
        Some(link("Account", format!("/accounts/{}", self.fields["account"].as_i64()?)))
    }

    fn report(&self) -> Option<Link> {
        let date = self.fields["date"].as_str()?;
        Some(link("Report", format!("/reports/{date}?version={}", self.number("version"))))
    }
}

/// The event in one sentence. A kind this program does not know is named, and nothing is made up.
pub(super) fn said(kind: &str, body: &str, names: &Names) -> Said {
    let fields: Value = serde_json::from_str(body).unwrap_or_default();
    let body = Body { fields: &fields, names };
    let of = [
        people,
        log,
        entries,
        alerts,
        reports,
        acts::said,
        control::said,
        approvals::said,
        keys::said,
        looking::said,
        mail::said,
        privacy::said,
        records::said,
    ]
    .iter()
    .find_map(|room| room(kind, &body));
    of.unwrap_or_else(|| plain(format!("An event of kind {kind}.")))
}

fn plain(text: String) -> Said {
    Said { text, about: None }
}

fn about(text: String, about: Option<Link>) -> Option<Said> {
    Some(Said { text, about })
}

/// Who came in, who was refused, users and keys.
fn people(kind: &str, body: &Body<'_>) -> Option<Said> {
    let user = body.user();
    Some(plain(match kind {
        "session.opened" => format!("{user} signed in."),
        "session.closed" => format!("{user} {}.", ended(body.text("reason"))),
        "session.refused" if body.fields["counted"].is_i64() => flood(body, "sign-in was refused", "sign-ins were refused"),
        "session.refused" if body.text("door") == "command" => {
            format!("On the command line the password of {} was refused: {}.", known(body), refused(body.text("outcome")))
        }
        "session.refused" => format!("A sign-in as {} was refused: {}.", known(body), refused(body.text("outcome"))),
        "access.denied" if body.fields["counted"].is_i64() => flood(body, "request was refused", "requests were refused"),
        "access.denied" => format!("{} was refused {}: {}.", asker(body), body.text("what"), denied(body.text("reason"))),
        "user.added" => format!("A user was added with the role {}.", body.text("role")),
        "user.reset" => format!("{user} got another password; {} ended.", body.counted("sessions_ended", "session", "sessions")),
        "user.disabled" => format!("{user} was disabled; {} ended.", body.counted("sessions_ended", "session", "sessions")),
        "key.issued" => {
            let again = if body.fields["replaces"].is_i64() { ", in place of another" } else { "" };
            format!(
                "Key cf_{} of source {} was issued{again}; it may {}.",
                body.text("prefix"),
                body.source(),
                body.text("scopes")
            )
        }
        "key.revoked" => format!("Key cf_{} was revoked.", body.text("prefix")),
        "source.defined" => format!("Source {} was made.", body.text("name")),
        _ => return None,
    }))
}

fn flood(body: &Body<'_>, one: &str, many: &str) -> String {
    let addresses = body.counted("addresses", "address", "addresses");
    format!("{} within a minute beyond those listed, from {addresses}.", body.counted("counted", one, many))
}

fn known(body: &Body<'_>) -> String {
    if body.fields["user"].is_i64() { body.user() } else { "somebody unknown".to_owned() }
}

fn asker(body: &Body<'_>) -> String {
    match (body.fields["user"].is_i64(), body.fields["key"].as_i64()) {
        (true, _) => body.user(),
        (_, Some(key)) => format!("The key of event {key}"),
        _ => "Somebody without session or key".to_owned(),
    }
}

fn ended(reason: &str) -> &'static str {
    match reason {
        "signed_out" => "signed out",
        "displaced" => "signed in once more, which ended the oldest session",
        "replaced" => "signed in again, which ended the session before",
        _ => "has no longer a session",
    }
}

fn refused(outcome: &str) -> &'static str {
    match outcome {
        "unknown" => "there is no such user",
        "wrong_password" => "the password was wrong",
        "disabled" => "the user is disabled",
        "throttled" | "locked" => "there were too many attempts before",
        _ => "for a reason this program does not know",
    }
}

fn denied(reason: &str) -> &'static str {
    match reason {
        "role" => "the role does not allow it",
        "scope" => "the key lacks the scope",
        "no_key" | "not_signed_in" => "nobody was named",
        "key_unknown" => "the key is not known or was revoked",
        "form_token" => "the form had expired",
        "cross_site" => "the request came from another site",
        "other_source" => "it belongs to another source",
        "report_of_all_sources" => "the report covers every source",
        "report_of_sealed_values" => "the report's counts tell of sealed values",
        _ => "for a reason this program does not know",
    }
}

/// The log itself, and what runs.
fn log(kind: &str, body: &Body<'_>) -> Option<Said> {
    Some(plain(match kind {
        "log.created" => "The log was created.".to_owned(),
        "program.started" => {
            let schema = body.fields["schema"].as_str().map_or_else(String::new, |schema| format!(", on the schema {schema}"));
            let silent = body.fields["silent_since"].as_str().map_or_else(String::new, |since| {
                let since = since.get(..19).unwrap_or(since).replace('T', " ");
                format!(" The one before had not stopped in good order: nothing was recorded from {since} UTC until now.")
            });
            format!("The program started, version {}{schema}.{silent}", body.text("version"))
        }
        "program.stopped" => "The program stopped in good order.".to_owned(),
        "log.verified" if body.fields["ok"] == true => format!("The log was verified up to {}: everything holds.", leaves(body)),
        "log.verified" => format!("The log was verified up to {}: something does not hold.", leaves(body)),
        "program.heartbeat" => "The writer is there.".to_owned(),
        "anchor.returned" => format!("A checkpoint of {} came back {}: consistent.", leaves(body), how(body)),
        "anchor.contradicted" => {
            format!(
                "A checkpoint of {} came back {}, and the log does not hold it: {}.",
                leaves(body),
                how(body),
                body.text("why")
            )
        }
        "anchor.refused" => format!("What came back {} is no checkpoint of this log.", how(body)),
        "ruleset.defined" => format!("Rule set version {} came into force.", body.number("version")),
        "archive.made" => {
            let private = if body.fields["private"] == true { ", with private parts" } else { "" };
            format!("An archive of the leaves {} to {} was made{private}.", body.number("from"), body.number("to") - 1)
        }
        "export.made" => {
            let from = [("from", "from"), ("to", "to")]
                .iter()
                .filter_map(|(field, word)| Some(format!(" {word} {}", body.fields[*field].as_str()?)));
            let from: String = from.collect();
            format!("An export of {}{from} was made: {}.", body.text("what"), body.counted("rows", "row", "rows"))
        }
        _ => return None,
    }))
}

fn leaves(body: &Body<'_>) -> String {
    body.counted("size", "leaf", "leaves")
}

fn how(body: &Body<'_>) -> &'static str {
    match body.text("how") {
        "witness" => "signed by a witness",
        "file" => "in anchor.file",
        _ => "with an officer",
    }
}

/// Entries on their way in.
fn entries(kind: &str, body: &Body<'_>) -> Option<Said> {
    let source = body.source();
    Some(plain(match kind {
        "account.defined" => {
            return about(format!("Source {source} sent the first entry of an account in {}.", body.text("currency")), None);
        }
        "context.defined" => format!("Source {source} sent the first entry from a session or address."),
        "delivery.defined" => format!("A delivery of source {source} began, by {}.", body.text("kind")),
        "entries.refused" => {
            let flood = if body.fields["counted_only"] == true { " in a flood" } else { "" };
            let codes =
                body.fields["codes"].as_object().map(|codes| codes.keys().map(|code| words(code).to_lowercase()).collect());
            let codes: Vec<String> = codes.unwrap_or_default();
            format!("{} of source {source} refused{flood}: {}.", body.counted("rows", "row was", "rows were"), codes.join(", "))
        }
        "states.rejected" => "A stored account state was not what the log says: all were read again from the entries.".to_owned(),
        "queue.full" => {
            let sent = body.counted("requests", "request", "requests");
            format!("The queue was full from {} to {}: {sent} told to come again.", body.text("from"), body.text("to"))
        }
        "feed.closed" => format!("Source {source} closed its day {}.", body.text("business_date")),
        "import.started" => format!("An import for source {source} began."),
        "import.finished" => {
            let (read, recorded) = (body.counted("read", "row", "rows"), body.counted("recorded", "entry", "entries"));
            format!(
                "An import for source {source} finished: {read} read, {recorded} recorded, {} rejected.",
                count(body.number("rejected"))
            )
        }
        _ => return None,
    }))
}

fn alerts(kind: &str, body: &Body<'_>) -> Option<Said> {
    let text = match kind {
        "alert.opened" => {
            format!("An alert of severity {} was raised by {}.", body.text("severity"), rule_title(body.text("rule")))
        }
        "alert.joined" => "Further breaks joined an open alert.".to_owned(),
        "alert.closed" => {
            format!("{} closed an alert: {}.", body.user(), words(body.text("disposition")).to_lowercase())
        }
        "alert.close_refused" => {
            format!("{} tried to close an alert and was refused: {}.", body.user(), words(body.text("code")).to_lowercase())
        }
        _ => return None,
    };
    about(text, body.alert())
}

fn reports(kind: &str, body: &Body<'_>) -> Option<Said> {
    let (date, version) = (body.text("date"), body.number("version"));
    let text = match kind {
        "heads.committed" => {
            let accounts = body.counted("accounts", "account", "accounts");
            return Some(plain(format!(
                "The last entry of each of {accounts} at the close of {} was committed to.",
                body.text("business_date")
            )));
        }
        "report.by_user" => {
            let how = match body.text("format") {
                "page" => "looked at".to_owned(),
                format => format!("took {format} of"),
            };
            let (from, through) = (body.text("from"), body.text("through"));
            return Some(plain(format!("{} {how} accesses and changes by user, {from} to {through}.", asker(body))));
        }
        "report.stored" => format!("The report of {date} was stored as version {version}, {}.", body.text("status")),
        "report.computed" => format!("The report of {date} was computed again; version {version} still stands."),
        "report.read" => {
            let how = match body.text("format") {
                "page" => "looked at".to_owned(),
                format => format!("took {format} of"),
            };
            let which = if version == 0 { "a preview".to_owned() } else { format!("version {version}") };
            format!("{} {how} the report of {date}, {which}.", looking::reader(body))
        }
        _ => return None,
    };
    about(text, body.report())
}

#[cfg(test)]
mod tests;
