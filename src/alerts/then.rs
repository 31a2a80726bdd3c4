//! Alerts and breaks as they were where the log ended before a place: what came later is left out, what was
//! decided later is open.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::db::{Conn, DbError, DbResult};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::ledger::{BreakKind, BreakState};
use crate::trail::store as trail;

use super::breaks::{self, BreakFilter, ContinuityBreak};
use super::queue::{self, AlertDetail, AlertFilter, BEHIND_MAX};
use super::{Alert, CONTINUITY, Order, State, store};

impl Alert {
    /// As it was where the log ended before `end`. `None`: it was not raised yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn before(mut self, conn: &mut Conn, end: Seq) -> DbResult<Option<Alert>> {
        if self.id >= end {
            return Ok(None);
        }
        if self.rule == CONTINUITY {
            self.hits = joined(conn, &self, end)?.len() as i64;
        } else {
            let (hits, gravest) = store::hits_before(conn, self.id, end)?;
            self.hits = hits;
            self.severity = gravest.and_then(Severity::from_code).unwrap_or(self.severity);
        }
        if self.decision.as_ref().is_some_and(|decision| decision.seq >= end) {
            (self.state, self.decision) = (State::Open, None);
        }
        Ok(Some(self))
    }
}

impl ContinuityBreak {
    /// As it was where the log ended before `end`. `None`: nobody had found it yet.
    pub fn before(mut self, end: Seq) -> Option<ContinuityBreak> {
        if self.opened_by >= end {
            return None;
        }
        if self.closed_by.is_some_and(|by| by >= end) {
            (self.state, self.closed_by) = (BreakState::Open, None);
        }
        self.alert = self.alert.filter(|alert| *alert < end);
        Some(self)
    }
}

impl AlertDetail {
    /// The same where the log ended before place `end`. `None`: it was not raised yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn before(mut self, conn: &mut Conn, end: Seq) -> DbResult<Option<AlertDetail>> {
        let Some(alert) = self.alert.before(conn, end)? else { return Ok(None) };
        self.alert = alert;
        self.hits.retain(|hit| hit.decided_by < end);
        if self.alert.rule == CONTINUITY {
            let joined = joined(conn, &self.alert, end)?;
            let filter = BreakFilter { alert: Some(self.alert.id), before: Some(end), ..BreakFilter::default() };
            let found = breaks::list(conn, &filter, None, BEHIND_MAX)?;
            let found = found.into_iter().filter(|found| joined.contains(&(found.found.seq, found.found.kind)));
            self.breaks = found.filter_map(|found| found.before(end)).collect();
        }
        let named = self.hits.iter().flat_map(|hit| hit.evidence.entries.iter().copied().chain([hit.seq]));
        let named: BTreeSet<Seq> = named.chain(self.breaks.iter().map(|found| found.found.seq)).collect();
        self.entries = named.into_iter().take(BEHIND_MAX).collect();
        Ok(Some(self))
    }
}

/// The alerts of an account where the log ended before `end`, newest first, at most `limit`.
pub fn of_account(conn: &mut Conn, account: Seq, end: Seq, limit: usize) -> DbResult<Vec<Alert>> {
    let filter = AlertFilter { account: Some(account), before: Some(end), ..AlertFilter::default() };
    let found = queue::list(conn, &filter, Order::Newest, None, limit)?.items;
    let mut alerts = Vec::with_capacity(found.len());
    for alert in found {
        alerts.extend(alert.before(conn, end)?);
    }
    Ok(alerts)
}

/// The breaks of an account where the log ended before `end`, newest first, at most `limit`.
pub fn breaks_of_account(conn: &mut Conn, account: Seq, end: Seq, limit: usize) -> DbResult<Vec<ContinuityBreak>> {
    let filter = BreakFilter { account: Some(account), before: Some(end), ..BreakFilter::default() };
    Ok(breaks::list(conn, &filter, None, limit)?.into_iter().filter_map(|found| found.before(end)).collect())
}

/// The breaks that an alert of continuity had joined: those it was opened with, and those that events before `end` say
/// joined it.
fn joined(conn: &mut Conn, alert: &Alert, end: Seq) -> DbResult<BTreeSet<(Seq, BreakKind)>> {
    let corrupt =
        |seq: Seq| DbError::Corrupt(format!("event {seq} names no breaks of alert {}; run `counterfoil verify`", alert.id));
    let (opened, _) = trail::event(conn, alert.id)?.ok_or_else(|| corrupt(alert.id))?;
    // Each event names at least one of the breaks that the alert counts.
    let begins = format!("{{\"alert\":{},", alert.id);
    let later = trail::events_that_begin(conn, "alert.joined", &begins, (alert.id, end), alert.hits.max(1))?;
    let mut found = BTreeSet::new();
    for event in std::iter::once(opened).chain(later) {
        let body: Value = serde_json::from_str(&event.body).map_err(|_| corrupt(event.seq))?;
        for named in body["breaks"].as_array().into_iter().flatten() {
            let kind = named[1].as_str().and_then(BreakKind::parse);
            found.insert((named[0].as_i64().ok_or_else(|| corrupt(event.seq))?, kind.ok_or_else(|| corrupt(event.seq))?));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::alerts::grace;
    use crate::alerts::testing::House;
    use crate::clock::MINUTE;
    use crate::config::Config;
    use crate::ledger::BusinessCalendar;

    fn raise(house: &House) {
        let config = Config { mail: house.mail(), ..Config::default() };
        let calendar = BusinessCalendar::new(&config.bank);
        grace::raise_overdue(&house.bench.db, &house.bench.log, &calendar, &config, house.bench.clock.now()).unwrap();
    }

    fn size(house: &House) -> Seq {
        house.bench.read(trail::state).unwrap().size
    }

    #[test]
    fn a_break_counts_with_its_alert_from_when_it_joined() {
        let house = House::new();
        let account = house.account("1");
        let first = house.broken_entry(account, house.bench.clock.now());
        let unraised = size(&house);
        raise(&house);
        let raised = size(&house);
        let later = house.broken_entry(account, house.bench.clock.now().plus(MINUTE));
        let found = size(&house);
        house.bench.clock.advance(MINUTE);
        raise(&house);
        let reference = house.only_alert(CONTINUITY).reference;
        let at = |end: Seq| {
            let detail = house.bench.read(|c| queue::detail(c, reference)).unwrap();
            house.bench.read(|c| detail.clone().before(c, end))
        };
        assert!(at(unraised).is_none());
        let told = |end: Seq| {
            let detail = at(end).unwrap();
            (detail.alert.hits, detail.breaks.iter().map(|b| b.found.seq).collect::<Vec<_>>(), detail.entries)
        };
        assert_eq!(told(raised), (1, vec![first], vec![first]));
        assert_eq!(told(found), (1, vec![first], vec![first]), "found, and its grace not over");
        assert_eq!(told(size(&house)), (2, vec![later, first], vec![first, later]));
        let of = |end: Seq| house.bench.read(|c| of_account(c, account, end, 10)).iter().map(|a| a.hits).collect::<Vec<_>>();
        assert_eq!((of(unraised), of(found), of(size(&house))), (vec![], vec![1], vec![2]));
        let breaks = |end: Seq| house.bench.read(|c| breaks_of_account(c, account, end, 10));
        assert_eq!((breaks(unraised).len(), breaks(unraised)[0].alert, breaks(found).len()), (1, None, 2));
    }
}
