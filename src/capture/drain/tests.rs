//! What rows of the queue become.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::hidden::Hides;
use super::row::{made as made_of, reference};
use super::store::Queued;
use crate::config::{CapturedTable, EntryMapping};
use crate::ledger::Refusal;

fn queued(action: &str, old: Option<&str>, new: Option<&str>) -> Queued {
    let row = json!({
        "id": 5, "table": "public.a", "key": ["id"], "txid": 812, "at": 1_772_445_600_000_000_i64, "action": action, "old": old, "new": new,
        "actor": null, "session": "s\u{1}1", "ip": "192.0.2.7/32", "reason": null, "role": "app", "application": "core",
    });
    serde_json::from_value(row).unwrap()
}

fn table() -> CapturedTable {
    let entries = EntryMapping { account: "id".into(), balance: "b".into(), currency: "EUR".into(), ..EntryMapping::default() };
    CapturedTable { table: "public.a".into(), kind: "a".into(), entries: Some(entries), ..CapturedTable::default() }
}

fn made(row: &Queued, table: &CapturedTable, source_ref: &str, reason: bool) -> Result<super::row::Made, Refusal> {
    made_of(row, (table, &Hides::of_names(table, &[])), source_ref, reason)
}

fn changes(row: &Queued, table: &CapturedTable, reason: bool) -> Vec<Value> {
    let made = made(row, table, &reference("abc", row), reason).unwrap();
    made.changes.iter().map(|json| serde_json::from_str(json).unwrap()).collect()
}

#[test]
fn who_and_whence_are_said_as_far_as_they_are_known() {
    let row = queued("INSERT", None, Some(r#"{"id": 1, "n": 12345678901234567890.10}"#));
    let plain = CapturedTable { entries: None, ..table() };
    let text = made(&row, &plain, &reference("abc", &row), false).unwrap().changes.pop().unwrap();
    assert!(text.contains(r#""n":12345678901234567890.10"#), "{text}");
    let change: Value = serde_json::from_str(&text).unwrap();
    let told = ["source_ref", "action", "actor", "session_id", "ip", "user_agent"].map(|name| change[name].as_str().unwrap());
    let expected = ["capture:abc:5:1772445600000000:812", "create", "unknown", "s1", "192.0.2.7", "PostgreSQL role app, core"];
    assert_eq!(told, expected);
    assert!(change.get("reason").is_none());
    assert_eq!(changes(&row, &plain, true)[0]["reason"], "unknown");
    let odd = Queued { ip: Some("here".into()), ..row };
    let change = &changes(&odd, &plain, false)[0];
    assert!(change.get("ip").is_none() && change["user_agent"].as_str().unwrap().ends_with("counterfoil.ip is no address"));
}

#[test]
fn a_balance_is_an_entry_and_the_rest_a_change() {
    let (old, new) = (r#"{"id": 1, "b": 10.50, "x": 1.0}"#, r#"{"id": 1, "b": 0.1, "x": 1.00}"#);
    let row = queued("UPDATE", Some(old), Some(new));
    let both = made(&row, &table(), "r", false).unwrap();
    let entry = both.entry.unwrap();
    let told = [entry.direction, entry.amount, entry.balance_before, entry.balance_after].map(Option::unwrap);
    assert_eq!(told, ["debit", "10.40", "10.50", "0.10"]);
    assert!(both.changes.is_empty(), "1.0 and 1.00 are the same");
    assert!(entry.source_ref.as_deref() == Some("r"));
    let about = CapturedTable { subject: "x".into(), ..table() };
    let row = queued("UPDATE", Some(r#"{"id": 1, "b": 1, "x": "Ann"}"#), Some(r#"{"id": 1, "b": 2, "x": "Bea"}"#));
    assert_eq!(changes(&row, &about, false)[0]["subject"], "Bea");
    assert_eq!(made(&row, &about, "r", false).unwrap().entry.unwrap().party.as_deref(), Some("Bea"));
    let opened = made(&queued("INSERT", None, Some(new)), &table(), "r", false).unwrap().entry.unwrap();
    assert_eq!((opened.kind.as_deref(), opened.reason.as_deref()), (Some("adjustment"), Some("opening balance")));
    let refused = |b: &str| {
        let new = format!(r#"{{"id": 1, "b": {b}}}"#);
        made(&queued("INSERT", None, Some(&new)), &table(), "r", false).unwrap_err().code
    };
    assert_eq!((refused("0.001"), refused("\"NaN\"")), ("balance_unreadable", "balance_unreadable"));
}

#[test]
fn another_key_is_another_record_and_no_key_is_none() {
    let row = queued("UPDATE", Some(r#"{"id": 1}"#), Some(r#"{"id": 2}"#));
    let two = changes(&row, &CapturedTable { entries: None, ..table() }, false);
    let told: Vec<[&str; 3]> =
        two.iter().map(|change| ["source_ref", "id", "action"].map(|name| change[name].as_str().unwrap())).collect();
    let base = "capture:abc:5:1772445600000000:812";
    assert_eq!(told, [[&*format!("{base}:1"), "1", "delete"], [&*format!("{base}:2"), "2", "create"]]);
    let keyless = queued("DELETE", Some(r#"{"no": 1}"#), None);
    assert_eq!(made(&keyless, &CapturedTable { entries: None, ..table() }, "r", false).unwrap_err().code, "key_missing");
}
