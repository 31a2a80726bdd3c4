//! Control settings: what a reader of the reports relies on. A start says them, and compares them with
//! those of the start before: what differs is an event, and mail to whoever received mail until then.
//!
//! Public: what is about no person. Private: addresses and places. Of a secret only a keyed digest is
//! kept, so that it shows that it changed and nothing else.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::db::{Address, Conn, DbError, DbResult};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::notify::MailKind;
use crate::notify::store::{owe, owed_rows, promising};
use crate::trail::store::{self, EventRow};
use crate::trail::{ActError, ActTx, NewEvent};

use super::session_key;

/// The event of a start.
pub(super) const STARTED: &str = "program.started";
/// The kind of the event of a stop in good order.
pub(super) const STOPPED: &str = "program.stopped";
/// Bytes of a value that is kept as it is; of a longer one its digest.
const VALUE_MAX: usize = 1_000;
/// Bytes of each half that are kept key by key; of a larger one its digest.
const HALF_MAX: usize = 6 * 1024;
/// Names listed in the event of a change; the rest is counted.
const CHANGED_MAX: usize = 100;
/// Stands for all of a half that is too large.
const ALL: &str = "settings";

/// What a start says of its control settings, by name.
pub(super) struct Control {
    pub public: Value,
    pub private: Value,
}

impl Control {
    /// Of these settings.
    pub fn of(config: &Config, address: &Address, clock: &Clock) -> DbResult<Control> {
        let (mail, anchor, server) = (&config.mail, &config.anchor, &config.server);
        let (relay, password) = without_password(&mail.url);
        let public = [
            ("report.at", json!(config.report.at)),
            ("report.catch_up", json!(config.report.catch_up)),
            ("mail.attempts", json!(mail.attempts)),
            ("anchor.max_age_hours", json!(anchor.max_age_hours)),
            ("anchor.public_tiles", json!(anchor.public_tiles)),
            ("privacy.statutory_years", json!(config.privacy.statutory_years)),
            ("retention", json!(config.retention)),
            ("database.roles", json!(config.database.roles)),
            ("limits.queue_entries", json!(config.limits.queue_entries)),
        ];
        let receivers = config.forward.iter().map(|to| json!([to.name, without_password(&to.url).0, to.format, to.entries]));
        let mut private = vec![
            ("forward", receivers.collect()),
            ("mail.url", json!(relay)),
            ("mail.from", json!(mail.from)),
            ("mail.alerts_to", json!(mail.alerts_to)),
            ("mail.reports_to", json!(mail.reports_to)),
            ("anchor.file", json!(anchor.file)),
            ("anchor.mail_to", json!(anchor.mail_to)),
            ("anchor.witness", json!(anchor.witness)),
            ("server.public_url", json!(server.public_url)),
            ("server.trusted_proxies", json!(server.trusted_proxies)),
        ];
        if !config.capture.is_empty() {
            private.push(("capture", json!(config.capture)));
        }
        let secrets =
            [("mail.url (password)", password), ("keys.log", config.keys.log.as_str()), ("keys.master", &config.keys.master)];
        if secrets.iter().any(|(_, secret)| !secret.is_empty()) {
            let key = session_key::file_key(config, address, clock, "settings.key", "changed secrets")?;
            let digest = |secret: &str| json!(session_key::keyed_digest(&key, "setting", secret));
            private.extend(secrets.iter().filter(|(_, s)| !s.is_empty()).map(|(name, secret)| (*name, digest(secret))));
        }
        Ok(Control { public: half(public), private: half(private) })
    }
}

/// The SHA-256 of the running program, in hex; read once. `None` where the system does not show it.
pub(super) fn binary() -> Option<&'static str> {
    static DIGEST: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        // The file this process was made of, though another may lie in its place by now.
        let mut file = std::fs::File::open("/proc/self/exe").ok()?;
        let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer).ok()? {
                0 => return Some(hex::encode(digest.finalize())),
                n => digest.update(&buffer[..n]),
            }
        }
    };
    DIGEST.get_or_init(read).as_deref()
}

/// The start before this one, with its private part as long as that is there.
pub(super) fn last_start(conn: &mut Conn) -> DbResult<Option<(EventRow, Option<Value>)>> {
    let Some(row) = store::events_of(conn, &[STARTED], None, 1)?.pop() else { return Ok(None) };
    let part = store::event_parts_between(conn, row.seq, row.seq + 1)?.pop();
    Ok(Some((row, part.and_then(|part| serde_json::from_str(&part.body).ok()))))
}

/// When the log was written last, in UTC, if the program before had not stopped in good order (or another took the log
/// from it): from then on to this start nothing was recorded.
pub(super) fn silent_since(conn: &mut Conn, recorded_at: i64) -> DbResult<Option<String>> {
    let last = store::events_of(conn, &[STARTED, STOPPED], None, 1)?.pop();
    Ok(last.filter(|event| event.kind == STARTED).map(|_| Moment(recorded_at).to_string()))
}

/// Appends what differs between two starts, and owes the mail about it.
pub(super) fn note_changes(
    tx: &mut ActTx<'_>,
    before: Option<(EventRow, Option<Value>)>,
    start: Seq,
    now: &NewEvent,
) -> Result<(), ActError> {
    let Some((row, part)) = before else { return Ok(()) };
    let body: Value = serde_json::from_str(&row.body).map_err(|e| DbError::Corrupt(format!("event {}: {e}", row.seq)))?;
    if body["control"].is_null() {
        // Of a program that did not say them yet.
        return Ok(());
    }
    let (old, new) = (flat(&body), flat(&now.body));
    let mut changed = differing(&old, &new);
    let mut values: Map<String, Value> = Map::new();
    for name in changed.iter().take(CHANGED_MAX) {
        values.insert(name.clone(), json!([old.get(name), new.get(name)]));
    }
    let mut hidden = Map::new();
    let private = now.private.as_ref().map_or(Value::Null, |private| private["control"].clone());
    if let Some(part) = &part {
        let (old, new) = (fields(&part["control"]), fields(&private));
        let names = differing(&old, &new);
        for name in &names {
            hidden.insert(name.clone(), json!([old.get(name), new.get(name)]));
        }
        changed.extend(names);
    }
    if changed.is_empty() {
        return Ok(());
    }
    let count = changed.len();
    changed.truncate(CHANGED_MAX);
    let to = recipients(part.as_ref().map_or(&private, |part| &part["control"]));
    let body = json!({ "start": start, "before": row.seq, "changed": changed, "count": count, "values": values });
    let event = promising("settings.changed", body, Some(json!({ "values": hidden })), &to);
    let seq = tx.append(event)?;
    let rows = owed_rows(MailKind::Notice, seq, &to, Severity::Medium, tx.now());
    owe(tx.conn, &rows)?;
    Ok(())
}

/// Whoever received mail by these settings, each once.
fn recipients(control: &Value) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in ["mail.alerts_to", "mail.reports_to", "anchor.mail_to"] {
        for address in control[name].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !all.iter().any(|known| known == address) {
                all.push(address.to_owned());
            }
        }
    }
    all
}

/// Everything public of a start, by name: the program, the settings that decide, and the rest.
fn flat(body: &Value) -> BTreeMap<String, Value> {
    let mut all = fields(&body["control"]);
    all.insert("program".into(), json!([body["version"], body["binary"]]));
    let settings = &body["settings"];
    for section in ["bank", "continuity"] {
        all.extend(settings[section].as_object().into_iter().flatten().map(|(k, v)| (format!("{section}.{k}"), short(v))));
    }
    for source in settings["source"].as_array().into_iter().flatten() {
        all.insert(format!("source.{}", source["name"].as_str().unwrap_or("?")), short(source));
    }
    if !settings["sha256"].is_null() {
        all.insert(ALL.into(), settings["sha256"].clone());
    }
    all
}

fn fields(value: &Value) -> BTreeMap<String, Value> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn differing(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Vec<String> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}

fn half(values: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let map: Map<String, Value> = values.into_iter().map(|(name, value)| (name.to_owned(), short(&value))).collect();
    let text = Value::Object(map.clone()).to_string();
    if text.len() <= HALF_MAX { Value::Object(map) } else { json!({ (ALL): digest_of(&text) }) }
}

fn short(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= VALUE_MAX { value.clone() } else { json!(digest_of(&text)) }
}

fn digest_of(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

/// A relay's address without the password in it, and the password.
fn without_password(url: &str) -> (String, &str) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), "") };
    let Some((user, host)) = rest.rsplit_once('@') else { return (url.to_owned(), "") };
    match user.split_once(':') {
        Some((name, password)) => (format!("{scheme}://{name}@{host}"), password),
        None => (url.to_owned(), ""),
    }
}

#[cfg(test)]
mod tests;
