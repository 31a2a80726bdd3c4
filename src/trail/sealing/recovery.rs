//! The recovery key: its private part lies on paper, outside; its public part in `keys.dir`, so that
//! whoever can write the database cannot put another in its place.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::db::{DbError, DbResult};

use super::super::keys::KeyFolder;
use super::boxes::{self, KEY_BYTES, Secret};

/// What the text of a private recovery key begins with.
const PREFIX: &str = "CFR1";
/// What the text of a public recovery key begins with.
const PUBLIC_PREFIX: &str = "counterfoil-recovery-1:";
/// How the file of the public key ends.
const FILE: &str = "recovery";
/// Digits of a group on paper.
const GROUP: usize = 8;
/// What the test value is for.
const CHALLENGE: &[u8] = b"counterfoil recovery challenge";

/// The private part, as long as it is in memory.
pub struct PrivateKey(Secret);

impl PrivateKey {
    /// A fresh one.
    pub fn new(clock: &Clock) -> PrivateKey {
        PrivateKey(boxes::secret(clock))
    }

    /// As it goes on paper: groups of digits, the last a check of the others.
    pub fn text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(format!("{}{}", hex::encode(self.0.as_slice()), check(&self.0)));
        let mut text = Zeroizing::new(PREFIX.to_owned());
        for at in (0..digits.len()).step_by(GROUP) {
            text.push('-');
            text.push_str(&digits[at..at + GROUP]);
        }
        text
    }

    /// As it comes from paper, in either case, with any blanks and dashes; or what is wrong with it.
    ///
    /// # Errors
    /// Words for whoever typed it.
    pub fn parse(text: &str) -> Result<PrivateKey, &'static str> {
        let plain: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>().to_ascii_lowercase());
        let digits = plain.strip_prefix("cfr1").ok_or("a recovery key begins with CFR1")?;
        if digits.len() != 2 * KEY_BYTES + GROUP || !digits.is_ascii() {
            return Err("a recovery key has nine groups of eight digits after CFR1");
        }
        let (digits, sum) = digits.split_at(2 * KEY_BYTES);
        let mut key = Secret::default();
        hex::decode_to_slice(digits, key.as_mut_slice()).map_err(|_| "only digits 0 to 9 and letters a to f are in it")?;
        if check(&key) != sum {
            return Err("the last group does not fit the others: a digit was mistyped");
        }
        Ok(PrivateKey(key))
    }

    /// Its public part.
    pub fn public(&self) -> PublicKey {
        PublicKey(boxes::public(&self.0))
    }

    /// Opens what was sealed for it.
    pub fn open(&self, purpose: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        boxes::open_with(&self.0, purpose, sealed)
    }

    /// What a test value opens to.
    pub fn answer(&self, challenge: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open(CHALLENGE, challenge)
    }
}

fn check(key: &[u8; KEY_BYTES]) -> String {
    hex::encode(&Sha256::new().chain_update("counterfoil recovery check").chain_update(key).finalize()[..GROUP / 2])
}

/// The public part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; KEY_BYTES]);

impl PublicKey {
    /// Its name: that of the key everywhere.
    pub fn name(&self) -> String {
        boxes::name(&self.0)
    }

    /// Seals for the private part.
    pub fn seal(&self, clock: &Clock, purpose: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        boxes::seal_for(&self.0, clock, purpose, text)
    }

    /// A random value sealed for the private part, by which that can show that it is there.
    pub fn challenge(&self, clock: &Clock) -> Option<Challenge> {
        let value = boxes::secret(clock);
        Some(Challenge { sealed: self.seal(clock, CHALLENGE, value.as_slice())?, answer: digest(value.as_slice()) })
    }

    /// The one that `keys.dir` holds for the log named `origin`: it was tested.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(keys: &KeyFolder, origin: &str) -> DbResult<Option<PublicKey>> {
        let Some(text) = keys.text(origin, FILE)? else { return Ok(None) };
        let key = text.trim().strip_prefix(PUBLIC_PREFIX).and_then(|digits| PublicKey::of(&hex::decode(digits).ok()?));
        let path = keys.file(origin, FILE);
        key.map(Some).ok_or_else(|| DbError::Unfit(format!("{} holds no recovery key", path.display())))
    }

    /// Keeps it as the one of the log named `origin`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, keys: &KeyFolder, origin: &str) -> DbResult<()> {
        keys.set_text(origin, FILE, &format!("{PUBLIC_PREFIX}{}\n", hex::encode(self.0)))
    }

    /// From its bytes.
    pub fn of(bytes: &[u8]) -> Option<PublicKey> {
        bytes.try_into().ok().map(PublicKey)
    }
}

/// A test value and what it opens to.
pub struct Challenge {
    /// For whoever has the private key.
    pub sealed: Vec<u8>,
    /// SHA-256 of what it opens to, in hex.
    pub answer: String,
}

/// The digest of what a test value opened to.
pub fn digest(answer: &[u8]) -> String {
    hex::encode(Sha256::digest(answer))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::Moment;

    #[test]
    fn a_key_comes_back_from_paper_and_slips_are_seen() {
        let clock = Clock::fixed(Moment(0), 5);
        let key = PrivateKey::new(&clock);
        let paper = key.text();
        assert_eq!(paper.len(), 4 + 9 * 9);
        let typed = paper.replace('-', " ").to_ascii_uppercase();
        assert_eq!(PrivateKey::parse(&typed).unwrap().public(), key.public());
        let slip = if paper.ends_with('0') { '1' } else { '0' };
        let mut wrong = paper.to_string();
        wrong.pop();
        wrong.push(slip);
        for text in [wrong.as_str(), "", "CFR1-1234", &paper.replace("CFR1", "CFR2"), &paper[..paper.len() - 1]] {
            assert!(PrivateKey::parse(text).is_err(), "{text}");
        }
        let challenge = key.public().challenge(&clock).unwrap();
        assert_eq!(digest(&key.answer(&challenge.sealed).unwrap()), challenge.answer);
        assert!(PrivateKey::new(&clock).answer(&challenge.sealed).is_none());
    }
}
