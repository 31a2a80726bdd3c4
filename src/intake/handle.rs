//! The handle by which everyone else reaches the two stages, and their start.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbError, Lease, migrate};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::trail::keys::KeyFolder;
use crate::trail::{Act, ActError, Acts, Log, NewEvent, Side, anchor};

use super::committer::{Committer, Job};
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
    acts: Arc<AtomicU64>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lease: Mutex<Option<Lease>>,
}

/// Takes the lease and begins to write: migrates an embedded database, begins an epoch, loads the
/// state and starts the two threads. Errors leave the log as it was.
pub fn start(db: &Db, config: &Config, clock: Clock) -> Result<Intake, StartError> {
    let Stages { lease, shared, sequencer, engine, committer, receive } = Stages::open(db, config, clock)?;
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
    pub lease: Lease,
    pub shared: Shared,
    pub sequencer: Sequencer,
    pub engine: Engine,
    pub committer: Committer,
    pub receive: Receiver<Job>,
}

impl Stages {
    /// Takes the lease, begins an epoch and loads the state.
    pub fn open(db: &Db, config: &Config, clock: Clock) -> Result<Stages, StartError> {
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
        let sequencer = Sequencer::new(db.clone(), settings, queue.clone(), jobs.clone(), size.clone());
        let shared = Shared { queue, jobs, size, acts, threads: Mutex::default(), lease: Mutex::default() };
        Ok(Stages { lease, shared, sequencer, engine, committer, receive })
    }
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
