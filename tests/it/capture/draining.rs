//! What changes in a captured table is in the log: once, in order, with who and why.

use serde_json::json;

use super::house::Core;
use crate::bank::on_both;

const CUSTOMERS: &str =
    "CREATE TABLE customer (no text PRIMARY KEY, name text, credit numeric(30,4), tags jsonb, photo bytea, notes text)";

#[test]
fn every_change_arrives_once_with_who_whence_and_why() {
    on_both(|kind| {
        let bank = Core::new(kind, CUSTOMERS);
        bank.add("customer", &["--exclude", "photo"]);
        let serving = bank.serve();
        bank.sql(
            "BEGIN; SELECT set_config('counterfoil.actor', 'teller 7', true), set_config('counterfoil.session', 's-1', true), \
             set_config('counterfoil.ip', '192.0.2.7', true), set_config('counterfoil.reason', 'branch visit', true); \
             INSERT INTO customer VALUES ('C-1', 'Ann', 12345678901234567890.1230, '{\"a\": 1.10}', '\\xcafe', NULL); COMMIT; \
             UPDATE customer SET credit = 0.1, photo = '\\xbeef'; UPDATE customer SET name = 'Ann'; \
             SET session_replication_role = replica; UPDATE customer SET name = 'Anna'; SET session_replication_role = origin; \
             INSERT INTO customer VALUES ('C-2', 'Bea'); UPDATE customer SET no = 'C-3' WHERE no = 'C-2'; DELETE FROM customer WHERE no = 'C-3'",
        );
        bank.drained(&serving);

        let record = serving.record("customer", "C-1");
        let state = json!({ "no": "C-1", "name": "Anna", "credit": 0.1000, "tags": { "a": 1.10 }, "notes": null });
        assert_eq!(record["document"], state, "{record}");
        assert!(record["document"].get("photo").is_none());
        let changes = serving.changes("customer", "C-1");
        assert_eq!(changes.len(), 3, "no difference is no change: {changes:#?}");
        let first = &changes[2];
        assert_eq!((&first["actor"], &first["reason"]), (&json!("teller 7"), &json!("branch visit")));
        assert_eq!((&changes[0]["actor"], &changes[0]["reason"]), (&json!("unknown"), &json!(null)), "{}", changes[0]);
        let text = serving.text("/api/v1/records/customer/C-1/changes").1;
        assert!(text.contains("12345678901234567890.1230"), "each digit: {text}");
        let events = bank.program(&["export", "events", "--format", "ndjson"]).run().succeeded().stdout;
        assert!(!events.contains("192.0.2.7") && !events.contains("teller"), "who and whence are private");
        assert_eq!(serving.changes("customer", "C-2").len(), 2);
        let third = serving.changes("customer", "C-3");
        assert_eq!(third.iter().map(|change| &change["action"]).collect::<Vec<_>>(), ["delete", "create"]);
        assert_eq!(bank.program(&["export", "breaks"]).run().succeeded().stdout.lines().count(), 1, "nothing is broken");
        drop(serving);
        bank.verified();
    });
}

#[test]
fn a_table_that_is_emptied_or_altered_says_so() {
    on_both(|kind| {
        let bank = Core::new(kind, CUSTOMERS);
        bank.add("customer", &[]);
        let serving = bank.serve();
        bank.sql(
            "INSERT INTO customer (no) SELECT 'N' || n FROM generate_series(1, 450) n; DELETE FROM customer WHERE no = 'N9'; \
            TRUNCATE customer; INSERT INTO customer (no, name) VALUES ('N1', 'back'); ALTER TABLE customer DROP COLUMN notes",
        );
        bank.drained(&serving);
        let actions = |id: &str| {
            let changes = serving.changes("customer", id);
            changes.iter().map(|change| change["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(actions("N1"), ["create", "delete", "create"]);
        assert_eq!(
            (actions("N9"), actions("N450")),
            (vec!["delete".to_owned(), "create".into()], vec!["delete".to_owned(), "create".into()])
        );
        let table = serving.record("captured-table", "public.customer");
        assert_eq!(table["document"]["command"], "ALTER TABLE", "{table}");
        assert!(
            table["document"]["columns"].get("notes").is_none() && table["document"]["columns"]["no"] == "text not null",
            "{table}"
        );
        let commands = serving.changes("captured-table", "public.customer");
        assert!(commands.iter().any(|change| change.to_string().contains("TRUNCATE")), "{commands:#?}");
        drop(serving);
        bank.verified();
    });
}

#[test]
fn a_column_with_a_default_breaks_nothing() {
    on_both(|kind| {
        let bank = Core::new(kind, CUSTOMERS);
        bank.add("customer", &[]);
        let serving = bank.serve();
        bank.sql(
            "INSERT INTO customer (no, name) VALUES ('A', 'Ann'), ('B', 'Bea'), ('C', 'Cora'); ALTER TABLE customer ADD tier int NOT NULL DEFAULT 3; \
             UPDATE customer SET name = 'Anna' WHERE no = 'A'; UPDATE customer SET tier = 4 WHERE no = 'B'; DELETE FROM customer WHERE no = 'C'",
        );
        bank.drained(&serving);
        let newest = |id: &str| serving.changes("customer", id)[0]["fields"].clone();
        let fields = newest("A");
        assert_eq!(fields[1], json!({ "path": "/tier", "new": 3, "sealed": false }), "{fields}");
        assert_eq!(newest("B")[0]["old"], 3, "{}", newest("B"));
        assert_eq!(bank.program(&["export", "breaks"]).run().succeeded().stdout.lines().count(), 1, "nothing is broken");
        // What a row has that no change of it told is recorded by a comparison.
        bank.capture(&["reconcile", "core", "--record"]).succeeded();
        drop(serving);
        bank.verified();
    });
}

#[test]
fn what_the_log_refuses_holds_nobody_up_and_is_seen() {
    on_both(|kind| {
        let bank = Core::new(kind, CUSTOMERS);
        bank.add("customer", &[]);
        let serving = bank.serve();
        bank.sql("INSERT INTO customer (no, notes) VALUES ('A', 'x'), ('B', repeat('long', 5000)), ('C', 'y')");
        bank.drained(&serving);
        assert_eq!(serving.record("customer", "C")["document"]["notes"], "y");
        assert_eq!(serving.get("/api/v1/records/customer/B").0, 404);
        let listed = bank.capture(&["list", "--json"]).succeeded().stdout;
        assert!(listed.contains("value_too_long") && listed.contains("\"rejected\":1"), "{listed}");
        let ready = bank.until(&serving, "a warning", || Some(serving.readiness()).filter(|check| check["warning"] == true));
        assert_eq!(ready["ok"], true, "{ready}");
        // Recorded as it is, the refused row needs nobody any more.
        bank.sql("UPDATE customer SET notes = 'short' WHERE no = 'B'");
        bank.drained(&serving);
        bank.capture(&["reconcile", "core", "--record"]).succeeded();
        assert_eq!(bank.sql("SELECT count(*) FROM counterfoil_capture.rejected"), "0");
        drop(serving);
        bank.verified();
    });
}

#[test]
fn sensitive_columns_wait_until_they_can_be_sealed() {
    on_both(|kind| {
        let bank =
            Core::new(kind, "CREATE TABLE plain (id int PRIMARY KEY); CREATE TABLE secret (id int PRIMARY KEY, tax_id text)");
        bank.add("plain", &[]);
        let added = bank.capture(&["add", "core", "secret", "--sensitive", "tax_id"]).succeeded();
        bank.configure(&added.stdout);
        let serving = bank.serve();
        bank.sql("INSERT INTO secret VALUES (1, 'canary'); INSERT INTO plain VALUES (1)");
        bank.until(&serving, "the other table", || (serving.get("/api/v1/records/plain/1").0 == 200).then_some(()));
        assert_eq!(bank.sql("SELECT count(*) FROM counterfoil_capture.queue WHERE new ? 'tax_id' AND action = 'INSERT'"), "1");
        assert!(!bank.program(&["export", "events", "--format", "ndjson"]).run().succeeded().stdout.contains("canary"));
        assert!(serving.server.log().contains("tables with sensitive columns wait"), "{}", serving.server.log());
    });
}
