//! Sorts a closed segment into index runs and merges small runs, off the hot path.
//!
//! Reads on a connection of its own; every write goes through the committer in small pieces.

use std::sync::mpsc::sync_channel;

use crate::db::{Conn, Db, DbResult};
use crate::ids::Seq;
use crate::ledger::store as ledger_store;
use crate::trail::Side;

use super::runs::{self, KINDS, PageRow, RUNS_MAX, RunKind, RunRow};

/// Rows read at once.
const SLICE: i64 = 10_000;
/// Pages removed at once.
const SWEEP: i64 = 512;

/// Where it reads, and how what it writes gets to the one connection that writes.
pub(super) struct Indexer<W> {
    pub db: Db,
    pub write: W,
}

impl<W: Fn(Side) -> DbResult<()>> Indexer<W> {
    /// Indexes the entries from `first` to `last`.
    pub fn index(&self, first: Seq, last: Seq) -> DbResult<()> {
        let mut conn = self.db.connect()?;
        for waste in runs::unfinished(&mut conn)? {
            self.sweep(waste)?;
        }
        let mut pairs: [Vec<(u64, Seq)>; 3] = Default::default();
        let mut next = first;
        loop {
            let rows = ledger_store::entries_between(&mut conn, next, last + 1, SLICE)?;
            let Some(newest) = rows.last() else { break };
            next = newest.seq + 1;
            for row in &rows {
                for (kind, pairs) in KINDS.iter().zip(&mut pairs) {
                    pairs.push((runs::key_of(*kind, &row.leaf()), row.seq));
                }
            }
        }
        for (kind, mut pairs) in KINDS.into_iter().zip(pairs) {
            if runs::reach(&mut conn, kind)? > last {
                // The process ended between the runs of this segment: this one is there already.
                continue;
            }
            pairs.sort_unstable();
            let id = runs::next_id(&mut conn)?;
            runs::build(&|p, r, x| self.pages(p, r, x), id, kind, first, last, &pairs)?;
            self.merge(&mut conn, kind)?;
        }
        Ok(())
    }

    /// Merges the smallest neighbours until at most [`RUNS_MAX`] runs remain.
    fn merge(&self, conn: &mut Conn, kind: RunKind) -> DbResult<()> {
        loop {
            let all = runs::load(conn, kind)?;
            if all.len() <= RUNS_MAX {
                return Ok(());
            }
            let smallest = all.windows(2).min_by_key(|pair| pair.iter().map(|run| run.entries).sum::<i64>());
            let Some([older, newer]) = smallest else { return Ok(()) };
            let id = runs::next_id(conn)?;
            // The pages of the two stay until the next segment: the sequencer may still read them.
            runs::merge(conn, &|p, r, x| self.pages(p, r, x), id, kind, older, newer)?;
        }
    }

    fn pages(&self, pages: Vec<PageRow>, ready: Option<RunRow>, replaced: Vec<i64>) -> DbResult<()> {
        self.side(move |conn| runs::store(conn, &pages, ready.as_ref(), &replaced))
    }

    fn sweep(&self, run: i64) -> DbResult<()> {
        loop {
            let (send, more) = sync_channel(1);
            self.side(move |conn| {
                let _ = send.send(runs::sweep(conn, run, SWEEP)?);
                Ok(())
            })?;
            if !more.recv().unwrap_or(false) {
                return Ok(());
            }
        }
    }

    fn side(&self, side: impl FnOnce(&mut Conn) -> DbResult<()> + Send + 'static) -> DbResult<()> {
        (self.write)(Box::new(side))
    }
}
