//! One queue has one source: a second section, or a second log, on the same database is refused by name.

use super::house::Core;
use crate::bank::{Home, Kind};

#[test]
fn two_sections_on_one_database_do_not_share_its_queue() {
    let bank = Core::new(Kind::Sqlite, "CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE u (id int PRIMARY KEY)");
    let one = bank.add("t", &[]).stdout;
    assert!(one.contains("127.0.0.1"), "{one}");
    let name = "[[capture]]\nname = \"copy\"\n";
    let other = one.replace("127.0.0.1", "localhost").replace("source = \"core\"", "source = \"copy\"");
    let other = other.replacen("[[capture]]\nname = \"core\"\n", name, 1);
    assert!(other.starts_with(name), "{other}");
    // What the second has alone is its own.
    let alone = "\n[[capture.table]]\ntable = \"public.u\"\ntype = \"u\"\n";
    bank.configure(&format!("{one}\n{other}{alone}"));
    bank.capture(&["add", "copy", "u"]).succeeded();
    let serving = bank.serve();
    bank.sql("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 40) n; INSERT INTO u VALUES (1)");
    bank.drained(&serving);
    let told = bank.until(&serving, "a warning", || {
        let checks = serving.get("/readyz").1["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "capture" && check["warning"] == true)
    });
    let detail = told["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("copy:") && detail.contains("by [[capture]] core, whose url leads to the same database"),
        "{detail}"
    );
    assert!(serving.server.log().contains("[[capture]] copy: public.t waits"), "{}", serving.server.log());
    for n in 1..=40 {
        assert_eq!(serving.changes("t", &n.to_string()).len(), 1, "each is under the first source");
    }
    let exported = bank.program(&["export", "events", "--format", "ndjson"]).run().succeeded().stdout;
    assert_eq!(
        exported.matches("record.changed").count(),
        40 + 1 + 2,
        "and nowhere else: rows, and one row of each table's making"
    );
    let found = bank.capture(&["check"]).failed_with(1).stdout;
    assert!(found.contains("copy public.t") && found.contains("[[capture]] core"), "{found}");
    assert!(bank.capture(&["reconcile", "copy", "t"]).failed_with(2).stderr.contains("[[capture]] core"));
    drop(serving);

    // Another log is refused as well, until the table is handed over.
    let second = Core { core: bank.core, home: Home::new(Kind::Sqlite), dir: tempfile::tempdir().unwrap() };
    second.configure(&one);
    let serving = second.serve();
    second.sql("UPDATE t SET a = 'y'");
    second.until(&serving, "a refusal", || serving.server.log().contains("if nobody drains it there any more").then_some(()));
    assert_eq!(second.sql("SELECT count(*) FROM counterfoil_capture.queue"), "40");
    let over = second.capture(&["add", "core", "t", "--hand-over"]).succeeded();
    assert!(over.stderr.contains("go to whoever drains them next"), "{over:?}");
    second.drained(&serving);
    assert_eq!(serving.record("t", "7")["document"]["a"], "y");
}
