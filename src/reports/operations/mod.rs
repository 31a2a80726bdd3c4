//! Around the day: entries of other dates, what people did, mail, and what the figures rest on.

pub(super) mod store;

use chrono::NaiveDate;

use crate::clock::{Moment, day_date, day_number};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::store::EntryRow;
use crate::money;
use crate::notify::store::{ACKNOWLEDGED, DEAD, PENDING, SENT};
use crate::privacy;
use crate::trail::anchor_age::AnchorAge;
use crate::trail::generations::Origins;

use super::activity::{self, Activity};
use super::rows::{ErasureItem, Erasures, RetentionItem, WaitingErasure};
use super::signals::{self, direction_text, kind_text};
use super::{Access, Context, DatedEntry, Integrity, LIST_MAX, Notifications, Recovered, SettingsChange, Span};
use crate::detect::due;

/// Which event counts under which name, in the order of a reader's interest.
const ACCESS: &[(&str, &str)] = &[
    ("session.opened", "sign_ins"),
    ("session.refused", "sign_ins_refused"),
    ("session.closed", "sign_outs"),
    ("access.denied", "denied"),
    ("user.added", "users_added"),
    ("user.disabled", "users_disabled"),
    ("user.reset", "passwords_reset"),
    ("key.issued", "keys_issued"),
    ("key.revoked", "keys_revoked"),
    ("ruleset.defined", "rule_sets_defined"),
    ("alert.closed", "alerts_decided"),
    ("customer.viewed", "customers_viewed"),
    ("key.read", "reads_by_keys"),
    ("search.made", "searches"),
    ("report.read", "reports_read"),
    ("export.made", "exports"),
    ("import.finished", "imports"),
    ("program.started", "program_starts"),
    ("program.stopped", "program_stops"),
];

/// What anyone can cause, and what is therefore counted beyond the first of a minute; and what keys read, which
/// is only counted.
const FLOODED: &[&str] = &["session.refused", "access.denied", "key.read"];

/// Entries of other dates in a version's range.
pub(super) struct OtherDates {
    pub late: Vec<DatedEntry>,
    pub late_total: i64,
    pub future: Vec<DatedEntry>,
    pub future_total: i64,
}

/// Late entries and those dated ahead. In a first version late are entries of any date that
/// already had a report; in a restatement those of its own date, which are why it is made.
pub(super) fn other_dates(conn: &mut Conn, date: i32, span: &Span) -> DbResult<OtherDates> {
    let range = (span.from, span.to);
    if span.restates.is_some() {
        let late = store::entries_of(conn, date, range, LIST_MAX)?;
        let late_total = store::count_of(conn, date, range)?;
        return Ok(OtherDates { late: dated(conn, late)?, late_total, future: Vec::new(), future_total: 0 });
    }
    let late = store::late(conn, range, LIST_MAX)?;
    let future = store::future(conn, date, range, LIST_MAX)?;
    Ok(OtherDates {
        late: dated(conn, late)?,
        late_total: store::late_count(conn, range)?,
        future: dated(conn, future)?,
        future_total: store::future_count(conn, date, range)?,
    })
}

fn dated(conn: &mut Conn, rows: Vec<EntryRow>) -> DbResult<Vec<DatedEntry>> {
    let accounts: Vec<Seq> = rows.iter().map(|row| row.account).collect();
    let numbers = signals::store::account_numbers(conn, &accounts)?;
    rows.iter()
        .map(|row| {
            Ok(DatedEntry {
                seq: row.seq,
                account: signals::masked(&numbers, row.account),
                account_id: row.account,
                business_date: day_date(row.business_date),
                booked_at: Moment(row.booked_at).to_string(),
                recorded_at: Moment(row.recorded_at).to_string(),
                kind: kind_text(row).to_owned(),
                direction: direction_text(row).to_owned(),
                amount: money::plain(row.amount.into(), row.money()?),
                currency: row.currency.clone(),
            })
        })
        .collect()
}

/// What people did and were refused within the window of the date, as far as the version looks.
pub(super) fn access(conn: &mut Conn, (from, to): (Moment, Moment), span: &Span) -> DbResult<Access> {
    let end = span.to + 1;
    let range = (store::first_event_at(conn, from, end)?, store::first_event_at(conn, to, end)?);
    let counts = store::event_counts(conn, range)?;
    let floods = store::flood_events(conn, FLOODED, range)?;
    let count = |kind: &str| {
        let events = counts.iter().find(|(k, _)| k == kind).map_or(0, |(_, n)| *n);
        // An event that counts stands for as many as it says, not for one.
        let counted = floods.iter().filter(|(k, _)| k == kind).map(|(_, body)| counted(body) - 1);
        events.saturating_add(counted.sum())
    };
    // An archive is an export, too.
    let also = |kind: &str| if kind == "export.made" { count("archive.made") } else { 0 };
    Ok(ACCESS.iter().map(|(kind, name)| ((*name).to_owned(), count(kind).saturating_add(also(kind)))).collect())
}

/// What was erased within the window of the date, and what waits, as far as the version looks.
pub(super) fn erasures(conn: &mut Conn, window: (Moment, Moment), span: &Span) -> DbResult<Erasures> {
    let (done, done_total) = privacy::done(conn, window, span.to)?;
    let (waiting, waiting_total) = privacy::waiting(conn, span.to)?;
    let item = |done: privacy::Done| ErasureItem {
        event: done.event,
        at: done.at.to_string(),
        cause: done.cause,
        proposal: done.proposal,
        places: done.places,
    };
    let waits = |waiting: privacy::Waiting| WaitingErasure {
        proposal: waiting.proposal,
        submitted_at: waiting.submitted_at.to_string(),
        ready_at: waiting.ready_at.map(|at| at.to_string()),
    };
    let end = span.to + 1;
    let range = (store::first_event_at(conn, window.0, end)?, store::first_event_at(conn, window.1, end)?);
    let retention = privacy::retention::runs(conn, range)?.into_iter().map(retention_item).collect();
    Ok(Erasures {
        retention,
        done: done.into_iter().map(item).collect(),
        done_total,
        waiting: waiting.into_iter().map(waits).collect(),
        waiting_total,
        holds: privacy::holds_in_force(conn, span.to)?,
    })
}

fn retention_item(listed: privacy::retention::Listed) -> RetentionItem {
    let (run, refused) = match listed.done {
        Ok(run) => (Some(run), None),
        Err(reason) => (None, Some(reason)),
    };
    let dropped = run.as_ref().map(|run| run.dropped).unwrap_or_default();
    RetentionItem {
        event: listed.event,
        at: listed.at.to_string(),
        critical: dropped.critical,
        normal: dropped.normal,
        debug: dropped.debug,
        held: run.as_ref().map_or(0, |run| run.held),
        more: run.as_ref().is_some_and(|run| run.more),
        cap: run.as_ref().map_or(0, |run| run.cap),
        refused,
    }
}

/// How many an event of a flood counts; one that is listed singly counts itself.
fn counted(body: &str) -> i64 {
    let body: Result<serde_json::Value, _> = serde_json::from_str(body);
    body.ok().and_then(|body| body["counted"].as_i64()).unwrap_or(1)
}

/// Mail owed for the alerts of the date, as it stands now.
pub(super) fn notifications(conn: &mut Conn, ctx: &Context, date: i32, seq_to: Seq) -> DbResult<Notifications> {
    let states = store::alert_mail(conn, date, seq_to)?;
    let count = |state: i16| states.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n);
    Ok(Notifications {
        configured: ctx.mail_configured,
        recipients: ctx.alert_recipients as i64,
        sent: count(SENT),
        pending: count(PENDING),
        // Whoever acknowledged it has not delivered it.
        dead: count(DEAD) + count(ACKNOWLEDGED),
    })
}

/// What the last full verification left behind in the job's row.
#[derive(serde::Deserialize)]
struct Verified {
    size: Option<i64>,
    at: Option<serde_json::Value>,
}

/// What the figures rest on; `counted` are the sums of the entries up to the span's end.
pub(super) fn integrity(
    conn: &mut Conn,
    (ctx, date): (&Context, NaiveDate),
    span: &Span,
    counted: &Activity,
    now: Moment,
) -> DbResult<Integrity> {
    let state =
        crate::trail::store::state(conn)?.ok_or_else(|| DbError::Unfit("there is no log yet; start `serve` once".into()))?;
    let verified = store::job_outcome(conn, "verify")?.and_then(|text| serde_json::from_str::<Verified>(&text).ok());
    let at = verified.as_ref().and_then(|v| v.at.as_ref()).and_then(|at| match at {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(micros) => micros.as_i64().map(|m| Moment(m).to_string()),
        _ => None,
    });
    let everything = span.to + 1 >= state.size;
    let age = AnchorAge::read(conn, now)?;
    let overdue = age.filter(|age| age.is_beyond(ctx.anchor_max_hours));
    Ok(Integrity {
        size: state.size,
        root: hex::encode(&state.root),
        checkpoint: crate::trail::store::newest_checkpoint(conn)?.map(|row| format!("{} ({} leaves)", row.number, row.size)),
        verified_to: verified.and_then(|v| v.size),
        last_full_at: at,
        anchor_age: age.filter(|age| age.anchor.is_some()).map(|age| format!("{} h", age.hours)),
        anchor_overdue: overdue
            .map(|age| format!("{} h without a checkpoint from outside, {} h allowed", age.hours, ctx.anchor_max_hours)),
        day_figures_agree: if everything { Some(activity::day_figures(conn, day_number(date))? == *counted) } else { None },
        computed_at: now.to_string(),
        program: format!("counterfoil {}", env!("CARGO_PKG_VERSION")),
        book_began_at: crate::trail::store::event(conn, 0)?.map(|(event, _)| Moment(event.recorded_at).to_string()),
        recovered: recovered(conn, span)?,
        settings_changed: settings_changed(conn, due::window(&ctx.calendar, date), span)?,
        restates: None,
    })
}

/// Starts with other control settings within the window of the date, as far as the version looks.
fn settings_changed(conn: &mut Conn, (from, to): (Moment, Moment), span: &Span) -> DbResult<Vec<SettingsChange>> {
    let end = span.to + 1;
    let range = (store::first_event_at(conn, from, end)?, store::first_event_at(conn, to, end)?);
    let found = store::events_of_kind(conn, "settings.changed", range, LIST_MAX as i64)?;
    let change = |(event, at, body): (Seq, i64, String)| {
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let names = body["changed"].as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
        let changed: Vec<String> = names.collect();
        let total = body["count"].as_i64().unwrap_or(changed.len() as i64);
        SettingsChange { event, at: Moment(at).to_string(), changed, total }
    };
    Ok(found.into_iter().map(change).collect())
}

/// Losses whose events lie in the span.
fn recovered(conn: &mut Conn, span: &Span) -> DbResult<Vec<Recovered>> {
    let places: Vec<_> = Origins::of(conn)?.recoveries().filter(|seq| (span.from..=span.to).contains(seq)).collect();
    let mut found = Vec::new();
    for seq in places {
        let Some((event, _)) = crate::trail::store::event(conn, seq)? else { continue };
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap_or_default();
        let origin = body["origin"].as_str().unwrap_or_default().to_owned();
        found.push(Recovered { event: seq, origin, lost_from: body["lost"][0].as_i64(), lost_to: body["lost"][1].as_i64() });
    }
    Ok(found)
}
