//! Whatever takes entries and changes: the server itself, or the spool before it.

use crate::answer::Outcome;
use crate::change::Change;
use crate::entry::Entry;
use crate::error::Error;

/// Where something is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The server answered.
    Answered(Outcome),
    /// It is durable on this machine and will be sent.
    Waiting,
}

/// What a guard could not record, because nobody was there to be told.
#[derive(Debug)]
pub struct Lost {
    /// The reference the change was to have.
    pub source_ref: String,
    /// The type of the record.
    pub kind: String,
    /// Why.
    pub error: Error,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "counterfoil: change {} of type {} was not recorded: {}", self.source_ref, self.kind, self.error)
    }
}

/// Told of what a guard could not record when it went out of scope.
pub type OnLost = Box<dyn Fn(&Lost) + Send + Sync>;

/// Whatever takes entries and changes.
pub trait Recorder: Send + Sync {
    /// Takes an entry.
    ///
    /// # Errors
    /// When it is neither in the log nor kept to be sent.
    fn record_entry(&self, entry: &Entry) -> Result<Recorded, Error>;

    /// Takes a change.
    ///
    /// # Errors
    /// When it is neither in the log nor kept to be sent.
    fn record_change(&self, change: &Change) -> Result<Recorded, Error>;

    /// Told of a change that a guard could not record when it went out of scope. Prints it on standard error.
    fn lost(&self, lost: &Lost) {
        eprintln!("{lost}");
    }
}
