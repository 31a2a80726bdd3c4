//! A verification that goes on where the last whole one ended, or had come to: what came since is hashed again; of
//! what was before, the stored tiles must have the root that was remembered outside the database.
//!
//! It reads nothing of the rows before, nor any table that follows: a row that was changed there
//! since is not seen, though its tile is what it was. That is said in the outcome, and such a
//! run is recorded nowhere. What a whole run has found since the last clean one is repeated until a whole run
//! finds nothing: a resumed one would not look there.

use counterfoil_verify::{EntryLeaf, EventLeaf, Tiles, leaf};

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::ledger::store::EntryPartRow;
use crate::trail::generations::Origins;
use crate::trail::store::{self as trail, LogState};
use crate::trail::tree::Tree as Stored;

use super::beside::Beside;
use super::erased::Erased;
use super::findings::Findings;
use super::mark::Mark;
use super::rows::{self, Rows};
use super::run::{Run, SLICE, checkpoints, inclusion};
use super::sealed::Sealed;
use super::store::{self, Slice};
use super::tree::{Leaf, TILE_LEAVES, Tree};
use super::{L2, L3, L4, L5, Options, Outcome, commitments, schema};

/// Verifies what came after `mark`, and that what was before it has the root that it had.
///
/// # Errors
/// When the database cannot be read or the mark is one of another log.
pub fn verify_resumed(db: &Db, options: Options<'_>, mark: &Mark) -> DbResult<Outcome> {
    let beside = Beside::read(db, options.config)?;
    db.connect()?.snapshot(|conn| {
        let mut run = Run::begin(conn, options)?;
        checkpoints(&mut run, &beside)?;
        inclusion(&mut run)?;
        rest(&mut run, mark, beside)?;
        if let Some(unsettled) = &mark.unsettled {
            unsettled.repeat(&mut run.findings);
        }
        schema::compare(run.conn, &mut run.findings)?;
        let root = run.state.as_ref().map(|state| state.root.clone()).unwrap_or_default();
        Ok(run.findings.outcome(run.size, &root))
    })
}

fn rest(run: &mut Run<'_>, mark: &Mark, beside: Beside) -> DbResult<()> {
    let origins = Origins::of(run.conn)?;
    let state = run.state.clone().filter(|_| origins.names().any(|name| name == mark.origin));
    let state = state.ok_or_else(|| DbError::Unfit("the verification to go on from is one of another log".into()))?;
    let from = mark.size.max(0) / TILE_LEAVES * TILE_LEAVES;
    let text = format!("the rows of the leaves before {from} were not read again; their tiles have the root remembered");
    run.findings.note(L2, text);
    if let Some(at) = &mark.interrupted {
        run.findings
            .note(L2, format!("the whole run of {at}, which read them, was interrupted before it had looked at all else"));
    }
    run.findings.note(L3, "not looked at: take a whole run for it");
    run.findings.note(L4, "not looked at: take a whole run for it");
    run.findings.note(L5, format!("of the leaves from {from} on"));
    let Some(before) = before(run.conn, &state, mark, from, &mut run.findings)? else { return Ok(()) };
    let (mut tree, mut next) = (Tree::resumed(before), from);
    let mut parts =
        Parts { erased: Erased::read(run.conn, beside.register)?, sealed: Sealed::read(run.conn, &beside.keys, origins.at(0))? };
    while next < run.size {
        (run.options.progress)(next.unsigned_abs(), run.size.unsigned_abs());
        let slice = store::slice(run.conn, (next, run.size.min(next + SLICE)), origins.at(next), Rows::default(), |_| ())?;
        add(&mut tree, &slice, &origins, &mut parts, &mut run.findings);
        next = slice.to;
    }
    parts.sealed.finish(&mut run.findings);
    tree.finish(Some(&state.root), &store::upper_tiles(run.conn)?, &mut run.findings);
    Ok(())
}

/// The tree of the leaves before `from`, from tiles that have the root that was remembered.
fn before(conn: &mut Conn, state: &LogState, mark: &Mark, from: Seq, findings: &mut Findings) -> DbResult<Option<Tiles>> {
    let root = match Stored::of(conn, state, leaves::hashes).root_at(mark.size.unsigned_abs()) {
        Ok(root) => root.map(hex::encode),
        Err(DbError::Corrupt(why)) => Some(why),
        Err(error) => return Err(error),
    };
    if root.as_ref() != Some(&mark.root) {
        let text = format!("the first {} leaves had another root when they were verified: take a whole run", mark.size);
        findings.add((L2, "prefix_changed"), "tiles", mark.size, text);
        return Ok(None);
    }
    let read = |level: u8, index: u64| {
        let found = trail::tile(conn, i16::from(level), index as i64)?;
        found.ok_or_else(|| DbError::Corrupt(format!("tile {level}/{index} is missing")))
    };
    let tiles = Tiles::resume(from.unsigned_abs(), read, &[]);
    tiles.map(Some).map_err(|e| DbError::Corrupt(e.to_string()))
}

/// Hashes the rows of a slice again.
fn add(tree: &mut Tree, slice: &Slice, origins: &Origins, parts: &mut Parts, findings: &mut Findings) {
    let mut hashed = Vec::with_capacity((slice.to - slice.from) as usize);
    let (mut bytes, mut at) = (Vec::with_capacity(1_024), rows::At::default());
    for seq in slice.from..slice.to {
        findings.checked(L2, 1);
        bytes.clear();
        let entry = slice.entries.take(&mut at, seq, origins.at(seq));
        let event = slice.events.binary_search_by_key(&seq, |row| row.seq).ok().map(|at| &slice.events[at]);
        let (table, blind, well) = match (&entry, event) {
            (Some((_, Some(_))), _) => ("entries", &[][..], true),
            (Some((row, None)), _) => ("entries", row.blind, row.encode(origins.at(seq), &mut bytes).is_ok()),
            (None, Some(row)) => {
                let (recorded_at, kind, body) = (row.recorded_at, &row.kind, &row.body);
                let leaf = EventLeaf { seq, recorded_at, kind, body, blind: &row.blind };
                ("events", row.blind.as_slice(), leaf.encode(origins.at(seq), &mut bytes).is_ok())
            }
            (None, None) => {
                findings.add((L2, "leaf_missing"), "entries", seq, "neither an entry nor an event has this place");
                hashed.push(None);
                continue;
            }
        };
        if !well {
            findings.add((L2, "leaf_unreadable"), table, seq, "a field is longer than a leaf can hold");
        }
        match &entry {
            Some((row, _)) => parts.of_entry(slice, row, findings),
            None => parts.of_event(slice, seq, blind, findings),
        }
        let hash = entry.and_then(|(_, hash)| hash).unwrap_or_else(|| leaf::hash(&bytes));
        hashed.push(Some(Leaf { table, hash }));
    }
    let mut tiles = slice.tiles.iter().peekable();
    for (leaves, first) in hashed.chunks(TILE_LEAVES as usize).zip((slice.from..).step_by(TILE_LEAVES as usize)) {
        let stored = tiles.next_if(|(tile, _)| tile.idx == first / TILE_LEAVES);
        tree.add_tile(first, leaves, stored.map(|(tile, root)| (tile.data.as_slice(), *root)), findings);
    }
}

/// Holds private parts against the commitments in their leaves.
struct Parts {
    erased: Erased,
    sealed: Sealed,
}

impl Parts {
    fn of_event(&mut self, slice: &Slice, seq: Seq, blind: &[u8], findings: &mut Findings) {
        let part = slice.event_parts.binary_search_by_key(&seq, |part| part.seq).ok().map(|at| &slice.event_parts[at]);
        let body = part.map(|part| [Some(part.body.as_str())]);
        let opened = part.zip(body.as_ref()).map(|(part, body)| (part.salt.as_slice(), body.as_slice()));
        commitments::check("event_parts", seq, blind, opened, &mut self.erased, findings);
    }

    fn of_entry(&mut self, slice: &Slice, row: &EntryLeaf<'_>, findings: &mut Findings) {
        let at = |seq| slice.entry_parts.binary_search_by_key(&seq, |part| part.seq).ok();
        let part = at(row.seq).map(|at| &slice.entry_parts[at]);
        if let Ok(at) = slice.sealed_parts.binary_search_by_key(&row.seq, |part| part.seq) {
            return self.sealed.check(row, part, &slice.sealed_parts[at], &mut self.erased, findings);
        }
        let listed = part.map(EntryPartRow::listed);
        let opened = part.zip(listed.as_ref()).map(|(part, listed)| (part.salt.as_slice(), listed.as_slice()));
        commitments::check("entry_parts", row.seq, row.blind, opened, &mut self.erased, findings);
    }
}
