//! Archives are read without a database: any range, entries, events and changes with their values; and values come back
//! where a log is made again.

use std::fs;

use counterfoil::db::{Conn, Db, DbError};
use counterfoil::records::{self, history};
use serde_json::{Value, json};

use super::shell::Shell;
use crate::records::change;

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn rows_of_a_later_range_are_read_by_account_record_kind_and_day() {
    let shell = Shell::imported();
    let change = |reference: &str, limit: u32| {
        let row = change(reference, json!({ "after": { "limit": limit, "name": "=Zoë" }, "reason": "by letter" }));
        fs::write(shell.path("change.ndjson"), format!("{row}\n")).unwrap();
        shell.command(&["record", "--source", "core", "--lines", "change.ndjson"]).run().succeeded();
    };
    change("C1", 100);
    change("C2", 250);
    let more: String = (700..1_300)
        .map(|i| {
            format!("{}\n", crate::bank::entry(&format!("E{i}"), "ACC-2", "2026-03-02T11:00:00Z", i * 10 - 7_000, i * 10 - 6_990))
        })
        .collect();
    fs::write(shell.path("more.ndjson"), more).unwrap();
    shell.command(&["import", "more.ndjson", "--source", "core"]).run().succeeded();
    shell.command(&["log", "archive", "--out", "early", "--to", "255", "--private", "--format", "parquet"]).run().succeeded();
    shell.command(&["log", "archive", "--out", "late", "--from", "512", "--private", "--format", "parquet"]).run().succeeded();
    let read = |args: &[&str]| {
        let read = ["log", "read-archive", "--key", &shell.key];
        shell.command(&[&read[..], args].concat()).run()
    };

    // A range that begins in the middle of the log; nothing but leaves is needed.
    let changes = json_lines(&read(&["changes", "late", "--record", "customer/C-1", "--format", "ndjson"]).succeeded().stdout);
    let limits: Vec<(&Value, &Value, &Value)> =
        changes.iter().filter(|row| row["path"] == "/limit").map(|row| (&row["version"], &row["old"], &row["new"])).collect();
    assert_eq!(limits, [(&json!(1), &Value::Null, &json!("100")), (&json!(2), &json!("100"), &json!("250"))]);
    assert_eq!((&changes[0]["actor"], &changes[0]["reason"]), (&json!("john_doe"), &json!("by letter")));
    let none = read(&["changes", "late", "--record", "customer/C-2"]).succeeded();
    assert!(none.stderr.contains("0 rows") && none.stdout.starts_with("seq,recorded_at,"), "{none:?}");

    // Both archives with a gap between them, in any order; a text cannot run as a formula.
    let entries = json_lines(&read(&["entries", "late", "early", "--format", "ndjson"]).succeeded().stdout);
    let places: Vec<i64> = entries.iter().map(|row| row["seq"].as_i64().unwrap()).collect();
    assert!(places.is_sorted() && places.iter().any(|seq| *seq < 256) && places.iter().all(|seq| !(256..512).contains(seq)));
    let own = json_lines(&read(&["entries", "late", "early", "--account", "ACC-2", "--format", "ndjson"]).succeeded().stdout);
    assert_eq!(own.len(), entries.iter().filter(|row| row["account"] == "ACC-2").count());
    assert!(!own.is_empty() && own.len() < entries.len());
    let csv = read(&["changes", "late"]).succeeded().stdout;
    assert!(csv.contains("\"\"\"=Zoë\"\"\"") || csv.contains("\"=Zoë\""), "{csv}");
    let defined = read(&["events", "early", "late", "--kind", "account.defined", "--out", "events.csv"]).succeeded();
    assert!(defined.stderr.contains("2 rows") && defined.stdout.is_empty(), "{defined:?}");
    let made = fs::metadata(shell.path("events.csv")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&made.permissions()) & 0o777, 0o600);
    let empty = read(&["entries", "early", "--from", "2026-03-03", "--to", "2026-03-04", "--format", "ndjson"]).succeeded();
    assert_eq!(empty.stdout, "");
    let unfit = read(&["events", "early", "--account", "ACC-1"]).failed_with(2);
    assert!(unfit.stderr.contains("--account is for entries"), "{}", unfit.stderr);

    // What does not hold is not read.
    let leaves = shell.path("late/leaves/00000.ndjson");
    fs::write(&leaves, fs::read_to_string(&leaves).unwrap().replacen('A', "B", 1)).unwrap();
    let spoilt = read(&["entries", "late", "--out", "never.csv"]).failed_with(1);
    assert!(spoilt.stderr.contains("nothing was read") && !shell.path("never.csv").exists(), "{spoilt:?}");
}

#[test]
fn a_log_made_again_has_the_values_of_its_changes() {
    let shell = Shell::imported();
    for (reference, limit) in [("C1", 100), ("C2", 250), ("C3", 0)] {
        let row = change(reference, json!({ "after": { "limit": limit, "name": "Zoë" }, "reason": "by letter" }));
        fs::write(shell.path("change.ndjson"), format!("{row}\n")).unwrap();
        shell.command(&["record", "--source", "core", "--lines", "change.ndjson"]).run().succeeded();
    }
    let more: String = (0..300)
        .map(|i| format!("{}\n", crate::bank::entry(&format!("M{i}"), "ACC-2", "2026-03-02T11:00:00Z", i * 10, i * 10 + 10)))
        .collect();
    fs::write(shell.path("more.ndjson"), more).unwrap();
    shell.command(&["import", "more.ndjson", "--source", "core"]).run().succeeded();
    shell.command(&["log", "archive", "--out", "one", "--to", "255", "--private"]).run().succeeded();
    shell.command(&["log", "archive", "--out", "two", "--private"]).run().succeeded();
    let into = format!("sqlite:{}", shell.path("again.db").display());
    let restored = ["log", "restore-archive", "--key", &shell.key, "--into", &into, "one", "two"];
    let said = shell.command(&restored).run().succeeded().stderr;
    assert!(said.contains("with 4 values of changes"), "{said}");
    let db = Db::open(&into, 1).unwrap();
    let limits = |conn: &mut Conn| {
        let source = counterfoil::access::store::source_by_name(conn, "core")?.unwrap();
        let record = records::store::record_by_reference(conn, source, "customer", "C-1")?.unwrap().id;
        let readings = history::readings(conn, record, "/limit", 10)?.len();
        let newest = records::newest(conn, record)?.unwrap();
        let limit = newest.values["/limit"].value.as_ref().map(|value| value.for_people());
        Ok::<_, DbError>((readings, limit, newest.torn))
    };
    let told = db.read(limits).unwrap();
    assert_eq!(told, (3, Some("0".to_owned()), false), "its history can be read and drawn");
}
