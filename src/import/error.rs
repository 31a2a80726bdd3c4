//! Why a file could not be imported, in words that name the next step.

use std::io;
use std::path::PathBuf;

use crate::db::DbError;
use crate::trail::ActError;

use super::ProfileError;

/// The import did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be opened.
    #[error("{0} cannot be opened: {1}")]
    Open(PathBuf, #[source] io::Error),
    /// A directory, a pipe or the like.
    #[error("{0} is not a regular file; an import reads a file that it can read twice")]
    NotAFile(PathBuf),
    /// Nothing in it.
    #[error("{0} is empty")]
    Empty(PathBuf),
    /// Not text, or text in an encoding that is not read.
    #[error("{0}")]
    NotText(String),
    /// The first line is not a header that can be read.
    #[error("{0}")]
    Header(String),
    /// The file ended in the middle of its compression, or the disk failed.
    #[error(
        "reading stopped after line {line}: {error}; the file is damaged or cut short. \
         Fetch it again and import it: what was recorded comes back as duplicates"
    )]
    Damaged {
        /// The last whole line.
        line: u64,
        /// What the reader said.
        error: io::Error,
    },
    /// The file was written to while it was read.
    #[error("the file changed while it was being read; import it again once it is complete")]
    Changed,
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The log did not take a batch.
    #[error("the import stopped: {0}; run the same command again and it goes on where it stopped")]
    Stopped(String),
    /// An act was refused or failed.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}
