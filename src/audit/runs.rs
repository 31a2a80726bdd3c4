//! L4: index runs against the rows they were sorted from.
//!
//! The pairs of a run are summed up under keys drawn at random, once from the entries that pass and
//! once from its pages: the sums are equal when the pairs are the same, whatever their order; that
//! the pages are in order is checked as they are read. Runs of each kind must follow each other from
//! the first entry on. How far they reach is not compared: the newest are made a while after their
//! entries, and what no run covers is scanned.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use counterfoil_verify::EntryLeaf;
use foldhash::fast::RandomState;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::intake::runs::{KINDS, PAGE, PageRow, RunKind, RunRow, key_of, unpack};

use super::L4;
use super::findings::Findings;
use super::store;

/// Pages read at once.
const PAGES: i64 = 64;

/// Count and sum of pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    pairs: i64,
    sum: u128,
}

#[derive(Debug, Default)]
pub(super) struct Runs {
    keys: [RandomState; 2],
    /// By kind, in order of the first entry.
    kinds: [Vec<(RunRow, Sum)>; 3],
    strange: Vec<RunRow>,
}

/// What some of the entries, in order, add to the runs.
#[derive(Clone, Debug)]
pub(super) struct Part {
    keys: [RandomState; 2],
    /// The first and the last place of each run, and the sum of what was met in it.
    kinds: [Vec<(Seq, Seq, Sum)>; 3],
    /// The run of each kind that the entries are in.
    at: [usize; 3],
}

impl Runs {
    pub(super) fn read(conn: &mut Conn) -> DbResult<Runs> {
        let mut runs = Runs::default();
        for row in store::index_runs(conn)? {
            match KINDS.iter().position(|kind| *kind as i16 == row.kind && row.ready == 1) {
                Some(kind) => runs.kinds[kind].push((row, Sum::default())),
                None => runs.strange.push(row),
            }
        }
        Ok(runs)
    }

    /// A part that has met nothing yet.
    pub(super) fn part(&self) -> Part {
        let empty =
            |runs: &Vec<(RunRow, Sum)>| runs.iter().map(|(run, _)| (run.first_seq, run.last_seq, Sum::default())).collect();
        Part { keys: self.keys.clone(), kinds: std::array::from_fn(|kind| empty(&self.kinds[kind])), at: [0; 3] }
    }

    /// Adds what a part has met.
    pub(super) fn merge(&mut self, part: &Part) {
        for (runs, sums) in self.kinds.iter_mut().zip(&part.kinds) {
            for ((_, sum), (.., met)) in runs.iter_mut().zip(sums) {
                (sum.pairs, sum.sum) = (sum.pairs + met.pairs, sum.sum.wrapping_add(met.sum));
            }
        }
    }

    /// After the last entry: reads the pages.
    pub(super) fn finish(self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for row in &self.strange {
            findings.add((L4, "index_run_strange"), "index_runs", row.first_seq, "a run of no known kind, or not ready");
        }
        let mut reach = BTreeMap::new();
        for (kind, runs) in KINDS.iter().zip(&self.kinds) {
            let mut next = 0;
            for (row, sum) in runs {
                if row.first_seq != next {
                    let detail = format!("a run of kind {} must begin at {next}, this one begins at {}", row.kind, row.first_seq);
                    findings.add((L4, "index_run_gap"), "index_runs", row.first_seq, detail);
                }
                next = row.last_seq.saturating_add(1);
                self.pages(conn, row, *sum, findings)?;
            }
            reach.insert(*kind as i16, next);
        }
        // They are made in this order.
        let of = |kind: RunKind| reach.get(&(kind as i16)).copied().unwrap_or(0);
        let (references, accounts, contexts) = (of(RunKind::Reference), of(RunKind::Account), of(RunKind::Context));
        if references < accounts || accounts < contexts {
            let detail = format!("runs by reference reach to {references}, by account to {accounts}, by context to {contexts}");
            findings.add((L4, "index_run_missing"), "index_runs", references.min(accounts), detail);
        }
        Ok(())
    }

    fn pages(&self, conn: &mut Conn, row: &RunRow, expected: Sum, findings: &mut Findings) -> DbResult<()> {
        let (mut sum, mut wrong, mut last, mut next) = (Sum::default(), None, None, 0);
        loop {
            let pages = store::index_pages(conn, row.id, next, PAGES)?;
            if pages.is_empty() {
                break;
            }
            for page in &pages {
                findings.checked(L4, 1);
                let right = page.page == next && is_whole(page, row);
                wrong = wrong.or((!right).then_some(page.page));
                for pair in unpack(&page.data) {
                    wrong = wrong.or((last.is_some_and(|last| last >= pair)).then_some(page.page));
                    last = Some(pair);
                    sum.add(&self.keys, pair.0, pair.1);
                }
                next = page.page.max(next) + 1;
            }
        }
        let table = "index_pages";
        if let Some(page) = wrong {
            let detail = format!("page {page} of run {} is not in order, or not whole", row.id);
            findings.add((L4, "index_page_differs"), table, row.first_seq, detail);
        } else if sum != expected {
            let detail = format!("the pages of run {} do not hold what its entries give", row.id);
            findings.add((L4, "index_page_differs"), table, row.first_seq, detail);
        }
        if row.entries != expected.pairs || row.pages != next || row.id < 1 {
            let detail =
                format!("run {} says {} pairs on {} pages; its entries are {}", row.id, row.entries, row.pages, expected.pairs);
            findings.add((L4, "index_run_differs"), "index_runs", row.first_seq, detail);
        }
        Ok(())
    }
}

impl Part {
    /// The next entry may be one before those that were met.
    pub(super) fn rewind(&mut self) {
        self.at = [0; 3];
    }

    /// Meets the next entry.
    pub(super) fn add(&mut self, entry: &EntryLeaf<'_>) {
        for (i, kind) in KINDS.into_iter().enumerate() {
            let runs = &mut self.kinds[i];
            while runs.get(self.at[i]).is_some_and(|(_, last, _)| *last < entry.seq) {
                self.at[i] += 1;
            }
            if let Some((.., sum)) = runs.get_mut(self.at[i]).filter(|(first, ..)| *first <= entry.seq) {
                sum.add(&self.keys, key_of(kind, entry), entry.seq);
            }
        }
    }
}

impl Sum {
    fn add(&mut self, keys: &[RandomState; 2], key: u64, seq: Seq) {
        let [high, low] = [&keys[0], &keys[1]].map(|state| u128::from(state.hash_one((key, seq))));
        self.pairs += 1;
        self.sum = self.sum.wrapping_add(high << 64 | low);
    }
}

/// Full but for the last of its run, and named by its first key.
fn is_whole(page: &PageRow, row: &RunRow) -> bool {
    let first = unpack(&page.data).next().map(|(key, _)| key as i64);
    let full = page.data.len() == PAGE * 16 || (page.page == row.pages - 1 && page.data.len() <= PAGE * 16);
    page.data.len().is_multiple_of(16) && full && first == Some(page.first_key)
}
