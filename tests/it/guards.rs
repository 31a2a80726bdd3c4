//! A log whose database no longer keeps it append-only is not written on.

use counterfoil::db::{Db, guards};

use crate::bank::{Home, Kind, on_both};
use crate::support::program::Program;

const SQLITE: &[(&str, &str)] = &[
    ("DROP TRIGGER entries_no_update", "entries: the trigger entries_no_update is missing"),
    (
        "DROP TRIGGER events_no_delete; CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT 1; END",
        "events: the trigger events_no_delete is not as this program makes it",
    ),
    (
        "CREATE TRIGGER quiet BEFORE INSERT ON outbox BEGIN SELECT RAISE(IGNORE); END",
        "outbox: the trigger quiet is not one of this program's",
    ),
];

const POSTGRES: &[(&str, &str)] = &[
    (
        "ALTER TABLE entries DISABLE TRIGGER entries_append_only; ALTER TABLE entries DISABLE TRIGGER entries_no_truncate",
        "entries: the trigger entries_append_only is switched off; entries: the trigger entries_no_truncate is switched off",
    ),
    ("ALTER TABLE tiles ENABLE TRIGGER tiles_append_only", "tiles: the trigger tiles_append_only is not on for every session"),
    ("DROP TRIGGER events_append_only ON events", "events: the trigger events_append_only is missing"),
    ("ALTER TABLE segments.entries_0 DISABLE TRIGGER entries_append_only", "entries: the segment trigger entries_append_only is"),
    ("DROP TRIGGER events_no_truncate ON segments.events_0", "events: the segment trigger events_no_truncate is"),
    (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "refuse_change: the function refuse_change is not as this program makes it",
    ),
    ("CREATE RULE quiet AS ON INSERT TO tiles DO INSTEAD NOTHING", "tiles: the rule quiet is not one of this program's"),
];

#[test]
fn a_log_that_is_no_longer_append_only_is_not_written_on_until_its_guards_are_put_right() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let keys = home.keys();
        let program = Program::new(dir.path()).env("COUNTERFOIL_KEYS__DIR", &keys);
        let command = |args: &[&str]| program.clone().args(args).args(["--database", &home.url()]).run();
        command(&["key", "issue", "--source", "core"]).succeeded();
        let mut owner = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
        for (tampering, said) in if kind == Kind::Sqlite { SQLITE } else { POSTGRES } {
            owner.execute(tampering).unwrap();
            for args in [&["serve"][..], &["key", "issue", "--source", "other"]] {
                let refused = command(args).failed_with(2).stderr;
                assert!(refused.contains(said) && refused.contains("counterfoil migrate guards"), "{tampering}: {refused}");
            }
            let sql = command(&["migrate", "guards"]).succeeded().stdout;
            owner.execute(&sql).unwrap_or_else(|error| panic!("{tampering}: {error}: {sql}"));
            assert_eq!(guards::differences(&mut owner).unwrap(), [], "{tampering}: {sql}");
        }
        assert_eq!(command(&["migrate", "guards"]).succeeded().stdout, "", "nothing is left to put right");
        command(&["key", "issue", "--source", "other"]).succeeded();
        command(&["verify", "--no-record"]).succeeded();
    });
}

/// What it adds to a start: the first look in a process, and the later ones.
#[test]
fn the_look_at_the_guards_is_quick() {
    on_both(|kind| {
        let home = Home::new(kind);
        let db = Db::open(&home.owner_url(), 1).unwrap();
        let mut conn = db.connect().unwrap();
        counterfoil::db::migrate::up(&mut conn).unwrap();
        let took: Vec<_> = (0..5)
            .map(|_| {
                let began = std::time::Instant::now();
                guards::require(&mut conn).unwrap();
                began.elapsed()
            })
            .collect();
        eprintln!("{kind:?}: {took:?}");
        assert!(took.iter().all(|took| took.as_secs() < 5), "{took:?}");
    });
}
