//! The matrix: every column of every table edited, emptied, swapped; rows at the head, in the middle
//! and at the tail removed.
//!
//! In the default run one edit of each column and the removals on SQLite, and a seeded tenth of that
//! on PostgreSQL; with COUNTERFOIL_ROUNDS from 50 on everything on both.

use std::sync::atomic::{AtomicUsize, Ordering};

use counterfoil::audit::{EXEMPT, Outcome};
use counterfoil::clock::{Clock, Moment};
use counterfoil::db::{Conn, Db};
use tempfile::TempDir;

use super::books::Book;
use super::edits::{Column, at, behind_the_triggers, columns, lines, literal, other, rows};
use crate::bank::Kind;
use crate::support::rounds;

/// From this many rounds on, everything is tried on both databases.
const EVERYTHING: u32 = 50;

/// Columns that are exempt in part: the rows in which an edit must be found.
const IN_PART: &[(&str, &str, &str)] = &[
    ("outbox", "attempts", "state <> 1"),
    ("outbox", "last_error", "state = 3"),
    ("outbox", "message_id", "state <> 1"),
    ("import_runs", "rows_done", "state = 'done'"),
    ("index_runs", "last_seq", "last_seq < 400"),
    ("index_pages", "run", READ),
    ("day_refusals", "rows", "rows > 0"),
];

/// Pages that something reads: those of a run that was merged away wait to be removed.
const READ: &str = "run IN (SELECT id FROM index_runs)";

/// Leaves of full tiles: those of the open one have no stored hash by themselves, so that what is changed there is named
/// as a range of leaves.
const IN_FULL_TILES: &str = "seq < (SELECT size / 256 * 256 FROM log_state)";

/// Tables whose findings have no place in the log to name.
const WITHOUT_PLACE: &[&str] = &["log_state"];

/// What is done to a column or a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Edit,
    Empty,
    Swap,
    Head,
    Middle,
    Tail,
}

#[derive(Clone, Debug)]
struct Case {
    what: What,
    column: Column,
    /// The rows it may be done to.
    which: &'static str,
}

/// Every case that the live schema gives.
fn cases(conn: &mut Conn) -> Vec<Case> {
    let mut cases = Vec::new();
    for column in columns(conn, "%") {
        let exempt = |name: Option<&str>| EXEMPT.iter().any(|e| e.table == column.table && e.column == name);
        if exempt(None) {
            continue;
        }
        let part = IN_PART.iter().find(|(table, name, _)| *table == column.table && *name == column.name);
        let first = cases.last().is_none_or(|last: &Case| last.column.table != column.table);
        let whole = if column.table == "index_pages" { READ } else { "1 = 1" };
        let in_tiles = matches!(column.table.as_str(), "entries" | "events").then_some(IN_FULL_TILES);
        let which = part.map_or(in_tiles.unwrap_or(whole), |(.., which)| which);
        let mut add = |what, which| cases.push(Case { what, column: column.clone(), which });
        if first {
            [What::Head, What::Middle, What::Tail].into_iter().for_each(|what| add(what, whole));
        }
        if part.is_none() && exempt(Some(&column.name)) {
            continue;
        }
        [What::Edit, What::Empty, What::Swap].into_iter().for_each(|what| add(what, which));
    }
    cases
}

/// Does it; `None` if there is nothing to do it to.
fn tamper(conn: &mut Conn, case: &Case) -> Option<String> {
    let (table, name) = (case.column.table.as_str(), &case.column.name);
    let all = rows(conn, table, case.which);
    assert!(!all.is_empty(), "the book has no row in {table} where {}", case.which);
    let middle = &all[all.len() / 2];
    let sql = match case.what {
        What::Head => format!("DELETE FROM {table} WHERE {}", at(conn, &all[0])),
        What::Middle => format!("DELETE FROM {table} WHERE {}", at(conn, middle)),
        // The newest run of the last kind may be missing.
        What::Tail if table == "index_runs" => return None,
        What::Tail => format!("DELETE FROM {table} WHERE {}", at(conn, &all[all.len() - 1])),
        What::Edit => {
            let value = literal(conn, &case.column, middle);
            let row = at(conn, middle);
            let set = |far| format!("UPDATE {table} SET {name} = {} WHERE {row}", other(&case.column, &value, far));
            let refused = match behind_the_triggers(conn, table, &set(false)) {
                Ok(()) => return Some(set(false)),
                Err(refused) => refused,
            };
            // PostgreSQL has no way around a condition but to take it away, which the comparison of the schema finds.
            if matches!(conn, Conn::Postgres(_)) && refused.contains("check constraint") {
                return None;
            }
            set(true)
        }
        What::Empty => {
            let value = literal(conn, &case.column, middle);
            let empty = if case.column.holds == super::edits::Holds::Number { "0" } else { "''" };
            let fresh = match (value.as_str(), case.column.nullable) {
                ("NULL", _) => empty,
                (_, true) => "NULL",
                // What may not be null is emptied, where it is a text.
                (_, false) if case.column.holds == super::edits::Holds::Text && value != "''" => "''",
                _ => return None,
            };
            format!("UPDATE {table} SET {name} = {fresh} WHERE {}", at(conn, middle))
        }
        What::Swap => {
            let first = literal(conn, &case.column, &all[0]);
            let differs = |row: &&String| literal(&mut *conn, &case.column, row) != first;
            let row = all.iter().rev().take(40).find(differs)?.clone();
            return swap(conn, case, (&all[0], &first), &row);
        }
    };
    behind_the_triggers(conn, table, &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    Some(sql)
}

/// Two rows exchange a value; by way of a third, where no two rows may have the same.
fn swap(conn: &mut Conn, case: &Case, (one, first): (&str, &str), two: &str) -> Option<String> {
    let (table, name) = (case.column.table.as_str(), &case.column.name);
    let second = literal(conn, &case.column, two);
    let third = other(&case.column, &second, true);
    let of_two = at(conn, two);
    // The key decides where a row is: it is addressed by what it was given.
    let sql = format!(
        "UPDATE {table} SET {name} = {third} WHERE {of_two}; UPDATE {table} SET {name} = {second} WHERE {};
         UPDATE {table} SET {name} = {first} WHERE {name} = {third}",
        at(conn, one)
    );
    match behind_the_triggers(conn, table, &format!("BEGIN; {sql}; COMMIT")) {
        Ok(()) => Some(sql),
        // A key of several columns, of which the other row's would be taken twice.
        Err(_) => None,
    }
}

/// Whether the outcome names the table, and the place where there is one.
fn is_named(outcome: &Outcome, table: &str) -> bool {
    let about = |found: &str| {
        found == table
            || (table == "index_pages" && found == "index_runs")
            || (table == "index_runs" && found == "index_pages")
            // A private part that is gone may have been plain or sealed.
            || (table == "sealed_parts" && found == "entry_parts")
            // A leaf that is gone may have been of either kind.
            || (table == "events" && found == "entries")
    };
    let placed = |found: &&counterfoil::audit::Finding| found.seq.is_some() || WITHOUT_PLACE.contains(&table);
    outcome.findings.iter().filter(|found| about(found.table)).any(|found| placed(&found))
}

fn judge(case: &Case, sql: &str, outcome: &Outcome, missed: &mut Vec<String>) {
    if outcome.ok || !is_named(outcome, &case.column.table) {
        let found: Vec<_> = outcome.findings.iter().take(4).collect();
        missed.push(format!("{:?} {}.{}: {sql}\n    {found:?}", case.what, case.column.table, case.column.name));
    }
}

#[test]
fn whatever_is_changed_is_found_and_named() {
    let book = Book::sqlite();
    let everything = rounds(1) >= EVERYTHING;
    let mut conn = Db::open(&book.home.owner_url(), 1).unwrap().connect().unwrap();
    let cases = cases(&mut conn);
    assert!(cases.len() > 700, "{}", cases.len());
    drop(conn);
    let chosen: Vec<&Case> = cases.iter().filter(|case| everything || !matches!(case.what, What::Empty | What::Swap)).collect();
    let (halves, done) = (chosen.split_at(chosen.len() / 2), AtomicUsize::new(0));
    let half = |cases: &[&Case]| {
        let mut missed = Vec::new();
        for case in cases {
            let folder = TempDir::new().unwrap();
            let url = book.copy_to(folder.path());
            let mut conn = Db::open(&url, 1).unwrap().connect().unwrap();
            let Some(sql) = tamper(&mut conn, case) else { continue };
            drop(conn);
            judge(case, &sql, &book.verified(&url), &mut missed);
            done.fetch_add(1, Ordering::Relaxed);
        }
        missed
    };
    let missed = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(halves.1));
        let mut missed = half(halves.0);
        missed.extend(other.join().unwrap());
        missed
    });
    let done = done.into_inner();
    assert!(missed.is_empty(), "{} of {done} edits were not found:\n{}", missed.len(), missed.join("\n"));
    assert!(done > 300, "{done}");
}

#[test]
fn the_same_is_found_on_postgres() {
    let book = Book::write(Kind::Postgres);
    let url = book.home.owner_url();
    let mut conn = Db::open(&url, 1).unwrap().connect().unwrap();
    let all = cases(&mut conn);
    let share = if rounds(1) >= EVERYTHING { 1 } else { 10 };
    let seed = u64::from_be_bytes(Clock::fixed(Moment(0), rounds(1).into()).random());
    let chosen = all.iter().enumerate().filter(|(n, _)| (*n as u64 + seed).is_multiple_of(share)).map(|(_, case)| case);
    let (mut done, mut missed) = (0, Vec::new());
    for case in chosen {
        let table = &case.column.table;
        conn.execute(&format!("CREATE TABLE kept AS TABLE {table}")).unwrap();
        if let Some(sql) = tamper(&mut conn, case) {
            judge(case, &sql, &book.verified(&url), &mut missed);
            done += 1;
        }
        behind_the_triggers(&mut conn, table, &format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept")).unwrap();
        conn.execute("DROP TABLE kept").unwrap();
    }
    assert!(missed.is_empty(), "seed {seed}: {} of {done} edits were not found:\n{}", missed.len(), missed.join("\n"));
    assert_eq!(book.verified(&url).findings, [], "put back as it was, the book holds together again");
    assert!(done > 40, "{done}");
    assert!(
        lines(&mut conn, "", "SELECT tgname::text AS line FROM pg_trigger WHERE tgenabled <> 'A' AND NOT tgisinternal")
            .is_empty()
    );
}
