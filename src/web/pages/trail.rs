//! The trail: how large the log is, how far it was verified, and what happened last.

mod sentences;

use actix_web::HttpRequest;
use serde_json::Value;

use crate::access::{Permission, users};
use crate::app::App;
use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::forward::{self, Standing};
use crate::ids::Seq;
use crate::ledger::store::sources;
use crate::notify::letters;
use crate::reports::page::words::{LocalTime, count, counted, fact, link, mono, tag};
use crate::trail::anchor_age::AnchorAge;
use crate::trail::contradicted::{self, Contradicted};
use crate::trail::generations::Origins;
use crate::trail::refusing::{Refusing, refusing};
use crate::trail::store::{self, EventRow, JobRow, LogState, RotationRow};

use super::checkpoints::{self, Held};
use super::private::Private;
use crate::web::params::{Params, place};
use crate::web::problem::Problem;

use self::sentences::Names;

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::views::{Fact, Link, Pager, Tag, Tile, TrailEventRow, TrailPage};

/// Events of one page.
const PAGE: i64 = 50;
/// Where the list of events begins, and what it holds.
#[derive(Clone, Copy)]
struct Asked {
    before: Option<Seq>,
    /// Definitions of accounts, sessions and deliveries too.
    all: bool,
}

/// Which events a reader may see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    Everything,
    /// What concerns access and control, and no customer.
    Security,
    Nothing,
}

/// What whoever administers must see: who came in, who was refused, what was changed about access.
const SECURITY: [&str; 48] = [
    "mail.dead",
    "mail.resent",
    "mail.acknowledged",
    "settings.changed",
    "anchor.overdue",
    "witness.refused",
    "witness.agreed",
    "approval.announced",
    "act.attempted",
    "act.ended",
    "log.created",
    "log.key_rotated",
    "log.recovered",
    "approval.submitted",
    "approval.approved",
    "approval.refused",
    "approval.withdrawn",
    "approval.expired",
    "approval.carried_out",
    "approval.submit_refused",
    "approval.decision_refused",
    "program.started",
    "program.stopped",
    "ruleset.defined",
    "source.defined",
    "user.added",
    "user.reset",
    "user.disabled",
    "key.issued",
    "key.revoked",
    "session.opened",
    "session.closed",
    "session.refused",
    "access.denied",
    "access.redirected",
    "export.made",
    "archive.made",
    "anchor.returned",
    "anchor.contradicted",
    "anchor.refused",
    "recovery.made",
    "recovery.tested",
    "datakey.made",
    "keys.rewrapped",
    "parts.erased",
    "values.pruned",
    "prune.refused",
    "hold.released",
];

/// Made by the thousand, or beside what an act's own event says; left out unless asked for.
const DEFINITIONS: [&str; 6] =
    ["account.defined", "context.defined", "delivery.defined", "program.heartbeat", "act.attempted", "act.ended"];

struct Shown {
    state: LogState,
    verify: Option<JobRow>,
    tiles: i64,
    held: Held,
    private: Private,
    forwards: Vec<Standing>,
    findings: Vec<String>,
    rotations: Vec<RotationRow>,
    recoveries: Vec<Seq>,
    dead_mail: i64,
    events: Vec<EventRow>,
    names: Names,
}

fn read(conn: &mut Conn, app: &App, asked: Asked, sees: Sees) -> Result<Shown, Trouble> {
    let state = store::state(conn)?.ok_or(Trouble::NotWriting)?;
    let without: &[&str] = if asked.all { &[] } else { &DEFINITIONS };
    let events = match sees {
        Sees::Everything => store::events_without(conn, without, asked.before, PAGE + 1)?,
        Sees::Security => store::events_of(conn, &SECURITY, asked.before, PAGE + 1)?,
        Sees::Nothing => Vec::new(),
    };
    let mut names = Names::default();
    if sees != Sees::Nothing {
        names.users = users::list(conn)?.into_iter().map(|user| (user.id, user.email)).collect();
        names.sources = sources(conn)?.into_iter().map(|source| (source.id, source.name)).collect();
    }
    Ok(Shown {
        names,
        verify: store::job(conn, "verify")?,
        tiles: store::tile_count(conn)?,
        held: Held::read(conn)?,
        private: Private::read(conn, app, state.size)?,
        forwards: forward::standings(conn, &app.config.forward)?,
        findings: findings(conn, app)?,
        rotations: store::rotations(conn)?,
        recoveries: Origins::of(conn)?.recoveries().collect(),
        dead_mail: letters::count(conn)?,
        state,
        events,
    })
}

/// What is wrong about what is held outside.
fn findings(conn: &mut Conn, app: &App) -> DbResult<Vec<String>> {
    let limit = app.config.anchor.max_age_hours;
    let age = AnchorAge::read(conn, app.clock.now())?.filter(|age| age.is_beyond(limit));
    let mut findings: Vec<String> = age.map(|age| age.finding(limit)).into_iter().collect();
    findings.extend(app.signer.trouble().map(|why| format!("The newest checkpoint is not in anchor.file. {why}.")));
    findings.extend(contradicted::standing(conn)?.iter().map(Contradicted::finding));
    findings.extend(refusing(conn, &app.config.anchor)?.iter().map(Refusing::finding));
    Ok(findings)
}

fn asked(query: &Params) -> Result<Asked, Problem> {
    let kinds = |text: &str| match text {
        "all" => Ok(true),
        "" => Ok(false),
        _ => Err("`all`, or nothing"),
    };
    Ok(Asked { before: query.read("before", place)?, all: query.read("kinds", kinds)?.unwrap_or(false) })
}

/// `GET /trail`
pub(super) async fn show(desk: Desk, request: HttpRequest) -> Page {
    let asked = desk.asked(&request, &["before", "kinds"], asked)?;
    let sees = match (desk.may(Permission::ReadTrail), desk.may(Permission::ManageUsers)) {
        (true, _) => Sees::Everything,
        (_, true) => Sees::Security,
        _ => Sees::Nothing,
    };
    let app = desk.app.clone();
    let mut shown = desk.read(move |conn| read(conn, &app, asked, sees)).await?;
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
        key: keys(desk.app.signer.verifier().to_string(), &shown),
        checkpoint: shown.held.facts(time),
        note: shown.held.note(),
        anchors: shown.held.rows(time),
        anchors_empty: checkpoints::nothing_outside(),
        sealing: shown.private.sealing(),
        forwards: shown.forwards.iter().map(|standing| forwarded(standing, time)).collect(),
        erasures: shown.private.rows(time),
        erasures_summary: shown.private.summary(),
        may_bring_back: desk.may(Permission::ReadTrail),
        pager: pager(&shown, asked, more, sees),
        events: shown.events.iter().map(|event| row(event, &shown.names, sees, time)).collect(),
        events_title: if sees == Sees::Security { "Newest security events" } else { "Newest events" }.to_owned(),
        findings: shown.findings.clone(),
        mail: super::mail::way(&desk, shown.dead_mail),
        acts: desk.may(Permission::ReadActs).then(|| link("Acts by user and kind", "/trail/acts")),
        other: (sees == Sees::Everything).then(|| other(asked.all)),
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

/// How far a receiver of the log is.
fn forwarded(standing: &Standing, time: LocalTime) -> Fact {
    let row = standing.row.as_ref();
    let confirmed = row.and_then(|row| row.confirmed_at).map(|at| time.second(Moment(at)));
    let failing = row.and_then(|row| Some((row.failing_since?, row.last_error.as_deref()?)));
    let text = match (failing, confirmed) {
        (Some((since, error)), _) => format!(
            "{} behind, failing since {}: {error}",
            counted(standing.behind, "leaf", "leaves"),
            time.second(Moment(since))
        ),
        (None, Some(at)) if standing.behind == 0 => format!("Has everything that is signed; last confirmed {at}"),
        (None, Some(at)) => format!("{} behind; last confirmed {at}", counted(standing.behind, "leaf", "leaves")),
        (None, None) => "Not asked yet".to_owned(),
    };
    fact(&standing.name, text)
}

/// The key in force, those that it replaced, and where the log went on under a new name.
fn keys(verifier: String, shown: &Shown) -> Vec<Fact> {
    let replaced = |row: &RotationRow| mono(&format!("Replaced at {} leaves", count(row.size)), row.old_key.clone());
    let mut facts = vec![mono("Verifier key", verifier)];
    facts.extend(shown.rotations.iter().rev().map(replaced));
    facts.extend(shown.recoveries.iter().map(|seq| fact("Went on after a loss", format!("At event {}", count(*seq)))));
    facts
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
        true => link("Leave definitions, begins and ends out", "/trail#events"),
        false => link("With definitions, and the begin and end of every act", "/trail?kinds=all#events"),
    }
}

fn pager(shown: &Shown, Asked { before, all }: Asked, more: bool, sees: Sees) -> Pager {
    let kinds = if all { "&kinds=all" } else { "" };
    if sees == Sees::Nothing {
        return Pager { shown: "Your role does not read the log's events.".to_owned(), ..Pager::default() };
    }
    Pager {
        shown: counted(shown.events.len() as i64, "event on this page", "events on this page"),
        first: before.map(|_| if all { "/trail?kinds=all#events" } else { "/trail#events" }.to_owned()),
        next: shown.events.last().filter(|_| more).map(|event| format!("/trail?before={}{kinds}#events", event.seq)),
    }
}

fn row(event: &EventRow, names: &Names, sees: Sees, time: LocalTime) -> TrailEventRow {
    let said = sentences::said(&event.kind, &event.body, names);
    TrailEventRow {
        seq: event.seq.to_string(),
        at: time.second(Moment(event.recorded_at)),
        kind: event.kind.clone(),
        summary: said.text,
        // Whoever sees security only may not open what other events are about.
        about: said.about.filter(|_| sees == Sees::Everything),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
