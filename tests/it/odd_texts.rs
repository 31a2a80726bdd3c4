//! Texts and numbers at the edge, other time zones, locales and collations: the same root on both
//! databases, recomputed from the stored rows; what neither can hold is refused on both alike.

use counterfoil::access::searches::{self, Kind as What, Search};
use counterfoil::access::{Role, users};
use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::schema::{jobs, tiles};
use counterfoil::db::{Conn, Db, bulk, migrate};
use counterfoil::intake::RowResult;
use counterfoil::trail::store::TileRow;
use counterfoil::trail::{ActError, store as trail};
use counterfoil::{bulk_row, on_conn};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::bank::{Bank, Home, Kind, entry, on_both};
use crate::replay::root_of_rows;
use crate::support::cluster::cluster;
use crate::support::program::Program;
use crate::tamper::books::verified;

/// What is sent to every log.
fn commands() -> Vec<Vec<Value>> {
    let plain = |reference: &str, account: &str, n: i64| entry(reference, account, "2026-03-02T10:00:00Z", n, n + 1);
    let bare = |reference: &str, currency: &str, amount: &str, direction: &str| {
        json!({ "source_ref": reference, "account": reference, "currency": currency, "kind": "transfer", "direction": direction,
            "amount": amount, "booked_at": "2026-03-02T10:00:00Z" })
    };
    let mut said = plain("said", "ACC-1", 1);
    for (field, text) in [
        ("reason", "trailing blanks   "),
        ("party", "   leading"),
        ("counterparty", "e\u{301} is not \u{e9}"),
        ("counterparty_name", "\u{1F3E6} \u{202A}\u{645}\u{631}\u{62D}\u{628}\u{627}\u{202C}"),
        ("user_agent", "  Mozilla\u{a0}"),
        ("device_id", "\u{10FFFF}"),
        ("actor", "I\u{307}\u{131}\u{df}SS"),
        ("session_id", "S' OR ''='\\"),
    ] {
        said[field] = json!(text);
    }
    let mut last = plain("max", "ACC-1", 2);
    last["account_seq"] = json!(i64::MAX);
    let mut least = bare("least", "JPY", "9223372036854775807", "debit");
    (least["balance_before"], least["balance_after"]) = (json!("0"), json!("-9223372036854775807"));
    let mut exact = plain("micros", "ACC-2", 1);
    exact["booked_at"] = json!("2026-03-02T23:59:59.999999+14:00");
    let mut early = plain("early", "ACC-2", 0);
    early["booked_at"] = json!("1900-01-01T00:00:00.000001-12:00");
    let mut late = plain("late", "ACC-2", 2);
    late["booked_at"] = json!("2199-12-31T23:59:59.999999Z");
    vec![
        vec![plain("\u{e9}", "caf\u{e9}", 0), plain("e\u{301}", "cafe\u{301}", 0)],
        vec![plain("a", "acc-x", 0), plain("A", "ACC-X", 0), plain("\u{df}", "STRASSE", 0), plain("SS", "STRA\u{df}E", 0)],
        vec![said, last],
        vec![bare("most", "EUR", "92233720368547758.07", "credit"), least],
        vec![exact, early, late],
        vec![plain("1", "2", 0), plain("01", "02", 0), plain("%", "_", 0), plain("'", "\"", 0), plain("\\", "\\\\", 0)],
    ]
}

/// Sends all of it; answers the root in the log state and the one its rows give.
fn roots(bank: &Bank) -> (Vec<u8>, Vec<u8>) {
    for rows in commands() {
        for (row, result) in rows.iter().zip(bank.submit(rows.clone())) {
            assert!(matches!(result, RowResult::Recorded(_)), "{row}: {result:?}");
        }
    }
    let url = bank.home.url();
    assert_eq!(verified(&url, &bank.config, bank.clock.now()).findings, [], "{url}");
    let root = bank.db.read(trail::state).unwrap().unwrap().root;
    (root, root_of_rows(&url))
}

fn clock() -> Clock {
    Clock::fixed(Moment::parse("2026-03-02T12:00:00.123456Z").unwrap(), 7)
}

/// A database of PostgreSQL with another collation, and other habits of every session.
fn elsewhere(locale: Option<&str>, settings: &[&str]) -> Home {
    let kept = match locale {
        Some(locale) => cluster().database_with_collation(locale),
        None => cluster().empty_database(),
    };
    for setting in settings {
        kept.sql(&format!("ALTER DATABASE {} SET {setting}", kept.name())).unwrap();
    }
    migrate::up(&mut Db::open(kept.url(), 1).unwrap().connect().unwrap()).unwrap();
    Home::Postgres(kept, tempfile::tempdir().unwrap())
}

#[test]
fn the_same_commands_give_the_same_root_whatever_the_texts_the_time_zone_and_the_collation() {
    let (expected, again) = roots(&Bank::at(Home::new(Kind::Sqlite), Config::default(), clock()));
    assert_eq!(expected, again, "the rows give the root of the log state");
    let apia = [
        "timezone = 'Pacific/Apia'",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "standard_conforming_strings = off",
        "extra_float_digits = -15",
        "lc_numeric = 'C'",
    ];
    for settings in [&[][..], &apia[..], &["timezone = 'America/St_Johns'", "client_encoding = 'LATIN1'"][..]] {
        let bank = Bank::at(elsewhere(None, settings), Config::default(), clock());
        assert_eq!(roots(&bank), (expected.clone(), expected.clone()), "{settings:?}");
    }
    for locale in ["sv-SE", "tr-TR"] {
        let bank = Bank::at(elsewhere(Some(locale), &["timezone = 'Asia/Kathmandu'"]), Config::default(), clock());
        assert_eq!(roots(&bank), (expected.clone(), expected.clone()), "collation {locale}");
    }
}

#[test]
fn a_nul_is_refused_in_every_text_on_both_databases_and_what_was_refused_is_kept() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let texts = [
            "source_ref",
            "account",
            "transaction_ref",
            "session_id",
            "user_agent",
            "device_id",
            "actor",
            "party",
            "counterparty",
            "counterparty_name",
            "reason",
            "reverses",
        ];
        for field in texts {
            let mut row = entry("N1", "1", "2026-03-02T10:00:00Z", 0, 1);
            row[field] = json!("a\0b");
            let RowResult::Rejected(refusal) = bank.submit(vec![row]).remove(0) else { panic!("{kind:?}: {field} was taken") };
            assert_eq!((refusal.code, refusal.field.as_deref()), ("control_character", Some(field)), "{kind:?}");
            assert!(refusal.detail.contains("printable"), "{}", refusal.detail);
        }
        let code = |result: Result<_, ActError>| match result {
            Err(ActError::Refused { code, .. }) => code,
            Err(other) => panic!("{kind:?}: {other}"),
            Ok(()) => panic!("{kind:?}: it was taken"),
        };
        let log = bank.intake.log();
        let added = users::add(&log, &bank.clock, "a\0@bank.example", Role::Officer, "correct horse battery");
        assert_eq!(code(added.map(drop)), "email_invalid");
        let officer = users::add(&log, &bank.clock, "ada@bank.example", Role::Officer, "correct horse battery").unwrap();
        let search = Search { kind: What::Account, query: "1\0".into() };
        assert_eq!(code(searches::make(&log, officer, search, None).map(drop)), "query_unreadable");
        bank.record(entry("N1", "1", "2026-03-02T10:00:00Z", 0, 1));
        assert_eq!(verified(&bank.home.url(), &bank.config, bank.clock.now()).findings, [], "{kind:?}");
    });
}

#[test]
fn the_program_records_the_same_in_any_time_zone_and_locale() {
    on_both(|kind| {
        let told = |zone: &str, locale: &str| {
            let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
            let file = dir.path().join("odd.ndjson");
            let lines: Vec<String> = commands().concat().iter().map(Value::to_string).collect();
            std::fs::write(&file, lines.join("\n")).unwrap();
            let run = |args: &[&str]| {
                let program = Program::new(dir.path()).args(args).args(["--database", &home.url()]);
                program.env("TZ", zone).env("PGTZ", zone).env("LC_ALL", locale).env("LANG", locale).run().succeeded().stdout
            };
            run(&["import", file.to_str().unwrap(), "--source", "core"]);
            run(&["verify", "--no-record"]);
            let entries = run(&["export", "entries", "--format", "ndjson"]);
            let report = run(&["report", "--date", "2026-03-02", "--format", "json"]);
            let strip = |line: &str| {
                let mut row: Value = serde_json::from_str(line).unwrap();
                // When it was recorded, and what follows from that.
                ["recorded_at", "leaf"].iter().for_each(|field| drop(row.as_object_mut().unwrap().remove(*field)));
                row
            };
            let totals = serde_json::from_str::<Value>(&report).unwrap()["totals"].clone();
            (entries.lines().map(strip).collect::<Vec<_>>(), totals)
        };
        let (here, there) = (told("UTC", "C"), told("Pacific/Kiritimati", "tr_TR.UTF-8"));
        assert_eq!(here, there, "{kind:?}");
        assert_eq!(here.0.len(), commands().concat().len());
    });
}

bulk_row! {
    JobRow => jobs { name: String, started_at: i64, finished_at: Option<i64>, outcome: Option<String> }
}

/// Appends rows of every width, with what a database might take for something else; answers both lists.
fn appended(conn: &mut Conn, count: i64) -> (Vec<JobRow>, Vec<TileRow>) {
    const ODD: [&str; 8] = ["", " ", "NULL", "{\"a\",b}", "\\N", "'; --", "e\u{301}\t\u{10FFFF}\r\n", "\u{e9}"];
    let (mut job_rows, mut tile_rows) = (Vec::new(), Vec::new());
    for n in 0..count {
        let odd = ODD[n as usize % ODD.len()];
        let finished_at = (n % 3 != 0).then_some(if n % 2 == 0 { i64::MAX - n } else { i64::MIN + n });
        job_rows.push(JobRow {
            name: format!("{n:04}{odd}"),
            started_at: -n,
            finished_at,
            outcome: (n % 5 != 0).then(|| odd.into()),
        });
        let level = if n % 2 == 0 { i16::MAX } else { i16::MIN };
        tile_rows.push(TileRow { level, idx: n, data: vec![0, n as u8, 255, b'\\'][..(n % 5).min(4) as usize].to_vec() });
    }
    bulk::append(conn, &job_rows).unwrap();
    bulk::append(conn, &tile_rows).unwrap();
    (job_rows, tile_rows)
}

#[test]
fn rows_are_stored_as_they_are_however_many_are_appended() {
    on_both(|kind| {
        for count in [1, 2, 300] {
            let home = Home::new(kind);
            let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
            migrate::up(&mut conn).unwrap();
            on_conn!(&mut conn, |c| diesel::delete(jobs::table).execute(c)).unwrap();
            let (job_rows, tile_rows) = appended(&mut conn, count);
            let stored: Vec<JobRow> =
                on_conn!(&mut conn, |c| jobs::table.order(jobs::started_at.desc()).select(JobRow::as_select()).load(c)).unwrap();
            assert_eq!(stored, job_rows);
            let stored: Vec<TileRow> =
                on_conn!(&mut conn, |c| tiles::table.order(tiles::idx).select(TileRow::as_select()).load(c)).unwrap();
            assert_eq!(stored, tile_rows);
            let again = bulk::append(&mut conn, &tile_rows[count as usize - 1..]);
            assert!(again.is_err(), "a place is taken once");
        }
    });
}
