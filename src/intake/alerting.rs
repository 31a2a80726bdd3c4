//! Hits join open alerts or open new ones, in the transaction of their entry.

use std::collections::HashMap;

use serde_json::json;

use crate::alerts::JOIN_WITHIN;
use crate::alerts::store::{self, AlertRow, OPEN};
use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::detect::{ActiveRule, Evidence};
use crate::ids::{AlertRef, Seq};
use crate::ledger::BusinessCalendar;
use crate::notify::store::{OutboxRow, PENDING};
use crate::trail::NewEvent;

use super::dictionary::Growing;

type Key = (String, Seq);

/// An open alert, as far as a new hit needs to know it.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub id: Seq,
    pub reference: String,
    first_booked_at: i64,
    hits: i64,
    severity: i16,
}

/// Open alerts, the newest closed one of each key, and the numbering.
#[derive(Default)]
pub(super) struct Alerting {
    open: HashMap<Key, Vec<Open>>,
    closed: HashMap<Key, Seq>,
    numbers: HashMap<i32, u32>,
}

/// What a batch changes in an alert that is already stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct AlertUpdate {
    pub hits: i64,
    pub severity: i16,
    pub last_seq: Seq,
}

/// A hit that looks for its alert.
pub(super) struct Found<'a> {
    pub rule: &'a ActiveRule,
    pub rules: Seq,
    pub account: Seq,
    pub seq: Seq,
    pub booked_at: Moment,
    pub business_date: i32,
    pub evidence: &'a Evidence,
}

impl Alerting {
    pub fn load(conn: &mut Conn) -> DbResult<Alerting> {
        let mut alerting = Alerting::default();
        for row in store::open_alerts(conn)? {
            alerting.remember(&row);
        }
        for (rule, account, id) in store::newest_closed(conn)? {
            alerting.closed.insert((rule, account), id);
        }
        Ok(alerting)
    }

    /// Adds an alert opened elsewhere.
    pub fn remember(&mut self, row: &AlertRow) {
        let open = Open {
            id: row.id,
            reference: row.reference.clone(),
            first_booked_at: row.first_booked_at,
            hits: row.hits,
            severity: row.severity,
        };
        self.open.entry((row.rule.clone(), row.account)).or_default().push(open);
        if let Some(reference) = AlertRef::parse(&row.reference)
            && let Some(number) = self.numbers.get_mut(&reference.year)
        {
            *number = (*number).max(reference.number);
        }
    }

    /// No hit may join this alert any more.
    pub fn close(&mut self, id: Seq) {
        self.open.retain(|key, list| {
            if list.iter().any(|open| open.id == id) {
                self.closed.insert(key.clone(), id);
                list.retain(|open| open.id != id);
            }
            !list.is_empty()
        });
    }

    /// The alert a hit belongs to: one that is open and near in time, or a new one.
    pub fn join(
        &mut self,
        to: &mut Growing<'_>,
        conn: &mut Conn,
        recipients: &[String],
        zone: &BusinessCalendar,
        hit: &Found<'_>,
    ) -> DbResult<Open> {
        let key = (hit.rule.rule.code().to_owned(), hit.account);
        let severity = hit.rule.severity.code();
        let list = self.open.entry(key.clone()).or_default();
        let near = |open: &&mut Open| hit.booked_at.0.abs_diff(open.first_booked_at) <= JOIN_WITHIN.unsigned_abs();
        if let Some(open) = list.iter_mut().rev().find(near) {
            open.hits += 1;
            open.severity = open.severity.max(severity);
            let update = AlertUpdate { hits: open.hits, severity: open.severity, last_seq: hit.seq };
            to.batch.update_alert(open.id, update);
            return Ok(open.clone());
        }
        let reference = self.next_reference(conn, zone, to.tail.recorded_at())?;
        let previous = self.closed.get(&key).copied();
        let row = open_alert(to, &reference, previous, hit)?;
        owe_mail(to, &row, recipients);
        let open = Open { id: row.id, reference, first_booked_at: row.first_booked_at, hits: 1, severity };
        to.batch.alerts.push(row);
        self.open.entry(key).or_default().push(open.clone());
        Ok(open)
    }

    fn next_reference(&mut self, conn: &mut Conn, zone: &BusinessCalendar, now: Moment) -> DbResult<String> {
        let year = chrono::Datelike::year(&zone.local_date(now));
        if !self.numbers.contains_key(&year) {
            let newest = store::newest_reference(conn, year)?;
            let number = newest.and_then(|text| AlertRef::parse(&text)).map_or(0, |r| r.number);
            self.numbers.insert(year, number);
        }
        let number = self.numbers.entry(year).or_default();
        *number += 1;
        Ok(AlertRef { year, number: *number }.to_string())
    }
}

fn open_alert(to: &mut Growing<'_>, reference: &str, previous: Option<Seq>, hit: &Found<'_>) -> DbResult<AlertRow> {
    let (rule, severity) = (hit.rule.rule.code(), hit.rule.severity);
    let body = json!({
        "ref": reference, "rule": rule, "rules": hit.rules, "severity": severity.text(),
        "account": hit.account, "entry": hit.seq, "previous": previous,
    });
    let id = to.append(&NewEvent::public("alert.opened", body))?;
    let evidence = hit.evidence;
    let explanation = json!({
        "sentence": hit.rule.check.explain(evidence), "observed": evidence.observed,
        "threshold": evidence.threshold, "window": evidence.window,
    });
    Ok(AlertRow {
        id,
        reference: reference.to_owned(),
        rule: rule.to_owned(),
        rules: hit.rules,
        account: hit.account,
        severity: severity.code(),
        state: OPEN,
        business_date: hit.business_date,
        opened_at: to.tail.recorded_at().0,
        first_booked_at: hit.booked_at.0,
        last_seq: hit.seq,
        hits: 1,
        explanation: explanation.to_string(),
        previous,
        disposition: None,
        comment: None,
        duplicate_of: None,
        closed_at: None,
        closed_by: None,
        closed_seq: None,
    })
}

/// One row per recipient; its id is the alert's × 64 + the recipient's number.
fn owe_mail(to: &mut Growing<'_>, alert: &AlertRow, recipients: &[String]) {
    for (index, recipient) in recipients.iter().take(64).enumerate() {
        to.batch.outbox.push(OutboxRow {
            id: alert.id * 64 + index as i64,
            kind: "alert".to_owned(),
            about: alert.id,
            recipient: recipient.clone(),
            severity: alert.severity,
            state: PENDING,
            created_at: alert.opened_at,
            not_before: alert.opened_at,
            attempts: 0,
            last_error: None,
            message_id: None,
            done_at: None,
        });
    }
}
