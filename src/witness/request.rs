//! The body of `add-checkpoint` (C2SP tlog-witness): `old N`, the consistency proof, the note.

use counterfoil_verify::text::{base64, decimal, hash_from_base64};
use counterfoil_verify::{Hash, Note, NoteError};

/// Hashes of a proof at most.
const HASHES_MAX: usize = 63;

/// A request to sign a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The size from which the proof leads.
    pub old: u64,
    /// The consistency proof.
    pub proof: Vec<Hash>,
    /// The checkpoint, not yet trusted.
    pub note: Note,
}

/// Why a body is not a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The first line.
    #[error("the first line is not `old N`")]
    Old,
    /// A line of the proof.
    #[error("line {0} is not the base64 of a hash")]
    Proof(usize),
    /// Too many lines.
    #[error("a proof has at most {HASHES_MAX} hashes")]
    TooLong,
    /// No empty line after the proof.
    #[error("an empty line and a checkpoint must follow the proof")]
    Unfinished,
    /// The checkpoint.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not as C2SP tlog-witness has it.
    pub fn parse(body: &[u8]) -> Result<Request, RequestError> {
        let text = std::str::from_utf8(body).map_err(|_| RequestError::Old)?;
        let (head, note) = text.split_once("\n\n").ok_or(RequestError::Unfinished)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?)).ok_or(RequestError::Old)?;
        let hashes = lines.zip(2..).map(|(line, n)| hash_from_base64(line).ok_or(RequestError::Proof(n)));
        let proof: Vec<Hash> = hashes.take(HASHES_MAX + 1).collect::<Result<_, _>>()?;
        if proof.len() > HASHES_MAX {
            return Err(RequestError::TooLong);
        }
        Ok(Request { old, proof, note: Note::parse(note)? })
    }

    /// Writes a body.
    pub fn body(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| format!("{}\n", base64(hash))).collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }
}
