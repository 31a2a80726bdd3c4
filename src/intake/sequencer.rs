//! The first stage: one thread that evaluates.
//!
//! When a commit fails, everything held is read again and what was evaluated upon the lost batch is
//! evaluated again: other places, other references, the same senders.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::db::{Db, DbError};
use crate::trail::{Act, ActError, Changed};

use super::committer::{Job, Outcome, stopped};
use super::engine::{Engine, Settings};
use super::queue::{ActDone, Command, Next, Queue, TurnedAway};
use super::trust;
use super::warming::Held;
use super::{Failed, PATIENCE, Submission, load};

mod aside;

/// Entries evaluated into one batch at most.
const BATCH_MAX: usize = 10_000;
/// Entries that are sent at once when nothing is in flight, although more may wait: else the two
/// stages would take turns instead of working side by side.
const BATCH_EAGER: usize = 2_000;
/// Waits until the committer has finished what it was sent.
pub(super) type Wait = Box<dyn FnMut(&Queue) -> Outcome + Send>;

pub(super) struct Sequencer {
    db: Db,
    settings: Arc<Settings>,
    queue: Arc<Queue>,
    jobs: Sender<Job>,
    /// Leaves in the log, for everyone to read.
    size: Arc<AtomicI64>,
    /// Accounts in memory, for everyone to read.
    held: Arc<AtomicUsize>,
    indexing: bool,
    /// A batch or an act is with the committer.
    in_flight: bool,
    /// Nothing more can be written by this process.
    over: bool,
    /// The account states were stored: nothing is left to do before the end.
    stored: bool,
    /// How it waits for the committer.
    pub outcome: Wait,
}

impl Sequencer {
    /// `told`: leaves in the log and accounts in memory, for everyone to read.
    pub fn new(
        db: Db,
        settings: Arc<Settings>,
        queue: Arc<Queue>,
        jobs: Sender<Job>,
        told: (Arc<AtomicI64>, Arc<AtomicUsize>),
    ) -> Sequencer {
        let outcome: Wait = Box::new(Queue::wait_outcome);
        let (size, held) = told;
        Sequencer {
            db,
            settings,
            queue,
            jobs,
            size,
            held,
            indexing: false,
            in_flight: false,
            over: false,
            stored: false,
            outcome,
        }
    }

    /// Works until the queue is closed and empty.
    pub fn run(mut self, mut engine: Engine) {
        self.warm();
        self.tell_rejected(&mut engine);
        // What the process before left, even if nothing new comes.
        self.index(&engine);
        loop {
            let (open, full) = self.open(&engine);
            let next = self.queue.next(open, full, self.in_flight);
            if !self.step(&mut engine, next) {
                break;
            }
        }
        let _ = self.jobs.send(Job::Stop);
    }

    /// What it would do next, without waiting for it.
    #[cfg(test)]
    pub fn next(&self, engine: &Engine) -> Option<Next> {
        let (open, full) = self.open(engine);
        self.queue.try_next(open, full, self.in_flight)
    }

    /// Whether an evaluated batch waits to be sent, and whether it takes no more.
    fn open(&self, engine: &Engine) -> (bool, bool) {
        let most = if self.in_flight { BATCH_MAX } else { BATCH_EAGER };
        (engine.has_work(), engine.open.entries.len() >= most)
    }

    /// Does one thing; answers whether there will be more.
    pub fn step(&mut self, engine: &mut Engine, next: Next) -> bool {
        match next {
            Next::Outcome(outcome) => self.finish(engine, outcome),
            Next::Command(Command::Submit(submission)) => self.submit(engine, submission),
            Next::Command(Command::Act(act, done)) => self.act(engine, act, done),
            Next::Command(Command::Indexed(last, runs)) => self.indexed(engine, last, runs),
            Next::Command(Command::Grown(read)) => engine.references.grown(read),
            Next::Command(Command::Warmed(warmth)) => self.warmed(engine, *warmth),
            Next::Command(Command::Held(held)) => self.held(engine, held),
            Next::TurnedAway(episode) => self.tell_turned_away(engine, &episode),
            Next::Send => self.send(engine),
            Next::Stop if self.stored => return false,
            Next::Stop if engine.refusals.owes() => self.tell_floods(engine),
            Next::Stop => {
                self.stored = true;
                self.store_states(engine);
            }
        }
        !self.over
    }

    /// Stores every changed account state, before a clean stop.
    fn store_states(&mut self, engine: &mut Engine) {
        engine.begin_snapshot();
        self.send(engine);
        while engine.snapshot.is_some() && !self.over {
            self.wait(engine);
            self.send(engine);
        }
    }

    fn submit(&mut self, engine: &mut Engine, submission: Submission) {
        if let Err(error) = engine.submit(submission) {
            if engine.rejected.is_some() {
                return self.distrust(engine);
            }
            // Half of it may be in the open batch: nothing of that batch can be kept. Where only the
            // connection was lost, all of it is evaluated again on the next one.
            tracing::error!(%error, "a submission could not be evaluated; it is tried once more");
            self.reload(engine);
        }
    }

    fn tell_floods(&mut self, engine: &mut Engine) {
        if let Err(error) = engine.tell_floods() {
            tracing::error!(%error, "a flood of refusals could not be told");
            self.reload(engine);
        }
    }

    fn tell_turned_away(&mut self, engine: &mut Engine, episode: &TurnedAway) {
        if let Err(error) = engine.tell_turned_away(episode) {
            tracing::error!(%error, "that the queue was full could not be told");
            self.reload(engine);
        }
    }

    /// Seals the open batch and hands it to the committer.
    fn send(&mut self, engine: &mut Engine) {
        match engine.seal() {
            Ok(sealed) => {
                self.in_flight = self.jobs.send(Job::Batch(sealed)).is_ok();
                engine.spent = Default::default();
            }
            Err(error) => {
                tracing::error!(%error, "a batch could not be sealed");
                refuse_all(engine.take_back(), &format!("its batch could not be sealed ({error})"));
                self.reload(engine);
            }
        }
    }

    /// Waits for what is in flight.
    fn wait(&mut self, engine: &mut Engine) {
        if self.in_flight {
            let outcome = (self.outcome)(&self.queue);
            self.finish(engine, outcome);
        }
    }

    /// Has an act committed, after everything that came before it.
    fn act(&mut self, engine: &mut Engine, act: Act, done: ActDone) {
        self.wait(engine);
        while engine.has_work() && !self.over {
            self.send(engine);
            self.wait(engine);
        }
        // Nothing is evaluated meanwhile: an act moves the log's end, and whatever was given a
        // place before it would lose that place, though it is acknowledged.
        self.in_flight = self.jobs.send(Job::Act(act, engine.tail.clone(), done)).is_ok();
        self.wait(engine);
    }

    fn finish(&mut self, engine: &mut Engine, outcome: Outcome) {
        self.in_flight = false;
        match outcome {
            Outcome::Committed => engine.committed(),
            Outcome::Refused => {}
            Outcome::Acted(tail, changed) => {
                engine.tail = *tail;
                engine.size_before = engine.tail.next_seq();
                if let Err(error) = refresh(engine, &changed) {
                    tracing::error!(%error, "what an act changed could not be read");
                    self.reload(engine);
                }
            }
            Outcome::Failed => self.reload(engine),
        }
        self.size.store(engine.size_before, Ordering::Release);
        self.held.store(engine.accounts.len(), Ordering::Relaxed);
        self.settings.reached.fetch_max(engine.size_before, Ordering::AcqRel);
        self.index(engine);
    }

    /// Drops everything held, reads it again, and evaluates again what was evaluated on it.
    fn reload(&mut self, engine: &mut Engine) {
        if std::mem::take(&mut self.in_flight) {
            // What became of it is read from the database like everything else.
            let _ = (self.outcome)(&self.queue);
        }
        let mut again = VecDeque::from(engine.take_back());
        self.read_again(engine, &mut again);
        while let Some(next) = again.pop_front() {
            if let Err(error) = engine.submit_again(next) {
                // Its sender has been told, so that this ends.
                tracing::error!(%error, "a submission could not be evaluated again");
                let later = std::mem::replace(&mut again, engine.take_back().into());
                again.extend(later);
                self.read_again(engine, &mut again);
            }
        }
    }

    /// Reads everything held again; waits as long as the database does not answer. Whoever waits for
    /// longer than [`PATIENCE`] is refused.
    fn read_again(&mut self, engine: &mut Engine, again: &mut VecDeque<Submission>) {
        let (mut pause, mut waited) = (Duration::from_millis(50), Duration::ZERO);
        loop {
            match self.db.connect().and_then(|conn| load::engine(Some(&self.db), conn, &self.settings)) {
                Ok(fresh) => {
                    *engine = fresh;
                    self.indexing = false;
                    self.warm();
                    return;
                }
                Err(DbError::Deposed) => return self.give_up(again, "another process leads the log now"),
                Err(error) => tracing::error!(%error, "the log cannot be read; trying again"),
            }
            if waited >= PATIENCE && self.queue.is_stopping() {
                return self.give_up(again, "the database cannot be reached");
            }
            if waited >= PATIENCE {
                refuse_all(again.drain(..), "the database cannot be reached");
                self.queue.drain().into_iter().for_each(refuse);
            }
            std::thread::sleep(pause);
            waited += pause;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Nothing is taken any more, and nothing that waits can be done.
    fn give_up(&mut self, again: &mut VecDeque<Submission>, why: &str) {
        tracing::error!(why, "this process does not write the log any more");
        self.over = true;
        self.queue.stop();
        refuse_all(again.drain(..), why);
        self.queue.drain().into_iter().for_each(refuse);
    }

    /// Takes what was found of the stored states.
    fn held(&mut self, engine: &mut Engine, held: Held) {
        engine.hold(held);
        if engine.rejected.is_some() {
            self.distrust(engine);
        }
    }

    /// A stored state is not what the log says: drops them all, reads everything again, and tells.
    fn distrust(&mut self, engine: &mut Engine) {
        let Some(account) = engine.rejected.take() else { return };
        // What is in flight may say that states cover more.
        self.wait(engine);
        tracing::error!(account, "a stored state is not what the entries say: all are read again from them");
        let epoch = engine.tail.epoch();
        if let Err(error) = trust::drop_states(&mut engine.conn, epoch) {
            tracing::error!(%error, "the stored states could not be dropped");
        }
        self.reload(engine);
        engine.rejected = Some(account);
        self.tell_rejected(engine);
    }

    fn tell_rejected(&mut self, engine: &mut Engine) {
        if let Err(error) = engine.tell_rejected() {
            tracing::error!(%error, "that stored states were rejected could not be told");
            self.reload(engine);
        }
    }
}

/// Reads again what an act changed.
fn refresh(engine: &mut Engine, changed: &[Changed]) -> Result<(), DbError> {
    for what in changed {
        match what {
            Changed::Sources => engine.sources = load::sources(&mut engine.conn)?,
            Changed::Rules => engine.rules = Arc::new(load::rules(&mut engine.conn)?),
            Changed::AlertClosed(id) => engine.alerting.close(*id),
            Changed::AccountErased(id) => engine.accounts.forget_number(*id),
            Changed::ContextsErased => engine.dictionary.forget_contexts(),
            Changed::Sealing => engine.sealer.reset(),
            Changed::AlertOpened(id) => {
                if let Some(row) = crate::alerts::store::alert(&mut engine.conn, *id)? {
                    engine.alerting.remember(&row);
                }
            }
        }
    }
    Ok(())
}

fn refuse_all(submissions: impl IntoIterator<Item = Submission>, why: &str) {
    submissions.into_iter().for_each(|submission| (submission.reply)(Err(Failed(why.to_owned()))));
}

fn refuse(command: Command) {
    match command {
        Command::Submit(submission) => (submission.reply)(Err(Failed("the database cannot be reached".into()))),
        Command::Act(_, done) => done(Err(ActError::Db(stopped()))),
        Command::Indexed(..) | Command::Grown(..) | Command::Warmed(_) | Command::Held(_) => {}
    }
}
