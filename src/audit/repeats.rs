//! L3: no source uses a reference twice, over everything ever stored.
//!
//! References are compared by eight bytes of hash, sorted; where two are equal the rows are read
//! again and decide. A large log takes several passes, each over its share of the hashes.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

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
/// Equal hashes looked into; more of them are only counted.
const EQUAL_MAX: usize = 100_000;

#[derive(Debug)]
pub(super) struct Repeats {
    key: RandomState,
    passes: u64,
    hashes: Vec<u64>,
}

impl Repeats {
    /// For a log of `size` leaves.
    pub(super) fn new(size: Seq) -> Repeats {
        Repeats { key: RandomState::default(), passes: (size.max(0) as u64) / PASS + 1, hashes: Vec::new() }
    }

    /// Meets an entry: the first pass.
    pub(super) fn add(&mut self, source: Seq, source_ref: &str) {
        let hash = self.key.hash_one((source, source_ref));
        if hash.is_multiple_of(self.passes) {
            self.hashes.push(hash);
        }
    }

    /// Finds what is there twice, in the entries from 0 to before `size`.
    pub(super) fn finish(mut self, conn: &mut Conn, size: Seq, findings: &mut Findings) -> DbResult<()> {
        let mut equal = HashSet::new();
        take_equal(&mut self.hashes, &mut equal);
        for pass in 1..self.passes {
            let (key, passes, hashes) = (&self.key, self.passes, &mut self.hashes);
            each(conn, size, |_, source, source_ref| {
                let hash = key.hash_one((source, source_ref));
                if hash % passes == pass {
                    hashes.push(hash);
                }
            })?;
            take_equal(hashes, &mut equal);
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

/// Empties `hashes`, keeping those that are there more than once.
fn take_equal(hashes: &mut Vec<u64>, equal: &mut HashSet<u64>) {
    hashes.sort_unstable();
    let pairs = hashes.windows(2).filter(|pair| pair[0] == pair[1]);
    for pair in pairs {
        if equal.len() < EQUAL_MAX {
            equal.insert(pair[0]);
        }
    }
    hashes.clear();
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
