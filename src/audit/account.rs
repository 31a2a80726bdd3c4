//! The history of one account, without reading the rest of the log: its leaves and that each is in
//! the tree, its pointers and continuity, its breaks and hits, its private parts.
//!
//! Its entries are found from the newest one backwards. That none is missing at the end only the
//! whole verification tells.

use std::collections::HashSet;

use counterfoil_verify::tile::{WIDTH, tile_root};
use counterfoil_verify::{Hash, Tiles};

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::BREAK_EXPLAINED;
use crate::ledger::history::Newest;
use crate::ledger::leaves;
use crate::ledger::order::store as order;
use crate::ledger::store::{self as ledger, AccountRow, EntryRow};
use crate::trail::generations::Origins;
use crate::trail::sealing::store as sealing;
use crate::trail::store::{self as trail, EventRow, LogState};

use super::beside::Beside;
use super::checker::Checker;
use super::entries::{Entries, Tables};
use super::erased::Erased;
use super::findings::Findings;
use super::repeats::Repeats;
use super::sealed::Sealed;
use super::settings::Settings;
use super::store;
use super::{L0, L1, L2, L4, L6, Options, Outcome};

/// Entries of one account that are looked at. A longer history is left to the whole verification:
/// continuity and breaks cannot be derived from its end alone. (Small in tests, to be reached.)
const ENTRIES_MAX: usize = if cfg!(test) { 600 } else { 1_000_000 };
/// Entries between two reports of progress.
const PROGRESS: usize = 1_000;

/// Verifies the history of the account with this number.
///
/// # Errors
/// When the database cannot be read, the log has no such account, or it has too many entries.
pub fn verify_account(db: &Db, number: &str, options: Options<'_>) -> DbResult<Outcome> {
    let settings = Settings::read(options.config)?;
    let (aside, beside) = (db.connect()?, Beside::read(db, options.config)?);
    db.connect()?.snapshot(|conn| {
        let account = ledger::account_as_written(conn, number)?;
        let account = account.ok_or_else(|| DbError::Unfit("the log has no such account; check the number (of an erased holder it is `erased N`, N being the account in the log)".into()))?;
        let state = trail::state(conn)?.ok_or_else(|| DbError::Corrupt("there is no state of the log".into()))?;
        one((conn, aside), beside, (&account, &state), settings, &options)
    })
}

fn one(
    (conn, aside): (&mut Conn, Conn),
    beside: Beside,
    (account, state): (&AccountRow, &LogState),
    settings: Settings,
    options: &Options<'_>,
) -> DbResult<Outcome> {
    let mut findings = Findings::default();
    findings.note(L0, "not part of one account's history");
    findings.note(L1, "every leaf of the account, against the root of the log state");
    findings.note(L6, "not part of one account's history");
    let rows = backwards(conn, account.id, &mut findings)?;
    let tree = Tree::read(conn, state, &mut findings)?;
    let mut entries = Entries::new(aside, settings, Tables::none(Repeats::new(0)));
    entries.joining.leave_out();
    entries.set_reach(&store::rule_set_bodies(conn)?);
    let origins = Origins::of(conn)?;
    let mut checker = Checker::new(origins.at(0).to_owned(), findings, entries);
    checker.erased = Erased::read(conn, beside.register)?;
    checker.sealed = Sealed::read(conn, &beside.keys, &state.origin)?;
    let mut told = store::events_of(conn, "program.started")?;
    told.extend(store::events_of(conn, BREAK_EXPLAINED)?.into_iter().filter(|event| is_of(event, account.id)));
    told.sort_by_key(|event| event.seq);
    let mut told = told.into_iter().peekable();
    define(conn, account, &mut checker)?;
    let total = rows.len() as u64;
    let mut proven = HashSet::new();
    for (n, row) in rows.iter().enumerate() {
        if n.is_multiple_of(PROGRESS) {
            (options.progress)(n as u64, total);
        }
        while let Some(event) = told.next_if(|event| event.seq < row.seq) {
            checker.entries.define(&event, None, &mut checker.findings);
        }
        let part = ledger::entry_part(conn, row.seq)?;
        if checker.origin != origins.at(row.seq) {
            checker.origin = origins.at(row.seq).to_owned();
        }
        let sealed = sealing::sealed_part(conn, row.seq)?;
        let row = &row.leaf();
        let leaf = checker.entry(row, None, part.as_ref(), sealed.as_ref());
        if !tree.holds(conn, row.seq, &leaf.hash, &mut proven)? {
            let text = "the row does not have the hash that the tree holds for its place";
            checker.findings.add((L2, "leaf_changed"), "entries", row.seq, text);
        }
        let hits = crate::alerts::store::hits_of_entry(conn, row.seq)?;
        let aside = order::of(conn, row.seq)?;
        checker.entries.check_alone(row, &hits, aside.as_ref(), &mut checker.findings);
    }
    told.for_each(|event| checker.entries.define(&event, None, &mut checker.findings));
    (options.progress)(total, total);
    let Checker { mut findings, entries, .. } = checker;
    let Entries { breaks, hits, joining, .. } = entries;
    breaks.finish(conn, Some(account.id), &joining, &mut findings)?;
    hits.finish(conn, &mut findings)?;
    Ok(findings.outcome(state.size, &state.root))
}

/// Whether an event's public part names this account.
fn is_of(event: &EventRow, account: Seq) -> bool {
    let body: serde_json::Value = serde_json::from_str(&event.body).unwrap_or_default();
    body["account"] == account
}

/// The account's row against its event.
fn define(conn: &mut Conn, account: &AccountRow, checker: &mut Checker) -> DbResult<()> {
    let Some((event, part)) = trail::event(conn, account.id)?.filter(|(event, _)| event.kind == "account.defined") else {
        checker.findings.add((L4, "definition_extra"), "accounts", account.id, "no event account.defined defined this row");
        return Ok(());
    };
    checker.event(&event, part.as_ref());
    super::definitions::compare_account(account, &event, part.as_ref(), &checker.erased, &mut checker.findings);
    Ok(())
}

/// The account's entries, oldest first.
fn backwards(conn: &mut Conn, account: Seq, findings: &mut Findings) -> DbResult<Vec<EntryRow>> {
    let mut at = Newest::default().of(conn, account)?;
    let mut rows: Vec<EntryRow> = Vec::new();
    while let Some(seq) = at {
        if rows.len() == ENTRIES_MAX {
            let text = format!("the account has more than {ENTRIES_MAX} entries; `counterfoil verify` looks at all");
            return Err(DbError::Unfit(text));
        }
        let row = ledger::entry(conn, seq)?.filter(|row| row.account == account);
        let Some(row) = row.filter(|row| rows.last().is_none_or(|later| row.seq < later.seq)) else {
            findings.add(
                (L2, "leaf_missing"),
                "entries",
                seq,
                "an entry of this account should be here: a later one points to it",
            );
            break;
        };
        at = row.prev;
        rows.push(row);
    }
    rows.reverse();
    Ok(rows)
}

/// The stored tiles, and the right edge made from the newest leaves.
struct Tree {
    edge: Tiles,
    size: Seq,
}

impl Tree {
    fn read(conn: &mut Conn, state: &LogState, findings: &mut Findings) -> DbResult<Tree> {
        let width = WIDTH as Seq;
        let trailing = leaves::hashes(conn, state.size - state.size % width, state.size)?;
        let read = |level: u8, index: u64| {
            let tile = trail::tile(conn, i16::from(level), index as i64)?;
            tile.ok_or_else(|| DbError::Corrupt(format!("tile {level}/{index} is missing; run `counterfoil verify`")))
        };
        let edge = Tiles::resume(state.size as u64, read, &trailing);
        let edge =
            edge.map_err(|e| DbError::Corrupt(format!("the tree's right edge cannot be made: {e}; run `counterfoil verify`")))?;
        if edge.root()[..] != state.root[..] {
            let text = "tiles and newest leaves do not have the root in the log state; `counterfoil verify` finds out why";
            findings.add((L2, "root_differs"), "log_state", None, text);
        }
        Ok(Tree { edge, size: state.size })
    }

    /// Whether the leaf at `seq` has this hash in the tree, up to its right edge.
    fn holds(&self, conn: &mut Conn, seq: Seq, leaf: &Hash, proven: &mut HashSet<(u8, Seq)>) -> DbResult<bool> {
        let (mut hash, mut index) = (*leaf, seq);
        for level in 0..8_u8 {
            let (tile, at) = (index / WIDTH as Seq, (index % WIDTH as Seq) as usize);
            if self.size >> (8 * (u32::from(level) + 1)) <= tile {
                return Ok(self.edge.partial(level).get(at) == Some(&hash));
            }
            let data = trail::tile(conn, i16::from(level), tile)?.unwrap_or_default();
            if data.as_chunks::<32>().0.get(at) != Some(&hash) {
                return Ok(false);
            }
            if !proven.insert((level, tile)) {
                return Ok(true);
            }
            let Ok(root) = tile_root(&data) else { return Ok(false) };
            (hash, index) = (root, tile);
        }
        Ok(false)
    }
}
