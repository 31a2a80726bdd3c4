//! The second stage: one thread that owns the writing connection and commits what it is handed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, sync_channel};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::db::segments::Segments;
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::{Act, ActError, ActTx, Changed, Side, Tail, store as trail_store};

use super::batch::Batch;
use super::engine::Sealed;
use super::planted::{Bug, planted};
use super::queue::{ActDone, Queue};
use super::{Failed, PATIENCE};

/// What the committer is handed.
pub(super) enum Job {
    Batch(Sealed),
    Act(Act, Tail, ActDone),
    Side(Side, Box<dyn FnOnce(DbResult<()>) + Send>),
    Stop,
}

/// What became of a batch or an act.
pub(super) enum Outcome {
    Committed,
    /// The act is in the log, which now ends here.
    Acted(Box<Tail>, Vec<Changed>),
    /// The act was refused; nothing changed.
    Refused,
    /// Nothing is known any more: read everything again.
    Failed,
}

pub(super) struct Committer {
    pub db: Db,
    pub conn: Conn,
    pub clock: Clock,
    pub queue: Arc<Queue>,
    /// Acts committed so far.
    pub acts: Arc<AtomicU64>,
    /// Whether the last commit that had anything to write succeeded.
    pub well: Arc<AtomicBool>,
    /// The epoch this process writes in.
    pub epoch: i64,
    /// How far the database has room for leaves.
    pub segments: Segments,
}

impl Committer {
    pub fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            if !self.work(job) {
                return;
            }
        }
    }

    /// Does one thing; answers whether there will be more.
    pub fn work(&mut self, job: Job) -> bool {
        match job {
            Job::Stop => return false,
            Job::Batch(sealed) => {
                self.segments.keep_ahead(&mut self.conn, sealed.size_before);
                self.batch(sealed);
            }
            Job::Act(act, tail, done) => {
                self.segments.keep_ahead(&mut self.conn, tail.next_seq());
                self.act(act, tail, done);
            }
            Job::Side(side, done) => {
                let epoch = self.epoch;
                let result = self.conn.write(|conn| {
                    trail_store::require_epoch(conn, epoch)?;
                    side(conn)
                });
                self.mend(result.is_err());
                done(result);
            }
        }
        true
    }

    fn batch(&mut self, sealed: Sealed) {
        let Sealed { batch, size_before, tail, mut replies } = sealed;
        if planted(Bug::AnswersFirst) {
            replies.drain(..).for_each(|(reply, results)| reply(Ok(results)));
        }
        let written = self.commit(&batch, size_before, &tail);
        // From here on the engine alone holds it, and may use its memory again.
        drop(batch);
        self.well.store(written.is_ok(), Ordering::Relaxed);
        match written {
            Ok(()) => {
                // The engine may go on while receipts are handed out.
                self.queue.finished(Outcome::Committed);
                replies.into_iter().for_each(|(reply, results)| reply(Ok(results)));
            }
            Err(error) => {
                tracing::error!(%error, "a batch is given up; its senders are told to send it again");
                let failed = Failed("the database did not take the batch".into());
                // Before the answers: whoever sends again at once must not be evaluated on what is lost.
                self.queue.finished(Outcome::Failed);
                replies.into_iter().for_each(|(reply, _)| reply(Err(failed.clone())));
            }
        }
    }

    fn act(&mut self, act: Act, tail: Tail, done: ActDone) {
        let size_before = tail.next_seq();
        let mut grown = tail;
        let clock = self.clock.clone();
        let mut changed = Vec::new();
        let result: Result<(), ActError> = self.conn.write(|conn| {
            let mut tx = ActTx::new(conn, &clock, &mut grown);
            act(&mut tx)?;
            changed = tx.into_changed();
            if grown.next_seq() > size_before {
                trail_store::advance(conn, size_before, &grown)?;
                crate::db::bulk::append(conn, &grown.take_full_tiles())?;
                return Ok(());
            }
            Ok(trail_store::require_epoch(conn, grown.epoch())?)
        });
        let result = result.or_else(|error| match error {
            ActError::Db(_) if self.left_behind(size_before, &grown) == Left::All => Ok(()),
            refused => Err(refused),
        });
        self.well.store(!matches!(result, Err(ActError::Db(_))), Ordering::Relaxed);
        let outcome = match &result {
            Ok(()) => {
                // Before the answer: whoever is answered must find the change everywhere.
                self.acts.fetch_add(1, Ordering::Release);
                Outcome::Acted(Box::new(grown), changed)
            }
            Err(ActError::Db(error)) => {
                tracing::error!(%error, "an act could not be committed");
                Outcome::Failed
            }
            Err(_) => Outcome::Refused,
        };
        self.queue.finished(outcome);
        done(result);
    }

    /// Commits a batch; once more where only the connection was lost, or another session came in between, so
    /// that its senders need not notice.
    fn commit(&mut self, batch: &Batch, size_before: Seq, tail: &Tail) -> DbResult<()> {
        let mut again = true;
        loop {
            let Err(error) = self.write(batch, size_before, tail) else { return Ok(()) };
            tracing::error!(%error, "a batch could not be committed");
            match self.left_behind(size_before, tail) {
                Left::All => return Ok(()),
                Left::Nothing { reconnected } if again && (reconnected || error.came_between()) => again = false,
                Left::Nothing { .. } | Left::Unknown => return Err(error),
            }
        }
    }

    fn write(&mut self, batch: &Batch, size_before: Seq, tail: &Tail) -> DbResult<()> {
        self.conn.write(|conn| {
            if tail.next_seq() == size_before {
                return batch.write_without_leaves(conn, tail.epoch());
            }
            batch.write(conn, size_before, tail)
        })
    }

    /// What a failed commit left in the database: all of it, as when the connection was lost before the
    /// database's answer came, or nothing. The log state says so: nobody else writes this epoch. A
    /// commit that is still on its way there is found by the next one, which waits for it.
    fn left_behind(&mut self, size_before: Seq, tail: &Tail) -> Left {
        if planted(Bug::TakesForMade) {
            return Left::All;
        }
        let began = Instant::now();
        let mut reconnected = false;
        let state = loop {
            reconnected |= self.mend(true);
            match trail_store::state(&mut self.conn) {
                Ok(Some(state)) => break state,
                Ok(None) => return Left::Unknown,
                // A server that restarts, or another that takes its place.
                Err(_) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(100)),
                Err(_) => return Left::Unknown,
            }
        };
        let grew = tail.next_seq() > size_before;
        let same = (state.epoch, state.size) == (tail.epoch(), tail.next_seq()) && state.root[..] == tail.root()[..];
        match (grew && same, (state.epoch, state.size) == (tail.epoch(), size_before)) {
            (true, _) => Left::All,
            (false, true) => Left::Nothing { reconnected },
            (false, false) => Left::Unknown,
        }
    }

    /// After a failure: a connection that is broken is replaced, if the database answers. Answers
    /// whether it was.
    fn mend(&mut self, failed: bool) -> bool {
        if !failed || self.conn.execute("SELECT 1").is_ok() {
            return false;
        }
        match self.db.connect() {
            Ok(conn) => {
                self.conn = conn;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the database cannot be reached");
                false
            }
        }
    }
}

/// What a failed commit left in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It was made after all.
    All,
    /// The log ends where it ended before.
    Nothing {
        /// The connection was lost, and there is another.
        reconnected: bool,
    },
    /// The log ends elsewhere, or cannot be read.
    Unknown,
}

/// Has the committer write beside the log; returns after its commit.
pub(super) fn aside(jobs: &Sender<Job>, side: Side) -> DbResult<()> {
    let (send, receive) = sync_channel(1);
    let done = Box::new(move |result| {
        let _ = send.send(result);
    });
    jobs.send(Job::Side(side, done)).map_err(|_| stopped())?;
    receive.recv().map_err(|_| stopped())?
}

/// A refused job, when the committer has stopped.
pub(super) fn stopped() -> DbError {
    DbError::Connect("the log is no longer written by this process".into())
}
