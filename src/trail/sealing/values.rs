//! Single values that are sealed one by one, each with the salt of its own commitment.

use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::super::keys::book;
use super::boxes::{self, KEY_BYTES, NONCE_BYTES};

/// A sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    /// The data key.
    pub data_key: Seq,
    /// The nonce.
    pub nonce: Vec<u8>,
    /// Salt and value.
    pub sealed: Vec<u8>,
}

/// Where a value belongs: the event, which of its values, and what the event commits to.
#[derive(Clone, Copy, Debug)]
pub struct ValuePlace<'a> {
    /// The event.
    pub seq: Seq,
    /// Which of its values, from 0.
    pub n: i32,
    /// The commitment.
    pub commitment: &'a [u8],
}

impl ValuePlace<'_> {
    fn purpose(&self, origin: &str) -> Vec<u8> {
        let mut purpose = b"counterfoil event value".to_vec();
        let book = book(origin);
        purpose.extend_from_slice(&(book.len() as u64).to_be_bytes());
        purpose.extend_from_slice(book.as_bytes());
        purpose.extend_from_slice(&self.seq.to_be_bytes());
        purpose.extend_from_slice(&self.n.to_be_bytes());
        purpose.extend_from_slice(self.commitment);
        purpose
    }
}

/// Seals a value, or that there is none, with its salt.
pub(super) fn seal(
    (id, key): (Seq, &[u8; KEY_BYTES]),
    clock: &Clock,
    (origin, place): (&str, &ValuePlace<'_>),
    (salt, value): (&[u8; 32], Option<&str>),
) -> Option<SealedValue> {
    let mut text = Zeroizing::new(salt.to_vec());
    text.push(u8::from(value.is_some()));
    text.extend_from_slice(value.unwrap_or_default().as_bytes());
    let nonce = clock.random::<NONCE_BYTES>();
    let sealed = boxes::seal(key, &nonce, &place.purpose(origin), &text)?;
    Some(SealedValue { data_key: id, nonce: nonce.to_vec(), sealed })
}

/// What was opened: the salt, and the value if there is one.
pub type OpenedValue = ([u8; 32], Option<String>);

fn open(key: &[u8; KEY_BYTES], origin: &str, place: &ValuePlace<'_>, value: &SealedValue) -> Option<OpenedValue> {
    let text = boxes::open(key, &value.nonce, &place.purpose(origin), &value.sealed)?;
    let (salt, rest) = text.split_at_checked(32)?;
    let (there, value) = rest.split_first()?;
    let value = std::str::from_utf8(value).ok()?;
    match there {
        0 if value.is_empty() => Some((salt.try_into().ok()?, None)),
        1 => Some((salt.try_into().ok()?, Some(value.to_owned()))),
        _ => None,
    }
}

impl super::Opener {
    /// Opens a single value; `None` if the key is not at hand or the box is not the one that was sealed
    /// there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open_value(&mut self, conn: &mut Conn, place: &ValuePlace<'_>, value: &SealedValue) -> DbResult<Option<OpenedValue>> {
        self.learn(conn, value.data_key)?;
        Ok(self.key(value.data_key).and_then(|key| open(key, self.origin(), place, value)))
    }
}
