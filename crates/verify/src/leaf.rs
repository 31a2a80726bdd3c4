//! The bytes of a leaf, its hash, and the commitment to private parts.
//!
//! A leaf is the version byte followed by fields. A field is its length as a
//! big-endian `u16` and that many bytes; a null is the length `0xFFFF` alone.
//! An integer of any width is eight bytes, big-endian two's complement; a text
//! is its UTF-8 bytes. The first field is the origin of the log, the second
//! the word `entry` or `event`, then the fields of the struct in order.
//!
//! Amounts are minor units of the currency, times are microseconds since
//! 1970-01-01T00:00:00 UTC, dates are days since 1970-01-01.

use std::error::Error;
use std::fmt;

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The version of the leaf encoding, the first byte of every leaf.
pub const VERSION: u8 = 1;

/// The longest field in bytes: one less than the length that stands for null.
pub const MAX_FIELD: usize = 0xFFFE;

const NULL: [u8; 2] = [0xFF, 0xFF];
const COMMITMENT_PREFIX: u8 = 0x02;

/// A balance change, as its leaf holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryLeaf<'a> {
    /// Number of the leaf in the log, from 0.
    pub seq: i64,
    /// When the log took it in, in microseconds.
    pub recorded_at: i64,
    /// `seq` of the event that defined the source.
    pub source: i64,
    /// What the source calls this entry.
    pub source_ref: &'a str,
    /// `seq` of the event that defined the account.
    pub account: i64,
    /// Number of the entry on its account, from 1.
    pub position: i64,
    /// `seq` of the entry before it on the account; null at position 1.
    pub prev: Option<i64>,
    /// `seq` of the account's entry at [`jump_position`]; null at position 1.
    pub jump: Option<i64>,
    /// Deposit 1, withdrawal 2, transfer 3, payment 4, card 5, fee 6,
    /// interest 7, adjustment 8, reversal 9.
    pub kind: i16,
    /// Credit 1, debit -1.
    pub direction: i16,
    /// Amount in minor units.
    pub amount: i64,
    /// ISO 4217 letters of the currency.
    pub currency: &'a str,
    /// Balance before, in minor units, when stated.
    pub balance_before: Option<i64>,
    /// Balance after, in minor units, when stated.
    pub balance_after: Option<i64>,
    /// When the source booked it, in microseconds.
    pub booked_at: i64,
    /// Value date in days, when stated.
    pub value_date: Option<i32>,
    /// Business date in days.
    pub business_date: i32,
    /// Bit 0 (1): the business date was stated by the sender.
    pub flags: i16,
    /// The transaction the entry belongs to, as the source names it.
    pub transaction_ref: Option<&'a str>,
    /// The source's own number of the entry on the account.
    pub account_seq: Option<i64>,
    /// `seq` of the event that defined the context (session and address).
    pub context: i64,
    /// `seq` of the event that defined the delivery it came with.
    pub delivery: i64,
    /// Branch 1, ATM 2, online 3, mobile 4, card 5, API 6, batch 7.
    pub channel: Option<i16>,
    /// Cash 1, transfer 2, card 3, cheque 4, other 5.
    pub instrument: Option<i16>,
    /// Booked 1, attempted 2.
    pub status: i16,
    /// The source's reference of the entry that this one reverses.
    pub reverses: Option<&'a str>,
    /// `seq` of the event that put the rule set in force.
    pub rules: i64,
    /// Every outcome that is not clear, as the text stored.
    pub outcomes: Option<&'a str>,
    /// The [`commitment`] when the entry has private parts, else 16 random bytes.
    pub blind: &'a [u8],
}

/// Anything else the log records, as its leaf holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLeaf<'a> {
    /// Number of the leaf in the log, from 0.
    pub seq: i64,
    /// When the log took it in, in microseconds.
    pub recorded_at: i64,
    /// What happened, such as `log.created`.
    pub kind: &'a str,
    /// The public JSON text exactly as stored.
    pub body: &'a str,
    /// The [`commitment`] when the event has a private part, else 16 random bytes.
    pub blind: &'a [u8],
}

/// A field does not fit its two length bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// Name of the field.
    pub field: &'static str,
    /// Its length in bytes; [`MAX_FIELD`] is the most that fits.
    pub bytes: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, bytes } = self;
        write!(f, "{field} has {bytes} bytes, the most is {MAX_FIELD}")
    }
}

impl Error for TooLong {}

impl EntryLeaf<'_> {
    /// Appends the bytes of the leaf to `out`.
    ///
    /// # Errors
    /// When a field is longer than [`MAX_FIELD`]; `out` is then as it was.
    pub fn encode(&self, origin: &str, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let start = out.len();
        self.fields(origin, out).inspect_err(|_| out.truncate(start))
    }

    fn fields(&self, origin: &str, out: &mut Vec<u8>) -> Result<(), TooLong> {
        begin(out, origin, "entry")?;
        int(out, self.seq);
        int(out, self.recorded_at);
        int(out, self.source);
        text(out, "source_ref", self.source_ref)?;
        int(out, self.account);
        int(out, self.position);
        opt_int(out, self.prev);
        opt_int(out, self.jump);
        int(out, self.kind);
        int(out, self.direction);
        int(out, self.amount);
        text(out, "currency", self.currency)?;
        opt_int(out, self.balance_before);
        opt_int(out, self.balance_after);
        int(out, self.booked_at);
        opt_int(out, self.value_date);
        int(out, self.business_date);
        int(out, self.flags);
        opt_text(out, "transaction_ref", self.transaction_ref)?;
        opt_int(out, self.account_seq);
        int(out, self.context);
        int(out, self.delivery);
        opt_int(out, self.channel);
        opt_int(out, self.instrument);
        int(out, self.status);
        opt_text(out, "reverses", self.reverses)?;
        int(out, self.rules);
        opt_text(out, "outcomes", self.outcomes)?;
        bytes(out, "blind", self.blind)
    }
}

/// What every leaf of an entry in the log named `origin` begins with; its fields follow in order.
///
/// # Errors
/// When the name is longer than [`MAX_FIELD`].
pub fn entry_prefix(origin: &str) -> Result<Vec<u8>, TooLong> {
    let mut out = Vec::new();
    begin(&mut out, origin, "entry")?;
    Ok(out)
}

impl EventLeaf<'_> {
    /// Appends the bytes of the leaf to `out`.
    ///
    /// # Errors
    /// When a field is longer than [`MAX_FIELD`]; `out` is then as it was.
    pub fn encode(&self, origin: &str, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let start = out.len();
        self.fields(origin, out).inspect_err(|_| out.truncate(start))
    }

    fn fields(&self, origin: &str, out: &mut Vec<u8>) -> Result<(), TooLong> {
        begin(out, origin, "event")?;
        int(out, self.seq);
        int(out, self.recorded_at);
        text(out, "kind", self.kind)?;
        text(out, "body", self.body)?;
        bytes(out, "blind", self.blind)
    }
}

/// The fields of a leaf in order, read back: `None` for a null. The first two are the origin and
/// the word `entry` or `event`. Ends early where the bytes are cut off.
pub fn fields(leaf: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = leaf.get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        if *length == NULL {
            rest = after;
            return Some(None);
        }
        let (field, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        Some(Some(field))
    })
}

/// The hash of a leaf's bytes, with the leaf prefix of RFC 6962.
#[must_use]
pub fn hash(bytes: &[u8]) -> Hash {
    crate::tree::leaf_hash(bytes)
}

/// The commitment to private parts: SHA-256 over `0x02`, the salt, and each
/// part as a field of a leaf.
///
/// An entry has the parts party, counterparty, counterparty name,
/// counterparty country and reason, always all five in this order; an event
/// has one part, its private JSON text.
///
/// # Errors
/// When a part is longer than [`MAX_FIELD`].
pub fn commitment(salt: &[u8; 32], parts: &[Option<&str>]) -> Result<Hash, TooLong> {
    let mut sha = Sha256::new();
    sha.update([COMMITMENT_PREFIX]);
    sha.update(salt);
    for part in parts {
        match part {
            None => sha.update(NULL),
            Some(part) => {
                sha.update(length("private part", part.as_bytes())?);
                sha.update(part);
            }
        }
    }
    Ok(sha.finalize().into())
}

/// The position an entry's `jump` leads to, for the entry at `position`.
///
/// With positions counted from zero, entry `n` jumps to `n & (n - 1)`: `n`
/// without its lowest set bit. By jumps, and by `prev` where a jump would lead
/// too far, an entry with a number of `d` bits reaches any earlier one in at most
/// `d * (d + 1) / 2` steps. Null for the first entry, and below position 1.
#[must_use]
pub const fn jump_position(position: i64) -> Option<i64> {
    if position <= 1 {
        return None;
    }
    let n = position - 1;
    Some((n & (n - 1)) + 1)
}

/// Appends an integer field.
pub(crate) fn put_int(out: &mut Vec<u8>, value: i64) {
    int(out, value);
}

/// Appends an integer field, or null.
pub(crate) fn put_opt_int(out: &mut Vec<u8>, value: Option<i64>) {
    opt_int(out, value);
}

/// Appends a hash as a field.
pub(crate) fn put_hash(out: &mut Vec<u8>, value: &Hash) {
    out.extend_from_slice(&[0, 32]);
    out.extend_from_slice(value);
}

fn begin(out: &mut Vec<u8>, origin: &str, word: &'static str) -> Result<(), TooLong> {
    out.reserve(512);
    out.push(VERSION);
    text(out, "origin", origin)?;
    text(out, "word", word)
}

fn int(out: &mut Vec<u8>, value: impl Into<i64>) {
    let mut field = [0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    field[2..].copy_from_slice(&value.into().to_be_bytes());
    out.extend_from_slice(&field);
}

fn opt_int(out: &mut Vec<u8>, value: Option<impl Into<i64>>) {
    match value {
        Some(value) => int(out, value),
        None => out.extend_from_slice(&NULL),
    }
}

fn text(out: &mut Vec<u8>, name: &'static str, value: &str) -> Result<(), TooLong> {
    bytes(out, name, value.as_bytes())
}

fn opt_text(out: &mut Vec<u8>, name: &'static str, value: Option<&str>) -> Result<(), TooLong> {
    match value {
        Some(value) => return text(out, name, value),
        None => out.extend_from_slice(&NULL),
    }
    Ok(())
}

fn bytes(out: &mut Vec<u8>, name: &'static str, value: &[u8]) -> Result<(), TooLong> {
    out.extend_from_slice(&length(name, value)?);
    out.extend_from_slice(value);
    Ok(())
}

fn length(field: &'static str, value: &[u8]) -> Result<[u8; 2], TooLong> {
    let bytes = value.len();
    match u16::try_from(bytes) {
        Ok(length) if bytes <= MAX_FIELD => Ok(length.to_be_bytes()),
        _ => Err(TooLong { field, bytes }),
    }
}
