//! The bounded queue before the sequencer, and what else can wake it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::clock::{Clock, Moment, SECOND};
use crate::ids::Seq;
use crate::trail::{Act, ActError};

use super::committer::Outcome;
use super::references::Filter;
use super::runs::Run;
use super::warming::{Held, Warmth};
use super::{Busy, Stopped, Submission};

/// What the sequencer can be told.
pub(super) enum Command {
    Submit(Submission),
    Act(Act, ActDone),
    /// Everything up to this place is in index runs now; all runs of references.
    Indexed(Seq, Vec<Run>),
    /// A larger filter over all references before this place; nothing if it could not be read.
    Grown(Option<(Filter, Seq)>),
    /// What was read aside.
    Warmed(Box<Warmth>),
    /// What was found aside of the stored states.
    Held(Held),
}

/// Called when an act has been committed or refused.
pub(super) type ActDone = Box<dyn FnOnce(Result<(), ActError>) + Send>;

/// A time in which the queue was full.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnedAway {
    pub from: Moment,
    pub to: Moment,
    pub requests: u64,
    pub entries: u64,
}

/// How long nobody must have been turned away for an episode to be over: a queue that runs over
/// again and again is one episode.
const EPISODE_ENDS: i64 = 10 * SECOND;

/// What the sequencer does next.
pub(super) enum Next {
    Command(Command),
    Outcome(Outcome),
    /// The queue was full, and is not any more.
    TurnedAway(TurnedAway),
    /// Nothing waits: send what is evaluated.
    Send,
    Stop,
}

#[derive(Default)]
struct Inner {
    commands: VecDeque<Command>,
    rows: usize,
    outcome: Option<Outcome>,
    turned_away: Option<TurnedAway>,
    /// No room for more, whatever waits: what was recorded must be indexed first.
    held_up: bool,
    stopping: bool,
}

impl Inner {
    /// Whether so many rows more find room. An empty queue takes a submission of any size.
    fn has_room(&self, rows: usize, rows_max: usize) -> bool {
        !self.held_up && (self.rows == 0 || self.rows + rows <= rows_max)
    }

    fn turn_away(&mut self, rows: usize, now: Moment) -> Busy {
        let first = TurnedAway { from: now, to: now, requests: 0, entries: 0 };
        let episode = self.turned_away.get_or_insert(first);
        (episode.to, episode.requests, episode.entries) = (now, episode.requests + 1, episode.entries + rows as u64);
        Busy
    }

    /// The episode that is over, to be told once.
    fn episode(&mut self, clock: &Clock) -> Option<TurnedAway> {
        let last = self.turned_away?.to;
        let over = self.stopping || clock.now().0 >= last.0 + EPISODE_ENDS;
        if over { self.turned_away.take() } else { None }
    }
}

pub(super) struct Queue {
    clock: Clock,
    inner: Mutex<Inner>,
    work: Condvar,
    room: Condvar,
    rows_max: usize,
}

impl Queue {
    pub fn new(rows_max: usize, clock: Clock) -> Queue {
        Queue { clock, inner: Mutex::default(), work: Condvar::new(), room: Condvar::new(), rows_max }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a submission if there is room.
    pub fn submit(&self, submission: Submission) -> Result<(), Busy> {
        let mut inner = self.lock();
        let rows = submission.rows.len();
        if inner.stopping {
            return Err(Busy);
        }
        if !inner.has_room(rows, self.rows_max) {
            return Err(inner.turn_away(rows, self.clock.now()));
        }
        inner.rows += rows;
        inner.commands.push_back(Command::Submit(submission));
        self.work.notify_one();
        Ok(())
    }

    /// Whether there is room for one row; if not, a request was turned away whose rows nobody has counted.
    pub fn expect_room(&self) -> Result<(), Busy> {
        let mut inner = self.lock();
        match inner.stopping || inner.has_room(1, self.rows_max) {
            true => Ok(()),
            false => Err(inner.turn_away(0, self.clock.now())),
        }
    }

    /// Takes a submission, waiting for room.
    pub fn submit_wait(&self, submission: Submission) -> Result<(), Stopped> {
        let rows = submission.rows.len();
        let mut inner = self.lock();
        while !inner.stopping && !inner.has_room(rows, self.rows_max) {
            inner = self.room.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if inner.stopping {
            return Err(Stopped);
        }
        inner.rows += rows;
        inner.commands.push_back(Command::Submit(submission));
        self.work.notify_one();
        Ok(())
    }

    /// Takes no more submissions, or takes them again.
    pub fn hold_up(&self, held_up: bool) {
        let mut inner = self.lock();
        if inner.held_up != held_up {
            inner.held_up = held_up;
            self.room.notify_all();
        }
    }

    /// Takes an act or a notice; answers it back when the queue is closed.
    pub fn push(&self, command: Command) -> Result<(), Command> {
        let mut inner = self.lock();
        if inner.stopping {
            return Err(command);
        }
        inner.commands.push_back(command);
        self.work.notify_one();
        Ok(())
    }

    /// Takes a notice that makes what waits faster to do, and so goes before it.
    pub fn push_first(&self, command: Command) -> Result<(), Command> {
        let mut inner = self.lock();
        if inner.stopping {
            return Err(command);
        }
        inner.commands.push_front(command);
        self.work.notify_one();
        Ok(())
    }

    /// The committer has finished what it was sent.
    pub fn finished(&self, outcome: Outcome) {
        self.lock().outcome = Some(outcome);
        self.work.notify_one();
    }

    /// No more work is taken; what waits is still done.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.work.notify_one();
        self.room.notify_all();
    }

    /// Whether it is closed.
    pub fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Rows waiting now.
    pub fn rows(&self) -> usize {
        self.lock().rows
    }

    /// Waits for something to do. `open`: an evaluated batch waits to be sent; `full`: it takes no
    /// more; `in_flight`: the committer is busy.
    pub fn next(&self, open: bool, full: bool, in_flight: bool) -> Next {
        let mut inner = self.lock();
        loop {
            if let Some(next) = self.take(&mut inner, open, full, in_flight) {
                return next;
            }
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The same without waiting.
    #[cfg(test)]
    pub fn try_next(&self, open: bool, full: bool, in_flight: bool) -> Option<Next> {
        self.take(&mut self.lock(), open, full, in_flight)
    }

    /// What the committer has finished, without waiting.
    #[cfg(test)]
    pub fn try_outcome(&self) -> Option<Outcome> {
        self.lock().outcome.take()
    }

    fn take(&self, inner: &mut Inner, open: bool, full: bool, in_flight: bool) -> Option<Next> {
        if let Some(outcome) = inner.outcome.take() {
            return Some(Next::Outcome(outcome));
        }
        if let Some(episode) = inner.episode(&self.clock) {
            return Some(Next::TurnedAway(episode));
        }
        if !full && let Some(command) = inner.commands.pop_front() {
            if let Command::Submit(submission) = &command {
                inner.rows -= submission.rows.len();
                self.room.notify_all();
            }
            return Some(Next::Command(command));
        }
        if open && !in_flight {
            return Some(Next::Send);
        }
        (inner.stopping && inner.commands.is_empty() && !open && !in_flight).then_some(Next::Stop)
    }

    /// Waits for the committer alone.
    pub fn wait_outcome(&self) -> Outcome {
        let mut inner = self.lock();
        loop {
            if let Some(outcome) = inner.outcome.take() {
                return outcome;
            }
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What still waits when the sequencer cannot go on.
    pub fn drain(&self) -> Vec<Command> {
        let mut inner = self.lock();
        inner.rows = 0;
        self.room.notify_all();
        inner.commands.drain(..).collect()
    }
}
