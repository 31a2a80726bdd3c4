//! A house with accounts, entries, breaks and alerts, for the tests of this room.
#![allow(clippy::unwrap_used)]

use crate::access::{Role, users};
use crate::clock::Moment;
use crate::config::{Bank, Mail};
use crate::db::bulk;
use crate::detect::{Evidence, RuleSetBody, Severity};
use crate::ids::Seq;
use crate::ledger::store::{AccountRow, BreakRow, EntryRow};
use crate::ledger::{BreakKind, BreakState, BusinessCalendar};
use crate::notify::store::OutboxRow;
use crate::trail::NewEvent;
use crate::trail::testing::Bench;

use super::store::{self, HitRow};
use super::{Alert, AlertFilter, Disposition, NewAlert, OpeningEntry, Order, References, close, queue};

pub(super) struct House {
    pub bench: Bench,
    pub officer: Seq,
}

impl House {
    pub fn new() -> House {
        let bench = Bench::new();
        let officer = users::add(&bench.log, &bench.clock, "olga@bank.example", Role::Officer, "tinder ocelot brick").unwrap();
        House { bench, officer }
    }

    pub fn user(&self, email: &str, role: Role) -> Seq {
        users::add(&self.bench.log, &self.bench.clock, email, role, "tinder ocelot brick").unwrap()
    }

    pub fn mail(&self) -> Mail {
        Mail { alerts_to: vec!["a@bank.example".into(), "b@bank.example".into()], ..Mail::default() }
    }

    pub fn account(&self, number: &str) -> Seq {
        self.account_of(number, 1)
    }

    pub fn account_of(&self, number: &str, source: Seq) -> Seq {
        let number = number.to_owned();
        let insert = move |tx: &mut crate::trail::ActTx<'_>| {
            let id = tx.append(NewEvent::public("account.defined", serde_json::json!({})))?;
            let row = AccountRow { id, source, number, currency: "USD".into(), created_at: 0 };
            bulk::append(tx.conn, &[row])?;
            Ok(id)
        };
        self.bench.log.act(insert).unwrap()
    }

    /// An entry with an open chain break that is due at `due`; answers its place.
    pub fn broken_entry(&self, account: Seq, due: Moment) -> Seq {
        let insert = move |tx: &mut crate::trail::ActTx<'_>| {
            // An event holds the place: these tests look at alerts, not at leaves.
            let seq = tx.append(NewEvent::public("test.entry", serde_json::json!({})))?;
            bulk::append(tx.conn, &[entry(seq, account)])?;
            bulk::append(tx.conn, &[broken(seq, BreakKind::Chain.code(), account, due)])?;
            Ok(seq)
        };
        self.bench.log.act(insert).unwrap()
    }

    /// Further breaks at the places after `entry`, which need not exist.
    pub fn break_rows(&self, account: Seq, entry: Seq, number: usize) {
        let due = self.bench.clock.now();
        let rows: Vec<_> = (1..=number as i64).map(|i| broken(entry + i, BreakKind::Chain.code(), account, due)).collect();
        self.bench.log.side(move |conn| bulk::append(conn, &rows)).unwrap();
    }

    /// An alert of `high-value` with one hit.
    pub fn hit_alert(&self, account: Seq, severity: Severity) -> Alert {
        let calendar = BusinessCalendar::new(&Bank::default());
        let id = self.bench.log.act(move |tx| {
            let seq = tx.append(NewEvent::public("test.entry", serde_json::json!({})))?;
            let entry = OpeningEntry { seq, account, booked_at: tx.now(), business_date: 20_777, rules: 0 };
            let evidence = Evidence {
                observed: "USD 12,000.00".into(),
                threshold: "USD 10,000.00".into(),
                window: None,
                entries: vec![seq],
            };
            let mut set = RuleSetBody::first().compile(0).unwrap();
            set.rules[0].severity = severity;
            let now = tx.now();
            let reference = References::load(tx.conn, &calendar, now)?.next(&calendar, now);
            let alert = NewAlert::for_hit(reference, &entry, &set.rules[0], &evidence, None);
            let id = tx.append(alert.event(&[]))?;
            bulk::append(tx.conn, &[alert.row(id, now)])?;
            let evidence = serde_json::to_string(&evidence).unwrap();
            let hit = HitRow {
                seq,
                rule: "high-value".into(),
                rules: 0,
                account,
                business_date: 20_777,
                severity: severity.code(),
                late: 0,
                decided_by: seq,
                alert: Some(id),
                evidence,
            };
            bulk::append(tx.conn, &[hit])?;
            Ok(id)
        });
        self.bench.read(|c| queue::find_by_id(c, id.unwrap())).unwrap()
    }

    pub fn close(&self, alert: &Alert) {
        let comment = "Seen, checked and found in good order.";
        close(&self.bench.log, &alert.reference.to_string(), Disposition::DataQuality, comment, None, self.officer).unwrap();
    }

    pub fn list(&self, filter: &AlertFilter) -> Vec<Alert> {
        self.bench.read(|c| queue::list(c, filter, Order::Newest, None, 100)).items
    }

    pub fn only_alert(&self, rule: &str) -> Alert {
        let mut found = self.list(&AlertFilter { rule: Some(rule.into()), ..AlertFilter::default() });
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    pub fn owed_mail(&self) -> Vec<OutboxRow> {
        self.bench.read(store::outbox)
    }
}

fn broken(seq: Seq, kind: i16, account: Seq, due: Moment) -> BreakRow {
    BreakRow {
        seq,
        kind,
        account,
        currency: "USD".into(),
        state: BreakState::Open.code(),
        expected: Some(150_000),
        found: Some(99_000),
        business_date: 20_777,
        opened_by: seq,
        opened_at: 0,
        due_at: due.0,
        closed_by: None,
        alert: None,
    }
}

fn entry(seq: Seq, account: Seq) -> EntryRow {
    EntryRow {
        seq,
        recorded_at: 0,
        source: 1,
        source_ref: format!("r{seq}"),
        account,
        position: 1,
        prev: None,
        jump: None,
        kind: 1,
        direction: 1,
        amount: 1_000,
        currency: "USD".into(),
        balance_before: Some(99_000),
        balance_after: Some(100_000),
        booked_at: 1_000,
        value_date: None,
        business_date: 20_777,
        flags: 0,
        transaction_ref: None,
        account_seq: None,
        context: 0,
        delivery: 0,
        channel: None,
        instrument: None,
        status: 1,
        reverses: None,
        rules: 0,
        outcomes: None,
        blind: vec![0; 16],
    }
}
