//! Has this reference been recorded before? Answered for everything ever stored.
//!
//! References of the open segment are in memory; closed segments are sorted index runs, reached
//! only when a blocked filter (12 bits a reference) says *perhaps*, or is not there yet; the row
//! itself decides.

use sha2::{Digest, Sha256};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::maps::Map;
use super::runs::{self, Run, RunKind};

/// Words of 64 bits in a block of the filter: one cache line.
const BLOCK: usize = 8;
/// Bits of the filter per reference.
const BITS: usize = 12;
/// Bits set per reference.
const PROBES: u32 = 6;

/// A reference of a source, digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RefKey(u128);

impl RefKey {
    pub fn of(source: Seq, source_ref: &str) -> RefKey {
        let digest = Sha256::new().chain_update(source.to_be_bytes()).chain_update(source_ref).finalize();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        RefKey(u128::from_be_bytes(first))
    }

    /// What index runs are sorted by.
    pub fn short(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

pub(super) struct References {
    open: Map<RefKey, Seq>,
    screen: Screen,
    runs: Vec<Run>,
}

/// What spares most look-ups in closed segments.
enum Screen {
    /// It is being read; of segments that were closed meanwhile, the keys.
    Missing(Vec<u64>),
    Ready(Filter),
}

impl Screen {
    fn may_have(&self, key: u64) -> bool {
        match self {
            Screen::Missing(_) => true,
            Screen::Ready(filter) => filter.contains(key),
        }
    }

    fn insert(&mut self, key: u64) {
        match self {
            Screen::Missing(since) => since.push(key),
            Screen::Ready(filter) => filter.insert(key),
        }
    }
}

impl References {
    /// Over closed segments; the open one is added entry by entry.
    pub fn over(runs: Vec<Run>) -> References {
        References { open: Map::default(), screen: Screen::Missing(Vec::new()), runs }
    }

    /// From now on most look-ups are spared by a filter that has the keys of all segments but those closed
    /// since this began.
    pub fn screen_with(&mut self, mut filter: Filter) {
        if let Screen::Missing(since) = &self.screen {
            since.iter().for_each(|key| filter.insert(*key));
            self.screen = Screen::Ready(filter);
        }
    }

    pub fn insert(&mut self, key: RefKey, seq: Seq) {
        self.open.insert(key, seq);
    }

    /// Reads what [`References::find`] will need of these.
    pub fn touch(&self, keys: impl Iterator<Item = RefKey>) -> i64 {
        keys.map(|key| self.open.get(&key).copied().unwrap_or_default() ^ i64::from(self.screen.may_have(key.short()))).sum()
    }

    /// Places where the reference may have been recorded; the row decides.
    pub fn find(&self, conn: &mut Conn, key: RefKey) -> DbResult<Vec<Seq>> {
        let mut found = self.find_closed(conn, key)?;
        found.extend(self.find_open(key));
        Ok(found)
    }

    /// The place of the open segment where it may have been.
    pub fn find_open(&self, key: RefKey) -> Option<Seq> {
        self.open.get(&key).copied()
    }

    /// The places of closed segments where it may have been.
    pub fn find_closed(&self, conn: &mut Conn, key: RefKey) -> DbResult<Vec<Seq>> {
        let mut found = Vec::new();
        if self.screen.may_have(key.short()) {
            for run in &self.runs {
                run.find(conn, key.short(), &mut found)?;
            }
        }
        Ok(found)
    }

    /// Everything up to `closed_to` is in index runs now (and older runs may have been merged).
    pub fn close_segment(&mut self, conn: &mut Conn, closed_to: Seq) -> DbResult<()> {
        self.runs = runs::load(conn, RunKind::Reference)?;
        let (open, screen) = (&mut self.open, &mut self.screen);
        open.retain(|key, seq| {
            if *seq <= closed_to {
                screen.insert(key.short());
            }
            *seq > closed_to
        });
        if let Screen::Ready(filter) = &mut self.screen
            && filter.is_full()
        {
            let mut bigger = Filter::new(filter.inserted * 2);
            for run in &self.runs {
                run.for_each(conn, |key, _| bigger.insert(key))?;
            }
            *filter = bigger;
        }
        Ok(())
    }
}

/// A blocked Bloom filter: one cache line is touched per question.
pub(super) struct Filter {
    words: Vec<u64>,
    inserted: usize,
    capacity: usize,
}

impl Filter {
    /// With room for twice as many references as there are.
    pub fn over(references: i64) -> Filter {
        Filter::new((references.max(0) as usize * 2).max(1 << 20))
    }

    fn new(capacity: usize) -> Filter {
        let blocks = (capacity * BITS / (64 * BLOCK)).max(1);
        Filter { words: vec![0; blocks * BLOCK], inserted: 0, capacity }
    }

    fn is_full(&self) -> bool {
        self.inserted > self.capacity
    }

    fn block(&self, key: u64) -> usize {
        let blocks = (self.words.len() / BLOCK) as u128;
        ((u128::from(key) * blocks) >> 64) as usize * BLOCK
    }

    fn bits(key: u64) -> impl Iterator<Item = usize> {
        let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ key;
        (0..PROBES).map(move |i| ((mixed >> (i * 9)) & 511) as usize)
    }

    pub fn insert(&mut self, key: u64) {
        let block = self.block(key);
        for bit in Filter::bits(key) {
            self.words[block + bit / 64] |= 1 << (bit % 64);
        }
        self.inserted += 1;
    }

    fn contains(&self, key: u64) -> bool {
        let block = self.block(key);
        Filter::bits(key).all(|bit| self.words[block + bit / 64] & (1 << (bit % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_never_forgets_and_rarely_mistakes() {
        let mut filter = Filter::new(100_000);
        let key = |n: i64| RefKey::of(n % 3, &format!("R{n}")).short();
        (0..100_000).for_each(|n| filter.insert(key(n)));
        assert!((0..100_000).all(|n| filter.contains(key(n))));
        let mistakes = (200_000..300_000).filter(|n| filter.contains(key(*n))).count();
        assert!(mistakes < 2_000, "{mistakes} of 100,000");
    }
}
