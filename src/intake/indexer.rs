//! Sorts a closed segment into index runs and merges small runs, off the hot path.
//!
//! Reads on a connection of its own; every write goes through the committer in small pieces.

use std::sync::mpsc::sync_channel;

use crate::db::{Conn, Db, DbResult};
use crate::ids::Seq;
use crate::trail::Side;

use super::runs::{self, KINDS, PageRow, Run, RunKind, RunRow};

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
    /// Indexes the entries from `first` to `last`; answers all runs of references there are then.
    pub fn index(&self, first: Seq, last: Seq) -> DbResult<Vec<Run>> {
        let mut conn = self.db.connect()?;
        for waste in runs::unfinished(&mut conn)? {
            self.sweep(waste)?;
        }
        let mut pairs: [Vec<(u64, Seq)>; 3] = Default::default();
        let mut next = first;
        loop {
            let rows = runs::keys_between(&mut conn, next, last + 1, SLICE)?;
            let Some((newest, _)) = rows.last() else { break };
            next = newest + 1;
            for (seq, keys) in rows {
                for (key, pairs) in keys.into_iter().zip(&mut pairs) {
                    pairs.push((key, seq));
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
            self.merge(&mut conn, kind, last - first + 1)?;
        }
        runs::load(&mut conn, RunKind::Reference)
    }

    /// Merges neighbours until [`runs::to_merge`] names none.
    fn merge(&self, conn: &mut Conn, kind: RunKind, segment: i64) -> DbResult<()> {
        loop {
            let mut all = runs::list(conn, kind)?;
            let Some(which) = runs::to_merge(&all, segment) else { return Ok(()) };
            let some: Vec<Run> = all.drain(which).map(|row| runs::open(conn, row)).collect::<DbResult<_>>()?;
            let id = runs::next_id(conn)?;
            // The pages of those that are replaced stay until the next segment: the sequencer may still read them.
            runs::merge(conn, &|p, r, x| self.pages(p, r, x), id, kind, &some)?;
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
