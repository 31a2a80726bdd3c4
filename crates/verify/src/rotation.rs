//! Changes of a log's key: a statement that the old and the new key have both signed.
//!
//! ```text
//! counterfoil-key-rotation/v1
//! <origin>
//! <size of the log just before>
//! <its root in base64>
//! <the old verifier key>
//! <the new verifier key>
//!
//! — <origin> <signature of the old key>
//! — <origin> <signature of the new key>
//! ```
//!
//! Whoever trusts one of the two follows to the other. What the old key alone signs after that size
//! counts no more: a key that was put away and stolen makes nobody believe another history.

use std::error::Error;
use std::fmt;

use crate::checkpoint::Checkpoint;
use crate::key::{Algorithm, SignerKey, VerifierKey};
use crate::leaf::Hash;
use crate::note::{Note, NoteError};
use crate::text::{base64, decimal, hash_from_base64};

/// The first line.
pub const HEADER: &str = "counterfoil-key-rotation/v1";

/// The changes in a file that may hold several, one after the other, as `/log/rotations` serves them.
/// What stands before the first is part of it, so that nothing is passed over.
#[must_use]
pub fn each(text: &str) -> Vec<&str> {
    let start = format!("\n{HEADER}\n");
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(&start) {
        let (one, others) = rest.split_at(at + 1);
        parts.push(one);
        rest = others;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// A change of the key, signed by both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Name of the log.
    pub origin: String,
    /// Leaves in the log just before.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The key that signed so far.
    pub old: VerifierKey,
    /// The key that signs from now on.
    pub new: VerifierKey,
}

/// Why a text is no change of a key to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationError {
    /// The note itself.
    Note(NoteError),
    /// Its text is not that of a change: what is wrong.
    Form(&'static str),
    /// One of the two keys has not signed it.
    OneSided(Box<VerifierKey>),
}

impl fmt::Display for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(e) => e.fmt(f),
            Self::Form(what) => write!(f, "this is no change of a key: {what}; copy it whole, from its first line"),
            Self::OneSided(key) => {
                write!(f, "the key {key} has not signed the change: ask the bank why, and trust the new key only from paper")
            }
        }
    }
}

impl Error for RotationError {}

impl From<NoteError> for RotationError {
    fn from(e: NoteError) -> Self {
        Self::Note(e)
    }
}

impl Rotation {
    /// Signs the change with both keys.
    ///
    /// # Errors
    /// When the origin cannot stand in a note, or a key is a witness'.
    pub fn sign(origin: &str, size: u64, root: Hash, old: &SignerKey, new: &SignerKey) -> Result<Note, NoteError> {
        let (from, to) = (old.verifier(), new.verifier());
        let rotation = Self { origin: origin.to_owned(), size, root, old: from, new: to };
        Note::sign(&rotation.to_string(), &[old, new])
    }

    /// Whether a text is meant to be a change of a key.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.lines().next() == Some(HEADER)
    }

    /// Reads a change and checks both signatures. Whether one of its keys is trusted is for the caller.
    ///
    /// # Errors
    /// When it is none, or when one of the keys has not signed it.
    pub fn open(note: &Note) -> Result<Self, RotationError> {
        let rotation = Self::parse(note.unverified_text())?;
        for key in [&rotation.old, &rotation.new] {
            match note.open(std::slice::from_ref(key)) {
                Ok(_) => {}
                Err(NoteError::Untrusted { .. }) => return Err(RotationError::OneSided(Box::new(key.clone()))),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(rotation)
    }

    fn parse(text: &str) -> Result<Self, RotationError> {
        let form = RotationError::Form;
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or(form("it does not end with a line end"))?.split('\n').collect();
        let [HEADER, origin, size, root, old, new] = lines[..] else { return Err(form("it has not its six lines")) };
        let key = |text: &str| {
            let key = text.parse::<VerifierKey>().ok();
            key.filter(|key| key.algorithm() == Algorithm::Ed25519 && key.name() == origin)
        };
        let (Some(old), Some(new)) = (key(old), key(new)) else { return Err(form("a key is not one of this log")) };
        if old == new {
            return Err(form("both keys are the same"));
        }
        let size = decimal(size).ok_or(form("its third line is not a size"))?;
        let root = hash_from_base64(root).ok_or(form("its fourth line is not a hash in base64"))?;
        Ok(Self { origin: origin.to_owned(), size, root, old, new })
    }

    /// The state of the log that both keys signed: as good as a checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(&self.origin, self.size, self.root)
    }
}

impl fmt::Display for Rotation {
    /// The text of the note: all lines, each with its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root, old, new } = self;
        writeln!(f, "{HEADER}\n{origin}\n{size}\n{}\n{old}\n{new}", base64(root))
    }
}

/// Adds to the trusted keys of logs, in their order, those that follow from them by changes; answers
/// the changes that were followed. Of two changes away from one key none is followed.
pub fn follow(trusted: &mut Vec<VerifierKey>, rotations: &[Rotation]) -> Vec<Rotation> {
    let once = |r: &&Rotation| rotations.iter().filter(|other| other.old == r.old).all(|other| other.new == r.new);
    let mut waiting: Vec<&Rotation> = rotations.iter().filter(once).collect();
    let mut followed = Vec::new();
    while let Some(at) = waiting.iter().position(|r| trusted.contains(&r.old) || trusted.contains(&r.new)) {
        let rotation = waiting.remove(at);
        let place = |key: &VerifierKey, trusted: &[VerifierKey]| trusted.iter().position(|k| k == key);
        match (place(&rotation.old, trusted), place(&rotation.new, trusted)) {
            (Some(old), None) => trusted.insert(old + 1, rotation.new.clone()),
            (None, Some(new)) => trusted.insert(new, rotation.old.clone()),
            _ => {}
        }
        followed.push(rotation.clone());
    }
    followed
}

/// The size from which on each of these keys counts no more, if all of them were replaced before
/// `size`: the largest of them.
#[must_use]
pub fn retired_at(rotations: &[Rotation], keys: &[VerifierKey], size: u64) -> Option<u64> {
    let retired = |key: &VerifierKey| rotations.iter().find(|r| r.old == *key).map(|r| r.size).filter(|end| *end < size);
    let ends: Option<Vec<u64>> = keys.iter().map(retired).collect();
    ends?.into_iter().max()
}
