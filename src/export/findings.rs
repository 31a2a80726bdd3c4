//! What was found: breaks, hits and alerts.

use crate::alerts::store::{AlertRow, CLOSED, HitRow};
use crate::clock::{Moment, day_date};
use crate::db::{Conn, Db, DbError};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::ledger::store::BreakRow;
use crate::ledger::{BreakKind, BreakState};
use crate::money::{Currency, Money};
use crate::records::{OPEN, store as records};
use crate::trail::store::state;

use super::cells::Cell;
use super::names::Names;
use super::writer::Table;
use super::{ExportError, ExportRequest, days, store};

/// Rows read at a time.
const SLICE: i64 = 2_000;

pub(super) const BREAKS: &[&str] = &["seq", "source_ref", "account", "kind", "expected", "found", "state", "type", "id"];
pub(super) const HITS: &[&str] = &["rule", "seq", "source_ref", "account", "alert", "type", "id", "actor"];
pub(super) const ALERTS: &[&str] = &[
    "alert",
    "rule",
    "account",
    "severity",
    "state",
    "business_date",
    "opened_at",
    "first_booked_at",
    "hits",
    "last_seq",
    "previous",
    "disposition",
    "duplicate_of",
    "comment",
    "closed_at",
    "type",
    "id",
    "actor",
];

pub(super) fn breaks(request: &ExportRequest, db: &Db, table: &mut Table<'_>) -> Result<(), ExportError> {
    let Some(log) = db.read(state)? else { return Ok(()) };
    let (mut after, mut names) = ((-1, 0), Names::default());
    loop {
        let (rows, refs) = db.read(|conn: &mut Conn| {
            let rows = store::breaks(conn, days(request), after, log.size - 1, SLICE)?;
            names.load_accounts(conn, rows.iter().map(|row| row.account))?;
            let refs = store::source_refs(conn, &rows.iter().map(|row| row.seq).collect::<Vec<_>>())?;
            Ok::<_, DbError>((rows, refs))
        })?;
        let Some(newest) = rows.last() else { return record_breaks(request, db, log.size - 1, table) };
        after = (newest.seq, newest.kind);
        for row in &rows {
            let source_ref = refs.get(&row.seq).map(String::as_str);
            table.row(break_cells(row, source_ref, &names.account(row.account)?.number)?)?;
        }
    }
}

/// Breaks of records, after those of entries: a change has no account, and its fields are on the page of the break.
fn record_breaks(request: &ExportRequest, db: &Db, last: Seq, table: &mut Table<'_>) -> Result<(), ExportError> {
    let (mut after, mut names) = (-1, Names::default());
    loop {
        let (rows, refs) = db.read(|conn: &mut Conn| {
            let rows = records::breaks_of_days(conn, days(request), (after, last), SLICE)?;
            names.load_records(conn, rows.iter().map(|row| row.record))?;
            let refs = store::source_refs(conn, &rows.iter().map(|row| row.seq).collect::<Vec<_>>())?;
            Ok::<_, DbError>((rows, refs))
        })?;
        let Some(newest) = rows.last() else { return Ok(()) };
        after = newest.seq;
        for row in &rows {
            let state = if row.state == OPEN { BreakState::Open } else { BreakState::Explained };
            let mut cells = vec![
                Cell::Int(row.seq),
                Cell::text(refs.get(&row.seq).map(String::as_str)),
                Cell::Null,
                Cell::Plain(BreakKind::Record.text().into()),
                Cell::Null,
                Cell::Null,
                Cell::Plain(state.text().into()),
            ];
            cells.extend(names.about(row.record).record());
            table.row(cells)?;
        }
    }
}

fn break_cells(row: &BreakRow, source_ref: Option<&str>, account: &str) -> Result<Vec<Cell>, DbError> {
    let corrupt = |what: &str| DbError::Corrupt(format!("break at entry {}: unknown {what}", row.seq));
    let kind = BreakKind::from_code(row.kind).ok_or_else(|| corrupt("kind"))?;
    let state = BreakState::from_code(row.state).ok_or_else(|| corrupt("state"))?;
    let currency = Currency::parse(&row.currency).map_err(|_| corrupt("currency"))?;
    // Only some kinds compare money; the others compare numbers.
    let is_number = matches!(kind, BreakKind::Sequence | BreakKind::ForeignSource | BreakKind::Record);
    let value = |value: Option<i64>| match value {
        Some(number) if is_number => Cell::Int(number),
        value => Cell::plain(value.map(|minor| Money::new(minor, currency))),
    };
    Ok(vec![
        Cell::Int(row.seq),
        Cell::text(source_ref),
        Cell::Text(account.to_owned()),
        Cell::Plain(kind.text().into()),
        value(row.expected),
        value(row.found),
        Cell::Plain(state.text().into()),
        Cell::Null,
        Cell::Null,
    ])
}

pub(super) fn hits(request: &ExportRequest, db: &Db, table: &mut Table<'_>) -> Result<(), ExportError> {
    let Some(log) = db.read(state)? else { return Ok(()) };
    let (mut after, mut names) = ((-1, String::new()), Names::default());
    loop {
        let (rows, refs) = db.read(|conn: &mut Conn| {
            let rows = store::hits(conn, days(request), &after, log.size - 1, SLICE)?;
            names.load_about(conn, rows.iter().map(|row| row.account))?;
            names.load_alerts(conn, rows.iter().filter_map(|row| row.alert))?;
            let refs = store::source_refs(conn, &rows.iter().map(|row| row.seq).collect::<Vec<_>>())?;
            Ok::<_, DbError>((rows, refs))
        })?;
        let Some(newest) = rows.last() else { return Ok(()) };
        after = (newest.seq, newest.rule.clone());
        for row in rows {
            let source_ref = refs.get(&row.seq).map(String::as_str);
            table.row(hit_cells(row, source_ref, &names)?)?;
        }
    }
}

fn hit_cells(row: HitRow, source_ref: Option<&str>, names: &Names) -> Result<Vec<Cell>, DbError> {
    let account = names.number(row.account);
    let alert = row.alert.map(|id| names.alert(id)).transpose()?;
    let mut cells =
        vec![Cell::Text(row.rule), Cell::Int(row.seq), Cell::text(source_ref), Cell::text(account), Cell::plain(alert)];
    cells.extend(names.about(row.account).cells());
    Ok(cells)
}

pub(super) fn alerts(request: &ExportRequest, db: &Db, table: &mut Table<'_>) -> Result<(), ExportError> {
    let Some(log) = db.read(state)? else { return Ok(()) };
    let (mut after, mut names) = (-1, Names::default());
    loop {
        let rows = db.read(|conn: &mut Conn| {
            let rows = store::alerts(conn, days(request), after, log.size - 1, SLICE)?;
            names.load_about(conn, rows.iter().map(|row| row.account))?;
            names.load_alerts(conn, rows.iter().filter_map(|row| row.previous))?;
            Ok::<_, DbError>(rows)
        })?;
        let Some(newest) = rows.last() else { return Ok(()) };
        after = newest.id;
        for row in rows {
            table.row(alert_cells(row, &names)?)?;
        }
    }
}

fn alert_cells(row: AlertRow, names: &Names) -> Result<Vec<Cell>, DbError> {
    let account = names.number(row.account);
    let previous = row.previous.map(|id| names.alert(id)).transpose()?;
    let severity = Severity::from_code(row.severity).map(Severity::text);
    let time = |at: i64| Cell::Plain(Moment(at).to_string());
    let about = names.about(row.account).cells();
    let mut cells = vec![
        Cell::Plain(row.reference),
        Cell::Text(row.rule),
        Cell::text(account),
        Cell::plain(severity),
        Cell::Plain(if row.state == CLOSED { "closed" } else { "open" }.into()),
        Cell::Plain(day_date(row.business_date).to_string()),
        time(row.opened_at),
        time(row.first_booked_at),
        Cell::Int(row.hits),
        Cell::Int(row.last_seq),
        Cell::plain(previous),
        Cell::text(row.disposition),
        Cell::text(row.duplicate_of),
        Cell::text(row.comment),
        row.closed_at.map_or(Cell::Null, time),
    ];
    cells.extend(about);
    Ok(cells)
}
