//! The entries of a batch, as their leaves: what is stored is read from the bytes that were hashed.

use counterfoil_verify::{EntryLeaf, Hash};

use crate::db::{Conn, DbError, DbResult, bulk};
use crate::ids::Seq;
use crate::ledger::store::{EntryRow, leaf_values};
use crate::trail::Tail;

/// Bytes kept for another batch; an atomic request can be larger.
const SPARE_MAX: usize = 16 << 20;

/// Leaves one after the other, in the order of the log.
#[derive(Default)]
pub(super) struct Entries {
    leaves: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    seq: Seq,
    start: usize,
}

impl Entries {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Gives an entry its place at the end of the log; answers the leaf's hash.
    pub fn seal(&mut self, tail: &mut Tail, leaf: &EntryLeaf<'_>) -> DbResult<Hash> {
        let place = Place { seq: leaf.seq, start: self.leaves.len() };
        let hash = tail.seal_entry(leaf, &mut self.leaves).map_err(|e| DbError::Corrupt(e.to_string()))?;
        self.places.push(place);
        Ok(hash)
    }

    /// The row of the entry at `seq`, if it is one of these.
    pub fn row(&self, seq: Seq) -> DbResult<Option<EntryRow>> {
        let place = self.places.binary_search_by_key(&seq, |place| place.seq);
        place.ok().map(|i| EntryRow::of_leaf(self.leaf(i))).transpose()
    }

    /// Stores them.
    pub fn append(&self, conn: &mut Conn) -> DbResult<()> {
        bulk::append_each::<EntryRow>(conn, self.len(), |i, out| leaf_values(self.leaf(i), out))
    }

    /// Memory for another batch: this one's, emptied.
    pub fn recycled(mut self) -> Entries {
        if self.leaves.capacity() > SPARE_MAX {
            return Entries::default();
        }
        self.leaves.clear();
        self.places.clear();
        self
    }

    fn leaf(&self, i: usize) -> &[u8] {
        let end = self.places.get(i + 1).map_or(self.leaves.len(), |next| next.start);
        &self.leaves[self.places[i].start..end]
    }
}
