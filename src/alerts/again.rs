//! Alerts of breaks, and what closed alerts, made again from their events.

use serde_json::Value;

use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult, bulk};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::ledger::BreakKind;
use crate::ledger::store::EntryRow;
use crate::notify::MailKind;
use crate::notify::store::owed_rows;

use super::CONTINUITY;
use super::store::{self, AlertRow, Closing, Opening};

fn corrupt(id: Seq, what: &str) -> DbError {
    DbError::Corrupt(format!("the event at {id} about an alert has no {what} that can be read"))
}

fn text(id: Seq, body: &Value, field: &str) -> DbResult<String> {
    body[field].as_str().map(str::to_owned).ok_or_else(|| corrupt(id, field))
}

fn number(id: Seq, body: &Value, field: &str) -> DbResult<Seq> {
    body[field].as_i64().ok_or_else(|| corrupt(id, field))
}

/// The breaks that an event names.
fn named(body: &Value) -> Vec<(Seq, BreakKind)> {
    let read = |pair: &Value| Some((pair[0].as_i64()?, BreakKind::parse(pair[1].as_str()?)?));
    body["breaks"].as_array().into_iter().flatten().filter_map(read).collect()
}

/// Whether the event opened an alert of breaks.
pub fn is_of_breaks(body: &Value) -> bool {
    body["rule"] == CONTINUITY
}

/// The row of the alert of breaks that the event at `id` opened; `entry` is the one it names.
///
/// # Errors
/// When the event lacks a field.
pub fn row_of_breaks(id: Seq, at: Moment, body: &Value, entry: &EntryRow) -> DbResult<AlertRow> {
    let named = named(body);
    let of = Opening {
        reference: text(id, body, "ref")?,
        rule: CONTINUITY.to_owned(),
        rules: number(id, body, "rules")?,
        account: number(id, body, "account")?,
        severity: Severity::parse(&text(id, body, "severity")?).ok_or_else(|| corrupt(id, "severity"))?.code(),
        business_date: entry.business_date,
        first_booked_at: entry.booked_at,
        last_seq: named.iter().map(|(seq, _)| *seq).max().unwrap_or(entry.seq),
        hits: named.len() as i64,
        explanation: body["explanation"].to_string(),
        previous: body["previous"].as_i64(),
    };
    Ok(AlertRow::opened((id, at), of))
}

/// Stores an alert of breaks with what it owes.
///
/// # Errors
/// When the database refuses.
pub fn open(conn: &mut Conn, row: &AlertRow, body: &Value, recipients: &[String]) -> DbResult<()> {
    bulk::append(conn, std::slice::from_ref(row))?;
    bulk::append(conn, &owed_rows(MailKind::Alert, row.id, recipients, Severity::High, Moment(row.opened_at)))?;
    let each = |(seq, kind): (Seq, BreakKind)| store::set_break_alert(conn, seq, kind.code(), row.id);
    named(body).into_iter().try_for_each(each)
}

/// Lets the breaks that the event at `id` names join their alert.
///
/// # Errors
/// When the event lacks a field or the database refuses.
pub fn join(conn: &mut Conn, id: Seq, body: &Value) -> DbResult<()> {
    let (alert, named) = (number(id, body, "alert")?, named(body));
    let Some(row) = store::alert(conn, alert)? else { return Ok(()) };
    let last = named.iter().map(|(seq, _)| *seq).fold(row.last_seq, Seq::max);
    store::extend_alert(conn, alert, named.len() as i64, last)?;
    named.into_iter().try_for_each(|(seq, kind)| store::set_break_alert(conn, seq, kind.code(), alert))
}

/// Closes the alert that the event at `id` closed; answers which.
///
/// # Errors
/// When the event lacks a field or the database refuses.
pub fn close(conn: &mut Conn, id: Seq, at: Moment, body: &Value, comment: &str) -> DbResult<()> {
    let (disposition, duplicate) = (text(id, body, "disposition")?, body["duplicate_of"].as_str());
    let by = number(id, body, "user")?;
    let closing = Closing { disposition: &disposition, comment, duplicate_of: duplicate, at, by, seq: id };
    store::close_alert(conn, number(id, body, "alert")?, &closing)
}
