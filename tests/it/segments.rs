//! The log in segments on PostgreSQL: they are made ahead by a writer who may make no tables, each is
//! guarded as the whole is, and an old one can be taken out and put back.

use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::segments::{self, SEGMENT};
use counterfoil::db::{Db, roles};

use crate::bank::{Bank, Home, Kind, entry};
use crate::support::cluster::Database;

const TABLES: [&str; 4] = ["entries", "entry_parts", "events", "event_parts"];

/// Places in the first segment of these stories.
const FIRST: i64 = 300;

/// A database whose log has few places left before its second segment.
fn nearly_full() -> Home {
    let home = Home::new(Kind::Postgres);
    for table in TABLES {
        let part = format!("segments.{table}_0");
        let sql = format!(
            "DROP TABLE {part}, segments.{table}_{SEGMENT}; CREATE TABLE {part} PARTITION OF {table} FOR VALUES FROM (0) TO ({FIRST}); \
             SELECT guard_segment('{table}', '{table}_0'); ALTER TABLE {part} OWNER TO counterfoil_owner"
        );
        database(&home).sql(&sql).unwrap();
    }
    home
}

fn database(home: &Home) -> &Database<'static> {
    match home {
        Home::Postgres(database, _) => database,
        Home::Sqlite(_) => panic!("PostgreSQL only"),
    }
}

/// A bank of which a thousand entries are recorded.
fn grown() -> Bank {
    let clock = Clock::fixed(Moment::parse("2026-03-02T12:00:00Z").unwrap(), 7);
    let bank = Bank::at(nearly_full(), Config::default(), clock);
    for n in 0..10 {
        let some = (n * 100..n * 100 + 100).map(|i| {
            let mut entry = entry(&format!("R{i}"), "ACC-1", "2026-03-02T09:00:00Z", i, i + 1);
            entry["reason"] = "standing order".into();
            entry
        });
        bank.submit(some.collect());
    }
    bank
}

fn count(bank: &Bank, table: &str) -> i64 {
    database(&bank.home).sql(&format!("SELECT count(*) FROM {table}")).unwrap().trim().parse().unwrap()
}

/// What PostgreSQL answers to a statement of a role.
fn refused(url: &str, sql: &str) -> String {
    let mut conn = Db::open(url, 1).unwrap().connect().unwrap();
    conn.execute(sql).expect_err(sql).to_string()
}

/// What verification finds under L6, of the schema.
fn schema_findings(bank: &Bank) -> Vec<String> {
    let found = bank.findings();
    found.into_iter().filter(|found| found.level == "L6").map(|found| found.detail).collect()
}

#[test]
fn a_log_that_outgrows_its_segment_goes_on_in_the_next_made_by_a_writer_who_may_make_no_tables() {
    let bank = grown();
    let (first, second) = (count(&bank, "segments.entries_0"), count(&bank, &format!("segments.entries_{FIRST}")));
    assert!(first > 200 && second > 600 && first + second == 1_000, "{first} and {second}");
    assert_eq!(
        count(&bank, &format!("segments.event_parts_{FIRST}")) + count(&bank, "segments.event_parts_0"),
        count(&bank, "event_parts")
    );
    assert_eq!(bank.findings(), vec![]);
    assert_eq!(roles::compare(&mut bank.db.connect().unwrap()).unwrap(), vec![]);
    // The same account, read over both.
    let bank = bank.restart();
    bank.record(entry("R-last", "ACC-1", "2026-03-02T10:00:00Z", 1_000, 1_001));
    assert_eq!(bank.findings(), vec![]);
}

#[test]
fn the_writer_has_segments_made_only_as_far_as_the_log_needs_them() {
    let home = Home::new(Kind::Postgres);
    let db = Db::open(&home.url(), 1).unwrap();
    let mut conn = db.connect().unwrap();
    assert_eq!(segments::make(&mut conn, 0).unwrap(), 2 * SEGMENT, "one lies ahead from the start");
    assert_eq!(segments::make(&mut conn, 3 * SEGMENT).unwrap(), 4 * SEGMENT);
    let far = segments::make(&mut conn, 8 * SEGMENT).unwrap_err().to_string();
    assert!(far.contains("up to 8 ahead of the log"), "{far}");
    for sql in [
        "SELECT guard_segment('entries', 'entries_0')",
        "CREATE TABLE segments.mine (x TEXT)",
        "SELECT * FROM segments.entries_0",
        "INSERT INTO segments.events_0 SELECT * FROM events",
        "ALTER TABLE entries DETACH PARTITION segments.entries_0",
    ] {
        let words = refused(&home.url(), sql);
        assert!(words.contains("permission denied") || words.contains("must be owner"), "{sql}: {words}");
    }
}

#[test]
fn a_segment_is_guarded_as_the_whole_is() {
    let bank = grown();
    for (table, part) in TABLES.iter().flat_map(|table| [(table, "0".to_owned()), (table, FIRST.to_string())]) {
        let part = format!("segments.{table}_{part}");
        let held = count(&bank, &part) > 0;
        let rows = [format!("DELETE FROM {part}"), format!("UPDATE {part} SET seq = seq")];
        for sql in [format!("TRUNCATE {part}")].into_iter().chain(rows.into_iter().filter(|_| held)) {
            let words = refused(&bank.home.owner_url(), &sql);
            assert!(words.contains("append-only") || words.contains("eras"), "{sql}: {words}");
        }
    }
    // A trigger that is off on one of them, or a right that somebody has on one of them, is seen.
    let off = format!("ALTER TABLE segments.entries_{FIRST} DISABLE TRIGGER entries_append_only");
    database(&bank.home).sql(&off).unwrap();
    let found = schema_findings(&bank);
    assert!(found.iter().any(|detail| detail.contains("entries") && detail.contains("segment trigger")), "{found:?}");
    let on = off.replace("DISABLE", "ENABLE ALWAYS");
    let grant = "GRANT DELETE ON segments.entry_parts_0 TO counterfoil_writer";
    database(&bank.home).sql(&format!("{on}; {grant}")).unwrap();
    let found = schema_findings(&bank);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("counterfoil_writer holds DELETE on segments.entry_parts_0"), "{found:?}");
}

#[test]
fn a_segment_that_was_taken_out_is_missed_and_fits_again_when_it_is_put_back() {
    let bank = grown();
    bank.intake.stop();
    for table in TABLES {
        database(&bank.home).sql(&format!("ALTER TABLE {table} DETACH PARTITION segments.{table}_0")).unwrap();
    }
    let found = bank.findings();
    assert!(found.iter().any(|found| found.kind == "leaf_missing" && found.seq == Some(0)), "{found:?}");
    assert!(schema_findings(&bank).iter().any(|detail| detail.contains("places")), "{found:?}");
    for table in TABLES {
        let sql = format!("ALTER TABLE {table} ATTACH PARTITION segments.{table}_0 FOR VALUES FROM (0) TO ({FIRST})");
        database(&bank.home).sql(&sql).unwrap();
    }
    assert_eq!(bank.findings(), vec![]);
}
