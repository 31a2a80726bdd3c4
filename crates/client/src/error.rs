//! Why something is not in the log.

use std::time::Duration;

use crate::answer::Problem;
use crate::document::Unfit;
use crate::money::NotDecimal;
use crate::spool::SpoolError;

/// Why something is not in the log, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused it for good: correct it and send it under a new reference.
    #[error("the server refused it: {0}")]
    Refused(Box<Problem>),
    /// The server refused the key, which has nothing to do with what was sent.
    #[error("the server refused the key: {0}; check it, and its scopes, with `counterfoil key list`")]
    Denied(Box<Problem>),
    /// The server is not there, or cannot take it now. It may be sent again: its reference makes that safe.
    #[error("the server did not take it: {reason}; send it again")]
    Unavailable {
        /// What happened.
        reason: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// Whatever answered is no Counterfoil server, or an older one.
    #[error("unexpected answer: {0}; check the server's address")]
    Unexpected(String),
    /// What was given cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// The value of a record cannot be sent.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A text is no amount.
    #[error(transparent)]
    NotDecimal(#[from] NotDecimal),
    /// It could not be kept on this machine.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Too much waits in this process already; nothing was sent.
    #[error("{0} things wait to be sent by this process; try again when some are done")]
    Busy(usize),
    /// A guarded value went out of scope while its thread panicked: nobody knows whether the change came to be.
    #[error("the thread panicked before the change of type `{0}` was finished; nothing was recorded of it")]
    Abandoned(String),
}

impl Error {
    /// Whether the same thing may be recorded if it is sent again later, unchanged.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Error::Unavailable { .. } | Error::Denied(_) | Error::Unexpected(_) | Error::Busy(_))
    }

    pub(crate) fn unavailable(reason: impl std::fmt::Display) -> Error {
        Error::Unavailable { reason: reason.to_string(), retry_after: None }
    }
}
