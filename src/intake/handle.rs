//! The handle by which everyone reaches the log, and how its two threads are started.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::segments::Segments;
use crate::db::{Db, DbError, Lease, guards, migrate};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::trail::keys::KeyFolder;
use crate::trail::{Act, ActError, Acts, Log, NewEvent, Side, anchor, store as trail_store};

use super::committer::{Committer, Job};
use super::control::STOPPED;
use super::engine::{Engine, Settings};
use super::queue::{ActDone, Command, Queue};
use super::sequencer::Sequencer;
use super::{Busy, Stopped, Submission, load};

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

pub(super) struct Shared {
    pub queue: Arc<Queue>,
    jobs: Sender<Job>,
    size: Arc<AtomicI64>,
    held: Arc<AtomicUsize>,
    acts: Arc<AtomicU64>,
    well: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lease: Mutex<Option<Lease>>,
    db: Db,
    epoch: i64,
}

/// Takes the lease and begins to write: migrates an embedded database, begins an epoch, loads the
/// state and starts the two threads. Errors leave the log as it was.
pub fn start(db: &Db, config: &Config, clock: Clock) -> Result<Intake, StartError> {
    start_with(db.lease()?.ok_or(StartError::Held)?, db, config, clock)
}

/// The same with a lease that was taken already; it is let go on errors.
pub fn start_with(lease: Lease, db: &Db, config: &Config, clock: Clock) -> Result<Intake, StartError> {
    let Stages { shared, sequencer, engine, committer, receive } = Stages::open(db, config, clock)?;
    let threads = vec![
        std::thread::Builder::new().name("committer".into()).spawn(move || committer.run(&receive))?,
        std::thread::Builder::new().name("sequencer".into()).spawn(move || sequencer.run(engine))?,
    ];
    *shared.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
    *shared.lease.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
    Ok(Intake { shared: Arc::new(shared) })
}

/// The two stages, ready to run.
pub(super) struct Stages {
    pub shared: Shared,
    pub sequencer: Sequencer,
    pub engine: Engine,
    pub committer: Committer,
    pub receive: Receiver<Job>,
}

impl Stages {
    /// Begins an epoch and loads the state; the caller holds the lease.
    pub fn open(db: &Db, config: &Config, clock: Clock) -> Result<Stages, StartError> {
        let mut conn = db.connect()?;
        if db.address().file().is_some() {
            migrate::up(&mut conn)?;
        }
        migrate::require_current(&mut conn)?;
        anchor::check(&mut conn, &KeyFolder::of(config, db.address()), leaves::hashes)?;
        guards::require(&mut conn)?;
        let settings = Arc::new(Settings::new(config, db.address(), clock.clone())?);
        load::take_over(&mut conn, &settings, config, db.address())?;
        let engine = load::engine(Some(db), db.connect()?, &settings)?;
        let epoch = engine.tail.epoch();
        let queue = Arc::new(Queue::new(config.limits.queue_entries, clock.clone()));
        let (jobs, receive) = channel();
        let size = Arc::new(AtomicI64::new(engine.tail.next_seq()));
        let held = Arc::new(AtomicUsize::new(engine.accounts.len()));
        let (acts, well) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
        let (kept, told) = (acts.clone(), well.clone());
        let segments = Segments::default();
        let committer = Committer { db: db.clone(), conn, clock, queue: queue.clone(), acts: kept, well: told, epoch, segments };
        let sequencer = Sequencer::new(db.clone(), settings, queue.clone(), jobs.clone(), (size.clone(), held.clone()));
        let (threads, lease, db) = (Mutex::default(), Mutex::default(), db.clone());
        let shared = Shared { queue, jobs, size, held, acts, well, threads, lease, db, epoch };
        Ok(Stages { shared, sequencer, engine, committer, receive })
    }
}

impl Intake {
    /// The handle for acts.
    pub fn log(&self) -> Log {
        Log::new(self.shared.clone())
    }

    /// Whether there is room for one entry more; if not, a request counts as turned away.
    pub fn has_room(&self) -> Result<(), Busy> {
        self.shared.queue.expect_room()
    }

    /// Hands entries over, if there is room.
    pub fn submit(&self, submission: Submission) -> Result<(), Busy> {
        self.shared.queue.submit(submission)
    }

    /// Hands entries over, waiting for room.
    pub fn submit_wait(&self, submission: Submission) -> Result<(), Stopped> {
        self.shared.queue.submit_wait(submission)
    }

    /// The epoch this process writes in.
    pub fn epoch(&self) -> i64 {
        self.shared.epoch
    }

    /// Whether this process still leads: no other has begun an epoch. A lease that was lost with its
    /// connection is taken again. A database that does not answer decides nothing.
    pub fn leads(&self) -> bool {
        if self.shared.queue.is_stopping() {
            return false;
        }
        let mut lease = self.shared.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if lease.as_mut().is_some_and(Lease::is_held) {
            return true;
        }
        match self.shared.db.lease() {
            Ok(Some(again)) => *lease = Some(again),
            Ok(None) => tracing::warn!("the lease was lost with its connection and another process has it"),
            Err(error) => tracing::warn!(%error, "the lease was lost with its connection"),
        }
        match self.shared.db.read(trail_store::state) {
            Ok(Some(state)) if state.epoch != self.shared.epoch => {
                *lease = None;
                false
            }
            _ => true,
        }
    }

    /// Entries waiting in the queue.
    pub fn waiting(&self) -> usize {
        self.shared.queue.rows()
    }

    /// Accounts held in memory after the last commit; `limits.accounts_cached` bounds them.
    pub fn accounts_held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// Leaves in the log after the last commit.
    pub fn size(&self) -> Seq {
        self.shared.size.load(Ordering::Acquire)
    }

    /// Whether the last commit succeeded. The heartbeat is one a minute, so that a full disk shows.
    pub fn is_well(&self) -> bool {
        self.shared.well.load(Ordering::Relaxed)
    }

    /// Records that the program stops, and stops.
    pub fn stop(&self) {
        self.announce_stop();
        self.halt();
    }

    /// Records that the program stops.
    pub fn announce_stop(&self) {
        let body = serde_json::json!({});
        let _ = self.log().append(NewEvent::public(STOPPED, body));
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
