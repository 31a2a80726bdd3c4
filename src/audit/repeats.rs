//! L3: no source uses a reference twice, over everything ever stored.
//!
//! References are compared by eight bytes of hash, sorted in heaps; where two are equal the rows are read
//! again and decide. A large log takes several passes, each over its share of the hashes.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::panic::resume_unwind;
use std::thread;

use foldhash::fast::RandomState;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::L3;
use super::findings::Findings;
use super::store;

/// References per pass: 256 MiB of hashes.
const PASS: u64 = 32_000_000;
/// Rows read at once.
const ROWS: Seq = 50_000;
/// Heaps that hashes are put on by their first bits: each is sorted by itself.
const HEAPS: usize = 256;
/// Equal hashes looked into; more of them are only counted.
const EQUAL_MAX: usize = 100_000;

#[derive(Debug)]
pub(super) struct Repeats {
    key: RandomState,
    passes: u64,
    hashes: Vec<Vec<u64>>,
}

/// What some of the entries add.
#[derive(Clone, Debug)]
pub(super) struct Part {
    key: RandomState,
    passes: u64,
    hashes: Vec<u64>,
}

impl Repeats {
    /// For a log of `size` leaves.
    pub(super) fn new(size: Seq) -> Repeats {
        Repeats { key: RandomState::default(), passes: (size.max(0) as u64) / PASS + 1, hashes: vec![Vec::new(); HEAPS] }
    }

    /// A part of the first pass that has met nothing yet.
    pub(super) fn part(&self) -> Part {
        Part { key: self.key.clone(), passes: self.passes, hashes: Vec::new() }
    }

    /// Adds what a part has met.
    pub(super) fn merge(&mut self, part: &Part) {
        part.hashes.iter().for_each(|hash| self.put(*hash));
    }

    fn put(&mut self, hash: u64) {
        self.hashes[(hash >> 56) as usize % HEAPS].push(hash);
    }

    /// Finds what is there twice, in the entries from 0 to before `size`.
    pub(super) fn finish(mut self, conn: &mut Conn, size: Seq, findings: &mut Findings) -> DbResult<()> {
        let mut equal = HashSet::new();
        take_equal(&mut self.hashes, &mut equal);
        for pass in 1..self.passes {
            each(conn, size, |_, source, source_ref| {
                let hash = self.key.hash_one((source, source_ref));
                if hash % self.passes == pass {
                    self.put(hash);
                }
            })?;
            take_equal(&mut self.hashes, &mut equal);
        }
        if equal.is_empty() {
            return Ok(());
        }
        let mut first: HashMap<(Seq, String), Seq> = HashMap::new();
        each(conn, size, |seq, source, source_ref| {
            if !equal.contains(&self.key.hash_one((source, source_ref))) {
                return;
            }
            if let Some(earlier) = first.get(&(source, source_ref.to_owned())) {
                let detail = format!("the source already used this source_ref in entry {earlier}");
                findings.add((L3, "source_ref_repeated"), "entries", seq, detail);
            } else {
                first.insert((source, source_ref.to_owned()), seq);
            }
        })
    }
}

impl Part {
    /// Meets an entry.
    pub(super) fn add(&mut self, source: Seq, source_ref: &str) {
        let hash = self.key.hash_one((source, source_ref));
        if hash.is_multiple_of(self.passes) {
            self.hashes.push(hash);
        }
    }
}

/// Empties the heaps, keeping what is there more than once; on every core.
fn take_equal(heaps: &mut [Vec<u64>], equal: &mut HashSet<u64>) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = heaps.len().div_ceil(cores).max(1);
    let sort = |heaps: &mut [Vec<u64>]| {
        let mut found = Vec::new();
        for heap in heaps {
            heap.sort_unstable();
            let pairs = heap.windows(2).filter(|pair| pair[0] == pair[1]);
            found.extend(pairs.map(|pair| pair[0]).take(EQUAL_MAX));
            heap.clear();
        }
        found
    };
    let found: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = heaps.chunks_mut(share).map(|some| scope.spawn(move || sort(some))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    for hash in found {
        if equal.len() < EQUAL_MAX {
            equal.insert(hash);
        }
    }
}

fn each(conn: &mut Conn, size: Seq, mut visit: impl FnMut(Seq, Seq, &str)) -> DbResult<()> {
    let mut from = 0;
    while from < size {
        let to = from.saturating_add(ROWS);
        for (seq, source, source_ref) in store::source_refs(conn, from, to)? {
            visit(seq, source, &source_ref);
        }
        from = to;
    }
    Ok(())
}
