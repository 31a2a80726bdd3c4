//! What an intruder would really do: several tables at once, so that they agree with each other, and
//! the schema; and what must not be taken for an intruder.

use std::process::Command;

use counterfoil::audit::Outcome;
use counterfoil::db::{Conn, Db};
use tempfile::TempDir;

use super::books::Book;
use super::edits::{behind_the_triggers, lines};
use crate::bank::{Bank, Home, Kind, entry};

/// Edits a copy of the book.
fn after(edit: impl FnOnce(&mut Conn)) -> Outcome {
    let (folder, book) = (TempDir::new().unwrap(), Book::sqlite());
    let url = book.copy_to(folder.path());
    let mut conn = Db::open(&url, 1).unwrap().connect().unwrap();
    edit(&mut conn);
    drop(conn);
    book.verified(&url)
}

#[track_caller]
fn has(outcome: &Outcome, level: &str, table: &str, kind: &str) {
    let found = outcome.findings.iter().any(|f| (f.level, f.table, f.kind) == (level, table, kind));
    assert!(found, "{level} {table} {kind} is not in {:#?}", outcome.findings);
}

fn run(conn: &mut Conn, table: &str, sql: &str) {
    behind_the_triggers(conn, table, sql).unwrap();
}

#[test]
fn a_hit_with_its_alert_and_its_mail_cannot_be_made_away_with() {
    let outcome = after(|conn| {
        let alert = "(SELECT MIN(alert) FROM hits)";
        let id = lines(conn, &format!("SELECT CAST({alert} AS TEXT) AS line"), "").remove(0);
        run(conn, "hits", &format!("DELETE FROM hits WHERE alert = {id}"));
        run(conn, "alerts", &format!("DELETE FROM alerts WHERE id = {id}"));
        run(conn, "outbox", &format!("DELETE FROM outbox WHERE about = {id}"));
    });
    has(&outcome, "L4", "hits", "hit_missing");
    has(&outcome, "L4", "alerts", "row_missing");
    has(&outcome, "L4", "outbox", "mail_missing");
}

#[test]
fn mail_that_is_put_off_for_ever_is_found() {
    let put_off = "UPDATE outbox SET not_before = not_before + 864000000000 WHERE state = 1";
    has(&after(|conn| run(conn, "outbox", put_off)), "L4", "outbox", "mail_held");
}

#[test]
fn nobody_gives_themselves_a_role_or_a_password() {
    has(
        &after(|conn| run(conn, "users", "UPDATE users SET role = 'admin' WHERE role = 'analyst'")),
        "L4",
        "users",
        "row_differs",
    );
    let borrowed = "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email LIKE 'bob%')";
    has(&after(|conn| run(conn, "users", borrowed)), "L4", "users", "row_differs");
    let added =
        "INSERT INTO users SELECT id + 300, 'mallory@bank.example', role, password_hash, 1, created_at, 0 FROM users LIMIT 1";
    has(&after(|conn| run(conn, "users", added)), "L4", "users", "row_extra");
    has(
        &after(|conn| run(conn, "api_keys", "UPDATE api_keys SET state = 1, revoked_at = NULL")),
        "L4",
        "api_keys",
        "row_differs",
    );
}

#[test]
fn two_contexts_that_change_places_are_seen() {
    let outcome = after(|conn| {
        let columns = "session_id, ip, user_agent, device_id, actor, actor_kind, fingerprint";
        run(
            conn,
            "contexts",
            &format!(
                "CREATE TEMP TABLE one AS SELECT * FROM contexts ORDER BY id LIMIT 1;
                 CREATE TEMP TABLE two AS SELECT * FROM contexts ORDER BY id LIMIT 1 OFFSET 1;
                 UPDATE contexts SET ({columns}) = (SELECT {columns} FROM two) WHERE id = (SELECT id FROM one);
                 UPDATE contexts SET ({columns}) = (SELECT {columns} FROM one) WHERE id = (SELECT id FROM two);"
            ),
        );
    });
    assert_eq!(
        outcome.findings.iter().filter(|f| f.kind == "definition_differs" && f.table == "contexts").count(),
        2,
        "{outcome:?}"
    );
}

#[test]
fn an_index_run_that_leads_elsewhere_is_seen() {
    let page = "SELECT min(rowid) FROM index_pages WHERE run IN (SELECT id FROM index_runs)";
    let edit = format!(
        "UPDATE index_pages SET data = CAST(substr(data, 1, 15) || x'07' || substr(data, 17) AS BLOB) WHERE rowid = ({page})"
    );
    has(&after(|conn| run(conn, "index_pages", &edit)), "L4", "index_pages", "index_page_differs");
}

#[test]
fn a_tile_that_is_gone_is_named_before_what_cannot_be_tried_without_it() {
    for (level, idx) in [(0, 0), (0, 1)] {
        let sql = format!("DELETE FROM tiles WHERE level = {level} AND idx = {idx}");
        let outcome = after(|conn| run(conn, "tiles", &sql));
        let first = &outcome.findings[0];
        assert_eq!((first.level, first.table, first.kind), ("L2", "tiles", "tile_missing"), "{:#?}", outcome.findings);
        let rest = &outcome.findings[1..];
        assert!(rest.iter().all(|f| f.kind.ends_with("_unproven")), "{rest:#?}");
        has(&outcome, "L0", "checkpoints", "checkpoint_unproven");
    }
}

#[test]
fn account_heads_that_a_close_says_and_the_entries_do_not_give_are_seen() {
    let said = after(|conn| {
        run(
            conn,
            "events",
            "UPDATE events SET body = replace(body, '\"accounts\":', '\"accounts\":1') WHERE kind = 'heads.committed'",
        );
    });
    has(&said, "L4", "events", "heads_differ");
    let given = after(|conn| {
        let last = "(SELECT max(seq) FROM entries WHERE seq < (SELECT seq FROM events WHERE kind = 'heads.committed'))";
        run(conn, "entries", &format!("UPDATE entries SET balance_after = balance_after + 1 WHERE seq = {last}"));
    });
    has(&given, "L4", "events", "heads_differ");
}

#[test]
fn a_pointer_is_checked_even_if_everything_above_it_was_made_to_fit() {
    // The tiles and the root are of no use to whoever can write them all; what the entry says is.
    let outcome = after(|conn| run(conn, "entries", "UPDATE entries SET prev = prev - 1 WHERE seq = 300"));
    has(&outcome, "L2", "entries", "leaf_changed");
    has(&outcome, "L3", "entries", "prev_wrong");
}

#[test]
fn an_account_state_that_claims_to_cover_more_than_it_does_is_seen() {
    let outcome = after(|conn| {
        run(conn, "account_states", "DELETE FROM account_states WHERE account = (SELECT MIN(account) FROM account_states)");
    });
    has(&outcome, "L4", "account_states", "state_missing");
    let outcome = after(|conn| {
        run(conn, "account_states", "DELETE FROM account_states; UPDATE log_state SET states_from = 0");
    });
    assert_eq!(outcome.findings, [], "without any of them the next start reads everything: nothing is lost");
}

#[test]
fn the_schema_is_compared_with_the_program_s() {
    let (dropped, weakened) = (
        "DROP TRIGGER entries_no_update",
        "DROP TRIGGER events_no_delete; CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT 1; END",
    );
    let added = "CREATE TRIGGER sly AFTER INSERT ON users BEGIN UPDATE users SET role = 'admin'; END";
    for (sql, kind) in [
        (dropped, "definition_changed"),
        (weakened, "definition_changed"),
        (added, "definition_extra"),
        ("DROP INDEX hits_alert", "definition_changed"),
        ("DELETE FROM __diesel_schema_migrations WHERE rowid = 2", "migration_differs"),
    ] {
        let outcome = after(|conn| conn.execute(sql).unwrap());
        let table = if kind == "migration_differs" { "__diesel_schema_migrations" } else { "schema" };
        has(&outcome, "L6", table, kind);
    }
    let own = after(|conn| conn.execute("CREATE TABLE bi_cache (x TEXT); CREATE VIEW bi AS SELECT seq FROM entries").unwrap());
    assert_eq!(own.findings, [], "a table and a view of the bank's own are left alone");
}

#[test]
fn a_trigger_that_is_only_switched_off_is_seen_on_postgres() {
    let home = Home::new(Kind::Postgres);
    let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
    let check = |sql: &str, back: &str, conn: &mut Conn| {
        conn.execute(sql).unwrap();
        let db = Db::open(&home.owner_url(), 1).unwrap();
        let config = counterfoil::config::Config::default();
        let options = counterfoil::audit::Options {
            config: &config,
            now: counterfoil::clock::Moment(0),
            progress: &|_, _| {},
            given: counterfoil::audit::Given::NONE,
        };
        let outcome = counterfoil::audit::verify(&db, options).unwrap();
        conn.execute(back).unwrap();
        outcome
    };
    for (sql, back) in [
        (
            "ALTER TABLE entries DISABLE TRIGGER entries_append_only",
            "ALTER TABLE entries ENABLE ALWAYS TRIGGER entries_append_only",
        ),
        ("ALTER TABLE tiles ENABLE TRIGGER tiles_append_only", "ALTER TABLE tiles ENABLE ALWAYS TRIGGER tiles_append_only"),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
        ),
    ] {
        has(&check(sql, back, &mut conn), "L6", "schema", "definition_changed");
    }
    let rule = "CREATE RULE sly AS ON DELETE TO hits DO INSTEAD NOTHING";
    has(&check(rule, "DROP RULE sly ON hits", &mut conn), "L6", "schema", "definition_extra");
    assert_eq!(check("SELECT 1", "SELECT 1", &mut conn).findings, []);
}

#[test]
fn vacuum_dump_and_restore_leave_nothing_to_find() {
    assert_eq!(after(|conn| conn.execute("VACUUM; ANALYZE; REINDEX").unwrap()).findings, []);
    let (folder, book) = (TempDir::new().unwrap(), Book::sqlite());
    let restored = folder.path().join("restored.db");
    let from = book.copy_to(folder.path());
    let mut conn = Db::open(&from, 1).unwrap().connect().unwrap();
    conn.execute(&format!("VACUUM INTO '{}'", restored.display())).unwrap();
    assert_eq!(book.verified(&format!("sqlite:{}", restored.display())).findings, []);
}

#[test]
fn a_dump_of_postgres_restored_elsewhere_leaves_nothing_to_find() {
    let book = Book::write(Kind::Postgres);
    let restored = crate::support::cluster::cluster().empty_database();
    let dump = Command::new("pg_dump").arg("--no-owner").arg("--dbname").arg(book.home.owner_url()).output();
    let dump = dump.expect("pg_dump is on the path");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    // psql's own commands and what a newer client says to itself are not SQL for us.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &dump.stdout).unwrap();
    let psql = Command::new("psql").arg("--quiet").arg("--file").arg(file.path()).arg(restored.url()).output().unwrap();
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    Db::open(restored.url(), 1).unwrap().connect().unwrap().execute("VACUUM FULL").unwrap();
    assert_eq!(book.verified(restored.url()).findings, []);
}

#[test]
fn a_log_that_is_written_while_it_is_verified_holds_together() {
    crate::bank::on_both(|kind| {
        let bank = Bank::with(kind, |config| {
            config.limits.segment_entries = 100;
            config.mail.alerts_to = vec!["desk@bank.example".into()];
        });
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..600_i64 {
                    let row =
                        entry(&format!("W{n}"), &format!("ACC-{}", n % 5), "2026-03-02T10:00:00Z", n * 7 % 90, n * 11 % 20_000);
                    bank.submit(vec![row, serde_json::json!({})]);
                }
                done.store(true, std::sync::atomic::Ordering::Release);
            });
            let mut times = 0;
            while !done.load(std::sync::atomic::Ordering::Acquire) || times < 3 {
                let options = counterfoil::audit::Options {
                    config: &bank.config,
                    now: bank.clock.now(),
                    progress: &|_, _| {},
                    given: counterfoil::audit::Given::NONE,
                };
                let outcome = counterfoil::audit::verify(&bank.db, options).unwrap();
                assert_eq!(outcome.findings, [], "{kind:?}, at {} leaves", outcome.size);
                times += 1;
            }
        });
        bank.intake.stop();
    });
}

#[test]
fn a_flood_of_refusals_that_is_not_told_yet_is_no_edit() {
    crate::bank::on_both(|kind| {
        let bank = Bank::open(kind);
        let check = |what: &str| {
            let options = counterfoil::audit::Options {
                config: &bank.config,
                now: bank.clock.now(),
                progress: &|_, _| {},
                given: counterfoil::audit::Given::NONE,
            };
            assert_eq!(counterfoil::audit::verify(&bank.db, options).unwrap().findings, [], "{kind:?}: {what}");
        };
        (0..30).for_each(|_| drop(bank.submit(vec![serde_json::json!({})])));
        check("ten are counted and not told");
        bank.clock.advance(2 * counterfoil::clock::MINUTE);
        bank.submit(vec![serde_json::json!({})]);
        check("the flood is told");
        let mut conn = bank.db.connect().unwrap();
        let rows = lines(
            &mut conn,
            "SELECT CAST(rows AS TEXT) AS line FROM day_refusals",
            "SELECT rows::text AS line FROM day_refusals",
        );
        assert_eq!(rows, ["31"]);
        conn.execute("UPDATE day_refusals SET rows = 32").unwrap();
        let options = counterfoil::audit::Options {
            config: &bank.config,
            now: bank.clock.now(),
            progress: &|_, _| {},
            given: counterfoil::audit::Given::NONE,
        };
        has(&counterfoil::audit::verify(&bank.db, options).unwrap(), "L4", "day_refusals", "row_differs");
        bank.intake.stop();
    });
}
