//! The leaves in order, each with what is left of its private part: from an export as far as it
//! goes, then from the live database.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_verify::export::Opening;

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::intake::RecordedLeaf;
use crate::ledger::leaves;
use crate::ledger::store::entry_parts_between;
use crate::trail::store::event_parts_between;

use super::Exported;

pub(super) struct Leaves<'a> {
    export: Option<Exported<'a>>,
    /// Events whose private part is gone.
    pub(super) expired: BTreeSet<Seq>,
}

impl<'a> Leaves<'a> {
    pub(super) fn new(export: Option<Exported<'a>>) -> Leaves<'a> {
        Leaves { export, expired: BTreeSet::new() }
    }

    /// The leaves from `first` to before `end`: at most as many as a tile has.
    pub(super) fn between(&mut self, conn: &mut Conn, first: u64, end: u64) -> DbResult<Vec<RecordedLeaf>> {
        let bound = self.export.as_ref().map_or(first, |export| export.size).clamp(first, end);
        let mut found = self.exported(first, bound)?;
        found.extend(live(conn, bound, end)?);
        whole(first, end, found)
    }

    /// The same from the export alone.
    pub(super) fn exported_whole(&mut self, first: u64, end: u64) -> DbResult<Vec<RecordedLeaf>> {
        let found = self.exported(first, end)?;
        whole(first, end, found)
    }

    fn exported(&mut self, first: u64, end: u64) -> DbResult<Vec<RecordedLeaf>> {
        let Some(export) = self.export.as_mut().filter(|_| first < end) else { return Ok(Vec::new()) };
        let unreadable = |e: String| DbError::Unfit(format!("the export: {e}"));
        let found = export.leaves.leaves(first, end).map_err(unreadable)?;
        let mut openings = by_seq(export.leaves.openings(first, end).map_err(unreadable)?);
        Ok(found.into_iter().map(|(seq, bytes)| leaf(seq as Seq, bytes, &mut openings)).collect())
    }
}

/// The leaves, if none of them is missing.
fn whole(first: u64, end: u64, found: Vec<RecordedLeaf>) -> DbResult<Vec<RecordedLeaf>> {
    let missing = (first..end).zip(found.iter()).find(|(seq, leaf)| leaf.seq.unsigned_abs() != *seq);
    let missing = missing.map(|(seq, _)| seq).or_else(|| (found.len() as u64 != end - first).then(|| first + found.len() as u64));
    match missing {
        Some(seq) => Err(DbError::Unfit(format!("leaf {seq} is missing: `verify` says more; nothing can be replayed past it"))),
        None => Ok(found),
    }
}

fn leaf(seq: Seq, bytes: Vec<u8>, openings: &mut BTreeMap<u64, Opening>) -> RecordedLeaf {
    RecordedLeaf { seq, bytes, opening: openings.remove(&seq.unsigned_abs()) }
}

fn by_seq(openings: Vec<Opening>) -> BTreeMap<u64, Opening> {
    openings.into_iter().map(|opening| (opening.seq, opening)).collect()
}

fn live(conn: &mut Conn, first: u64, end: u64) -> DbResult<Vec<RecordedLeaf>> {
    if first >= end {
        return Ok(Vec::new());
    }
    let (from, to) = (first as Seq, end as Seq);
    let mut openings = Vec::new();
    let mut add = |seq: Seq, salt: &[u8], parts| {
        let salt = salt.try_into().map_err(|_| DbError::Corrupt(format!("the salt of {seq} does not have 32 bytes")))?;
        openings.push(Opening { seq: seq.unsigned_abs(), salt, parts });
        Ok::<_, DbError>(())
    };
    // Where some parts are sealed, so is the salt: what is committed to stands and is not derived again.
    for row in entry_parts_between(conn, from, to)?.into_iter().filter(|row| !row.salt.is_empty()) {
        let parts = vec![row.party, row.counterparty, row.counterparty_name, row.counterparty_country, row.reason];
        add(row.seq, &row.salt, parts)?;
    }
    for row in event_parts_between(conn, from, to)? {
        add(row.seq, &row.salt, vec![Some(row.body)])?;
    }
    let mut openings = by_seq(openings);
    let rows = leaves::bytes(conn, from, to)?;
    Ok(rows.into_iter().map(|(seq, bytes)| leaf(seq, bytes, &mut openings)).collect())
}
