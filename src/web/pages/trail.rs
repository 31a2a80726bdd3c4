//! The trail: how large the log is, how far it was verified, and what happened last.

use std::collections::HashMap;

use actix_web::web;
use serde::Deserialize;
use serde_json::Value;

use crate::access::{Permission, users};
use crate::clock::Moment;
use crate::db::Conn;
use crate::ids::Seq;
use crate::reports::page::words::{LocalTime, count, counted, fact, link, mono, tag, words};
use crate::trail::store::{self, EventRow, JobRow, LogState};

use super::checkpoints::{self, Held};
use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::views::{Fact, Link, Pager, Tag, Tile, TrailEventRow, TrailPage};

/// Events of one page.
const PAGE: i64 = 50;
/// Characters of a summary; the event itself holds the rest.
const SUMMARY_CHARS: usize = 220;

/// Where the list of events begins.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    before: Option<Seq>,
    /// `all`: definitions of accounts, sessions and deliveries too.
    kinds: String,
}

/// Made by the thousand while entries are recorded; left out unless asked for.
const DEFINITIONS: [&str; 4] = ["account.defined", "context.defined", "delivery.defined", "program.heartbeat"];

struct Shown {
    state: LogState,
    verify: Option<JobRow>,
    tiles: i64,
    held: Held,
    events: Vec<EventRow>,
    users: HashMap<Seq, String>,
}

fn read(conn: &mut Conn, before: Option<Seq>, events: bool, all: bool) -> Result<Shown, Trouble> {
    let state = store::state(conn)?.ok_or(Trouble::NotWriting)?;
    let without: &[&str] = if all { &[] } else { &DEFINITIONS };
    let (events, users) = match events {
        true => (store::events_without(conn, without, before, PAGE + 1)?, users::list(conn)?),
        false => (Vec::new(), Vec::new()),
    };
    let users = users.into_iter().map(|user| (user.id, user.email)).collect();
    Ok(Shown {
        users,
        verify: store::job(conn, "verify")?,
        tiles: store::tile_count(conn)?,
        held: Held::read(conn)?,
        state,
        events,
    })
}

/// `GET /trail`
pub(super) async fn show(desk: Desk, asked: web::Query<Asked>) -> Page {
    let (before, may, all) = (asked.before, desk.may(Permission::ReadTrail), asked.kinds == "all");
    let mut shown = desk.read(move |conn| read(conn, before, may, all)).await?;
    let more = shown.events.len() > PAGE as usize;
    shown.events.truncate(PAGE as usize);
    let time = desk.time();
    let verified = Verified::of(shown.verify.as_ref());
    let page = TrailPage {
        chrome: desk.chrome("Trail"),
        summary: format!("{} recorded. {}", counted(shown.state.size, "leaf", "leaves"), verified.sentence()),
        tiles: tiles(&shown, &verified, time, (desk.now(), desk.app.config.anchor.max_age_hours)),
        log: log(&shown.state, shown.tiles, time),
        verification: verified.facts(time),
        verified: verified.tag(),
        key: vec![mono("Verifier key", desk.app.signer.verifier().to_string())],
        checkpoint: shown.held.facts(time),
        note: shown.held.note(),
        anchors: shown.held.rows(time),
        anchors_empty: checkpoints::nothing_outside(),
        may_bring_back: may,
        pager: pager(&shown, before, more, may, all),
        events: shown.events.iter().map(|event| row(event, &shown.users, time)).collect(),
        other: may.then(|| other(all)),
    };
    desk.show(&page)
}

fn tiles(shown: &Shown, verified: &Verified, time: LocalTime, (now, hours): (Moment, u32)) -> Vec<Tile> {
    let tile =
        |label: &str, value: String, note: String| Tile { label: label.to_owned(), values: vec![value], note, ..Tile::default() };
    let newest = format!("newest {}", time.second(Moment(shown.state.recorded_at)));
    let to = verified.size.map_or_else(|| "Never".to_owned(), count);
    let behind = verified.size.map_or_else(
        || "it runs every night".to_owned(),
        |size| format!("{} since", counted(shown.state.size - size, "leaf", "leaves")),
    );
    vec![
        tile("Leaves", count(shown.state.size), newest),
        tile("Verified up to", to, behind),
        shown.held.tile(now, hours, time),
        tile("Writer's epoch", count(shown.state.epoch), "one more at each start".to_owned()),
    ]
}

fn log(state: &LogState, tiles: i64, time: LocalTime) -> Vec<Fact> {
    vec![
        mono("Origin", state.origin.clone()),
        fact("Size", count(state.size)),
        mono("Root", hex::encode(&state.root)),
        fact("Newest leaf recorded", time.second(Moment(state.recorded_at))),
        fact("Full tiles stored", count(tiles)),
    ]
}

/// What the last full verification left.
#[derive(Debug, Default)]
struct Verified {
    at: Option<Moment>,
    size: Option<i64>,
    ok: Option<bool>,
    findings: Option<i64>,
}

impl Verified {
    fn of(job: Option<&JobRow>) -> Verified {
        let Some(job) = job else { return Verified::default() };
        let outcome: Value = job.outcome.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let findings = match &outcome["findings"] {
            Value::Array(list) => i64::try_from(list.len()).ok(),
            number => number.as_i64(),
        };
        let at = job.finished_at.map(Moment);
        Verified { at, size: outcome["size"].as_i64(), ok: outcome["ok"].as_bool(), findings }
    }

    fn tag(&self) -> Tag {
        match (self.ok, self.at) {
            (Some(true), _) => tag("Clean", "good"),
            (Some(false), _) => tag("Findings", "bad"),
            (None, Some(_)) => tag("Unreadable", "warn"),
            (None, None) => tag("Never run", "warn"),
        }
    }

    fn sentence(&self) -> String {
        match (self.ok, self.size) {
            (Some(true), Some(size)) => format!("The first {} were verified and are as they were recorded.", count(size)),
            (Some(false), _) => "The last verification has findings: see counterfoil verify.".to_owned(),
            _ => "They have not been verified yet.".to_owned(),
        }
    }

    fn facts(&self, time: LocalTime) -> Vec<Fact> {
        let Some(at) = self.at else {
            let text = "Not yet. It runs every night after the reports, over the whole log and all that follows from it; \
                counterfoil verify does the same at any time.";
            return vec![fact("Last run", text)];
        };
        let mut facts = vec![fact("Last run", time.second(at))];
        facts.extend(self.size.map(|size| fact("Up to size", count(size))));
        facts.extend(self.findings.map(|n| fact("Findings", count(n))));
        facts
    }
}

/// The list with the definitions, or without.
fn other(all: bool) -> Link {
    match all {
        true => link("Leave definitions out", "/trail#events"),
        false => link("With definitions of accounts, sessions and deliveries", "/trail?kinds=all#events"),
    }
}

fn pager(shown: &Shown, before: Option<Seq>, more: bool, may: bool, all: bool) -> Pager {
    let kinds = if all { "kinds=all" } else { "" };
    if !may {
        return Pager { shown: "Your role does not read the log's events.".to_owned(), ..Pager::default() };
    }
    Pager {
        shown: counted(shown.events.len() as i64, "event on this page", "events on this page"),
        first: before.map(|_| format!("/trail?{kinds}#events")),
        next: shown.events.last().filter(|_| more).map(|event| format!("/trail?before={}&{kinds}#events", event.seq)),
    }
}

fn row(event: &EventRow, users: &HashMap<Seq, String>, time: LocalTime) -> TrailEventRow {
    TrailEventRow {
        seq: event.seq.to_string(),
        at: time.second(Moment(event.recorded_at)),
        kind: event.kind.clone(),
        summary: summary(&event.body, users),
    }
}

/// The public fields of an event in words; what is private is not read at all. A user's number
/// is told as their name.
fn summary(body: &str, users: &HashMap<Seq, String>) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(body) else { return String::new() };
    let field = |(name, value): (&String, &Value)| {
        let user = value.as_i64().filter(|_| name == "user").and_then(|id| users.get(&id).cloned());
        Some(format!("{}: {}", words(name), user.or_else(|| plain(value))?))
    };
    let text = fields.iter().filter_map(field).collect::<Vec<_>>().join(" · ");
    if text.chars().count() <= SUMMARY_CHARS {
        return text;
    }
    format!("{}\u{2026}", text.chars().take(SUMMARY_CHARS).collect::<String>())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        // A digest is recognised by its beginning; the event holds all of it.
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some(format!("{}\u{2026}", &text[..12]))
        }
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => Some(list.iter().filter_map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => Some("\u{2026}".to_owned()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_by_its_public_fields() {
        let body = r#"{"ref":"ALR-2026-000001","previous":null,"scopes":["read","entries:write"],"parts":{"a":1}}"#;
        let users = HashMap::from([(3, "ada@bank.example".to_owned())]);
        assert_eq!(summary(body, &users), "Ref: ALR-2026-000001 · Scopes: read, entries:write · Parts: \u{2026}");
        assert_eq!(summary("[]", &users), "");
        assert_eq!(summary(r#"{"user":3}"#, &users), "User: ada@bank.example");
        let digest = format!(r#"{{"root":"{}"}}"#, "ab".repeat(32));
        assert_eq!(summary(&digest, &users), "Root: abababababab\u{2026}");
        assert!(summary(&format!(r#"{{"text":"{}"}}"#, "x".repeat(500)), &users).chars().count() <= SUMMARY_CHARS + 1);
    }

    #[test]
    fn a_verification_is_only_clean_if_it_says_so() {
        let job = |outcome: &str| JobRow {
            name: "verify".to_owned(),
            started_at: 0,
            finished_at: Some(1),
            outcome: Some(outcome.to_owned()),
        };
        assert_eq!(Verified::of(Some(&job(r#"{"ok":true,"size":9,"findings":[]}"#))).tag().word, "Clean");
        assert_eq!(Verified::of(Some(&job(r#"{"ok":false,"findings":2}"#))).tag().word, "Findings");
        assert_eq!(Verified::of(Some(&job("?"))).tag().word, "Unreadable");
        assert_eq!(Verified::of(None).tag().word, "Never run");
    }
}
