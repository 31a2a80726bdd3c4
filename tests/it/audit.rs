//! What the sequencer writes holds together, and what someone with the database's password changes
//! is found, on both databases.

use counterfoil::audit::{Options, Outcome, verify};
use counterfoil::db::Db;
use serde_json::json;

use crate::bank::{Bank, Kind, define_source, entry, on_both};

fn verified(bank: &Bank) -> Outcome {
    verify(
        &bank.db,
        Options { config: &bank.config, now: bank.clock.now(), progress: &|_, _| {}, given: counterfoil::audit::Given::NONE },
    )
    .unwrap()
}

/// Entries of every sort: in order, late, breaking, healing, hitting, foreign, attempted, refused.
fn fill(bank: &Bank) {
    let at = |minute: i64| format!("2026-03-02T{:02}:{:02}:00Z", 6 + minute / 60, minute % 60);
    let mut balance = [0_i64; 7];
    for n in 0..400_i64 {
        let who = (n % 7) as usize;
        let amount = if n % 40 == 3 { 12_000 } else { n % 30 };
        if n % 60 == 30 {
            balance[who] += 5;
        }
        let mut row = entry(&format!("E{n}"), &format!("ACC-{who}"), &at(n / 2), balance[who], balance[who] + amount);
        balance[who] += amount;
        if n % 9 == 0 {
            row["party"] = json!(format!("P-{n}"));
        }
        row["session_id"] = json!(format!("s-{}", n / 50));
        bank.record(row);
    }
    // Two that come in the wrong order: the second heals what the first broke.
    bank.record(entry("L2", "LATE", &at(300), 10, 20));
    bank.record(entry("L4", "LATE", &at(320), 30, 40));
    bank.record(entry("L3", "LATE", &at(310), 20, 30));
    let mut attempted = entry("X1", "ACC-1", &at(330), 1, 2);
    attempted["status"] = json!("attempted");
    bank.record(attempted);
    let other = define_source(&bank.intake, "cards");
    let foreign = Bank::row(1, entry("F1", "ACC-2", &at(340), balance[2], balance[2] + 1));
    let unread = Bank::row(2, json!({ "source_ref": "F2" }));
    assert_eq!(bank.submit_rows(other, vec![foreign, unread], false).unwrap().len(), 2);
}

#[test]
fn a_log_of_many_slices_is_verified_whole() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let at = |n: i64| format!("2026-03-02T{:02}:{:02}:{:02}Z", 6 + n / 3_600, n / 60 % 60, n % 60);
        let row = |n: i64| Bank::row(n as u64, entry(&format!("E{n}"), "ACC-1", &at(n), n, n + 1));
        // Five slices of 10,240 leaves: each connection reads more than one, its statements prepared by then.
        for from in (0..42_000).step_by(2_000) {
            let rows = (from..from + 2_000).map(row).collect();
            bank.submit_rows(bank.source, rows, false).unwrap();
        }
        let outcome = verified(&bank);
        assert_eq!(outcome.findings, [], "{kind:?}");
        assert!(outcome.levels.iter().any(|level| level.checked > 42_000), "{kind:?}");
    });
}

#[test]
fn what_the_sequencer_writes_holds_together() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        assert_eq!(verified(&bank).findings, []);
        fill(&bank);
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
        let bank = bank.restart();
        bank.record(entry("AFTER", "ACC-1", "2026-03-02T20:00:00Z", 1, 2));
        let outcome = verified(&bank);
        assert_eq!(outcome.findings, [], "{kind:?}, after a restart");
        let levels: Vec<(&str, bool)> = outcome.levels.iter().map(|level| (level.level, level.checked > 20)).collect();
        let expected = [("L0", false), ("L1", false), ("L2", true), ("L3", true), ("L4", true), ("L5", true), ("L6", true)];
        assert_eq!(levels, expected, "without a checkpoint from outside, L0 and L1 have nothing to look at");
        assert!(outcome.levels[..2].iter().all(|level| level.note.as_deref().is_some_and(|note| note.contains("no checkpoint"))));
        bank.intake.stop();
    });
}

#[test]
fn what_is_changed_behind_the_log_s_back_is_found_and_named() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        fill(&bank);
        bank.intake.stop();
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        for table in ["entries", "events", "hits", "tiles"] {
            conn.execute(&match kind {
                Kind::Sqlite => format!("DROP TRIGGER {table}_no_update; DROP TRIGGER {table}_no_delete"),
                Kind::Postgres => format!("ALTER TABLE {table} DISABLE TRIGGER {table}_append_only"),
            })
            .unwrap();
        }
        let seq: i64 = 100;
        let only_the_triggers = |outcome: Outcome| outcome.findings.iter().all(|f| f.level == "L6");
        assert!(only_the_triggers(verified(&bank)));
        conn.execute(&format!("UPDATE entries SET amount = amount + 1 WHERE seq = {seq}")).unwrap();
        let found = verified(&bank);
        let named = |level: &str, table: &str| {
            found.findings.iter().any(|f| f.level == level && f.table == table && (f.seq == Some(seq) || level == "L4"))
        };
        assert!(named("L2", "entries") && named("L4", "day_figures"), "{kind:?}: {:?}", found.findings);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["ok"], json!(false));
        assert_eq!(json["findings"][0]["seq"], json!(seq));
        conn.execute(&format!("UPDATE entries SET amount = amount - 1 WHERE seq = {seq}")).unwrap();
        assert!(only_the_triggers(verified(&bank)), "put back as it was, the log holds together again");
        conn.execute("UPDATE breaks SET state = 3").unwrap();
        conn.execute("DELETE FROM hits WHERE rule = 'high-value'").unwrap();
        let kinds: Vec<&str> = verified(&bank).findings.iter().map(|f| f.kind).collect();
        assert!(kinds.contains(&"break_differs") && kinds.contains(&"hit_missing"), "{kind:?}: {kinds:?}");
    });
}

#[test]
fn a_stored_report_an_alert_or_a_role_that_was_changed_or_removed_is_found() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        bank.record(entry("V1", "ACC-1", "2026-03-01T10:00:00Z", 0, 20_000));
        counterfoil::access::users::add(
            &bank.intake.log(),
            &bank.clock,
            "a@bank.example",
            counterfoil::access::Role::Analyst,
            "correct horse battery",
        )
        .unwrap();
        let context = counterfoil::reports::Context::new(&bank.config, bank.clock.clone());
        let date = counterfoil::reports::Due::Date("2026-03-01".parse().unwrap());
        counterfoil::reports::run_nightly(&bank.intake.log(), &bank.db, &context, date, &|_| "<html>".to_owned()).unwrap();
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        match kind {
            Kind::Sqlite => conn.execute("DROP TRIGGER reports_no_update").unwrap(),
            Kind::Postgres => conn.execute("ALTER TABLE reports DISABLE TRIGGER ALL").unwrap(),
        }
        conn.execute("UPDATE reports SET html = '<html>!'").unwrap();
        conn.execute("UPDATE users SET role = 'officer'").unwrap();
        conn.execute("DELETE FROM alerts").unwrap();
        let found: Vec<(&str, &str)> = verified(&bank).findings.iter().map(|f| (f.kind, f.table)).collect();
        for expected in [("report_differs", "reports"), ("row_differs", "users"), ("row_missing", "alerts")] {
            assert!(found.contains(&expected), "{kind:?}: {expected:?} in {found:?}");
        }
    });
}
