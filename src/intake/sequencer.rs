//! The first stage: one thread that evaluates, and the handle by which everyone else reaches it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbError, Lease, migrate};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::trail::keys::KeyFolder;
use crate::trail::{Act, ActError, Acts, Changed, Log, NewEvent, Side, anchor};

use super::committer::{Committer, Job, Outcome, stopped};
use super::engine::{Engine, Settings};
use super::queue::{ActDone, Command, Next, Queue};
use super::{Busy, Failed, Stopped, Submission, indexer, load};

/// Entries evaluated into one batch at most.
const BATCH_MAX: usize = 10_000;
/// Entries that are sent at once when nothing is in flight, although more may wait: else the two
/// stages would take turns instead of working side by side.
const BATCH_EAGER: usize = 2_000;

/// Why the log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Another process writes.
    #[error("another process holds the log for writing")]
    Held,
    /// No thread.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The way into the log. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Arc<Queue>,
    jobs: Sender<Job>,
    size: Arc<AtomicI64>,
    acts: Arc<AtomicU64>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lease: Mutex<Option<Lease>>,
}

/// Takes the lease and begins to write: migrates an embedded database, begins an epoch, loads the
/// state and starts the two threads. Errors leave the log as it was.
pub fn start(db: &Db, config: &Config, clock: Clock) -> Result<Intake, StartError> {
    let lease = db.lease()?.ok_or(StartError::Held)?;
    let mut conn = db.connect()?;
    if db.address().file().is_some() {
        migrate::up(&mut conn)?;
    }
    migrate::require_current(&mut conn)?;
    anchor::check(&mut conn, &KeyFolder::of(config, db.address()), leaves::hashes)?;
    let settings = Arc::new(Settings::new(config, db.address(), clock.clone())?);
    load::take_over(&mut conn, &settings, config)?;
    let engine = load::engine(db.connect()?, &settings)?;
    let queue = Arc::new(Queue::new(config.limits.queue_entries));
    let (jobs, receive) = channel();
    let size = Arc::new(AtomicI64::new(engine.tail.next_seq()));
    let acts = Arc::new(AtomicU64::new(0));
    let committer = Committer { db: db.clone(), conn, clock, queue: queue.clone(), acts: acts.clone() };
    let sequencer =
        Sequencer { db: db.clone(), settings, queue: queue.clone(), jobs: jobs.clone(), size: size.clone(), indexing: false };
    let threads = vec![
        std::thread::Builder::new().name("committer".into()).spawn(move || committer.run(&receive))?,
        std::thread::Builder::new().name("sequencer".into()).spawn(move || sequencer.run(engine))?,
    ];
    let shared = Shared { queue, jobs, size, acts, threads: Mutex::new(threads), lease: Mutex::new(Some(lease)) };
    Ok(Intake { shared: Arc::new(shared) })
}

impl Intake {
    /// The handle for acts.
    pub fn log(&self) -> Log {
        Log::new(self.shared.clone())
    }

    /// Hands entries over, if there is room.
    pub fn submit(&self, submission: Submission) -> Result<(), Busy> {
        self.shared.queue.submit(submission)
    }

    /// Hands entries over, waiting for room.
    pub fn submit_wait(&self, submission: Submission) -> Result<(), Stopped> {
        self.shared.queue.submit_wait(submission)
    }

    /// Entries waiting in the queue.
    pub fn waiting(&self) -> usize {
        self.shared.queue.rows()
    }

    /// Leaves in the log after the last commit.
    pub fn size(&self) -> Seq {
        self.shared.size.load(Ordering::Acquire)
    }

    /// Records that the program stops, and stops.
    pub fn stop(&self) {
        self.announce_stop();
        self.halt();
    }

    /// Records that the program stops.
    pub fn announce_stop(&self) {
        let body = serde_json::json!({});
        let _ = self.log().append(NewEvent::public("program.stopped", body));
    }

    /// Takes nothing more, commits what waits, stores the account states and lets the lease go.
    pub fn halt(&self) {
        self.shared.queue.stop();
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads.into_iter().rev() {
            if thread.join().is_err() {
                tracing::error!("a thread of the log ended by a panic");
            }
        }
        *self.shared.lease.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Acts for Shared {
    fn act(&self, act: Act) -> Result<(), ActError> {
        let (send, receive) = sync_channel(1);
        let done: ActDone = Box::new(move |result| {
            let _ = send.send(result);
        });
        self.queue.push(Command::Act(act, done)).map_err(|_| ActError::NotWriting)?;
        receive.recv().map_err(|_| ActError::NotWriting)?
    }

    fn acts(&self) -> u64 {
        self.acts.load(Ordering::Acquire)
    }

    fn side(&self, side: Side) -> Result<(), ActError> {
        let (send, receive) = sync_channel(1);
        let done = Box::new(move |result| {
            let _ = send.send(result);
        });
        self.jobs.send(Job::Side(side, done)).map_err(|_| ActError::NotWriting)?;
        Ok(receive.recv().map_err(|_| ActError::NotWriting)??)
    }
}

struct Sequencer {
    db: Db,
    settings: Arc<Settings>,
    queue: Arc<Queue>,
    jobs: Sender<Job>,
    size: Arc<AtomicI64>,
    indexing: bool,
}

impl Sequencer {
    fn run(mut self, mut engine: Engine) {
        let mut in_flight = false;
        let mut stored = false;
        loop {
            let open = engine.has_work();
            let full = engine.open.entries.len() >= if in_flight { BATCH_MAX } else { BATCH_EAGER };
            match self.queue.next(open, full, in_flight) {
                Next::Outcome(outcome) => {
                    in_flight = false;
                    self.finish(&mut engine, outcome);
                }
                Next::Command(Command::Submit(submission)) => self.submit(&mut engine, submission),
                Next::Command(Command::Act(act, done)) => {
                    if in_flight {
                        let outcome = self.queue.wait_outcome();
                        self.finish(&mut engine, outcome);
                    }
                    if engine.has_work() {
                        self.send(&mut engine);
                        let outcome = self.queue.wait_outcome();
                        self.finish(&mut engine, outcome);
                    }
                    // Nothing is evaluated meanwhile: an act moves the log's end, and whatever was given a
                    // place before it would lose that place, though it is acknowledged.
                    if self.act(&engine, act, done) {
                        let outcome = self.queue.wait_outcome();
                        self.finish(&mut engine, outcome);
                    }
                    in_flight = false;
                }
                Next::Command(Command::Indexed(last)) => self.indexed(&mut engine, last),
                Next::Send => in_flight = self.send(&mut engine),
                Next::Stop if stored => break,
                Next::Stop if engine.refusals.owes() => self.tell_floods(&mut engine),
                Next::Stop => {
                    stored = true;
                    engine.begin_snapshot();
                    in_flight = self.send(&mut engine);
                    while engine.snapshot.is_some() {
                        let outcome = self.queue.wait_outcome();
                        self.finish(&mut engine, outcome);
                        in_flight = self.send(&mut engine);
                    }
                }
            }
        }
        let _ = self.jobs.send(Job::Stop);
    }

    fn submit(&mut self, engine: &mut Engine, submission: Submission) {
        if let Err(error) = engine.submit(submission) {
            // Half of it may be in the open batch: nothing of that batch can be kept.
            tracing::error!(%error, "a submission could not be evaluated");
            self.reload(engine);
        }
    }

    fn tell_floods(&mut self, engine: &mut Engine) {
        if let Err(error) = engine.tell_floods() {
            tracing::error!(%error, "a flood of refusals could not be told");
            self.reload(engine);
        }
    }

    /// Seals the open batch and hands it to the committer; answers whether it did.
    fn send(&mut self, engine: &mut Engine) -> bool {
        match engine.seal() {
            Ok(sealed) => self.jobs.send(Job::Batch(sealed)).is_ok(),
            Err(error) => {
                tracing::error!(%error, "a batch could not be sealed");
                self.reload(engine);
                false
            }
        }
    }

    fn act(&self, engine: &Engine, act: Act, done: ActDone) -> bool {
        self.jobs.send(Job::Act(act, engine.tail.clone(), done)).is_ok()
    }

    fn finish(&mut self, engine: &mut Engine, outcome: Outcome) {
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
        self.index(engine);
    }

    /// Drops everything held and reads it again; waits as long as the database does not answer.
    fn reload(&mut self, engine: &mut Engine) {
        let failed = Failed("what waited with it could not be committed".into());
        for (reply, _) in engine.replies.drain(..) {
            reply(Err(failed.clone()));
        }
        let mut pause = Duration::from_millis(50);
        loop {
            let fresh = self.db.connect().and_then(|conn| load::engine(conn, &self.settings));
            match fresh {
                Ok(fresh) => {
                    *engine = fresh;
                    self.indexing = false;
                    return;
                }
                Err(error) => tracing::error!(%error, "the log cannot be read; trying again"),
            }
            for command in self.queue.drain() {
                refuse(command);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Has closed segments sorted into index runs, one at a time, off this thread.
    fn index(&mut self, engine: &Engine) {
        let first = engine.indexed_to;
        if self.indexing || engine.size_before - first < self.settings.segment_entries {
            return;
        }
        let last = first + self.settings.segment_entries - 1;
        let work = indexer::Indexer { db: self.db.clone(), jobs: self.jobs.clone(), queue: self.queue.clone() };
        let spawned = std::thread::Builder::new().name("indexer".into()).spawn(move || work.run(first, last));
        self.indexing = spawned.is_ok();
    }

    fn indexed(&mut self, engine: &mut Engine, last: Seq) {
        self.indexing = false;
        engine.indexed_to = engine.indexed_to.max(last + 1);
        if let Err(error) = engine.references.close_segment(&mut engine.conn, last) {
            tracing::error!(%error, "an index run could not be read");
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

fn refuse(command: Command) {
    match command {
        Command::Submit(submission) => (submission.reply)(Err(Failed("the database cannot be reached".into()))),
        Command::Act(_, done) => done(Err(ActError::Db(stopped()))),
        Command::Indexed(_) => {}
    }
}
