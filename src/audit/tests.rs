//! A small log made by hand, and what becomes of it when someone with the database's password edits it.
#![allow(clippy::unwrap_used)]

mod bank;
mod rows;
mod store;

use std::sync::OnceLock;

use tempfile::TempDir;

use super::{Given, Options, Outcome, verify, verify_account};
use crate::clock::Moment;
use crate::config::Config;
use crate::db::Db;

const TRIGGERS: &str = "DROP TRIGGER entries_no_update; DROP TRIGGER entries_no_delete; DROP TRIGGER events_no_update;
    DROP TRIGGER events_no_delete; DROP TRIGGER tiles_no_update; DROP TRIGGER tiles_no_delete;
    DROP TRIGGER entry_parts_no_update; DROP TRIGGER entry_parts_erased_only; DROP TRIGGER event_parts_no_update;
    DROP TRIGGER event_parts_erased_only; DROP TRIGGER accounts_no_delete; DROP TRIGGER accounts_erased_only;
    DROP TRIGGER contexts_no_delete; DROP TRIGGER contexts_erased_only; DROP TRIGGER hits_no_update;
    DROP TRIGGER hits_no_delete; DROP TRIGGER asides_no_update; DROP TRIGGER asides_no_delete;
    DROP TRIGGER sources_no_update; DROP TRIGGER sources_no_delete; DROP TRIGGER sources_no_replace;
    DROP TRIGGER deliveries_no_update; DROP TRIGGER deliveries_no_delete; DROP TRIGGER deliveries_no_replace;
    DROP TRIGGER rule_sets_no_update; DROP TRIGGER rule_sets_no_delete; DROP TRIGGER rule_sets_no_replace;
    DROP TRIGGER feed_closings_no_update; DROP TRIGGER feed_closings_no_delete; DROP TRIGGER feed_closings_no_replace;
    DROP TRIGGER reversals_no_update; DROP TRIGGER reversals_no_delete; DROP TRIGGER reversals_no_replace;";

/// A folder with the untouched log of 900 entries.
pub(super) fn original() -> &'static TempDir {
    static ORIGINAL: OnceLock<TempDir> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        bank::build(&url(&folder), 900, 97);
        folder
    })
}

pub(super) fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("log.db").display())
}

fn verified(url: &str) -> Outcome {
    let db = Db::open(url, 1).unwrap();
    verify(&db, Options { config: &Config::default(), now: Moment(0), progress: &|_, _| {}, given: Given::NONE }).unwrap()
}

fn of_account(url: &str, number: &str) -> crate::db::DbResult<Outcome> {
    let db = Db::open(url, 1).unwrap();
    verify_account(&db, number, Options { config: &Config::default(), now: Moment(0), progress: &|_, _| {}, given: Given::NONE })
}

fn copy() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::copy(original().path().join("log.db"), folder.path().join("log.db")).unwrap();
    folder
}

/// Edits a copy of the log; answers the findings as `level kind table seq`, the dropped triggers apart.
fn tampered(sql: &str) -> Vec<String> {
    let folder = copy();
    let db = Db::open(&url(&folder), 1).unwrap();
    let mut conn = db.connect().unwrap();
    conn.execute(TRIGGERS).unwrap();
    conn.execute(sql).unwrap();
    drop(conn);
    let outcome = verified(&url(&folder));
    assert_eq!(outcome.ok, outcome.findings.is_empty());
    let words = |f: &super::Finding| {
        let seq = f.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        format!("{} {} {} {seq}", f.level, f.kind, f.table)
    };
    outcome.findings.iter().filter(|f| f.level != "L6").map(words).collect()
}

#[track_caller]
fn check(sql: &str, expected: &[&str]) {
    assert_eq!(tampered(sql), expected, "{sql}");
}

/// At least these, when an edit shows in several places.
#[track_caller]
fn check_has(sql: &str, expected: &[&str]) {
    let found = tampered(sql);
    for line in expected {
        assert!(found.iter().any(|f| f == line), "{sql}: {line} is not in {found:#?}");
    }
}

#[test]
fn an_untouched_log_holds_together_though_breaks_are_open() {
    let outcome = verified(&url(original()));
    assert_eq!(outcome.findings, []);
    assert!(outcome.ok);
    let checked: Vec<u64> = outcome.levels.iter().map(|level| level.checked).collect();
    assert_eq!(checked[..6], [0, 0, 925, 910, 77, 187]);
    assert!(checked[6] > 40, "{checked:?}");
}

#[test]
fn one_account_can_be_checked_alone() {
    let outcome = of_account(&url(original()), "ACC-1").unwrap();
    assert_eq!(outcome.findings, []);
    assert!(outcome.levels[2].checked > 250 && outcome.levels[3].checked > 250 && outcome.levels[5].checked > 40, "{outcome:?}");
    assert!(of_account(&url(original()), "nobody").is_err());
}

#[test]
fn what_is_changed_in_an_account_s_history_is_found_without_the_rest() {
    let folder = copy();
    let mut conn = Db::open(&url(&folder), 1).unwrap().connect().unwrap();
    let accounts = store::seqs(&url(&folder), "accounts");
    conn.execute(TRIGGERS).unwrap();
    let of_second = format!("(SELECT seq FROM entries WHERE account = {} ORDER BY seq LIMIT 1 OFFSET 50)", accounts[1]);
    conn.execute(&format!("UPDATE entries SET amount = amount + 1 WHERE seq = {of_second}")).unwrap();
    assert_eq!(of_account(&url(&folder), "ACC-1").unwrap().findings, []);
    let kinds: Vec<&str> = of_account(&url(&folder), "ACC-2").unwrap().findings.iter().map(|f| f.kind).collect();
    assert_eq!(kinds, ["leaf_changed", "continuity_differs"]);
    conn.execute(&format!("UPDATE entries SET prev = NULL WHERE seq = {of_second}")).unwrap();
    let found = of_account(&url(&folder), "ACC-2").unwrap();
    assert!(found.findings.iter().any(|f| f.kind == "position_wrong"), "{:?}", found.findings);
}

#[test]
fn progress_ends_at_the_size() {
    let db = Db::open(&url(original()), 1).unwrap();
    let seen = std::cell::RefCell::new(Vec::new());
    let progress = |done, total| seen.borrow_mut().push((done, total));
    verify(&db, Options { config: &Config::default(), now: Moment(0), progress: &progress, given: Given::NONE }).unwrap();
    let seen = seen.into_inner();
    assert_eq!(seen.first().map(|s| s.0), Some(0));
    assert!(seen.last().is_some_and(|(done, total)| done == total && *total > 900));
}

#[test]
fn an_edited_amount_is_named() {
    let found = tampered("UPDATE entries SET amount = amount + 1 WHERE seq = 300");
    assert!(found.contains(&"L2 leaf_changed entries 300".to_owned()), "{found:?}");
    assert!(found.contains(&"L3 continuity_differs entries 300".to_owned()), "{found:?}");
    assert!(found.iter().any(|f| f.starts_with("L4 day_figure_differs day_figures ")), "{found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn an_edit_behind_the_last_full_tile_breaks_the_root() {
    check("UPDATE entries SET value_date = 1 WHERE seq = (SELECT MAX(seq) FROM entries)", &["L2 root_differs log_state -"]);
}

#[test]
fn two_swapped_rows_are_named() {
    let swap = "UPDATE entries SET seq = -1 WHERE seq = 300; UPDATE entries SET seq = 300 WHERE seq = 301;
        UPDATE entries SET seq = 301 WHERE seq = -1;";
    check_has(swap, &["L2 leaf_changed entries 300", "L2 leaf_changed entries 301", "L3 prev_wrong entries 303"]);
}

#[test]
fn deleted_rows_are_named_wherever_they_were() {
    check_has("DELETE FROM entries WHERE seq = 300", &["L2 leaf_missing entries 300"]);
    check_has("DELETE FROM events WHERE seq = 0", &["L2 leaf_missing entries 0"]);
    let newest = "DELETE FROM entries WHERE seq = (SELECT MAX(seq) FROM entries)";
    let found = tampered(newest);
    assert!(found.iter().any(|f| f.starts_with("L2 leaf_missing entries ")), "{found:?}");
    assert!(found.contains(&"L2 root_unknown log_state -".to_owned()), "{found:?}");
    let found = tampered("DELETE FROM entries");
    assert!(found.iter().filter(|f| f.starts_with("L2 leaf_missing")).count() >= 900);
}

#[test]
fn null_and_empty_are_not_the_same() {
    let expected = ["L2 leaf_changed entries 300", "L4 row_missing reversals 300"];
    check("UPDATE entries SET reverses = '' WHERE seq = 300", &expected);
    check_has(
        "UPDATE entry_parts SET reason = '' WHERE seq = (SELECT MIN(seq) FROM entry_parts)",
        &[&part("entry_parts", "changed", "MIN(seq)")],
    );
}

/// The finding about the first or last row of a table of private parts.
fn part(table: &str, what: &str, which: &str) -> String {
    let seqs = store::seqs(&url(original()), table);
    let seq = if which == "MIN(seq)" { seqs[0] } else { seqs[seqs.len() - 1] };
    format!("L5 private_part_{what} {table} {seq}")
}

#[test]
fn private_parts_must_be_those_committed_to() {
    check(
        "UPDATE entry_parts SET party = 'Mallory' WHERE seq = (SELECT MAX(seq) FROM entry_parts)",
        &[&part("entry_parts", "changed", "MAX(seq)")],
    );
    check(
        "DELETE FROM entry_parts WHERE seq = (SELECT MAX(seq) FROM entry_parts)",
        &[&part("entry_parts", "missing", "MAX(seq)")],
    );
    check(
        "UPDATE event_parts SET salt = x'00' WHERE seq = (SELECT MAX(seq) FROM event_parts)",
        &[&part("event_parts", "changed", "MAX(seq)")],
    );
    let added = "INSERT INTO entry_parts SELECT 300, salt, party, NULL, NULL, NULL, NULL FROM entry_parts WHERE 300 NOT IN (SELECT seq FROM entry_parts) LIMIT 1";
    check(added, &["L5 private_part_unexpected entry_parts 300"]);
    check(
        "INSERT INTO entry_parts SELECT 0, salt, party, NULL, NULL, NULL, NULL FROM entry_parts LIMIT 1",
        &["L5 private_part_orphaned entry_parts 0"],
    );
}

#[test]
fn tiles_must_be_those_of_the_leaves() {
    check("UPDATE tiles SET data = zeroblob(8192) WHERE level = 0 AND idx = 1", &["L2 tile_changed tiles 256"]);
    check("UPDATE tiles SET data = x'00' WHERE level = 0 AND idx = 1", &["L2 tile_changed tiles 256"]);
    check("DELETE FROM tiles WHERE idx = 1", &["L2 tile_missing tiles 256"]);
    check("INSERT INTO tiles SELECT 0, 77, data FROM tiles WHERE idx = 1", &["L2 tile_extra tiles -"]);
}

#[test]
fn breaks_and_hits_must_be_those_the_leaves_commit_to() {
    let named = |table: &str| store::seqs(&url(original()), table);
    let (breaks, hits) = (named("breaks"), named("hits"));
    let last = breaks[breaks.len() - 1];
    check("UPDATE breaks SET state = 3 WHERE seq = (SELECT MAX(seq) FROM breaks)", &[&format!("L4 break_differs breaks {last}")]);
    check("DELETE FROM breaks WHERE seq = (SELECT MAX(seq) FROM breaks)", &[&format!("L4 break_missing breaks {last}")]);
    let added = "INSERT INTO breaks SELECT 300, kind, account, currency, state, expected, found, business_date, opened_by, opened_at, due_at, closed_by, alert FROM breaks LIMIT 1";
    check(added, &["L4 break_extra breaks 300"]);
    let first = hits[0];
    check("UPDATE hits SET severity = 1 WHERE seq = (SELECT MIN(seq) FROM hits)", &[&format!("L4 hit_changed hits {first}")]);
    check("DELETE FROM hits WHERE seq = (SELECT MIN(seq) FROM hits)", &[&format!("L4 hit_missing hits {first}")]);
    check("UPDATE hits SET alert = 5 WHERE seq = (SELECT MIN(seq) FROM hits)", &[&format!("L4 hit_changed hits {first}")]);
    let late = store::late_hit(&url(original()));
    check("DELETE FROM hits WHERE late = 1", &[&format!("L4 hit_missing hits {late}")]);
    check_has("UPDATE hits SET seq = 300 WHERE seq = (SELECT MIN(seq) FROM hits)", &["L4 hit_extra hits 300"]);
}

#[test]
fn the_dictionary_must_say_what_its_events_say() {
    let accounts = store::seqs(&url(original()), "accounts");
    let first = accounts[0];
    check(
        "UPDATE accounts SET number = 'ACC-X' WHERE id = (SELECT MIN(id) FROM accounts)",
        &[&format!("L4 definition_differs accounts {first}")],
    );
    check("UPDATE contexts SET ip = NULL", &["L4 definition_differs contexts 3"]);
    check("UPDATE sources SET name = 'other'", &["L4 definition_differs sources 1"]);
    check("UPDATE deliveries SET origin = 'elsewhere'", &["L4 definition_differs deliveries 4"]);
    check("UPDATE rule_sets SET version = 9", &["L4 definition_differs rule_sets 2"]);
    check("DELETE FROM deliveries", &["L4 definition_missing deliveries 4"]);
    check("INSERT INTO sources VALUES (300, 'ghost', 1)", &["L4 definition_extra sources 300"]);
    check("INSERT INTO sources VALUES (99999, 'ghost', 1)", &["L2 row_outside_log sources 99999"]);
}

#[test]
fn figures_and_ranges_are_derived_again() {
    let first = "hour = (SELECT MIN(hour) FROM day_figures)";
    let seq = store::seqs(&url(original()), "entries")[0];
    let edit = format!("UPDATE day_figures SET credits = credits + 1 WHERE {first}");
    check(&edit, &[&format!("L4 day_figure_differs day_figures {seq}")]);
    check(&format!("DELETE FROM day_figures WHERE {first}"), &[&format!("L4 day_figure_missing day_figures {seq}")]);
    check(
        "UPDATE day_ranges SET entries = entries - 1 WHERE rowid = 1",
        &[&format!("L4 day_range_differs day_ranges {}", store::first_range(&url(original())))],
    );
}

#[test]
fn the_log_state_is_held_against_the_leaves() {
    check("UPDATE log_state SET root = zeroblob(32)", &["L2 root_differs log_state -"]);
    check("UPDATE log_state SET recorded_at = recorded_at + 1", &["L3 time_differs log_state -"]);
    check("UPDATE log_state SET origin = 'forged'", &["L2 origin_differs log_state 0"]);
    check_has("UPDATE log_state SET size = size + 5", &["L2 root_unknown log_state -"]);
    check_has("DELETE FROM log_state", &["L2 log_state_missing log_state -"]);
}

#[test]
fn a_rewritten_history_with_its_own_root_still_shows_in_what_entries_say() {
    let found =
        tampered("UPDATE entries SET position = position + 1, recorded_at = 5, account = 2, delivery = 3 WHERE seq = 300");
    for kind in ["reference_unknown", "time_goes_back"] {
        assert!(found.contains(&format!("L3 {kind} entries 300")), "{kind}: {found:?}");
    }
    check_has("UPDATE entries SET source_ref = 'R1' WHERE seq = 300", &["L3 source_ref_repeated entries 300"]);
    check_has("UPDATE entries SET currency = 'EUR' WHERE seq = 300", &["L3 currency_differs entries 300"]);
    check_has("UPDATE entries SET kind = 77 WHERE seq = 300", &["L3 code_unknown entries 300"]);
    check_has("UPDATE entries SET jump = jump + 1 WHERE seq = 300", &["L3 jump_wrong entries 300"]);
    check_has("UPDATE entries SET outcomes = '{' WHERE seq = 300", &["L3 outcomes_unreadable entries 300"]);
}

#[test]
fn tiles_above_the_leaves_are_compared_too() {
    let folder = TempDir::new().unwrap();
    bank::build(&url(&folder), 66_000, 66_000);
    assert_eq!(verified(&url(&folder)).findings, []);
    let mut conn = Db::open(&url(&folder), 1).unwrap().connect().unwrap();
    conn.execute("DROP TRIGGER tiles_no_update; UPDATE tiles SET data = zeroblob(8192) WHERE level = 1").unwrap();
    let outcome = verified(&url(&folder));
    assert_eq!(outcome.findings.iter().filter(|f| f.level != "L6").count(), 1, "{:?}", outcome.findings);
    assert!(outcome.findings.iter().any(|f| f.detail.contains("the trigger tiles_no_update is missing")));
    assert_eq!((outcome.findings[0].kind, outcome.findings[0].seq), ("tile_changed", Some(0)));
}

#[test]
fn chains_that_were_frozen_are_derived_again() {
    let folder = TempDir::new().unwrap();
    bank::build(&url(&folder), 1_000, 4);
    assert_eq!(verified(&url(&folder)).findings, []);
    let mut conn = Db::open(&url(&folder), 1).unwrap().connect().unwrap();
    conn.execute("UPDATE breaks SET state = 1 WHERE seq = (SELECT MIN(seq) FROM breaks WHERE state = 4)").unwrap();
    let outcome = verified(&url(&folder));
    assert_eq!(outcome.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), ["break_differs"]);
}

#[test]
fn values_of_another_type_than_their_column_are_found_even_where_they_read_the_same() {
    let blob = |table: &str, column: &str, key: &str| {
        format!("UPDATE {table} SET {column} = CAST({column} AS BLOB) WHERE {key} = (SELECT MAX({key}) FROM {table})")
    };
    let max = |table: &str| *store::seqs(&url(original()), table).last().unwrap();
    let entry = max("entries");
    for column in ["source_ref", "amount", "booked_at", "business_date"] {
        check_has(&blob("entries", column, "seq"), &[&format!("L2 type_changed entries {entry}")]);
    }
    // Reads as the same whole number, but sums as a fraction.
    check(
        &format!("UPDATE entries SET amount = amount + 0.25 WHERE seq = {entry}"),
        &[&format!("L2 type_changed entries {entry}")],
    );
    check(
        &format!("UPDATE entries SET amount = amount || ' and more' WHERE seq = {entry}"),
        &[&format!("L2 type_changed entries {entry}")],
    );
    // Of more bits than the column has: read, it is cut off to what was hashed.
    check_has(
        &format!("UPDATE entries SET flags = flags + 65536 WHERE seq = {entry}"),
        &[&format!("L2 type_changed entries {entry}")],
    );
    check_has(&blob("breaks", "state", "seq"), &[&format!("L4 type_changed breaks {}", max("breaks"))]);
    let number = tampered(&blob("accounts", "number", "id"));
    assert!(number.iter().any(|found| found.starts_with("L4 type_changed accounts ")), "{number:?}");
    let state = tampered(&blob("alerts", "state", "id"));
    assert!(state.iter().any(|found| found.starts_with("L4 type_changed alerts ")), "{state:?}");
}

#[test]
fn a_history_too_long_to_look_at_is_refused_rather_than_called_tampered() {
    let folder = TempDir::new().unwrap();
    bank::build(&url(&folder), 2_000, 97);
    assert_eq!(verified(&url(&folder)).findings, []);
    let refused = of_account(&url(&folder), "ACC-1").unwrap_err().to_string();
    assert!(refused.contains("more than 600 entries"), "{refused}");
}
