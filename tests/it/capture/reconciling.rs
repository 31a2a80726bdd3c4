//! `capture reconcile`: what was changed while no trigger looked.

use super::house::Core;
use crate::bank::on_both;

const TABLES: &str = "CREATE TABLE price (region text, item int, amount numeric, note text, PRIMARY KEY (region, item)); \
    CREATE TABLE accounts (id int PRIMARY KEY, balance bigint, branch text)";
const MAPPING: &str = "account = \"id\"\nbalance = \"balance\"\ncurrency = \"EUR\"\nminor_units = true\n";

#[test]
fn a_trigger_that_was_off_for_a_while_is_found_and_made_good() {
    on_both(|kind| {
        let bank = Core::new(kind, TABLES);
        std::fs::write(bank.dir.path().join("m.toml"), MAPPING).unwrap();
        bank.sql("INSERT INTO price SELECT 'EU/x', n, n + 0.10, 'old' FROM generate_series(1, 600) n");
        bank.add("price", &["--exclude", "note"]);
        let added = bank.capture(&["add", "core", "accounts", "--entries", "m.toml"]).succeeded();
        bank.configure(&added.stdout);
        let serving = bank.serve();
        bank.sql("INSERT INTO accounts SELECT n, 100 * n, 'b' FROM generate_series(1, 5) n");
        bank.drained(&serving);

        // What was there before is not known yet: it is recorded as it is.
        let first = bank.capture(&["reconcile", "core", "price"]).failed_with(1);
        assert_eq!(first.stdout.lines().count(), 600);
        assert!(first.stdout.contains("EU~1x/7: the log does not have it"), "{}", first.stdout);
        bank.capture(&["reconcile", "core", "price", "--record"]).succeeded();
        let clean = bank.capture(&["reconcile", "core"]).succeeded();
        assert!(clean.stdout.is_empty() && clean.stderr.contains("600 rows compared"), "{} {}", clean.stdout, clean.stderr);

        let on = |table: &str| {
            let names = ["insert", "update", "delete", "truncate"];
            names.map(|name| format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER \"00_counterfoil_{name}\"; ")).concat()
        };
        bank.sql(&format!(
            "ALTER TABLE price DISABLE TRIGGER USER; ALTER TABLE accounts DISABLE TRIGGER USER; \
             UPDATE price SET amount = 3.5 WHERE item = 3; UPDATE price SET note = 'unseen' WHERE item = 5; \
             DELETE FROM price WHERE item = 4; INSERT INTO price VALUES ('US', 1, 2); \
             UPDATE accounts SET balance = 1 WHERE id = 2; UPDATE accounts SET branch = 'c' WHERE id = 3; {} {}",
            on("price"),
            on("accounts")
        ));
        bank.drained(&serving);
        let found = bank.capture(&["reconcile", "core"]).failed_with(1);
        let mut lines: Vec<&str> = found.stdout.lines().collect();
        lines.sort();
        let expected = [
            "public.accounts 2: balance 0.01, the log has 2.00",
            "public.accounts 3: differs at /branch",
            "public.price EU~1x/3: differs at /amount",
            "public.price EU~1x/4: is gone, the log has it",
            "public.price US/1: the log does not have it",
        ];
        assert_eq!(lines, expected);
        bank.capture(&["reconcile", "core", "--record"]).succeeded();
        bank.capture(&["reconcile", "core"]).succeeded();
        let change = serving.changes("price", "EU~1x%2F3")[0].clone();
        assert_eq!(
            (&change["actor"], change["reason"].as_str().unwrap().contains("reconcile")),
            (&"unknown".into(), true),
            "{change}"
        );
        drop(serving);
        bank.verified();
        let events = bank.program(&["export", "events", "--format", "ndjson"]).run().succeeded().stdout;
        assert_eq!(events.matches("capture.reconciled").count(), 10, "each comparison is in the log");
    });
}

#[test]
fn a_table_of_a_schema_of_its_own_is_compared_by_its_drainer_without_rows_that_others_inherit() {
    let sql = r#"CREATE ROLE odd_drainer LOGIN; CREATE SCHEMA "Own x"; CREATE TABLE "Own x".parent (id int PRIMARY KEY, v text);
        CREATE TABLE child (w text) INHERITS ("Own x".parent)"#;
    let bank = Core::new(crate::bank::Kind::Sqlite, sql);
    let named = ["add", bank.core.url(), r#""Own x".parent"#, "--source", "core", "--drain-as", "odd_drainer"];
    let added = bank.capture(&named).succeeded();
    bank.configure(&added.stdout);
    let serving = bank.serve();
    bank.sql(r#"INSERT INTO "Own x".parent VALUES (1, 'a'); INSERT INTO child VALUES (2, 'b', 'w')"#);
    bank.drained(&serving);
    let same = bank.capture(&["reconcile", "core"]).succeeded();
    assert!(same.stderr.contains("1 rows compared") && same.stderr.contains("0 differences"), "{} {}", same.stdout, same.stderr);
    drop(serving);
    bank.sql("DROP OWNED BY odd_drainer; DROP ROLE odd_drainer");
}

#[test]
fn other_currencies_are_told_odd_keys_are_escaped_and_refused_rows_settled_one_by_one() {
    on_both(|kind| {
        let tables = "CREATE TABLE accounts (id text PRIMARY KEY, balance numeric, ccy text); CREATE TABLE note (k text PRIMARY KEY, v text)";
        let bank = Core::new(kind, tables);
        let mapping = "account = \"id\"\nbalance = \"balance\"\ncurrency_column = \"ccy\"\n";
        std::fs::write(bank.dir.path().join("m.toml"), mapping).unwrap();
        bank.add("note", &[]);
        bank.configure(&bank.capture(&["add", "core", "accounts", "--entries", "m.toml"]).succeeded().stdout);
        let serving = bank.serve();
        bank.sql(
            "INSERT INTO accounts VALUES ('A', 5, 'EUR'), ('B', 5, 'EUR'); \
             INSERT INTO note VALUES (E'a\\x1b[2J', 'x'), ('long', repeat('n', 20000)), ('longer', repeat('n', 20000)), ('gone', repeat('n', 20000)); \
             UPDATE note SET v = 'short' WHERE k = 'long'; DELETE FROM note WHERE k = 'gone'",
        );
        bank.drained(&serving);
        let refused =
            || bank.sql("SELECT string_agg(coalesce(new->>'k', old->>'k'), ' ' ORDER BY id) FROM counterfoil_capture.rejected");
        assert!(refused().contains("\u{1b}"), "{}", refused());
        bank.sql(
            "ALTER TABLE accounts DISABLE TRIGGER USER; UPDATE accounts SET ccy = 'USD' WHERE id = 'A'; \
             ALTER TABLE accounts ENABLE ALWAYS TRIGGER \"00_counterfoil_update\"",
        );
        bank.drained(&serving);
        let found = bank.capture(&["reconcile", "core"]).failed_with(1).stdout;
        assert!(found.contains("public.accounts A: is in USD, the log has the account in EUR"), "{found}");
        assert!(found.contains("public.note a\\u{1b}[2J: the log does not have it"), "{found}");
        assert!(!found.contains('\u{1b}'), "nothing writes to the terminal");
        // The odd key and the longer text are in nobody's way: what agrees is settled.
        let recorded = bank.capture(&["reconcile", "core", "note", "--record"]).failed_with(1);
        assert!(!recorded.stdout.contains('\u{1b}') && !recorded.stderr.contains('\u{1b}'), "{recorded:?}");
        assert_eq!(refused(), "a\u{1b}[2J longer", "{}", recorded.stderr);
        bank.sql("DELETE FROM note WHERE k <> 'long'");
        bank.drained(&serving);
        bank.capture(&["reconcile", "core", "note", "--record"]).succeeded();
        assert_eq!(bank.sql("SELECT count(*) FROM counterfoil_capture.rejected"), "0");
        drop(serving);
        bank.verified();
    });
}
