//! The command: what it prints, its exit code, and that it is recorded beside a `serve` and without.

use counterfoil::audit::{self, Given, Options, Reached};
use counterfoil::db::Db;
use counterfoil::trail::store as trail;
use serde_json::Value;

use super::edits::behind_the_triggers;
use crate::bank::{Home, Kind, entry, on_both};
use crate::support::program::Program;

/// The public bodies of the events `log.verified`.
fn verified(database: &str) -> Vec<Value> {
    let events = Db::open(database, 1).unwrap().read(|conn| trail::events_between(conn, 0, i64::MAX, 10_000)).unwrap();
    events.iter().filter(|row| row.kind == "log.verified").map(|row| serde_json::from_str(&row.body).unwrap()).collect()
}

#[test]
fn a_list_of_migrations_that_was_shortened_is_a_finding_and_a_missing_table_is_said() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let command = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database]);
        command(&["key", "issue", "--source", "core"]).run().succeeded();
        let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
        let last = "(SELECT max(version) FROM __diesel_schema_migrations)";
        conn.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = {last}")).unwrap();
        let found = command(&["verify"]).run().failed_with(1);
        assert!(found.stdout.contains("L6 migration_differs"), "{kind:?}: {}", found.stdout);
        assert!(found.stderr.contains("not recorded"), "{kind:?}: {}", found.stderr);
        conn.execute("DROP TABLE anchors").unwrap();
        let failed = command(&["verify"]).run().failed_with(2);
        assert!(failed.stderr.contains("the schema lacks"), "{kind:?}: {}", failed.stderr);
    });
}

#[test]
fn a_log_that_is_gone_is_no_log_that_holds() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let command = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database]);
        let checkpoint = || command(&["log", "checkpoint"]).run().succeeded().stdout;
        Program::new(dir.path()).args(["migrate", "up", "--database", &home.owner_url()]).run().succeeded();
        let nothing = command(&["verify"]).run().succeeded().stdout;
        assert!(nothing.contains("Everything holds: 0 leaves"), "where nothing was begun nothing is missing: {nothing}");
        command(&["key", "issue", "--source", "core"]).run().succeeded();
        let first = checkpoint();
        command(&["key", "issue", "--source", "cards"]).run().succeeded();
        let second = checkpoint();

        // Of several checkpoints in a file each is looked at, with or without blank lines between them.
        let another = Home::new(Kind::Sqlite);
        let other = Program::new(dir.path()).args(["--database", &another.url(), "key", "issue", "--source", "core"]);
        other.run().succeeded();
        let other = Program::new(dir.path()).args(["--database", &another.url(), "log", "checkpoint"]).run().succeeded().stdout;
        let keep =
            |name: &str, notes: &[&str], between: &str| std::fs::write(dir.path().join(name), notes.join(between)).unwrap();
        keep("both.txt", &[&first, &second], "");
        keep("apart.txt", &[&first, &second], "\n");
        keep("foreign.txt", &[&other, &second], "\n");
        for file in ["both.txt", "apart.txt"] {
            let held = command(&["verify", "--checkpoint", file]).run().succeeded();
            assert!(held.stdout.contains("with 2 brought from outside"), "{kind:?} {file}: {}", held.stdout);
        }
        let held = command(&["verify", "--checkpoint", "foreign.txt"]).run().failed_with(1).stdout;
        assert!(held.contains("foreign.txt, note 1: no key is given"), "{kind:?}: {held}");
        let both = command(&["verify", "--account", "1", "--checkpoint", "both.txt"]).run().failed_with(2).stderr;
        assert!(both.contains("cannot be used with"), "{both}");

        let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
        for table in ["events", "event_parts", "tiles", "checkpoints", "log_state"] {
            behind_the_triggers(&mut conn, table, &format!("DELETE FROM {table}")).unwrap();
        }
        let found = command(&["verify", "--no-record", "--checkpoint", "both.txt"]).run().failed_with(1).stdout;
        for words in ["the checkpoint kept beside the key of ", "both.txt, note 1 of ", "L4 row_without_leaf api_keys", "sources"]
        {
            assert!(found.contains(words), "{kind:?}: {words}: {found}");
        }
        assert!(!found.contains("Everything holds"), "{found}");
    });
}

#[test]
fn a_resumed_run_hashes_what_came_since_and_sees_a_prefix_whose_tiles_changed() {
    on_both(|kind| {
        let bank = crate::bank::Bank::open(kind);
        let send = |from: i64, to: i64| {
            (from..to).for_each(|n| drop(bank.record(entry(&format!("R{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1))));
        };
        send(0, 700);
        let (dir, url) = (tempfile::tempdir().unwrap(), bank.home.url());
        let run = || {
            let program = Program::new(dir.path()).args(["verify", "--resume", "--no-record", "--json", "--database", &url]);
            let told = program.env("COUNTERFOIL_KEYS__DIR", &bank.config.keys.dir).run();
            (told.code, serde_json::from_str::<Value>(&told.stdout).unwrap(), told.stderr)
        };
        let (code, whole, told) = run();
        assert!(code == Some(0) && told.contains("this is a whole one"), "{kind:?}: {told}");
        assert!(whole["levels"][2]["checked"].as_u64() > Some(700));
        send(700, 900);
        let (code, rest, _) = run();
        assert_eq!(code, Some(0), "{kind:?}: {rest}");
        let checked = rest["levels"][2]["checked"].as_u64().unwrap();
        assert!(checked > 200 && checked < 500, "{kind:?}: {checked}");
        assert!(rest["levels"][2]["note"].as_str().unwrap().contains("were not read again"));
        assert_eq!(rest["levels"][3]["checked"], 0);
        assert_ne!(rest["root"], whole["root"]);
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        // A row that came since is read; one before is not, and its tile is.
        send(900, 950);
        let last = "(SELECT max(seq) - 20 FROM entries)";
        behind_the_triggers(&mut conn, "entries", &format!("UPDATE entries SET amount = amount + 1 WHERE seq = {last}")).unwrap();
        let (code, found, _) = run();
        assert_eq!((code, &found["findings"][0]["level"]), (Some(1), &"L2".into()), "{kind:?}");
        behind_the_triggers(&mut conn, "entries", &format!("UPDATE entries SET amount = amount - 1 WHERE seq = {last}")).unwrap();
        assert_eq!(run().0, Some(0), "{kind:?}");
        behind_the_triggers(&mut conn, "tiles", "DELETE FROM tiles WHERE level = 0 AND idx = 0").unwrap();
        let (code, found, _) = run();
        assert_eq!((code, &found["findings"][0]["kind"]), (Some(1), &"prefix_changed".into()), "{kind:?}: {found}");
    });
}

#[test]
fn a_whole_run_that_was_interrupted_is_gone_on_from_where_it_had_come_to() {
    on_both(|kind| {
        let bank = crate::bank::Bank::open(kind);
        let send = |from: i64, to: i64| {
            let sent = (from..to).map(|n| entry(&format!("R{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1));
            assert_eq!(bank.submit(sent.collect()).len() as i64, to - from);
        };
        (0..11).for_each(|part| send(part * 1_000, part * 1_000 + 1_000));
        let reached = std::cell::RefCell::new(Vec::new());
        let options = || Options { config: &bank.config, now: bank.clock.now(), progress: &|_, _| {}, given: Given::NONE };
        let along = |at: &Reached| reached.borrow_mut().push(at.clone());
        assert!(audit::verify_along(&bank.db, options(), &along).unwrap().ok);
        let reached = reached.into_inner();
        // Told at each slice; the program ends after the first.
        assert!(reached.len() > 1 && reached[0].size > 10_000 && reached[0].size < 11_000, "{reached:?}");
        reached[0].keep(&bank.db, &bank.config, bank.clock.now()).unwrap();
        let (dir, url) = (tempfile::tempdir().unwrap(), bank.home.url());
        let run = |more: &[&str]| {
            let program = Program::new(dir.path()).args(["verify", "--no-record", "--json", "--database", &url]).args(more);
            let told = program.env("COUNTERFOIL_KEYS__DIR", &bank.config.keys.dir).run();
            (told.code, serde_json::from_str::<Value>(&told.stdout).unwrap()["levels"][2].clone())
        };
        for _ in 0..2 {
            let (code, leaves) = run(&["--resume"]);
            assert!(code == Some(0) && leaves["checked"].as_u64() < Some(1_500), "{kind:?}: {leaves}");
            assert!(leaves["note"].as_str().unwrap().contains("was interrupted before it had looked at all else"), "{leaves}");
        }
        assert_eq!(run(&[]).0, Some(0));
        let (_, leaves) = run(&["--resume"]);
        assert!(!leaves["note"].as_str().unwrap().contains("interrupted"), "a whole run has looked at all: {leaves}");
        // Nothing is kept of what comes after a finding.
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "entries", "UPDATE entries SET amount = amount + 1 WHERE seq = 500").unwrap();
        audit::verify_along(&bank.db, options(), &|at| panic!("{at:?}")).unwrap();
    });
}

#[test]
fn what_a_whole_run_found_is_repeated_by_resumed_ones_until_a_whole_one_is_clean() {
    on_both(|kind| {
        let bank = crate::bank::Bank::open(kind);
        let send = |from: i64, to: i64| {
            (from..to).for_each(|n| drop(bank.record(entry(&format!("R{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1))));
        };
        send(0, 300);
        let (dir, url) = (tempfile::tempdir().unwrap(), bank.home.url());
        let run = |args: &[&str]| {
            let program = Program::new(dir.path()).args(["verify", "--no-record", "--json", "--database", &url]).args(args);
            let told = program.env("COUNTERFOIL_KEYS__DIR", &bank.config.keys.dir).run();
            (told.code, serde_json::from_str::<Value>(&told.stdout).unwrap())
        };
        assert_eq!(run(&[]).0, Some(0), "{kind:?}");
        send(300, 320);
        // Where a resumed run does not look.
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "accounts", "UPDATE accounts SET number = '9'").unwrap();
        assert_eq!(run(&["--resume"]).0, Some(0), "{kind:?}: nobody has found it yet");
        let (code, whole) = run(&[]);
        assert_eq!(code, Some(1), "{kind:?}: {whole}");
        send(320, 330);
        for _ in 0..2 {
            let (code, again) = run(&["--resume"]);
            let before = again["findings"].as_array().unwrap().iter().find(|f| f["kind"] == "found_before").unwrap().clone();
            assert_eq!((code, &before["table"]), (Some(1), &"accounts".into()), "{kind:?}: {again}");
            assert!(before["detail"].as_str().unwrap().contains("only a clean whole run settles it"), "{before}");
            let checked = again["levels"][2]["checked"].as_u64().unwrap();
            assert!(checked < 300, "{kind:?}: it goes on from the last clean place: {checked}");
        }
        behind_the_triggers(&mut conn, "accounts", "UPDATE accounts SET number = '1'").unwrap();
        assert_eq!(run(&["--resume"]).0, Some(1), "{kind:?}: it has not looked whether it was mended");
        assert_eq!(run(&[]).0, Some(0), "{kind:?}");
        assert_eq!(run(&["--resume"]).0, Some(0), "{kind:?}");
    });
}

#[test]
fn a_verification_is_recorded_beside_a_serve_and_without_one() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let command = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database]);
        let mut serve = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
        let file = dir.path().join("day.ndjson");
        let lines: Vec<String> =
            (0..20).map(|i| entry(&format!("N{i}"), "1", "2026-03-02T10:00:00Z", i, i + 1).to_string()).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        command(&["import", file.to_str().unwrap(), "--source", "core"]).run().succeeded();
        let shown = command(&["verify"]).run().succeeded().stdout;
        for words in ["L0 holds", "L1 holds", "L2 holds", "L6 holds", "no checkpoint given", "Not compared:", "Everything holds:"]
        {
            assert!(shown.contains(words), "{words} is not in {shown}");
        }
        let noted = verified(&database);
        assert_eq!((noted.len(), &noted[0]["ok"], &noted[0]["findings"]), (1, &true.into(), &0.into()), "{kind:?}");
        let by = Db::open(&database, 1).unwrap().read(|conn| {
            let event = trail::event_after(conn, "log.verified", 0)?.unwrap();
            trail::event(conn, event.seq)
        });
        let by = by.unwrap().unwrap().1.expect("who asked for it").body;
        assert!(by.contains("\"uid\":") && by.contains("\"host\":"), "{kind:?}: {by}");
        let account: Value =
            serde_json::from_str(&command(&["verify", "--account", "1", "--json"]).run().succeeded().stdout).unwrap();
        assert_eq!(account["levels"][3]["checked"], 20);
        command(&["verify", "--account", "2"]).run().failed_with(2);
        command(&["verify", "--no-record"]).run().succeeded();
        assert_eq!(verified(&database).len(), 1, "neither a part of it nor a copy's is recorded");
        assert_eq!(serve.terminate(), Some(0));
        let json: Value = serde_json::from_str(&command(&["verify", "--json"]).run().succeeded().stdout).unwrap();
        assert_eq!(
            (&json["ok"], json["levels"].as_array().unwrap().len(), json["findings"].as_array().unwrap().len()),
            (&true.into(), 7, 0)
        );
        assert!(json["exempt"].as_array().unwrap().iter().any(|e| e["table"] == "inbox" && e["reason"].is_string()));
        assert_eq!(verified(&database).len(), 2, "{kind:?}: without a serve it is recorded too");
        let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "accounts", "UPDATE accounts SET number = '9'").unwrap();
        drop(conn);
        let found = command(&["verify"]).run().failed_with(1);
        assert!(
            found.stdout.contains("L4 DOES NOT") && found.stdout.contains("definition_differs accounts seq"),
            "{}",
            found.stdout
        );
        assert!(found.stdout.contains("Next: stop writing"), "{}", found.stdout);
        assert!(found.stderr.contains("not recorded"), "{}", found.stderr);
        assert_eq!(verified(&database).len(), 2, "nothing is written on a log that was damaged");
    });
}
