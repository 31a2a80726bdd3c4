//! The log made again from its leaves, in other batches, on either database: equal, or named.

use std::fs;

use counterfoil::audit::{self, ReplayOptions, Replayed};
use counterfoil::db::Db;
use counterfoil::ledger::leaves;
use counterfoil::trail::store as trail;
use counterfoil_verify::Tiles;

use crate::bank::{Bank, Home, Kind, entry, on_both};
use crate::support::program::Program;
use crate::tamper::books::Book;
use crate::tamper::edits::behind_the_triggers;

fn replayed(book: &Book, into: &Home, batch: usize) -> Replayed {
    let (live, into) = (Db::open(&book.home.url(), 1).unwrap(), Db::open(&into.owner_url(), 1).unwrap());
    audit::replay(&live, &into, None, &ReplayOptions { config: &book.config, batch, progress: &|_, _| {} }).unwrap()
}

/// The root over the leaves that the rows of a database give.
pub fn root_of_rows(url: &str) -> Vec<u8> {
    let mut conn = Db::open(url, 1).unwrap().connect().unwrap();
    let state = trail::state(&mut conn).unwrap().unwrap();
    let mut tiles = Tiles::new();
    let hashes = leaves::hashes(&mut conn, 0, state.size).unwrap();
    hashes.into_iter().for_each(|hash| tiles.push(hash, &mut Vec::new()));
    tiles.root().to_vec()
}

#[test]
fn a_bank_made_again_in_other_batches_is_the_same_on_either_database() {
    on_both(|kind| {
        let book = Book::write(kind);
        for (batch, other) in [(1, Kind::Sqlite), (97, Kind::Postgres), (100_000, Kind::Sqlite)] {
            let into = Home::new(other);
            let outcome = replayed(&book, &into, batch);
            assert_eq!(outcome.differences, [], "{kind:?}, batches of {batch}");
            assert!(outcome.ok && outcome.entries > 500 && outcome.made > 20 && outcome.taken > 50, "{outcome:?}");
            // Two accounts with a context and an entry each are erased, six entries have sealed parts.
            assert!(outcome.not_rederivable >= 10, "{}", outcome.not_rederivable);
            let rows = |table: &str| outcome.tables.iter().find(|t| t.table == table).map_or(0, |t| t.rows);
            for table in
                ["accounts", "breaks", "hits", "alerts", "day_figures", "users", "api_keys", "rule_sets", "outbox", "tiles"]
            {
                assert!(rows(table) > 0, "{table} was not compared");
            }
            assert_eq!(hex::encode(root_of_rows(&into.url())), outcome.root, "the rows of the replay have the same root");
            assert_eq!(hex::encode(root_of_rows(&book.home.url())), outcome.root);
        }
    });
}

#[test]
fn what_was_manipulated_in_the_live_tables_is_named_with_both_values() {
    on_both(|kind| {
        let book = Book::write(kind);
        let mut conn = Db::open(&book.home.owner_url(), 1).unwrap().connect().unwrap();
        let edits = [
            ("accounts", "UPDATE accounts SET number = 'ACC-X' WHERE number = 'ACC-3'", "number", "ACC-X", "ACC-3"),
            ("users", "UPDATE users SET role = 'admin' WHERE email = 'bob@bank.example'", "role", "admin", "analyst"),
            ("rule_sets", "UPDATE rule_sets SET version = 9 WHERE version = 2", "version", "9", "2"),
            (
                "day_figures",
                "UPDATE day_figures SET credits = credits + 1 WHERE credits = (SELECT max(credits) FROM day_figures)",
                "credits",
                "",
                "",
            ),
            ("hits", "UPDATE hits SET severity = 1 WHERE seq = (SELECT min(seq) FROM hits)", "severity", "1", "3"),
            ("alerts", "UPDATE alerts SET state = 2 WHERE id = (SELECT max(id) FROM alerts)", "state", "2", "1"),
            ("breaks", "UPDATE breaks SET state = 3 WHERE seq = (SELECT min(seq) FROM breaks)", "state", "3", ""),
            ("api_keys", "UPDATE api_keys SET state = 1 WHERE state = 2", "state", "1", "2"),
        ];
        for (table, sql, column, live, rebuilt) in edits {
            let kept = format!("CREATE TABLE kept AS SELECT * FROM {table}");
            conn.execute(&kept).unwrap();
            behind_the_triggers(&mut conn, table, sql).unwrap();
            let into = Home::new(Kind::Sqlite);
            let outcome = replayed(&book, &into, 50);
            assert!(!outcome.ok, "{kind:?} {sql}");
            let found = outcome.differences.iter().find(|d| d.table == table && d.column == column);
            let found = found.unwrap_or_else(|| panic!("{kind:?} {sql}: {:?}", outcome.differences));
            assert!(live.is_empty() || found.live == live, "{found:?}");
            assert!(rebuilt.is_empty() || found.replayed == rebuilt, "{found:?}");
            assert!(found.seq.is_some() || table == "day_figures", "{found:?}");
            assert_eq!(outcome.found, 1, "{kind:?} {sql}: {:?}", outcome.differences);
            let back = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept");
            behind_the_triggers(&mut conn, table, &back).unwrap();
            conn.execute("DROP TABLE kept").unwrap();
        }
        assert!(replayed(&book, &Home::new(Kind::Sqlite), 50).ok, "put back as it was, it is equal again");
    });
}

#[test]
fn an_outcome_that_its_entry_does_not_give_is_named_though_tables_and_tiles_agree() {
    // A rule set whose event says another threshold than the one that decided: no table tells, only doing it again.
    let book = Book::write(Kind::Sqlite);
    let mut conn = Db::open(&book.home.owner_url(), 1).unwrap().connect().unwrap();
    let sql = "UPDATE entries SET outcomes = NULL WHERE seq = (SELECT min(seq) FROM hits)";
    behind_the_triggers(&mut conn, "entries", sql).unwrap();
    let outcome = replayed(&book, &Home::new(Kind::Sqlite), 50);
    let found = &outcome.differences[0];
    assert_eq!((found.table, found.column.as_str(), found.live.as_str()), ("entries", "outcomes", "null"), "{found:?}");
    assert!(found.replayed.contains("high-value"), "{found:?}");
}

#[test]
fn private_parts_that_are_gone_are_counted_and_the_rest_is_equal() {
    on_both(|kind| {
        let book = Book::write(kind);
        let mut conn = Db::open(&book.home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "entry_parts", "DELETE FROM entry_parts").unwrap();
        let of = "SELECT seq FROM events WHERE kind IN ('account.defined', 'context.defined', 'alert.closed', 'alert.opened')";
        behind_the_triggers(&mut conn, "event_parts", &format!("DELETE FROM event_parts WHERE seq IN ({of})")).unwrap();
        let outcome = replayed(&book, &Home::new(Kind::Sqlite), 64);
        assert_eq!(outcome.differences, [], "{kind:?}");
        assert!(outcome.not_rederivable > 60, "{kind:?}: {}", outcome.not_rederivable);
    });
}

#[test]
fn the_command_replays_an_export_and_what_came_after_it() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        (0..300).for_each(|n| drop(bank.record(entry(&format!("E{n}"), "A", "2026-03-02T10:00:00Z", n, n + 1))));
        bank.record(entry("HV", "A", "2026-03-02T10:00:00Z", 300, 60_300));
        let signer = counterfoil::trail::Signer::open(&bank.db, &bank.config, bank.clock.clone(), leaves::hashes).unwrap();
        signer.sign(&bank.intake.log()).unwrap();
        let config = bank.config.clone();
        bank.intake.stop();
        let dir = tempfile::tempdir().unwrap();
        let url = bank.home.url();
        let run = |args: &[&str]| {
            let keys = config.keys.dir.clone();
            Program::new(dir.path()).args(args).args(["--database", &url]).env("COUNTERFOIL_KEYS__DIR", &keys).run()
        };
        let folder = dir.path().join("export");
        run(&["log", "export", "--private", "--out", folder.to_str().unwrap()]).succeeded();
        run(&["key", "issue", "--source", "later"]).succeeded();
        let told = run(&["replay", folder.to_str().unwrap(), "--batch", "13", "--json"]);
        let outcome: serde_json::Value = serde_json::from_str(&told.succeeded().stdout).unwrap();
        assert_eq!(outcome["differences"], serde_json::json!([]), "{kind:?}");
        let (size, exported) = (outcome["size"].as_i64().unwrap(), outcome["exported"].as_i64().unwrap());
        assert!(exported > 300 && exported < size, "{exported} of {size}");
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_str().unwrap().contains("replay")), "{left:?}");

        let kept = dir.path().join("kept.db");
        let into = format!("sqlite:{}", kept.display());
        run(&["replay", "--into", &into]).succeeded();
        let again = run(&["replay", "--into", &into]);
        assert_eq!(again.code, Some(2));
        assert!(again.stderr.contains("name an empty one"), "{}", again.stderr);
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "hits", "UPDATE hits SET late = 1").unwrap();
        let told = run(&["replay", folder.to_str().unwrap()]);
        assert_eq!(told.code, Some(1), "{}", told.stdout);
        assert!(told.stdout.contains("late: live 1, replayed 0"), "{}", told.stdout);
        let told = run(&["replay", "--no-record", "--against", &into]);
        told.succeeded();
    });
}
