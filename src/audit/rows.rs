//! The entries of a slice as their leaves: packed as they are hashed, and read without a copy.
//!
//! A row that cannot be packed (a value of another type than its column's, a text longer than a leaf
//! can hold) or whose bytes are no leaf is read through the query layer instead, which gives what
//! queries see.

use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::leaf::{self, entry_prefix};
use counterfoil_verify::{EntryLeaf, Hash};

use crate::db::gather::{self, Packed};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{EntryRow, entries_at, entries_between};

use super::tree::TILE_LEAVES;

/// Odd rows read at once.
const ODD: usize = 500;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The name that the leaves were hashed under.
    origin: String,
    packed: Packed,
    /// Of those packed.
    hashes: Vec<Hash>,
    /// Of those packed.
    accounts: Vec<Seq>,
    odd: Vec<EntryRow>,
}

/// How far they have been read.
#[derive(Default)]
pub(super) struct At {
    packed: usize,
    odd: usize,
}

impl Rows {
    /// Reads the rows at the places from `from` to before `to`, and hashes them; `each` meets every row,
    /// those that are packed first. They take the room of rows that are `spent`.
    pub(super) fn read(
        conn: &mut Conn,
        (from, to): (Seq, Seq),
        origin: &str,
        spent: Rows,
        mut each: impl FnMut(&EntryLeaf<'_>),
    ) -> DbResult<Rows> {
        let Ok(prefix) = entry_prefix(origin) else {
            let odd = entries_between(conn, from, to, to.saturating_sub(from))?;
            odd.iter().for_each(|row| each(&row.leaf()));
            return Ok(Rows { odd, ..Rows::default() });
        };
        let Rows { packed, mut accounts, mut hashes, .. } = spent;
        let mut packed = gather::between::<EntryRow>(conn, (from, to), &prefix, packed)?;
        accounts.clear();
        hashes.clear();
        packed.retain(|bytes| {
            let Some(row) = entry(bytes) else { return false };
            accounts.push(row.account);
            hashes.push(leaf::hash(bytes));
            each(&row);
            true
        });
        let mut odd = Vec::new();
        for seqs in packed.odd.chunks(ODD) {
            odd.extend(entries_at(conn, seqs)?);
        }
        odd.iter().for_each(|row| each(&row.leaf()));
        Ok(Rows { origin: origin.to_owned(), packed, hashes, accounts, odd })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Whether some rows hold what cannot be packed.
    pub(super) fn has_odd(&self) -> bool {
        !self.odd.is_empty()
    }

    /// The accounts of the next rows, at most as many as a tile has leaves.
    pub(super) fn accounts(&self, at: &At) -> &[Seq] {
        let to = self.accounts.len().min(at.packed + TILE_LEAVES as usize);
        self.accounts.get(at.packed..to).unwrap_or_default()
    }

    /// The row at `seq`, and its hash if it was made under this `origin`; then `at` moves on.
    pub(super) fn take(&self, at: &mut At, seq: Seq, origin: &str) -> Option<(EntryLeaf<'_>, Option<Hash>)> {
        if let Some((_, bytes)) = self.packed.get(at.packed).filter(|(key, _)| *key == seq) {
            at.packed += 1;
            let hash = self.hashes.get(at.packed - 1).copied().filter(|_| origin == self.origin);
            return Some((entry(bytes)?, hash));
        }
        let row = self.odd.get(at.odd).filter(|row| row.seq == seq)?;
        at.odd += 1;
        Some((row.leaf(), None))
    }
}

fn entry(bytes: &[u8]) -> Option<EntryLeaf<'_>> {
    match decode(bytes) {
        Ok(Leaf::Entry(_, entry)) => Some(entry),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::{original, url};
    use super::*;
    use crate::db::Db;
    use crate::trail::store::state;

    #[test]
    fn packed_rows_are_the_leaves_of_the_rows_that_queries_see() {
        let mut conn = Db::open(&url(original()), 1).unwrap().connect().unwrap();
        let log = state(&mut conn).unwrap().unwrap();
        let mut met = 0;
        let rows = Rows::read(&mut conn, (0, log.size), &log.origin, Rows::default(), |_| met += 1).unwrap();
        let plain = entries_between(&mut conn, 0, log.size, log.size).unwrap();
        assert!(plain.len() > 50 && rows.packed.len() == plain.len() && met == plain.len() && !rows.has_odd());
        let mut at = At::default();
        for row in &plain {
            assert_eq!(rows.accounts(&at)[0], row.account);
            assert!(rows.take(&mut At::default(), -1, &log.origin).is_none());
            let (leaf, hash) = rows.take(&mut at, row.seq, &log.origin).unwrap();
            assert_eq!((leaf, hash), (row.leaf(), Some(row.leaf_hash(&log.origin).unwrap())));
        }
        // Hashed under another name, a leaf has to be hashed again.
        assert_eq!(rows.take(&mut At::default(), plain[0].seq, "elsewhere").map(|(_, hash)| hash), Some(None));
    }
}
