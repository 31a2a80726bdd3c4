//! What is sealed of an entry: some of its private parts, with the salt of all of them. With the salt
//! in the clear, a guess could be held against the commitment in the leaf.

use zeroize::Zeroizing;

use super::super::keys::book;
use super::boxes::{self, KEY_BYTES, NONCE_BYTES};
use super::store::SealedPartRow;
use crate::clock::Clock;
use crate::ids::Seq;

/// Private parts of an entry, in the order of the commitment.
pub const FIELDS: [&str; 5] = crate::config::PRIVATE_FIELDS;

/// A set of these fields: bit `i` stands for the one at `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub i16);

impl Fields {
    /// The fields of these names; a name that is none of them is left out.
    pub fn named(names: &[String]) -> Fields {
        Fields(names.iter().filter_map(|name| FIELDS.iter().position(|field| field == name)).fold(0, |bits, i| bits | 1 << i))
    }

    /// Those of them that have a value.
    pub fn present(self, parts: &[Option<&str>; 5]) -> Fields {
        Fields((0..5).filter(|i| self.has(*i) && parts[*i].is_some()).fold(0, |bits, i| bits | 1 << i))
    }

    /// Whether the field at `i` is among them.
    pub fn has(self, i: usize) -> bool {
        self.0 & 1 << i != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their names.
    pub fn names(self) -> Vec<&'static str> {
        FIELDS.iter().enumerate().filter(|(i, _)| self.has(*i)).map(|(_, name)| *name).collect()
    }
}

/// What was opened of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The salt of all its private parts.
    pub salt: [u8; 32],
    /// The sealed ones; `None` for every other.
    pub parts: [Option<String>; 5],
}

/// Where a box belongs: log, place, and the commitment in the leaf.
pub struct Place<'a> {
    /// The log's name.
    pub origin: &'a str,
    /// The entry.
    pub seq: Seq,
    /// What its leaf commits to.
    pub blind: &'a [u8],
}

impl Place<'_> {
    fn purpose(&self, fields: Fields) -> Vec<u8> {
        let mut purpose = b"counterfoil entry parts".to_vec();
        // The book, not the log: it goes on under another name after a loss, with the same boxes.
        let book = book(self.origin);
        purpose.extend_from_slice(&(book.len() as u64).to_be_bytes());
        purpose.extend_from_slice(book.as_bytes());
        purpose.extend_from_slice(&self.seq.to_be_bytes());
        purpose.extend_from_slice(self.blind);
        purpose.extend_from_slice(&fields.0.to_be_bytes());
        purpose
    }
}

/// Seals `fields` of `parts` and their salt under a data key.
pub(super) fn seal(
    (id, key): (Seq, &[u8; KEY_BYTES]),
    clock: &Clock,
    place: &Place<'_>,
    fields: Fields,
    (salt, parts): (&[u8; 32], &[Option<&str>; 5]),
) -> Option<SealedPartRow> {
    let mut text = Zeroizing::new(salt.to_vec());
    for (_, part) in parts.iter().enumerate().filter(|(i, _)| fields.has(*i)) {
        let part = part.unwrap_or_default().as_bytes();
        text.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
        text.extend_from_slice(part);
    }
    let nonce = clock.random::<NONCE_BYTES>();
    let sealed = boxes::seal(key, &nonce, &place.purpose(fields), &text)?;
    Some(SealedPartRow { seq: place.seq, data_key: id, fields: fields.0, nonce: nonce.to_vec(), sealed })
}

/// Opens what [`seal`] made.
pub(super) fn open(key: &[u8; KEY_BYTES], place: &Place<'_>, row: &SealedPartRow) -> Option<Opened> {
    let fields = Fields(row.fields);
    let text = boxes::open(key, &row.nonce, &place.purpose(fields), &row.sealed)?;
    let (salt, mut rest) = text.split_at_checked(32)?;
    let mut opened = Opened { salt: salt.try_into().ok()?, parts: Default::default() };
    for i in (0..5).filter(|i| fields.has(*i)) {
        let (length, more) = rest.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let (part, more) = more.split_at_checked(length)?;
        opened.parts[i] = Some(std::str::from_utf8(part).ok()?.to_owned());
        rest = more;
    }
    rest.is_empty().then_some(opened)
}
