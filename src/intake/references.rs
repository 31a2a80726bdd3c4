//! Has this reference been recorded before? Answered for everything ever stored.
//!
//! References of the open segment are in memory; closed segments are sorted index runs, reached
//! only when a blocked filter (12 bits a reference) says *perhaps*, or is not there yet; the row
//! itself decides.

use sha2::{Digest, Sha256};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::maps::Map;
use super::runs::Run;

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
    /// It is full; a larger one is being read of all before `from`, and the keys closed since are kept for it.
    Growing {
        full: Filter,
        from: Seq,
        since: Vec<u64>,
    },
}

impl Screen {
    fn may_have(&self, key: u64) -> bool {
        match self {
            Screen::Missing(_) => true,
            Screen::Ready(filter) | Screen::Growing { full: filter, .. } => filter.contains(key),
        }
    }

    fn insert(&mut self, key: u64) {
        match self {
            Screen::Missing(since) => since.push(key),
            Screen::Ready(filter) => filter.insert(key),
            Screen::Growing { full, since, .. } => {
                full.insert(key);
                since.push(key);
            }
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

    /// Everything up to `closed_to` is in these index runs now (and older ones may have been merged). Answers whether the
    /// filter is full: a larger one is to be read aside ([`References::grown`]), which takes seconds in a large log.
    pub fn close_segment(&mut self, runs: Vec<Run>, closed_to: Seq) -> bool {
        self.runs = runs;
        let (open, screen) = (&mut self.open, &mut self.screen);
        open.retain(|key, seq| {
            if *seq <= closed_to {
                screen.insert(key.short());
            }
            *seq > closed_to
        });
        if !matches!(&self.screen, Screen::Ready(filter) if filter.is_full()) {
            return false;
        }
        if let Screen::Ready(full) = std::mem::replace(&mut self.screen, Screen::Missing(Vec::new())) {
            self.screen = Screen::Growing { full, from: closed_to + 1, since: Vec::new() };
        }
        true
    }

    /// Takes a larger filter and before which place it has all references, if it is waited for. Without one the
    /// full one goes on, until the next segment asks again.
    pub fn grown(&mut self, read: Option<(Filter, Seq)>) {
        self.screen = match std::mem::replace(&mut self.screen, Screen::Missing(Vec::new())) {
            Screen::Growing { full, from, since } => Screen::Ready(match read {
                Some((mut larger, closed_to)) if from <= closed_to => {
                    since.iter().for_each(|key| larger.insert(*key));
                    larger
                }
                _ => full,
            }),
            other => other,
        };
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

    /// Over all references of these runs; and before which place they are.
    pub fn read(conn: &mut Conn, runs: &[Run]) -> DbResult<(Filter, Seq)> {
        let mut filter = Filter::over(runs.iter().map(|run| run.entries).sum());
        for run in runs {
            run.for_each(conn, |key, _| filter.insert(key))?;
        }
        Ok((filter, runs.last().map_or(0, |run| run.last_seq + 1)))
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

    #[test]
    fn while_a_larger_filter_is_read_and_afterwards_nothing_is_forgotten() {
        let key = |n: i64| RefKey::of(1, &format!("R{n}"));
        let mut references = References::over(Vec::new());
        references.screen_with(Filter::new(50));
        let close = |references: &mut References, numbers: std::ops::Range<i64>| {
            let last = numbers.end - 1;
            numbers.for_each(|n| references.insert(key(n), n));
            references.close_segment(Vec::new(), last)
        };
        assert!(!close(&mut references, 0..50));
        assert!(close(&mut references, 50..100), "it is full");
        assert!(!close(&mut references, 100..200), "and asked for once");
        let all = |references: &References, end: i64| (0..end).all(|n| references.screen.may_have(key(n).short()));
        assert!(all(&references, 200));
        references.grown(None);
        assert!(close(&mut references, 200..201), "what could not be read is asked for again");
        let mut larger = Filter::new(1_000);
        (0..100).for_each(|n| larger.insert(key(n).short()));
        references.grown(Some((larger, 100)));
        assert!(all(&references, 201), "one that is older than the question is not taken");
        assert!(close(&mut references, 201..202));
        close(&mut references, 202..300);
        let mut larger = Filter::new(1_000);
        (0..202).for_each(|n| larger.insert(key(n).short()));
        references.grown(Some((larger, 202)));
        assert!(all(&references, 300));
        let mistakes = (10_000..11_000).filter(|n| references.screen.may_have(key(*n).short())).count();
        assert!(mistakes < 50, "{mistakes} of 1,000: the larger one is used");
    }
}
