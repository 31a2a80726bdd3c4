//! Files: an import that is killed and taken up again counts rightly; a dry run says what a real
//! one would.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use counterfoil::db::Db;
use serde_json::{Value, json};

use crate::bank::{Home, Kind, entry, on_both};
use crate::support::program::Program;

fn last_line(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap()
}

/// `n` rows on a few accounts, every tenth given twice, the first on the account once more in
/// another currency.
fn file(n: usize) -> String {
    let mut lines = Vec::new();
    for i in 0..n as i64 {
        let row = entry(&format!("K{i}"), &format!("A{}", i % 50), "2026-03-02T10:00:00Z", i / 50, i / 50 + 1);
        if i % 10 == 0 {
            lines.push(row.to_string());
        }
        lines.push(row.to_string());
    }
    let mut euro = entry("K-euro", "A0", "2026-03-02T10:00:00Z", 0, 1);
    euro["currency"] = json!("EUR");
    lines.push(euro.to_string());
    lines.join("\n")
}

/// Leaves in the log so far; 0 while there is no log.
fn size(database: &str) -> i64 {
    if database.strip_prefix("sqlite:").is_some_and(|file| !std::path::Path::new(file).exists()) {
        return 0;
    }
    let state = |db: Db| db.read(counterfoil::trail::store::state);
    Db::open(database, 1).ok().and_then(|db| state(db).ok()).flatten().map_or(0, |state| state.size)
}

/// Entries in the log.
fn entries(database: &str) -> usize {
    let db = Db::open(database, 1).unwrap();
    db.read(|conn| counterfoil::ledger::store::entries_between(conn, 0, i64::MAX, 100_000)).unwrap().len()
}

#[test]
fn an_import_that_is_killed_and_run_again_counts_every_entry_once() {
    on_both(|kind| {
        for (round, beside) in [(0, false), (1, true)] {
            let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
            let database = home.url();
            Program::new(dir.path()).args(["migrate", "up", "--database", &home.owner_url()]).run().succeeded();
            let path = dir.path().join("day.ndjson");
            std::fs::write(&path, file(16_000)).unwrap();
            let _serve = beside.then(|| Program::new(dir.path()).args(["--database", &database]).spawn_serve());
            let arguments = ["import", path.to_str().unwrap(), "--source", "core", "--json", "--database", &database];
            let mut first = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
                .args(arguments)
                .current_dir(dir.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let began = Instant::now();
            while size(&database) < 4_000 + 5_000 * round && first.try_wait().unwrap().is_none() {
                assert!(began.elapsed() < Duration::from_secs(60), "{kind:?}: the import does not begin");
                std::thread::sleep(Duration::from_millis(2));
            }
            first.kill().unwrap();
            first.wait().unwrap();
            let summary = last_line(&Program::new(dir.path()).args(arguments).run().failed_with(1).stdout);
            let expected = json!({ "read": 17_601, "recorded": 16_000, "duplicates": 1_600, "rejected": 1 });
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&summary[name], value, "{kind:?} round {round} beside {beside}: {name} of {summary}");
            }
            assert_eq!(entries(&database), 16_000);
            if kind == Kind::Sqlite && !beside {
                Program::new(dir.path()).args(["verify", "--database", &database]).run().succeeded();
            }
        }
    });
}

#[test]
fn a_dry_run_says_what_a_real_one_would_and_writes_nothing() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let write = |name: &str, lines: &[Value]| {
            let path = dir.path().join(name);
            let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
            std::fs::write(&path, lines.join("\n")).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let import = |file: &str, more: &[&str]| {
            let arguments = ["import", file, "--source", "core", "--json", "--database", &database];
            let output = Program::new(dir.path()).args(arguments).args(more).run();
            last_line(&output.stdout)
        };
        let at = |i: i64| format!("2026-03-02T10:{:02}:00Z", i % 60);
        let mut first: Vec<Value> = (0..30).map(|i| entry(&format!("D{i}"), "1", &at(i), i, i + 1)).collect();
        // What is wrong in every way a stored or an earlier row can make it.
        let mut other = first[3].clone();
        other["amount"] = json!("7.00");
        let mut euro = entry("E1", "1", &at(5), 0, 1);
        euro["currency"] = json!("EUR");
        first.extend([first[3].clone(), other.clone(), euro.clone(), json!({ "nope": 1 })]);
        let mut late = entry("late", "1", &at(2), 500, 12_000);
        late["reverses"] = json!("never");
        first.push(late);
        let second: Vec<Value> =
            [first[0].clone(), other, euro, entry("D40", "1", &at(40), 12_000, 12_001), entry("D41", "2", &at(41), 0, 5)].into();
        let (first, second) = (write("first.ndjson", &first), write("second.ndjson", &second));
        let fresh = import(&first, &["--dry-run"]);
        assert_eq!((&fresh["duplicates"], &fresh["rejected"]), (&json!(1), &json!(3)), "{fresh}");
        assert!(fresh["hits"].as_i64() > Some(20) && fresh["breaks"].as_i64() > Some(0), "{fresh}");
        assert_eq!(size(&database), 0, "nothing was written");
        if let Home::Sqlite(folder) = &home {
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "not even a database");
        }
        assert_eq!(import(&first, &[]), fresh, "{kind:?}");
        let (before, _serve) = (entries(&database), Program::new(dir.path()).args(["--database", &database]).spawn_serve());
        let beside = import(&second, &["--dry-run"]);
        assert_eq!((&beside["recorded"], &beside["duplicates"], &beside["rejected"]), (&json!(2), &json!(1), &json!(2)));
        assert_eq!(entries(&database), before);
        assert_eq!(import(&second, &[]), beside, "{kind:?}");
        let again = import(&first, &["--dry-run"]);
        assert_eq!(import(&first, &[]), again, "{kind:?}");
    });
}
