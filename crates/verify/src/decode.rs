//! A leaf read back from its bytes: for whoever has only those.

use std::error::Error;
use std::fmt;

use crate::leaf::{EntryLeaf, EventLeaf, VERSION};

/// A leaf with the log it is of; both borrow from the bytes, so the larger one is not boxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)]
pub enum Leaf<'a> {
    /// A balance change.
    Entry(&'a str, EntryLeaf<'a>),
    /// Anything else.
    Event(&'a str, EventLeaf<'a>),
}

impl<'a> Leaf<'a> {
    /// Name of the log.
    #[must_use]
    pub const fn origin(&self) -> &'a str {
        match self {
            Self::Entry(origin, _) | Self::Event(origin, _) => origin,
        }
    }

    /// Number of the leaf, as it states it itself.
    #[must_use]
    pub const fn seq(&self) -> i64 {
        match self {
            Self::Entry(_, entry) => entry.seq,
            Self::Event(_, event) => event.seq,
        }
    }

    /// When the log took it in, in microseconds.
    #[must_use]
    pub const fn recorded_at(&self) -> i64 {
        match self {
            Self::Entry(_, entry) => entry.recorded_at,
            Self::Event(_, event) => event.recorded_at,
        }
    }

    /// The commitment (32 bytes) or random bytes (16 bytes).
    #[must_use]
    pub const fn blind(&self) -> &'a [u8] {
        match self {
            Self::Entry(_, entry) => entry.blind,
            Self::Event(_, event) => event.blind,
        }
    }
}

/// Bytes that are no leaf: at which field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotALeaf {
    /// Name of the field that cannot be read.
    pub field: &'static str,
}

impl fmt::Display for NotALeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "these bytes are no leaf of format 1: `{}` cannot be read", self.field)
    }
}

impl Error for NotALeaf {}

type Read<T> = Result<T, NotALeaf>;

/// Reads a leaf. What is read encodes to the same bytes again.
///
/// # Errors
/// When the bytes are not a leaf of format 1, or have something after it.
pub fn decode(bytes: &[u8]) -> Read<Leaf<'_>> {
    let rest = bytes.strip_prefix(&[VERSION]).ok_or(NotALeaf { field: "version" })?;
    let mut fields = Fields { rest };
    let origin = fields.text("origin")?;
    let leaf = match fields.text("word")? {
        "entry" => Leaf::Entry(origin, entry(&mut fields)?),
        "event" => Leaf::Event(origin, event(&mut fields)?),
        _ => return Err(NotALeaf { field: "word" }),
    };
    if !fields.rest.is_empty() {
        return Err(NotALeaf { field: "the end" });
    }
    Ok(leaf)
}

fn entry<'a>(f: &mut Fields<'a>) -> Read<EntryLeaf<'a>> {
    // The fields are read in the order in which they are written here.
    Ok(EntryLeaf {
        seq: f.int("seq")?,
        recorded_at: f.int("recorded_at")?,
        source: f.int("source")?,
        source_ref: f.text("source_ref")?,
        account: f.int("account")?,
        position: f.int("position")?,
        prev: f.opt_int("prev")?,
        jump: f.opt_int("jump")?,
        kind: f.int("kind")?,
        direction: f.int("direction")?,
        amount: f.int("amount")?,
        currency: f.text("currency")?,
        balance_before: f.opt_int("balance_before")?,
        balance_after: f.opt_int("balance_after")?,
        booked_at: f.int("booked_at")?,
        value_date: f.opt_int("value_date")?,
        business_date: f.int("business_date")?,
        flags: f.int("flags")?,
        transaction_ref: f.opt_text("transaction_ref")?,
        account_seq: f.opt_int("account_seq")?,
        context: f.int("context")?,
        delivery: f.int("delivery")?,
        channel: f.opt_int("channel")?,
        instrument: f.opt_int("instrument")?,
        status: f.int("status")?,
        reverses: f.opt_text("reverses")?,
        rules: f.int("rules")?,
        outcomes: f.opt_text("outcomes")?,
        blind: f.blind()?,
    })
}

fn event<'a>(f: &mut Fields<'a>) -> Read<EventLeaf<'a>> {
    Ok(EventLeaf {
        seq: f.int("seq")?,
        recorded_at: f.int("recorded_at")?,
        kind: f.text("kind")?,
        body: f.text("body")?,
        blind: f.blind()?,
    })
}

/// The fields that are still to be read.
pub(crate) struct Fields<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The bytes of the next field, or null.
    fn next(&mut self, field: &'static str) -> Read<Option<&'a [u8]>> {
        let bad = NotALeaf { field };
        let (length, rest) = self.rest.split_first_chunk().ok_or(bad)?;
        let length = u16::from_be_bytes(*length);
        if length == u16::MAX {
            self.rest = rest;
            return Ok(None);
        }
        let (value, rest) = rest.split_at_checked(usize::from(length)).ok_or(bad)?;
        self.rest = rest;
        Ok(Some(value))
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Read<&'a [u8]> {
        self.next(field)?.ok_or(NotALeaf { field })
    }

    fn text(&mut self, field: &'static str) -> Read<&'a str> {
        self.opt_text(field)?.ok_or(NotALeaf { field })
    }

    fn opt_text(&mut self, field: &'static str) -> Read<Option<&'a str>> {
        let bytes = self.next(field)?;
        bytes.map(|b| std::str::from_utf8(b).map_err(|_| NotALeaf { field })).transpose()
    }

    pub(crate) fn int<T: TryFrom<i64>>(&mut self, field: &'static str) -> Read<T> {
        self.opt_int(field)?.ok_or(NotALeaf { field })
    }

    pub(crate) fn opt_int<T: TryFrom<i64>>(&mut self, field: &'static str) -> Read<Option<T>> {
        let Some(bytes) = self.next(field)? else { return Ok(None) };
        let value = i64::from_be_bytes(bytes.try_into().map_err(|_| NotALeaf { field })?);
        T::try_from(value).map(Some).map_err(|_| NotALeaf { field })
    }

    fn blind(&mut self) -> Read<&'a [u8]> {
        let blind = self.bytes("blind")?;
        if matches!(blind.len(), 16 | 32) { Ok(blind) } else { Err(NotALeaf { field: "blind" }) }
    }
}
