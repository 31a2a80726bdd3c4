//! What was found on a date: breaks, hits, alerts, and what every rule answered.
//!
//! States are those at the report's last place in the log, so that a report computed again says
//! the same.

mod alerts;
mod rules;
pub(super) mod store;

use std::collections::HashMap;

use crate::clock::{Moment, day_date};
use crate::db::{Conn, DbError, DbResult};
use crate::detect::{Evidence, Severity};
use crate::ids::{Seq, mask_account};
use crate::ledger::store::{BreakRow, ContextRow, EntryRow};
use crate::ledger::{BreakKind, BreakState, Direction, Kind};
use crate::money;

use super::activity::Day;
use super::figures::currency;
use super::{BreakItem, Continuity, HighFrequency, HighValue, LIST_MAX};

pub(super) use alerts::alerts;
pub(super) use rules::rules;

/// Rule whose hits are the section of high-value entries.
const HIGH_VALUE: &str = "high-value";
/// Rule whose hits are the section of high-frequency activity.
const HIGH_FREQUENCY: &str = "high-frequency";

/// A masked account; one that is not in the table is named as unknown.
pub(super) fn masked(numbers: &HashMap<Seq, String>, account: Seq) -> String {
    numbers.get(&account).map_or_else(|| "unknown".to_owned(), |number| mask_account(number))
}

/// The continuity section.
pub(super) fn continuity(conn: &mut Conn, date: i32, seq_to: Seq, day: &Day) -> DbResult<Continuity> {
    let mut rows = store::breaks(conn, date, seq_to)?;
    let state = |row: &BreakRow| match BreakState::from_code(row.state) {
        Some(BreakState::Frozen) => BreakState::Frozen,
        Some(closed @ (BreakState::Healed | BreakState::Explained)) if row.closed_by.is_none_or(|by| by <= seq_to) => closed,
        _ => BreakState::Open,
    };
    let is_open = |row: &BreakRow| matches!(state(row), BreakState::Open | BreakState::Frozen);
    rows.sort_by_key(|row| (!is_open(row), row.seq, row.kind));
    let breaks_new = rows.iter().filter(|row| row.business_date == date).count() as i64;
    let breaks_open = rows.iter().filter(|row| is_open(row)).count() as i64;
    let items_total = rows.len() as i64;
    rows.truncate(LIST_MAX);
    let numbers = store::account_numbers(conn, &rows.iter().map(|r| r.account).collect::<Vec<_>>())?;
    let references = store::alert_references(conn, &rows.iter().filter_map(|r| r.alert).collect::<Vec<_>>())?;
    let origins = origins(conn, &rows)?;
    let item = |row: &BreakRow| {
        let alert = row.alert.and_then(|id| references.get(&id).cloned());
        let mut item = break_item(row, state(row), masked(&numbers, row.account), alert)?;
        if let Some((entry, context)) = origins.get(&row.seq) {
            item.booked_at = Some(Moment(entry.booked_at).to_string());
            item.context = context.as_ref().map(|context| context.id);
            item.session = context.as_ref().and_then(|context| context.session_id.clone());
            item.ip = context.as_ref().and_then(|context| context.ip.clone());
        }
        Ok(item)
    };
    let (records_new, records_open) = crate::records::store::break_counts(conn, date, seq_to)?;
    Ok(Continuity {
        records_new,
        records_open,
        accounts_checked: day.accounts.values().filter(|a| a.checked).count() as i64,
        entries_checked: day.entries_checked,
        breaks_new,
        breaks_open,
        items: rows.iter().map(item).collect::<DbResult<_>>()?,
        items_total,
    })
}

/// The entries that breaks are named at, each with where it came from.
fn origins(conn: &mut Conn, rows: &[BreakRow]) -> DbResult<HashMap<Seq, (EntryRow, Option<ContextRow>)>> {
    let mut out = HashMap::new();
    for chunk in rows.chunks(250) {
        let seqs: Vec<Seq> = chunk.iter().map(|row| row.seq).collect();
        let entries = crate::ledger::store::entries_at(conn, &seqs)?;
        let contexts = crate::ledger::lookup::contexts(conn, &entries)?;
        out.extend(entries.into_iter().map(|entry| {
            let context = contexts.get(&entry.context).cloned();
            (entry.seq, (entry, context))
        }));
    }
    Ok(out)
}

fn break_item(row: &BreakRow, state: BreakState, account: String, alert: Option<String>) -> DbResult<BreakItem> {
    let kind = BreakKind::from_code(row.kind).ok_or_else(|| corrupt("break", row.seq, "unknown kind"))?;
    let unit = currency(&row.currency)?;
    let text = |value: i128| match kind {
        BreakKind::Sequence => value.to_string(),
        _ => money::plain(value, unit),
    };
    let difference = row.found.zip(row.expected).map(|(found, expected)| text(i128::from(found) - i128::from(expected)));
    Ok(BreakItem {
        seq: row.seq,
        account,
        account_id: row.account,
        currency: row.currency.clone(),
        kind: kind.text().to_owned(),
        expected: row.expected.map(|v| text(v.into())),
        found: row.found.map(|v| text(v.into())),
        difference,
        state: state.text().to_owned(),
        business_date: day_date(row.business_date),
        opened_at: Moment(row.opened_at).to_string(),
        booked_at: None,
        session: None,
        ip: None,
        context: None,
        closed_by: row.closed_by.filter(|_| !matches!(state, BreakState::Open | BreakState::Frozen)),
        alert,
    })
}

/// A hit with all that a list says of it.
struct Found {
    entry: EntryRow,
    account: String,
    alert: Option<String>,
    severity: Severity,
    late: bool,
    evidence: Evidence,
}

/// The first hits of a rule on entries of the date, each with its entry.
fn found(conn: &mut Conn, date: i32, seq_to: Seq, day: &Day, rule: &str) -> DbResult<Vec<Found>> {
    let Some(span) = day.span else { return Ok(Vec::new()) };
    let hits = store::hits_of_rule(conn, date, span, seq_to, rule, LIST_MAX)?;
    let mut entries = HashMap::new();
    for chunk in hits.chunks(250) {
        let seqs: Vec<Seq> = chunk.iter().map(|h| h.seq).collect();
        entries.extend(crate::ledger::store::entries_at(conn, &seqs)?.into_iter().map(|e| (e.seq, e)));
    }
    let numbers = store::account_numbers(conn, &hits.iter().map(|h| h.account).collect::<Vec<_>>())?;
    let references = store::alert_references(conn, &hits.iter().filter_map(|h| h.alert).collect::<Vec<_>>())?;
    hits.into_iter()
        .map(|hit| {
            let evidence = serde_json::from_str(&hit.evidence);
            Ok(Found {
                entry: entries.remove(&hit.seq).ok_or_else(|| corrupt("hit", hit.seq, "its entry is missing"))?,
                account: masked(&numbers, hit.account),
                alert: hit.alert.and_then(|id| references.get(&id).cloned()),
                severity: Severity::from_code(hit.severity).ok_or_else(|| corrupt("hit", hit.seq, "unknown severity"))?,
                late: hit.late != 0,
                evidence: evidence.map_err(|e| corrupt("hit", hit.seq, &format!("evidence: {e}")))?,
            })
        })
        .collect()
}

/// The list of high-value entries.
pub(super) fn high_value(conn: &mut Conn, date: i32, seq_to: Seq, day: &Day) -> DbResult<Vec<HighValue>> {
    let found = found(conn, date, seq_to, day, HIGH_VALUE)?;
    found
        .into_iter()
        .map(|hit| {
            Ok(HighValue {
                seq: hit.entry.seq,
                account: hit.account,
                account_id: hit.entry.account,
                amount: money::plain(hit.entry.amount.into(), hit.entry.money()?),
                direction: direction_text(&hit.entry).to_owned(),
                kind: kind_text(&hit.entry).to_owned(),
                booked_at: Moment(hit.entry.booked_at).to_string(),
                currency: hit.entry.currency,
                severity: hit.severity,
                threshold: hit.evidence.threshold,
                alert: hit.alert,
            })
        })
        .collect()
}

/// The list of high-frequency activity.
pub(super) fn high_frequency(conn: &mut Conn, date: i32, seq_to: Seq, day: &Day) -> DbResult<Vec<HighFrequency>> {
    let found = found(conn, date, seq_to, day, HIGH_FREQUENCY)?;
    let mut behind: Vec<Seq> = found.iter().flat_map(|hit| hit.evidence.entries.iter().copied()).collect();
    behind.sort_unstable();
    behind.dedup();
    let amounts = store::amounts(conn, &behind)?;
    found
        .into_iter()
        .map(|hit| {
            let value: i128 = hit.evidence.entries.iter().filter_map(|seq| amounts.get(seq)).map(|a| i128::from(*a)).sum();
            Ok(HighFrequency {
                seq: hit.entry.seq,
                account: hit.account,
                account_id: hit.entry.account,
                count: hit.evidence.observed.parse().unwrap_or(hit.evidence.entries.len() as i64),
                threshold: hit.evidence.threshold.parse().map_err(|_| corrupt("hit", hit.entry.seq, "threshold is no number"))?,
                window: hit.evidence.window.unwrap_or_default(),
                value: money::plain(value, hit.entry.money()?),
                booked_at: Moment(hit.entry.booked_at).to_string(),
                currency: hit.entry.currency,
                severity: hit.severity,
                late: hit.late,
                alert: hit.alert,
            })
        })
        .collect()
}

/// `credit` or `debit`.
pub(super) fn direction_text(entry: &EntryRow) -> &'static str {
    Direction::from_code(entry.direction).map_or("unknown", Direction::text)
}

/// The entry's kind.
pub(super) fn kind_text(entry: &EntryRow) -> &'static str {
    Kind::from_code(entry.kind).map_or("unknown", Kind::text)
}

fn corrupt(what: &str, seq: Seq, why: &str) -> DbError {
    DbError::Corrupt(format!("{what} {seq}: {why}; run `counterfoil verify`"))
}
