//! Proofs that travel alone (C2SP tlog-proof): where a leaf is, the hashes beside its way to the
//! root, and the signed checkpoint with that root.

use std::error::Error;
use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError, Origin, Signed};
use crate::key::VerifierKey;
use crate::leaf::Hash;
use crate::note::{MAX_BYTES, Note, NoteError};
use crate::text::{base64, decimal, from_base64, hash_from_base64};
use crate::tree::verify_inclusion;

/// The first line.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Most hashes a proof can have.
pub const MAX_HASHES: usize = 64;

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofError {
    /// It has not the form of a proof: what is wrong.
    Form(&'static str),
    /// Its checkpoint cannot be relied on.
    Checkpoint(CheckpointError),
    /// The leaf is not at this place in the log of the checkpoint.
    NotIncluded {
        /// The place.
        index: u64,
        /// The size of the log.
        size: u64,
    },
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(what) => write!(f, "this is no proof: {what}; take the file as it was handed out"),
            Self::Checkpoint(e) => e.fmt(f),
            Self::NotIncluded { index, size } => write!(
                f,
                "the leaf is not number {index} of the log of {size} leaves: leaf, place or proof was changed; ask the log for a new proof"
            ),
        }
    }
}

impl Error for ProofError {}

impl From<CheckpointError> for ProofError {
    fn from(e: CheckpointError) -> Self {
        Self::Checkpoint(e)
    }
}

impl From<NoteError> for ProofError {
    fn from(e: NoteError) -> Self {
        Self::Checkpoint(CheckpointError::Note(e))
    }
}

/// A proof, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Anything the maker added; nobody has signed it.
    pub extra: Option<Vec<u8>>,
    /// Number of the leaf.
    pub index: u64,
    /// The inclusion proof of RFC 6962.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

impl TlogProof {
    /// Reads a proof; this checks its form only.
    ///
    /// # Errors
    /// When it has not that form.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, ProofError> {
        let form = ProofError::Form;
        let bytes = bytes.as_ref();
        if bytes.len() > 2 * MAX_BYTES {
            return Err(form("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| form("it is not UTF-8 text"))?;
        let (head, note) = text.split_once("\n\n").ok_or(form("it has no empty line before its checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(form("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let mut line = lines.next();
        let mut extra = None;
        if let Some(encoded) = line.and_then(|l| l.strip_prefix("extra ")) {
            extra = Some(from_base64(encoded).ok_or(form("its extra line is not base64"))?);
            line = lines.next();
        }
        let index = line.and_then(|l| l.strip_prefix("index ")).and_then(decimal).ok_or(form("its index line is missing"))?;
        let hashes = lines.take(MAX_HASHES + 1).map(hash_from_base64).collect::<Option<Vec<_>>>();
        let hashes = hashes.ok_or(form("a line before its checkpoint is not a hash in base64"))?;
        if hashes.len() > MAX_HASHES {
            return Err(form("it has more hashes than a log can need"));
        }
        Ok(Self { extra, index, hashes, checkpoint: Note::parse(note)? })
    }

    /// Whether the leaf with this hash is in a log of which a trusted key has signed the checkpoint.
    ///
    /// # Errors
    /// When it is not, or when the checkpoint cannot be relied on.
    pub fn verify(&self, leaf: &Hash, trusted: &[VerifierKey], origin: Origin<'_>) -> Result<Signed, ProofError> {
        let signed = Checkpoint::open(&self.checkpoint, trusted, origin)?;
        let Checkpoint { size, root, .. } = &signed.checkpoint;
        if !verify_inclusion(leaf, self.index, *size, &self.hashes, root) {
            return Err(ProofError::NotIncluded { index: self.index, size: *size });
        }
        Ok(signed)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", base64(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
