//! The trail: how large the log is, how far it was verified, and what happened last.

use actix_web::web;
use serde::Deserialize;
use serde_json::Value;

use crate::access::Permission;
use crate::clock::Moment;
use crate::db::Conn;
use crate::ids::Seq;
use crate::reports::page::words::{LocalTime, count, counted, fact, mono, tag, words};
use crate::trail::store::{self, EventRow, JobRow, LogState};

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::views::{Empty, Fact, Pager, Tag, Tile, TrailEventRow, TrailPage};

/// Events of one page.
const PAGE: i64 = 50;
/// Characters of a summary; the event itself holds the rest.
const SUMMARY_CHARS: usize = 220;

/// Where the list of events begins.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    before: Option<Seq>,
}

struct Shown {
    state: LogState,
    verify: Option<JobRow>,
    tiles: i64,
    events: Vec<EventRow>,
}

fn read(conn: &mut Conn, before: Option<Seq>, events: bool) -> Result<Shown, Trouble> {
    let state = store::state(conn)?.ok_or(Trouble::NotWriting)?;
    let events = if events { store::events_newest(conn, before, PAGE + 1)? } else { Vec::new() };
    Ok(Shown { verify: store::job(conn, "verify")?, tiles: store::tile_count(conn)?, state, events })
}

/// `GET /trail`
pub(super) async fn show(desk: Desk, asked: web::Query<Asked>) -> Page {
    let (before, may) = (asked.before, desk.may(Permission::ReadTrail));
    let mut shown = desk.read(move |conn| read(conn, before, may)).await?;
    let more = shown.events.len() > PAGE as usize;
    shown.events.truncate(PAGE as usize);
    let time = desk.time();
    let verified = Verified::of(shown.verify.as_ref());
    let page = TrailPage {
        chrome: desk.chrome("Trail"),
        summary: format!("{} recorded, none ever changed or removed.", counted(shown.state.size, "leaf", "leaves")),
        tiles: tiles(&shown, &verified, time),
        log: log(&shown.state, time),
        verification: verified.facts(time),
        verified: verified.tag(),
        checkpoint: vec![fact("Signed checkpoints", "None yet: this program version signs none")],
        note: None,
        anchors: Vec::new(),
        anchors_empty: nothing_outside(),
        pager: pager(&shown, before, more, may),
        events: shown.events.iter().map(|event| row(event, time)).collect(),
    };
    desk.show(&page)
}

fn nothing_outside() -> Empty {
    let text = "No checkpoint has come back from outside. Whoever controls this machine could rewrite the log unseen; \
        note the size and root above somewhere else.";
    Empty { title: "Nothing is held outside yet".to_owned(), text: text.to_owned(), action: None }
}

fn tiles(shown: &Shown, verified: &Verified, time: LocalTime) -> Vec<Tile> {
    let tile =
        |label: &str, value: String, note: String| Tile { label: label.to_owned(), values: vec![value], note, ..Tile::default() };
    let newest = format!("newest {}", time.second(Moment(shown.state.recorded_at)));
    let to = verified.size.map_or_else(|| "Never".to_owned(), count);
    let behind = verified.size.map_or_else(
        || "run counterfoil verify".to_owned(),
        |size| format!("{} since", counted(shown.state.size - size, "leaf", "leaves")),
    );
    vec![
        tile("Leaves", count(shown.state.size), newest),
        tile("Verified up to", to, behind),
        tile("Tiles stored", count(shown.tiles), "of 256 hashes each".to_owned()),
        tile("Writer's epoch", count(shown.state.epoch), "one more at each start".to_owned()),
    ]
}

fn log(state: &LogState, time: LocalTime) -> Vec<Fact> {
    vec![
        mono("Origin", state.origin.clone()),
        fact("Size", count(state.size)),
        mono("Root", hex::encode(&state.root)),
        fact("Newest leaf recorded", time.second(Moment(state.recorded_at))),
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

    fn facts(&self, time: LocalTime) -> Vec<Fact> {
        let Some(at) = self.at else {
            let text = "Not yet. The command counterfoil verify reads the whole log and everything that follows from it.";
            return vec![fact("Last run", text)];
        };
        let mut facts = vec![fact("Last run", time.second(at))];
        facts.extend(self.size.map(|size| fact("Up to size", count(size))));
        facts.extend(self.findings.map(|n| fact("Findings", count(n))));
        facts
    }
}

fn pager(shown: &Shown, before: Option<Seq>, more: bool, may: bool) -> Pager {
    if !may {
        return Pager { shown: "Your role does not read the log's events.".to_owned(), ..Pager::default() };
    }
    Pager {
        shown: counted(shown.events.len() as i64, "event on this page", "events on this page"),
        first: before.map(|_| "/trail#events".to_owned()),
        next: shown.events.last().filter(|_| more).map(|event| format!("/trail?before={}#events", event.seq)),
    }
}

fn row(event: &EventRow, time: LocalTime) -> TrailEventRow {
    TrailEventRow {
        seq: event.seq.to_string(),
        at: time.second(Moment(event.recorded_at)),
        kind: event.kind.clone(),
        summary: summary(&event.body),
    }
}

/// The public fields of an event in words; what is private is not read at all.
fn summary(body: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(body) else { return String::new() };
    let said: Vec<String> =
        fields.iter().filter_map(|(name, value)| Some(format!("{}: {}", words(name), plain(value)?))).collect();
    let text = said.join(" · ");
    if text.chars().count() <= SUMMARY_CHARS {
        return text;
    }
    format!("{}\u{2026}", text.chars().take(SUMMARY_CHARS).collect::<String>())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
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
        assert_eq!(summary(body), "Ref: ALR-2026-000001 · Scopes: read, entries:write · Parts: \u{2026}");
        assert_eq!(summary("[]"), "");
        assert!(summary(&format!(r#"{{"text":"{}"}}"#, "x".repeat(500))).chars().count() <= SUMMARY_CHARS + 1);
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
