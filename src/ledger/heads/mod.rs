//! The last entry of every account at an earlier size of the log, and proofs made from that.
//!
//! The entries are read in slices and one head is kept per account, so memory grows with accounts,
//! not with entries: some hundred bytes each. Leaf hashes are those of the tiles, which the signed
//! tree holds; that rows still give them is what verification finds out.

mod proof;
mod store;

use std::collections::BTreeMap;

use counterfoil_verify::Hash;
use counterfoil_verify::heads::{Head, Heads};
use counterfoil_verify::tile::WIDTH;

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::store::LogState;
use crate::trail::tree::Tree;

use super::leaves;

pub use proof::{NoProof, prove};

/// Entries read at once.
const SLICE: i64 = 20_000;

/// The last entry below `size` of each account, in the log of `state`. Reads every entry below
/// `size`: call it over a snapshot, away from the writer.
///
/// # Errors
/// When the log is shorter than `size`, or tiles are missing.
pub fn at(conn: &mut Conn, state: &LogState, size: Seq) -> DbResult<Heads> {
    if size > state.size {
        return Err(DbError::Corrupt(format!("the log has {} leaves, not {size}; run `counterfoil verify`", state.size)));
    }
    let mut last: BTreeMap<Seq, Head> = BTreeMap::new();
    let mut from = 0;
    loop {
        let slice = store::slice(conn, from, size, SLICE)?;
        let Some((newest, ..)) = slice.last() else { break };
        from = newest + 1;
        for (seq, account, position, balance_after) in slice {
            last.insert(account, Head { account, seq, position, balance_after, leaf: Hash::default() });
        }
    }
    let mut heads: Vec<Head> = last.into_values().collect();
    heads.sort_unstable_by_key(|head| head.seq);
    hash(&mut Tree::of(conn, state, leaves::hashes), &mut heads)?;
    heads.sort_unstable_by_key(|head| head.account);
    Heads::new(heads).map_err(|e| DbError::Corrupt(e.to_string()))
}

/// Fills in the hashes of the leaves from the tiles; each tile is read once.
fn hash(tree: &mut Tree<'_>, heads: &mut [Head]) -> DbResult<()> {
    let width = WIDTH as u64;
    for same_tile in heads.chunk_by_mut(|a, b| a.seq.unsigned_abs() / width == b.seq.unsigned_abs() / width) {
        let index = same_tile.first().map_or(0, |head| head.seq.unsigned_abs() / width);
        let there = (tree.size() - index * width).min(width) as usize;
        let data = tree.tile(0, index, there)?.unwrap_or_default();
        let hashes = data.as_chunks::<32>().0;
        for head in same_tile {
            let found = hashes.get((head.seq.unsigned_abs() % width) as usize);
            head.leaf = *found.ok_or_else(|| {
                DbError::Corrupt(format!("tile 0/{index} does not hold leaf {}; run `counterfoil verify`", head.seq))
            })?;
        }
    }
    Ok(())
}
