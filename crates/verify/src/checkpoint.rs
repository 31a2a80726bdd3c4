//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log in a signed note.

use std::error::Error;
use std::fmt;

use crate::key::{Algorithm, SignerKey, VerifierKey};
use crate::leaf::Hash;
use crate::note::{Note, NoteError, SignedBy};
use crate::text::{base64, decimal, hash_from_base64};
use crate::tree::empty_root;

/// Most extension lines that are read; a Counterfoil log writes none.
pub const MAX_EXTENSIONS: usize = 16;

/// The root of a log at a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// Lines after the third, which say nothing about the tree.
    pub extensions: Vec<String>,
}

/// A checkpoint that the log's trusted key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The trusted keys of the log that signed it.
    pub log_keys: Vec<VerifierKey>,
    /// The trusted witnesses that signed it, with their times.
    pub witnesses: Vec<SignedBy>,
}

/// Which log a checkpoint must be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Of the log that its key is named after.
    OfKey,
    /// Of this log, whatever its key is named: for a log continued under a new origin.
    Is(&'a str),
}

/// Why a note is not a checkpoint to rely on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointError {
    /// The note itself.
    Note(NoteError),
    /// Its text is not that of a checkpoint: what is wrong.
    Form(&'static str),
    /// It is of another log.
    OtherLog {
        /// The log it should be of.
        expected: String,
        /// The log it names.
        found: String,
    },
    /// Only witnesses have signed it.
    NotByLog,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(e) => e.fmt(f),
            Self::Form(what) => write!(f, "this is no checkpoint: {what}; copy it whole, from its first line"),
            Self::OtherLog { expected, found } => {
                write!(f, "the checkpoint is of the log {found}, not of {expected}: take the one of this log, or this log's key")
            }
            Self::NotByLog => f.write_str("only witnesses have signed the checkpoint: give the verifier key of the log too"),
        }
    }
}

impl Error for CheckpointError {}

impl From<NoteError> for CheckpointError {
    fn from(e: NoteError) -> Self {
        Self::Note(e)
    }
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    #[must_use]
    pub fn new(origin: &str, size: u64, root: Hash) -> Self {
        Self { origin: origin.to_owned(), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// When it is not that of a checkpoint.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::Form;
        let body = text.strip_suffix('\n').ok_or(form("its text does not end with a line end"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(form("it has fewer than three lines"));
        };
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if origin.is_empty() || extensions.iter().any(String::is_empty) {
            return Err(form("a line is empty"));
        }
        if extensions.len() > MAX_EXTENSIONS {
            return Err(form("it has too many extension lines"));
        }
        let size = decimal(size).ok_or(form("its second line is not a size"))?;
        let root = hash_from_base64(root).ok_or(form("its third line is not a hash in base64"))?;
        if size == 0 && root != empty_root() {
            return Err(form("its size is 0, but its root is not that of the empty log"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Signs it with the keys of the log: one, or two while the key changes.
    ///
    /// # Errors
    /// When the origin cannot stand in a note, or without keys, or with a witness' key.
    pub fn sign(&self, keys: &[&SignerKey]) -> Result<Note, NoteError> {
        Note::sign(&self.to_string(), keys)
    }

    /// Opens a note as a checkpoint of the right log that one of its trusted keys has signed.
    /// `trusted` holds the keys of the log and of the witnesses, told apart by their algorithm.
    ///
    /// # Errors
    /// When it is not one.
    pub fn open(note: &Note, trusted: &[VerifierKey], origin: Origin<'_>) -> Result<Signed, CheckpointError> {
        let verified = note.open(trusted)?;
        let checkpoint = Self::parse(verified.text)?;
        let (logs, witnesses): (Vec<_>, Vec<_>) =
            verified.signers.into_iter().partition(|s| s.key.algorithm() == Algorithm::Ed25519);
        let log_keys: Vec<VerifierKey> = logs.into_iter().map(|s| s.key).collect();
        let first = log_keys.first().ok_or(CheckpointError::NotByLog)?;
        let other =
            |expected: &str| CheckpointError::OtherLog { expected: expected.to_owned(), found: checkpoint.origin.clone() };
        match origin {
            Origin::Is(expected) if expected != checkpoint.origin => Err(other(expected)),
            Origin::OfKey if log_keys.iter().all(|k| k.name() != checkpoint.origin) => Err(other(first.name())),
            _ => Ok(Signed { checkpoint, log_keys, witnesses }),
        }
    }
}

impl fmt::Display for Checkpoint {
    /// The text of the note: all lines, each with its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, base64(&self.root))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
