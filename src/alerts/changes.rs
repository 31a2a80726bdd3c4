//! Hits on changes of records: they join open alerts or open new ones, in the act of their change.
//!
//! An alert of such a rule is about a record, or about an actor: then it bears the number of the first
//! change that this actor made. What was decided is in the public part of the change, whole: rows are made
//! again from it.

use serde_json::Value;

use crate::clock::{Moment, day_number, parse_date};
use crate::db::{Conn, DbError, DbResult, bulk};
use crate::detect::{ActiveRule, Evidence, Mode, RuleSetBody, Severity};
use crate::ids::Seq;
use crate::ledger::BusinessCalendar;
use crate::notify::MailKind;
use crate::notify::store::{owe, owed_rows};
use crate::trail::store as trail;
use crate::trail::{ActError, ActTx, Changed};

use super::store::{self, AlertRow, HitRow, Opening};
use super::{CONTINUITY, JOIN_WITHIN, NewAlert, OpeningEntry, References};

/// Open alerts of one rule and subject that a hit may join, at most.
const OPEN_MAX: i64 = 100;

/// A hit on a change.
pub struct ChangeHit<'a> {
    /// The rule.
    pub rule: &'a ActiveRule,
    /// The rule set in force.
    pub rules: Seq,
    /// The record, or the first change of its actor.
    pub about: Seq,
    /// The change.
    pub change: Seq,
    /// When, as its sender says.
    pub changed_at: Moment,
    /// The bank's date at recording, a day number.
    pub date: i32,
    /// Whether it came late, and a later change of the actor had come before it.
    pub late: bool,
    /// What was seen.
    pub evidence: &'a Evidence,
}

/// Stores a hit and what follows from it; answers the alert it is in.
///
/// # Errors
/// When the database fails.
pub fn raise(
    tx: &mut ActTx<'_>,
    calendar: &BusinessCalendar,
    recipients: &[String],
    hit: &ChangeHit<'_>,
) -> Result<Option<String>, ActError> {
    let mut row = hit.row()?;
    let mut reference = None;
    if hit.rule.mode == Mode::Live {
        let alert = match joined(tx.conn, &row, hit.changed_at)? {
            Some(alert) => alert,
            None => open(tx, calendar, recipients, hit)?,
        };
        row.alert = Some(alert.id);
        reference = Some(alert.reference);
    }
    bulk::append(tx.conn, &[row])?;
    Ok(reference)
}

impl ChangeHit<'_> {
    fn row(&self) -> DbResult<HitRow> {
        Ok(HitRow {
            seq: self.change,
            rule: self.rule.rule.code().to_owned(),
            rules: self.rules,
            account: self.about,
            business_date: self.date,
            severity: self.rule.severity.code(),
            late: i16::from(self.late),
            decided_by: self.change,
            alert: None,
            evidence: text(self.evidence)?,
        })
    }
}

/// Evidence as it is stored.
fn text(evidence: &Evidence) -> DbResult<String> {
    serde_json::to_string(evidence).map_err(|e| DbError::Corrupt(e.to_string()))
}

/// Lets a hit join the newest open alert that is near in time, if there is one.
fn joined(conn: &mut Conn, hit: &HitRow, at: Moment) -> DbResult<Option<AlertRow>> {
    let open = store::open_alerts_of(conn, &hit.rule, hit.account, OPEN_MAX)?;
    let near = |row: &AlertRow| at.0.abs_diff(row.first_booked_at) <= JOIN_WITHIN.unsigned_abs();
    let Some(alert) = open.into_iter().find(near) else { return Ok(None) };
    store::join_alert(conn, &alert, hit.severity, hit.seq)?;
    Ok(Some(alert))
}

fn open(
    tx: &mut ActTx<'_>,
    calendar: &BusinessCalendar,
    recipients: &[String],
    hit: &ChangeHit<'_>,
) -> Result<AlertRow, ActError> {
    let now = tx.now();
    let change = OpeningEntry {
        seq: hit.change,
        account: hit.about,
        booked_at: hit.changed_at,
        business_date: hit.date,
        rules: hit.rules,
    };
    let reference = References::load(tx.conn, calendar, now)?.next(calendar, now);
    let previous = store::newest_closed_of(tx.conn, hit.rule.rule.code(), hit.about)?;
    let alert = NewAlert::for_hit(reference, &change, hit.rule, hit.evidence, previous);
    let id = tx.append(alert.event(recipients))?;
    let row = alert.row(id, now);
    bulk::append(tx.conn, std::slice::from_ref(&row))?;
    owe(tx.conn, &owed_rows(MailKind::Alert, id, recipients, hit.rule.severity, now))?;
    tx.changed(Changed::AlertOpened(id));
    Ok(row)
}

/// What the event of a change says of one hit.
struct Told {
    row: HitRow,
    at: Moment,
    live: bool,
}

/// The hits that the event at `seq` says, read again.
fn told(conn: &mut Conn, seq: Seq, body: &Value) -> DbResult<Vec<Told>> {
    let hits = body["outcomes"].as_array().into_iter().flatten().filter(|said| said["outcome"] == "hit");
    let hits: Vec<&Value> = hits.collect();
    if hits.is_empty() {
        return Ok(Vec::new());
    }
    let corrupt = |what: &str| DbError::Corrupt(format!("the change at {seq} has no {what} that can be read"));
    let rules = body["rules"].as_i64().ok_or_else(|| corrupt("rule set"))?;
    let set = store::rule_set(conn, rules)?.and_then(|text| serde_json::from_str::<RuleSetBody>(&text).ok());
    let set = set.ok_or_else(|| corrupt("rule set"))?;
    let at = body["at"].as_str().and_then(|at| Moment::parse(at).ok()).ok_or_else(|| corrupt("time"))?;
    let date = body["date"].as_str().and_then(|date| parse_date(date).ok()).ok_or_else(|| corrupt("date"))?;
    let mut found = Vec::with_capacity(hits.len());
    for said in hits {
        let rule = said["rule"].as_str().ok_or_else(|| corrupt("rule"))?.to_owned();
        let severity = said["severity"].as_str().and_then(Severity::parse).ok_or_else(|| corrupt("severity"))?;
        let evidence: Evidence = serde_json::from_value(said["evidence"].clone()).map_err(|_| corrupt("evidence"))?;
        let about = said["about"].as_i64().or_else(|| body["record"].as_i64()).ok_or_else(|| corrupt("record"))?;
        let live = set.rules.iter().any(|entry| entry.code == rule && entry.mode == Mode::Live);
        let row = HitRow {
            seq,
            rule,
            rules,
            account: about,
            business_date: day_number(date),
            severity: severity.code(),
            late: i16::from(said["late"].as_bool() == Some(true)),
            decided_by: seq,
            alert: None,
            evidence: text(&evidence)?,
        };
        found.push(Told { row, at, live });
    }
    Ok(found)
}

/// Makes the hits of a change again; those whose alert its event opens come with [`opened_again`].
///
/// # Errors
/// When the event lacks a field or the database refuses.
pub fn hits_again(conn: &mut Conn, seq: Seq, body: &Value) -> DbResult<()> {
    for Told { mut row, at, live } in told(conn, seq, body)? {
        if live {
            let Some(alert) = joined(conn, &row, at)? else { continue };
            row.alert = Some(alert.id);
        }
        bulk::append(conn, &[row])?;
    }
    Ok(())
}

/// Whether the event opened an alert of a rule on changes.
pub fn is_of_change(body: &Value) -> bool {
    let rule = body["rule"].as_str().filter(|rule| *rule != CONTINUITY).and_then(crate::detect::rule);
    rule.is_some_and(|rule| rule.looks() == crate::detect::Looks::Changes)
}

/// Makes the alert again that the event at `id` opened for a change, with its hit and the mail it owes.
///
/// # Errors
/// When the event lacks a field or the database refuses.
pub fn opened_again(conn: &mut Conn, id: Seq, at: Moment, body: &Value, recipients: &[String]) -> DbResult<AlertRow> {
    let corrupt = |what: &str| DbError::Corrupt(format!("the event at {id} about an alert has no {what} that can be read"));
    let change = body["entry"].as_i64().ok_or_else(|| corrupt("change"))?;
    let (event, _) = trail::event(conn, change)?.ok_or_else(|| corrupt("change"))?;
    let said: Value = serde_json::from_str(&event.body).map_err(|_| corrupt("change"))?;
    let told = told(conn, change, &said)?.into_iter().find(|told| body["rule"] == told.row.rule);
    let Told { mut row, at: changed_at, .. } = told.ok_or_else(|| corrupt("hit"))?;
    let alert = AlertRow::opened(
        (id, at),
        Opening {
            reference: body["ref"].as_str().ok_or_else(|| corrupt("reference"))?.to_owned(),
            rule: row.rule.clone(),
            rules: row.rules,
            account: row.account,
            severity: row.severity,
            business_date: row.business_date,
            first_booked_at: changed_at.0,
            last_seq: change,
            hits: 1,
            explanation: body["explanation"].to_string(),
            previous: body["previous"].as_i64(),
        },
    );
    row.alert = Some(id);
    let severity = Severity::from_code(row.severity).unwrap_or(Severity::Critical);
    bulk::append(conn, &[row])?;
    bulk::append(conn, std::slice::from_ref(&alert))?;
    bulk::append(conn, &owed_rows(MailKind::Alert, id, recipients, severity, at))?;
    Ok(alert)
}
