//! Acts: what an officer, a command or a job does, recorded with what it changes in one transaction.

use std::sync::{Arc, Mutex};

use crate::clock::{Clock, Moment};
use crate::db::{Conn, DbError};
use crate::ids::Seq;

use super::{NewEvent, Tail, attempts, store};

/// Why an act did not happen. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The act is not allowed or does not fit what is there; for people, with the next step.
    #[error("{detail}")]
    Refused {
        /// HTTP status that says it best: 404, 409, 422, …
        status: u16,
        /// Stable code.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// The writer has stopped or is not this process.
    #[error("this process does not hold the log for writing; try again shortly")]
    NotWriting,
}

impl ActError {
    /// A refusal.
    pub fn refused(status: u16, code: &'static str, detail: impl Into<String>) -> ActError {
        ActError::Refused { status, code, detail: detail.into() }
    }
}

impl From<diesel::result::Error> for ActError {
    fn from(error: diesel::result::Error) -> ActError {
        ActError::Db(error.into())
    }
}

/// What the engine must read again after an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A source was made.
    Sources,
    /// A rule set came into force.
    Rules,
    /// This alert was closed: no hit may join it any more.
    AlertClosed(Seq),
    /// This alert was opened by an act.
    AlertOpened(Seq),
    /// The number of this account was erased.
    AccountErased(Seq),
    /// Contexts were erased.
    ContextsErased,
    /// Which keys seal, or whether anything may be sealed.
    Sealing,
}

/// The transaction an act runs in.
pub struct ActTx<'a> {
    /// For the tables that follow from the act. The log itself grows only by [`ActTx::append`].
    pub conn: &'a mut Conn,
    /// Random bytes and the time.
    pub clock: &'a Clock,
    tail: &'a mut Tail,
    changed: Vec<Changed>,
}

impl<'a> ActTx<'a> {
    /// For the engine: an act's transaction at the end of the log.
    pub fn new(conn: &'a mut Conn, clock: &'a Clock, tail: &'a mut Tail) -> ActTx<'a> {
        tail.tick(clock.now());
        ActTx { conn, clock, tail, changed: Vec::new() }
    }

    /// The instant the act is recorded at.
    pub fn now(&self) -> Moment {
        self.tail.recorded_at()
    }

    /// Appends an event; its `seq` is the id of whatever it defines.
    pub fn append(&mut self, event: NewEvent) -> Result<Seq, ActError> {
        let sealed = self.tail.seal_event(self.clock, &event);
        let (row, part) = sealed.map_err(|e| ActError::refused(422, "event_too_large", e.to_string()))?;
        let seq = row.seq;
        let at = row.recorded_at;
        store::append_events(self.conn, &[row], part.as_slice())?;
        attempts::follow(self.conn, seq, at, &event)?;
        Ok(seq)
    }

    /// The same for an event of which somebody gets a receipt; answers the hash of its leaf too.
    pub fn append_for_receipt(&mut self, event: NewEvent) -> Result<(Seq, [u8; 32]), ActError> {
        let seq = self.append(event)?;
        Ok((seq, self.tail.newest_hash()))
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        self.tail.origin()
    }

    /// The size of the log with everything appended so far.
    pub fn log_size(&self) -> Seq {
        self.tail.next_seq()
    }

    /// The root over everything appended so far.
    pub fn log_root(&self) -> [u8; 32] {
        self.tail.root()
    }

    /// Tells the engine what it must read again.
    pub fn changed(&mut self, what: Changed) {
        self.changed.push(what);
    }

    /// For the engine: what was changed.
    pub fn into_changed(self) -> Vec<Changed> {
        self.changed
    }
}

/// An act, boxed.
pub type Act = Box<dyn FnOnce(&mut ActTx<'_>) -> Result<(), ActError> + Send>;

/// A write to projections only, boxed: nothing worth auditing, so nothing in the log.
pub type Side = Box<dyn FnOnce(&mut Conn) -> Result<(), DbError> + Send>;

/// What runs acts: `intake`'s sequencer.
pub trait Acts: Send + Sync {
    /// Runs `act` in a transaction of its own at the end of the log; returns after its commit.
    fn act(&self, act: Act) -> Result<(), ActError>;
    /// Appends events and nothing else; returns their places after the commit.
    fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Seq>, ActError> {
        let places = Arc::new(Mutex::new(Vec::new()));
        let put = places.clone();
        self.act(Box::new(move |tx| {
            let appended = events.into_iter().map(|event| tx.append(event)).collect::<Result<Vec<Seq>, ActError>>()?;
            *put.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = appended;
            Ok(())
        }))?;
        Ok(std::mem::take(&mut *places.lock().unwrap_or_else(std::sync::PoisonError::into_inner)))
    }
    /// How many acts have been committed: what was read before the present number may have changed.
    fn acts(&self) -> u64 {
        0
    }
    /// Runs `side` in a transaction of its own on the writing connection; returns after its commit.
    fn side(&self, side: Side) -> Result<(), ActError>;
}

/// The handle through which any room appends to the log. Cheap to clone. Blocks: call it from a
/// blocking thread.
#[derive(Clone)]
pub struct Log {
    engine: Arc<dyn Acts>,
}

impl Log {
    /// Over an engine.
    pub fn new(engine: Arc<dyn Acts>) -> Log {
        Log { engine }
    }

    /// Runs an act and waits for its commit. On `Err` nothing of it was stored.
    pub fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut ActTx<'_>) -> Result<T, ActError> + Send + 'static,
    ) -> Result<T, ActError> {
        let slot = Arc::new(Mutex::new(None));
        let put = slot.clone();
        self.engine.act(Box::new(move |tx| {
            let value = act(tx)?;
            *put.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(value);
            Ok(())
        }))?;
        let value = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        value.ok_or(ActError::NotWriting)
    }

    /// How many acts this process has committed.
    pub fn acts(&self) -> u64 {
        self.engine.acts()
    }

    /// Appends one event.
    pub fn append(&self, event: NewEvent) -> Result<Seq, ActError> {
        self.engine.append(vec![event])?.pop().ok_or(ActError::NotWriting)
    }

    /// Appends several, one after the other, together or not at all.
    pub fn append_all(&self, events: Vec<NewEvent>) -> Result<Vec<Seq>, ActError> {
        self.engine.append(events)
    }

    /// Writes to projections only (a mail's state, a session's last use), on the writing connection.
    pub fn side<T: Send + 'static>(
        &self,
        side: impl FnOnce(&mut Conn) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, ActError> {
        let slot = Arc::new(Mutex::new(None));
        let put = slot.clone();
        self.engine.side(Box::new(move |conn| {
            let value = side(conn)?;
            *put.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(value);
            Ok(())
        }))?;
        let value = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        value.ok_or(ActError::NotWriting)
    }
}

impl Acts for Log {
    fn act(&self, act: Act) -> Result<(), ActError> {
        self.engine.act(act)
    }

    fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Seq>, ActError> {
        self.engine.append(events)
    }

    fn acts(&self) -> u64 {
        self.engine.acts()
    }

    fn side(&self, side: Side) -> Result<(), ActError> {
        self.engine.side(side)
    }
}
