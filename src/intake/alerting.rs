//! Hits join open alerts or open new ones, in the transaction of their entry.

use std::collections::HashMap;

use crate::alerts::JOIN_WITHIN;
use crate::alerts::store::{self, AlertRow};
use crate::alerts::{NewAlert, OpeningEntry, References};
use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::detect::{ActiveRule, Evidence};
use crate::ids::{AlertRef, Seq};
use crate::ledger::BusinessCalendar;
use crate::notify::MailKind;
use crate::notify::store::owed_rows;

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
    numbers: Option<References>,
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
    /// The entry it is named at.
    pub seq: Seq,
    /// When that entry was booked.
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
        // Numbering goes on after the newest stored.
        self.numbers = None;
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
        let now = to.tail.recorded_at();
        let entry = OpeningEntry {
            seq: hit.seq,
            account: hit.account,
            booked_at: hit.booked_at,
            business_date: hit.business_date,
            rules: hit.rules,
        };
        let previous = self.closed.get(&key).copied();
        let reference = self.next_reference(conn, zone, now)?;
        let alert = NewAlert::for_hit(reference, &entry, hit.rule, hit.evidence, previous);
        let id = to.append(&alert.event(recipients))?;
        to.batch.outbox.extend(owed_rows(MailKind::Alert, id, recipients, hit.rule.severity, now));
        let row = alert.row(id, now);
        let open = Open { id, reference: row.reference.clone(), first_booked_at: row.first_booked_at, hits: 1, severity };
        to.batch.alerts.push(row);
        self.open.entry(key).or_default().push(open.clone());
        Ok(open)
    }

    fn next_reference(&mut self, conn: &mut Conn, zone: &BusinessCalendar, now: Moment) -> DbResult<AlertRef> {
        if self.numbers.is_none() {
            self.numbers = Some(References::load(conn, zone, now)?);
        }
        let numbers = self.numbers.as_mut().ok_or_else(|| DbError::Corrupt("alerts cannot be numbered".into()))?;
        Ok(numbers.next(zone, now))
    }
}
