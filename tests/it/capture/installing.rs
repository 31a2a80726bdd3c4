//! What `capture add` makes in the bank's database, and what `check` and `remove` say of it.

use super::house::Core;
use crate::bank::Kind;

const ODD: &str = r#"CREATE SCHEMA "Odd; Schema"; CREATE TABLE "Odd; Schema"."Kunden ""alt""" (
    "Nr." int, "it's" text, branch text, secret text, seen timestamptz, PRIMARY KEY (branch, "Nr."))"#;

#[test]
fn odd_names_are_captured_checked_set_right_and_taken_away() {
    let bank = Core::new(Kind::Sqlite, ODD);
    let name = r#""Odd; Schema"."Kunden ""alt""""#;
    let added = bank.add(name, &["--exclude", "secret", "--type", "customer"]);
    assert!(added.stderr.contains("is captured from now on"), "{}", added.stderr);
    assert!(!added.stdout.contains("password") || added.stdout.contains("password_file = \"\""), "{}", added.stdout);
    let again = bank.add(r#"Odd; Schema.Kunden "alt""#, &["--exclude", "secret", "--type", "customer"]);
    assert!(again.stderr.contains("as it should be") && again.stdout.is_empty(), "{} {}", again.stderr, again.stdout);
    bank.capture(&["check"]).succeeded();

    // One change, and the columns that never leave.
    let table = format!("{name} (branch, \"Nr.\", \"it's\", secret, seen)");
    bank.sql(&format!(
        "SET timezone = 'Asia/Tokyo'; INSERT INTO {table} VALUES ('EU/1', 7, 'a''b', 'canary', '2026-03-02 09:00+00')"
    ));
    bank.sql(&format!("UPDATE {name} SET secret = 'canary two'; UPDATE {name} SET branch = branch"));
    let queue = "SELECT action, old, new FROM counterfoil_capture.queue WHERE action <> 'DDL'";
    let row = r#"INSERT||{"Nr.": 7, "it's": "a'b", "seen": "2026-03-02T09:00:00+00:00", "branch": "EU/1"}"#;
    assert_eq!(bank.sql(queue), row, "an excluded column is not there, and its change is none");

    // What somebody does to it is found, named, recorded, and set right.
    for (sql, word) in [
        (format!("ALTER TABLE {name} DISABLE TRIGGER \"00_counterfoil_update\""), "00_counterfoil_update is off"),
        (format!("ALTER TABLE {name} ENABLE TRIGGER \"00_counterfoil_delete\""), "00_counterfoil_delete does not fire always"),
        (format!("DROP TRIGGER \"00_counterfoil_truncate\" ON {name}"), "00_counterfoil_truncate is missing"),
        (format!("ALTER TABLE {name} ADD COLUMN extra float8"), "column extra is new"),
        ("CREATE OR REPLACE FUNCTION counterfoil_capture.captured_1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'".into(),
            "captured_1 is not the one"),
    ] {
        bank.sql(&sql);
        let found = bank.capture(&["check"]).failed_with(1);
        assert!(found.stdout.contains(word), "{sql}: {}", found.stdout);
        let right = bank.add(name, &["--exclude", "secret", "--type", "customer"]);
        assert!(right.stderr.contains("set right"), "{sql}: {}", right.stderr);
        bank.capture(&["check"]).succeeded();
    }
    let commands = bank.sql("SELECT DISTINCT new->>'command' FROM counterfoil_capture.queue WHERE action = 'DDL' ORDER BY 1");
    assert!(
        commands.contains("ALTER TABLE") && commands.contains("DROP TRIGGER") && commands.contains("capture add"),
        "{commands}"
    );

    // Rows wait: it stays.
    let refused = bank.capture(&["remove", bank.core.url(), name]).failed_with(2);
    assert!(refused.stderr.contains("--discard"), "{}", refused.stderr);
    bank.capture(&["check"]).succeeded();
    bank.capture(&["remove", bank.core.url(), name, "--discard"]).succeeded();
    assert_eq!(
        bank.sql("SELECT to_regnamespace('counterfoil_capture') IS NULL, count(*) FROM pg_trigger WHERE NOT tgisinternal"),
        "t|0"
    );
    assert_eq!(bank.sql("SELECT count(*) FROM pg_event_trigger"), "0");
    bank.sql(&format!("DELETE FROM {name}"));
    let events = bank.program(&["export", "events", "--format", "ndjson"]).run().succeeded().stdout;
    assert!(events.contains("capture.removed"), "{events}");
}

#[test]
fn what_cannot_be_captured_is_refused_with_the_next_step() {
    let sql = "CREATE TABLE keyless (a int); CREATE TABLE t (id int PRIMARY KEY, a int); CREATE VIEW v AS SELECT * FROM t; \
        CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE ROLE visitor LOGIN";
    let bank = Core::new(Kind::Sqlite, sql);
    let refused = |arguments: &[&str]| {
        let output = bank.capture(&[&["add", bank.core.url()], arguments].concat()).failed_with(2);
        assert_eq!(bank.sql("SELECT to_regnamespace('counterfoil_capture') IS NULL"), "t", "nothing is left behind");
        output.stderr
    };
    assert!(refused(&["keyless"]).contains("has no primary key"));
    assert!(refused(&["v"]).contains("is a view"));
    assert!(refused(&["parts"]).contains("partitions one by one"));
    assert!(refused(&["nowhere"]).contains("there is no table nowhere"));
    assert!(refused(&["t", "--exclude", "b"]).contains("has no column b; it has a, id"));
    assert!(refused(&["t", "--exclude", "id"]).contains("part of the primary key"));
    assert!(refused(&["t", "--subject", "a", "--sensitive", "a"]).contains("names the subject"));
    let as_visitor = bank.capture(&["add", &bank.core.url_as("visitor"), "t"]).failed_with(2);
    assert!(as_visitor.stderr.contains("permission denied"), "{}", as_visitor.stderr);
    bank.sql("DROP ROLE visitor");
}

#[test]
fn a_drainer_with_no_more_rights_than_it_needs_and_no_superuser_is_enough() {
    let sql = "CREATE ROLE core_owner LOGIN; CREATE ROLE core_drainer LOGIN; GRANT CREATE ON SCHEMA public TO core_owner; \
        DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO core_owner', current_database()); END $$; \
        SET ROLE core_owner; CREATE TABLE t (id int PRIMARY KEY, a text, photo text); RESET ROLE; CREATE ROLE core_app LOGIN; \
        GRANT INSERT ON t TO core_app";
    let bank = Core::new(Kind::Sqlite, sql);
    let owner = bank.core.url_as("core_owner");
    let added =
        bank.capture(&["add", &owner, "t", "--source", "core", "--drain-as", "core_drainer", "--exclude", "photo"]).succeeded();
    assert!(added.stderr.contains("NOT recorded: only a superuser"), "{}", added.stderr);
    assert!(added.stdout.contains("postgres://core_drainer@") && !added.stdout.contains("core_owner"), "{}", added.stdout);
    bank.configure(&added.stdout);
    let found = bank.capture(&["check"]).failed_with(1);
    assert_eq!(found.stdout.lines().count(), 1, "only that commands are not recorded: {}", found.stdout);
    let serving = bank.serve();
    bank.sql("SET SESSION AUTHORIZATION core_app; INSERT INTO t VALUES (1, 'x', 'p')");
    bank.drained(&serving);
    assert_eq!(serving.record("t", "1")["document"]["a"], "x");
    // The same role compares, and what is excluded it cannot read.
    bank.capture(&["reconcile", "core"]).succeeded();
    let may = "SELECT has_column_privilege('core_drainer', 't', 'a', 'SELECT'), has_column_privilege('core_drainer', 't', 'photo', 'SELECT')";
    assert_eq!(bank.sql(may), "t|f");
    assert!(!added.stdout.contains("subject"), "nothing is printed that says nothing: {}", added.stdout);
    // What it may not do says who may.
    bank.sql("ALTER TABLE t ADD extra text");
    let unread = bank.capture(&["reconcile", "core"]).failed_with(2).stderr;
    assert!(unread.contains("may not read extra of public.t: run `capture add` again"), "{unread}");
    let kept = bank.capture(&["remove", "core", "t"]).failed_with(2).stderr;
    assert!(kept.contains("write the URL of the table's owner"), "{kept}");
    bank.capture(&["remove", &owner, "t"]).succeeded();
    drop(serving);
    bank.sql(
        "DROP OWNED BY core_owner, core_app, core_drainer; \
        DROP ROLE core_owner, core_app, core_drainer",
    );
}

#[test]
fn settings_without_a_role_that_drains_are_refused_until_it_is_named() {
    let bank = Core::new(Kind::Sqlite, "CREATE TABLE t (id int PRIMARY KEY)");
    let added = bank.capture(&["add", bank.core.url(), "t"]).succeeded();
    let source = format!("source = \"{}\"", bank.core.name());
    assert!(added.stdout.contains(&source) && !added.stdout.contains("postgres@"), "{}", added.stdout);
    assert!(added.stderr.contains("write the role that drains"), "{}", added.stderr);
    bank.configure(&added.stdout);
    let refused = bank.capture(&["check"]).failed_with(2).stderr;
    assert!(refused.contains("<role that drains>") && refused.contains("--drain-as"), "{refused}");
    bank.configure(&added.stdout.replace("<role that drains>", "postgres"));
    bank.capture(&["check"]).succeeded();
}
