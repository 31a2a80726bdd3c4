//! Reading the log in order, with several connections at once: each reads every so many slices, hashes
//! them and learns what needs no order; the checker takes them as they follow each other.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::generations::Origins;

use super::checker::Checker;
use super::learned::{Learned, Learning};
use super::rows::Rows;
use super::run::{SLICE, failed};
use super::store::{self, Slice};

/// Slices of one reader that may wait for the checker.
const WAITING: usize = 2;
/// An empty stretch longer than this is not read slice by slice.
const STRETCH: Seq = 1_000 * SLICE;

/// Who reads, and what by.
pub(super) struct Readers<'a> {
    /// The connection that holds the state of the database.
    pub(super) held: &'a mut Conn,
    /// Others that see the same state.
    pub(super) beside: &'a mut [Conn],
    pub(super) learning: Learning,
    /// The names that leaves are thought to have.
    pub(super) origins: &'a Origins,
}

type Read = (Slice, Learned);

/// One reader, as the checker sees it.
struct Source<'scope> {
    slices: Receiver<Read>,
    /// Takes back what was checked, for its room.
    spent: SyncSender<Rows>,
    /// Its next slice.
    next: Option<Read>,
    thread: Option<ScopedJoinHandle<'scope, DbResult<()>>>,
}

impl Source<'_> {
    /// Waits for its next slice; fails when its thread has failed.
    fn fill(&mut self) -> DbResult<()> {
        if self.next.is_none() && self.thread.is_some() {
            self.next = self.slices.recv().ok();
            if self.next.is_none()
                && let Some(thread) = self.thread.take()
            {
                return thread.join().map_err(|_| failed())?;
            }
        }
        Ok(())
    }

    fn from(&self) -> Option<Seq> {
        self.next.as_ref().map(|(slice, _)| slice.from)
    }
}

/// Reads the places from 0 to before `end`, and has them checked on this thread. `told` hears how far it is, at each slice.
pub(super) fn stream(readers: Readers<'_>, checker: &mut Checker, end: Seq, told: &dyn Fn(&Checker, u64)) -> DbResult<()> {
    let Readers { held, beside, learning, origins } = readers;
    let conns: Vec<&mut Conn> = std::iter::once(held).chain(beside).collect();
    let (learning, of) = (&learning, conns.len() as Seq);
    thread::scope(|scope| {
        let begin = |(number, conn): (usize, _)| {
            let ((sender, slices), (spent, rooms)) = (sync_channel(WAITING), sync_channel(WAITING));
            let share = Share { number: number as Seq, of, end };
            let thread = Some(scope.spawn(move || share.read(conn, learning, origins, (&sender, &rooms))));
            Source { slices, spent, next: None, thread }
        };
        let mut sources: Vec<Source<'_>> = conns.into_iter().enumerate().map(begin).collect();
        loop {
            sources.iter_mut().try_for_each(Source::fill)?;
            let first = sources.iter_mut().filter(|source| source.next.is_some()).min_by_key(|source| source.from());
            let Some((source, (slice, learned))) = first.and_then(|source| source.next.take().map(|next| (source, next))) else {
                break;
            };
            told(checker, slice.from.unsigned_abs());
            checker.add(&slice, learned);
            let _ = source.spent.try_send(slice.entries); // A reader that has enough or has ended needs none.
        }
        told(checker, end.unsigned_abs());
        Ok(())
    })
}

/// The slices that one reader reads: every so many, up to `end`.
struct Share {
    number: Seq,
    of: Seq,
    end: Seq,
}

impl Share {
    /// The first slice of its own at or after `place`.
    fn at(&self, place: Seq) -> Seq {
        let slice = place / SLICE;
        (slice + (self.number - slice).rem_euclid(self.of)) * SLICE
    }

    fn read(
        &self,
        conn: &mut Conn,
        learning: &Learning,
        origins: &Origins,
        (to, rooms): (&SyncSender<Read>, &Receiver<Rows>),
    ) -> DbResult<()> {
        let mut from = self.at(0);
        while from < self.end {
            let (mut learned, to_before) = (learning.begin(), self.end.min(from + SLICE));
            let spent = rooms.try_recv().unwrap_or_default();
            let slice = store::slice(conn, (from, to_before), origins.at(from), spent, |row| learned.meet(row))?;
            if slice.entries.is_empty() && slice.events.is_empty() {
                let next = store::next_place(conn, from)?.unwrap_or(self.end).min(self.end);
                if next - from > STRETCH {
                    from = self.at(next / SLICE * SLICE);
                    continue;
                }
            }
            if to.send((slice, learned)).is_err() {
                break; // The checker has given up; what it says, says why.
            }
            from = self.at(from + SLICE);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slice_is_one_readers() {
        for of in 1..5 {
            let mut read: Vec<Seq> = Vec::new();
            for number in 0..of {
                let share = Share { number, of, end: 20 * SLICE };
                let own = std::iter::successors(Some(share.at(0)), |from| Some(share.at(from + SLICE)));
                read.extend(own.take_while(|from| *from < share.end));
            }
            read.sort_unstable();
            assert_eq!(read, (0..20).map(|slice| slice * SLICE).collect::<Vec<_>>());
        }
        assert_eq!(Share { number: 1, of: 3, end: 0 }.at(5 * SLICE), 7 * SLICE);
    }
}
