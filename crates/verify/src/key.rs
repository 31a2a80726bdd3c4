//! Keys of signed notes, as C2SP signed-note and the Go package `sumdb/note` write them.
//!
//! A verifier key is public: `name+id+base64(algorithm || public key)`. A signer key is the secret
//! that belongs to it: `PRIVATE+KEY+name+id+base64(algorithm || seed)`. The id is the first four
//! bytes of SHA-256(name || newline || algorithm || public key), in hexadecimal.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::text::{base64, from_base64, from_hex, hex};

const SECRET: &str = "PRIVATE+KEY+";

/// Longest name of a key in bytes.
pub const MAX_NAME: usize = 255;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The text of a note, with Ed25519 (0x01): what a log does.
    Ed25519,
    /// A checkpoint and the time, with Ed25519 (0x04, C2SP tlog-cosignature): what a witness does.
    Cosignature,
}

impl Algorithm {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Ed25519),
            4 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// Not three parts with a `+` between them.
    Form,
    /// The name is empty, too long, or has a space, a `+` or a control character.
    Name,
    /// The id is not eight hexadecimal digits.
    Id,
    /// The id is not that of the name and the key: one of the three was changed.
    OtherId {
        /// What the name and the key give.
        expected: String,
    },
    /// The last part is not base64 of an algorithm and 32 bytes.
    Material,
    /// An algorithm this program does not know.
    Algorithm(u8),
    /// 32 bytes that are no public key, or one that anybody could sign for.
    Point,
    /// A secret key stands where a public one is expected.
    Secret,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("a key has the form name+id+base64: copy it whole, in one line"),
            Self::Name => write!(f, "the name of a key has 1 to {MAX_NAME} bytes and neither spaces nor `+`: choose another"),
            Self::Id => f.write_str("the id of a key is eight hexadecimal digits: copy the key again"),
            Self::OtherId { expected } => {
                write!(f, "the id of the key does not belong to it (its own is {expected}): copy the key again from its source")
            }
            Self::Material => f.write_str("the last part of the key is not base64 of 33 bytes: copy the key again"),
            Self::Algorithm(byte) => {
                write!(f, "the key is of kind {byte:#04x}, known are 0x01 (Ed25519) and 0x04 (cosignature): use one of those")
            }
            Self::Point => f.write_str("the key is not a usable Ed25519 public key: ask for another"),
            Self::Secret => f.write_str("this is the secret key: keep it to yourself, and use the verifier key here"),
        }
    }
}

impl Error for KeyError {}

/// A public key by which a note is trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    algorithm: Algorithm,
    point: VerifyingKey,
}

impl VerifierKey {
    /// A key from its parts.
    ///
    /// # Errors
    /// When the name cannot be one, or the bytes are no public key.
    pub fn new(name: &str, algorithm: Algorithm, public: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let point = VerifyingKey::from_bytes(public).map_err(|_| KeyError::Point)?;
        if point.is_weak() {
            return Err(KeyError::Point);
        }
        Ok(Self { name: name.to_owned(), id: key_id(name, algorithm, public), algorithm, point })
    }

    /// The name: for a log its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The four bytes that stand before its signatures.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The 32 bytes of the public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.point.to_bytes()
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.point.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex(&self.id), material(self.algorithm, &self.public()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.starts_with(SECRET) {
            return Err(KeyError::Secret);
        }
        let (name, id, algorithm, public) = parts(text)?;
        let key = Self::new(name, algorithm, &public)?;
        if key.id != id {
            return Err(KeyError::OtherId { expected: hex(&key.id) });
        }
        Ok(key)
    }
}

/// A secret key that signs notes. It is never printed but by [`SignerKey::secret`].
#[derive(Clone)]
pub struct SignerKey {
    name: String,
    algorithm: Algorithm,
    secret: SigningKey,
}

impl SignerKey {
    /// The key of a log, from 32 random bytes.
    ///
    /// # Errors
    /// When the name cannot be one.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, Algorithm::Ed25519, &seed)
    }

    /// The key of a witness, from 32 random bytes. Never the seed of a log's key.
    ///
    /// # Errors
    /// When the name cannot be one.
    pub fn witness_from_seed(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, Algorithm::Cosignature, &seed)
    }

    fn new(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), algorithm, secret: SigningKey::from_bytes(seed) })
    }

    /// The name: for a log its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        let point = self.secret.verifying_key();
        let id = key_id(&self.name, self.algorithm, point.as_bytes());
        VerifierKey { name: self.name.clone(), id, algorithm: self.algorithm, point }
    }

    /// The secret in the form of the Go package: whoever reads it can sign.
    #[must_use]
    pub fn secret(&self) -> String {
        let id = hex(&self.verifier().id);
        format!("{SECRET}{}+{id}+{}", self.name, material(self.algorithm, self.secret.as_bytes()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey(of {})", self.verifier())
    }
}

impl FromStr for SignerKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, algorithm, seed) = parts(text.strip_prefix(SECRET).ok_or(KeyError::Form)?)?;
        let key = Self::new(name, algorithm, &seed)?;
        let expected = key.verifier().id;
        if expected != id {
            return Err(KeyError::OtherId { expected: hex(&expected) });
        }
        Ok(key)
    }
}

/// The name, the id, the algorithm and the 32 bytes of a key.
type Parts<'a> = (&'a str, [u8; 4], Algorithm, [u8; 32]);

fn parts(text: &str) -> Result<Parts<'_>, KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    let id = from_hex(id).and_then(|id| id.try_into().ok()).ok_or(KeyError::Id)?;
    let key = from_base64(key).ok_or(KeyError::Material)?;
    let (algorithm, bytes) = key.split_first().ok_or(KeyError::Material)?;
    let algorithm = Algorithm::of(*algorithm).ok_or(KeyError::Algorithm(*algorithm))?;
    Ok((name, id, algorithm, bytes.try_into().map_err(|_| KeyError::Material)?))
}

/// Whether a key, and so a signature line, may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && name.len() <= MAX_NAME && !name.contains(odd)
}

fn check_name(name: &str) -> Result<(), KeyError> {
    if is_name(name) { Ok(()) } else { Err(KeyError::Name) }
}

fn key_id(name: &str, algorithm: Algorithm, public: &[u8; 32]) -> [u8; 4] {
    let sha = Sha256::new().chain_update(name).chain_update(b"\n").chain_update([algorithm.byte()]).chain_update(public);
    let hash: [u8; 32] = sha.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn material(algorithm: Algorithm, bytes: &[u8; 32]) -> String {
    base64(&[&[algorithm.byte()], &bytes[..]].concat())
}
