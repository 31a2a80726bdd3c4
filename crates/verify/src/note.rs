//! Signed notes (C2SP signed-note): a text and signature lines under it.
//!
//! A note says nothing until it is opened with keys that came from elsewhere. Signatures of unknown
//! keys are ignored, so that a log may change its key and witnesses may sign beside it; a signature
//! of a known key that does not verify spoils the note.

use std::error::Error;
use std::fmt;

use crate::key::{Algorithm, SignerKey, VerifierKey, is_name};
use crate::mail;
use crate::text::{base64, from_base64, hex};

/// Longest note in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Most signatures under a note.
pub const MAX_SIGNATURES: usize = 64;

/// Longest signature in bytes, without the id of its key: enough for those of other algorithms.
const MAX_SIGNATURE: usize = 8 * 1024;

/// What signature lines begin with, before a space.
pub(crate) const EM_DASH: &str = "\u{2014}";

/// Why a note cannot be read, signed or trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteError {
    /// Longer than [`MAX_BYTES`].
    TooLong,
    /// Not UTF-8.
    Utf8,
    /// A control character other than a line's end.
    Control,
    /// The text does not end with a line's end.
    Unfinished,
    /// No empty line with signatures after it.
    Unsigned,
    /// A line below the text is no signature: its number, from 1.
    Line(usize),
    /// More than [`MAX_SIGNATURES`].
    TooMany,
    /// A key to trust is named, but none of the signatures is by one.
    Untrusted {
        /// The names under which it is signed.
        signed_by: Vec<String>,
    },
    /// A signature of a trusted key is not of this text.
    Forged {
        /// The name of the key.
        key: String,
    },
    /// A witness' key was asked to sign as a log, or the other way round.
    OtherUse {
        /// The name of the key.
        key: String,
    },
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the note is longer than {MAX_BYTES} bytes: this is not a checkpoint"),
            Self::Utf8 => f.write_str("the note is not UTF-8 text: save it again as it was received"),
            Self::Control => f.write_str(
                "the note has control characters (carriage returns from a mail program?): save it with plain line ends",
            ),
            Self::Unfinished => f.write_str("the note does not end with a line's end: copy it whole, with its last line end"),
            Self::Unsigned => f.write_str("the note has no signatures below an empty line: copy it whole"),
            Self::Line(n) => {
                write!(f, "signature line {n} is not `\u{2014} name base64`: copy the note whole, without wrapped lines")
            }
            Self::TooMany => write!(f, "the note has more than {MAX_SIGNATURES} signatures: this is not a checkpoint"),
            Self::Untrusted { signed_by } => write!(
                f,
                "no trusted key has signed the note (it is signed as {}): check that the key is the one on the installation's paper",
                signed_by.join(", ")
            ),
            Self::Forged { key } => {
                write!(f, "the signature of {key} is not of this text: the note was changed, or signed with another key")
            }
            Self::OtherUse { key } => {
                write!(f, "the key {key} is for another kind of signature: use the log's or the witness' own")
            }
        }
    }
}

impl Error for NoteError {}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: [u8; 4],
    /// The signature itself.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Signature {
    /// The line, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EM_DASH} {} {}", self.name, base64(&[&self.id[..], &self.bytes].concat()))
    }
}

/// A text with signatures, not yet trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// A text that trusted keys have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The text, with its last line end.
    pub text: &'a str,
    /// The trusted keys that signed it, each once, in the order of the note.
    pub signers: Vec<SignedBy>,
}

/// A trusted key that signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// The key.
    pub key: VerifierKey,
    /// When, in seconds since 1970, as a witness states it.
    pub time: Option<u64>,
}

impl Note {
    /// Reads a note; this checks its form only.
    ///
    /// # Errors
    /// When it has not the form of a signed note.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, NoteError> {
        let bytes = bytes.as_ref();
        if bytes.len() > MAX_BYTES {
            return Err(NoteError::TooLong);
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Utf8)?;
        check_text(all)?;
        let split = all.rfind("\n\n").ok_or(NoteError::Unsigned)?;
        let (text, lines) = (&all[..=split], &all[split + 2..]);
        let signatures = lines.lines().zip(1..).map(|(line, n)| signature(line).ok_or(NoteError::Line(n)));
        let signatures = signatures.take(MAX_SIGNATURES + 1).collect::<Result<Vec<_>, _>>()?;
        match signatures.len() {
            0 => Err(NoteError::Unsigned),
            n if n > MAX_SIGNATURES => Err(NoteError::TooMany),
            _ => Ok(Self { text: text.to_owned(), signatures }),
        }
    }

    /// Signs a text, which ends with a line end, with the keys of a log.
    ///
    /// # Errors
    /// When the text cannot be a note's, or without keys, or with a witness' key.
    pub fn sign(text: &str, keys: &[&SignerKey]) -> Result<Self, NoteError> {
        check_text(text)?;
        if keys.is_empty() {
            return Err(NoteError::Unsigned);
        }
        let mut note = Self { text: text.to_owned(), signatures: Vec::new() };
        for key in keys {
            expect(key, Algorithm::Ed25519)?;
            note.push(key, key.sign(text.as_bytes()).to_vec())?;
        }
        Ok(note)
    }

    /// Adds a witness' cosignature (C2SP tlog-cosignature, v1) at a time in seconds since 1970. The
    /// caller has checked that the checkpoint extends the one it knew.
    ///
    /// # Errors
    /// When the key is a log's, or there are too many signatures.
    pub fn cosign(&mut self, key: &SignerKey, time: u64) -> Result<(), NoteError> {
        expect(key, Algorithm::Cosignature)?;
        let mut bytes = time.to_be_bytes().to_vec();
        bytes.extend_from_slice(&key.sign(cosigned(&self.text, time).as_bytes()));
        self.push(key, bytes)
    }

    /// Adds the signatures of the same text that stand under another note.
    ///
    /// # Errors
    /// When there are too many signatures then.
    pub fn merge(&mut self, other: &Self) -> Result<(), NoteError> {
        if self.text == other.text {
            let new: Vec<_> = other.signatures.iter().filter(|s| !self.signatures.contains(s)).cloned().collect();
            if self.signatures.len() + new.len() > MAX_SIGNATURES {
                return Err(NoteError::TooMany);
            }
            self.signatures.extend(new);
        }
        Ok(())
    }

    fn push(&mut self, key: &SignerKey, bytes: Vec<u8>) -> Result<(), NoteError> {
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(NoteError::TooMany);
        }
        let id = key.verifier().id();
        self.signatures.push(Signature { name: key.name().to_owned(), id, bytes });
        Ok(())
    }

    /// The text and who of the trusted keys signed it.
    ///
    /// # Errors
    /// When none did, or when a signature of one of them is not of this text.
    pub fn open(&self, trusted: &[VerifierKey]) -> Result<Verified<'_>, NoteError> {
        let mut signers: Vec<SignedBy> = Vec::new();
        for signature in &self.signatures {
            let known = trusted.iter().filter(|k| k.id() == signature.id && k.name() == signature.name);
            for key in known {
                let time = verify(&self.text, signature, key).ok_or_else(|| NoteError::Forged { key: key.name().to_owned() })?;
                if !signers.iter().any(|s| s.key == *key) {
                    signers.push(SignedBy { key: key.clone(), time });
                }
            }
        }
        if signers.is_empty() {
            let signed_by = self.signatures.iter().map(|s| format!("{}+{}", s.name, hex(&s.id))).collect();
            return Err(NoteError::Untrusted { signed_by });
        }
        Ok(Verified { text: &self.text, signers })
    }

    /// The text, of which nobody has yet said that it can be trusted.
    #[must_use]
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// The signatures, not yet checked.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// What a witness signs: the checkpoint with the time before it.
fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn expect(key: &SignerKey, algorithm: Algorithm) -> Result<(), NoteError> {
    if key.algorithm() == algorithm { Ok(()) } else { Err(NoteError::OtherUse { key: key.name().to_owned() }) }
}

/// The time a witness states, or no time; nothing when the signature is not of this text.
fn verify(text: &str, signature: &Signature, key: &VerifierKey) -> Option<Option<u64>> {
    match key.algorithm() {
        Algorithm::Ed25519 => {
            let bytes = signature.bytes.as_slice().try_into().ok()?;
            key.verifies(text.as_bytes(), bytes).then_some(None)
        }
        Algorithm::Cosignature => {
            let (time, bytes) = signature.bytes.split_first_chunk()?;
            let time = u64::from_be_bytes(*time);
            let fits = i64::try_from(time).is_ok();
            (fits && key.verifies(cosigned(text, time).as_bytes(), bytes.try_into().ok()?)).then_some(Some(time))
        }
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Control);
    }
    if !text.ends_with('\n') {
        return Err(NoteError::Unfinished);
    }
    Ok(())
}

/// Whether a line is one that signs, whatever mail programs put around it.
pub(crate) fn is_signature(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| is_signature_line(&mail::bare(line)))
}

/// The same of a line with nothing around it.
pub(crate) fn is_signature_line(line: &str) -> bool {
    signature(line).is_some()
}

/// The length of a line's signature in bytes; 0 for any other line.
pub(crate) fn signature_length(line: &str) -> usize {
    signature(line).map_or(0, |signature| signature.bytes.len())
}

fn signature(line: &str) -> Option<Signature> {
    let (name, encoded) = line.strip_prefix(EM_DASH)?.strip_prefix(' ')?.split_once(' ')?;
    let bytes = from_base64(encoded)?;
    let (id, rest) = bytes.split_first_chunk()?;
    let fits = is_name(name) && !rest.is_empty() && rest.len() <= MAX_SIGNATURE;
    fits.then(|| Signature { name: name.to_owned(), id: *id, bytes: rest.to_vec() })
}
