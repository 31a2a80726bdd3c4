//! Rows as the sequencer would make them, with the one account, context and delivery of the small log.

use serde_json::{Value, json};

use crate::alerts::store::{AlertRow, Opening};
use crate::clock::{HOUR, MINUTE, Moment};
use crate::ledger::continuity::Changes;
use crate::ledger::store::EntryRow;
use crate::ledger::{Context, Direction, Kind, NewEntry, Parts, Status};
use crate::money::Currency;

/// A quarter of an hour, but until the end of the date for what is booked at midnight.
pub fn due_at(row: &EntryRow) -> i64 {
    let due = row.recorded_at + 15 * MINUTE;
    if row.booked_at.rem_euclid(24 * HOUR) == 0 { due.max(row.booked_at + 24 * HOUR) } else { due }
}

pub fn entry(at: i64, amount: i64, before: i64) -> NewEntry {
    NewEntry {
        source_ref: String::new(),
        account: String::new(),
        currency: Currency::parse("USD").unwrap(),
        kind: Kind::Deposit,
        direction: Direction::Credit,
        amount,
        balance_before: Some(before),
        balance_after: Some(before + amount),
        booked_at: Moment(at),
        value_date: None,
        business_date: None,
        transaction_ref: None,
        account_seq: None,
        context: Context::default(),
        channel: None,
        instrument: None,
        reverses: None,
        status: Status::Booked,
        parts: Parts::default(),
    }
}

pub fn row(seq: i64, entry: &NewEntry, business_date: i32, blind: Vec<u8>) -> EntryRow {
    EntryRow {
        seq,
        recorded_at: 0,
        source: 1,
        source_ref: String::new(),
        account: 0,
        position: 0,
        prev: None,
        jump: None,
        kind: entry.kind.code(),
        direction: entry.direction.code(),
        amount: entry.amount,
        currency: "USD".into(),
        balance_before: entry.balance_before,
        balance_after: entry.balance_after,
        booked_at: entry.booked_at.0,
        value_date: None,
        business_date,
        flags: 0,
        transaction_ref: None,
        account_seq: None,
        context: 3,
        delivery: 4,
        channel: None,
        instrument: None,
        status: entry.status.code(),
        reverses: None,
        rules: 2,
        outcomes: None,
        blind,
    }
}

pub fn outcomes(changes: &Changes, amount: i64, late: Option<i64>) -> Option<String> {
    let mut rules = Vec::new();
    if amount >= 1_000_000 {
        rules.push(json!({ "rule": "high-value", "outcome": "hit", "severity": "high" }));
    }
    if let Some(entry) = late {
        rules.push(json!({ "rule": "high-frequency", "outcome": "hit", "severity": "high", "entry": entry, "late": true }));
    }
    let opened = |b: &crate::ledger::continuity::Break| json!({ "kind": b.kind.text(), "seq": b.seq, "expected": b.expected, "found": b.found });
    let breaks: Vec<Value> = changes.opened.iter().map(opened).collect();
    let healed: Vec<Value> = changes.healed.iter().map(|(seq, kind)| json!({ "kind": kind.text(), "seq": seq })).collect();
    let frozen: Vec<Value> = changes.frozen.iter().map(|seq| json!(seq)).collect();
    let lists = [("rules", rules), ("breaks", breaks), ("healed", healed), ("frozen", frozen)];
    let object: serde_json::Map<String, Value> = lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| (name.to_owned(), Value::Array(list)))
        .collect();
    (!object.is_empty()).then(|| Value::Object(object).to_string())
}

pub fn alert_row(id: i64, entry: &EntryRow) -> AlertRow {
    AlertRow::opened(
        (id, Moment(entry.recorded_at)),
        Opening {
            reference: format!("ALR-2026-{id:06}"),
            rule: "high-value".into(),
            rules: entry.rules,
            account: entry.account,
            severity: 3,
            business_date: entry.business_date,

            first_booked_at: entry.booked_at,
            last_seq: entry.seq,
            hits: 1,
            explanation: r#"{"sentence":"why"}"#.into(),
            previous: None,
        },
    )
}
