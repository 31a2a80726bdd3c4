//! Rows for tests: a small log with sources, accounts, entries and what follows from them.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::alerts::store::{AlertRow, HitRow, Opening};
use crate::clock::{HOUR, Moment, day_number, parse_date};
use crate::config::{Config, Mail};
use crate::db::{Conn, bulk};
use crate::detect::RuleSetBody;
use crate::ids::Seq;
use crate::ledger::store::{AccountRow, BreakRow, EntryRow, SourceRow};
use crate::ledger::{BreakKind, BreakState, Direction, Kind, Status};
use crate::trail::NewEvent;
use crate::trail::testing::Bench;

use super::signals::store::RuleSetRow;
use super::{Context, Report, preview};

/// The business date of most tests: a Friday, the day the bench's clock stands at.
pub const DAY: &str = "2026-11-20";

/// A log with rows put in by hand.
pub struct House {
    pub bench: Bench,
    pub ctx: Context,
    pub rules: Seq,
}

/// What a test says of an entry; the rest is filled in.
#[derive(Clone)]
pub struct Put<'a> {
    pub source: Seq,
    pub account: Seq,
    pub currency: &'a str,
    /// Positive: credit, minor units.
    pub amount: i64,
    pub before: Option<i64>,
    pub date: &'a str,
    /// Microseconds after midnight UTC of the date.
    pub at: i64,
    pub kind: Kind,
    pub status: Status,
    pub cash: bool,
    pub outcomes: Option<&'a str>,
}

impl Put<'_> {
    pub fn new(source: Seq, account: Seq, amount: i64, before: Option<i64>) -> Put<'static> {
        let kind = if amount < 0 { Kind::Withdrawal } else { Kind::Deposit };
        let (currency, status) = ("USD", Status::Booked);
        Put { source, account, currency, amount, before, date: DAY, at: 10 * HOUR, kind, status, cash: false, outcomes: None }
    }
}

impl House {
    pub fn new() -> House {
        let bench = Bench::new();
        let mail = Mail { reports_to: vec!["officer@bank.example".into()], ..Mail::default() };
        let ctx = Context::new(&Config { mail, ..Config::default() }, bench.clock.clone());
        let body = serde_json::to_string(&RuleSetBody::first()).unwrap();
        let rules = bench
            .log
            .act(move |tx| {
                let id = tx.append(NewEvent::public("ruleset.defined", json!({})))?;
                bulk::append(tx.conn, &[RuleSetRow { id, version: 1, body, recorded_at: tx.now().0 }])?;
                Ok(id)
            })
            .unwrap();
        House { bench, ctx, rules }
    }

    /// Appends an event as a place in the log, and rows in the same act.
    pub fn place(&self, kind: &'static str, rows: impl FnOnce(&mut Conn, Seq) + Send + 'static) -> Seq {
        self.place_with(kind, json!({}), rows)
    }

    /// The same with a body.
    pub fn place_with(
        &self,
        kind: &'static str,
        body: serde_json::Value,
        rows: impl FnOnce(&mut Conn, Seq) + Send + 'static,
    ) -> Seq {
        let act = self.bench.log.act(move |tx| {
            let seq = tx.append(NewEvent::public(kind, body))?;
            rows(tx.conn, seq);
            Ok(seq)
        });
        act.unwrap()
    }

    pub fn source(&self, name: &str) -> Seq {
        let (name, created_at) = (name.to_owned(), Moment::parse("2026-11-01T00:00:00Z").unwrap().0);
        self.place("source.defined", move |c, id| bulk::append(c, &[SourceRow { id, name, created_at }]).unwrap())
    }

    pub fn account(&self, source: Seq, number: &str, currency: &str) -> Seq {
        let (number, currency) = (number.to_owned(), currency.to_owned());
        self.place("account.defined", move |c, id| {
            bulk::append(c, &[AccountRow { id, source, number, currency, created_at: 0 }]).unwrap();
        })
    }

    /// Puts an entry where an event stands, which is enough for a report.
    pub fn entry(&self, put: Put<'_>) -> Seq {
        let date = parse_date(put.date).unwrap();
        let midnight = Moment::parse(&format!("{}T00:00:00Z", put.date)).unwrap();
        let direction = if put.amount < 0 { Direction::Debit } else { Direction::Credit };
        let mut row = EntryRow {
            seq: 0,
            recorded_at: self.bench.clock.now().0,
            source: put.source,
            source_ref: String::new(),
            account: put.account,
            position: 1,
            prev: None,
            jump: None,
            kind: put.kind.code(),
            direction: direction.code(),
            amount: put.amount.abs(),
            currency: put.currency.to_owned(),
            balance_before: put.before,
            balance_after: put.before.map(|b| b.wrapping_add(put.amount)),
            booked_at: midnight.0 + put.at,
            value_date: None,
            business_date: day_number(date),
            flags: 0,
            transaction_ref: None,
            account_seq: None,
            context: 0,
            delivery: 0,
            channel: None,
            instrument: put.cash.then_some(1),
            status: put.status.code(),
            reverses: None,
            rules: self.rules,
            outcomes: put.outcomes.map(str::to_owned),
            blind: vec![0; 16],
        };
        self.place("test.entry", move |c, seq| {
            (row.seq, row.source_ref) = (seq, format!("e-{seq}"));
            let (credits, debits) = if direction == Direction::Credit { (row.amount, 0) } else { (0, row.amount) };
            add_figure(c, &row, credits, debits);
            c.execute(&format!("INSERT INTO day_ranges VALUES ({}, {seq}, {seq}, 1)", row.business_date)).unwrap();
            bulk::append(c, &[row]).unwrap();
        })
    }

    /// The source's own totals of a date, per currency `(code, entries, debits, credits)`.
    pub fn close(&self, source: Seq, date: &str, sums: &[(&'static str, i64, i64, i64)]) {
        let (date, sums) = (day_number(parse_date(date).unwrap()), sums.to_vec());
        self.place("feed.closed", move |c, seq| {
            for (code, entries, debits, credits) in sums {
                let values = format!("{seq}, {source}, {date}, '{code}', {entries}, {debits}, {credits}, 0");
                c.execute(&format!("INSERT INTO feed_closings VALUES ({values})")).unwrap();
            }
        });
    }

    pub fn hit(&self, seq: Seq, account: Seq, rule: &str, alert: Option<Seq>, evidence: &str) {
        let (rule, evidence, rules) = (rule.to_owned(), evidence.to_owned(), self.rules);
        let business_date = day_number(parse_date(DAY).unwrap());
        let row = HitRow { seq, rule, rules, account, business_date, severity: 3, late: 0, decided_by: seq, alert, evidence };
        self.place("test.hit", move |c, _| bulk::append(c, &[row]).unwrap());
    }

    pub fn alert(&self, account: Seq, date: &str, severity: i16, opened: &str) -> Seq {
        let (business_date, rules) = (day_number(parse_date(date).unwrap()), self.rules);
        let opened_at = Moment::parse(opened).unwrap().0;
        self.place("alert.opened", move |c, id| {
            let reference = format!("ALR-2026-{id:06}");
            let row = AlertRow::opened(
                (id, Moment(opened_at)),
                Opening {
                    reference,
                    rule: "high-value".into(),
                    rules,
                    account,
                    severity,
                    business_date,

                    first_booked_at: opened_at,
                    last_seq: id,
                    hits: 1,
                    explanation: "{}".into(),
                    previous: None,
                },
            );
            bulk::append(c, &[row]).unwrap();
        })
    }

    pub fn broken(&self, seq: Seq, account: Seq, date: &str, state: BreakState, closed_by: Option<Seq>) {
        let row = BreakRow {
            seq,
            kind: BreakKind::Chain.code(),
            account,
            currency: "USD".into(),
            state: state.code(),
            expected: Some(150_000),
            found: Some(99_000),
            business_date: day_number(parse_date(date).unwrap()),
            opened_by: seq,
            opened_at: 0,
            due_at: 0,
            closed_by,
            alert: None,
        };
        self.place("test.break", move |c, _| bulk::append(c, &[row]).unwrap());
    }

    pub fn preview(&self, date: &str) -> Report {
        self.bench.read(|c| preview(c, &self.ctx, parse_date(date).unwrap()))
    }
}

fn add_figure(c: &mut Conn, row: &EntryRow, credits: i64, debits: i64) {
    let (date, source, code, kind, status) = (row.business_date, row.source, &row.currency, row.kind, row.status);
    let hour = row.booked_at.div_euclid(HOUR);
    c.execute(&format!(
        "INSERT INTO day_figures VALUES ({date}, {source}, '{code}', {kind}, {status}, {hour}, 1, {credits}, {debits})
         ON CONFLICT (business_date, source, currency, kind, status, hour) DO UPDATE
         SET entries = day_figures.entries + 1, credits = day_figures.credits + {credits}, debits = day_figures.debits + {debits}"
    ))
    .unwrap();
}
