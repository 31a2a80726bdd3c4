//! What a leaf holds beside what can be guessed: a salted commitment to its private parts, or
//! random bytes where it has none. Whoever makes a leaf again, from what was recorded of it, brings
//! the salt or, where the private parts are gone, the bytes themselves.

use std::collections::BTreeMap;

use counterfoil_verify::{Hash, TooLong, commitment};

use crate::clock::Clock;
use crate::ids::Seq;

/// What a leaf holds beside what can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    /// The commitment to its private parts.
    Commitment(Hash),
    /// Random bytes where there are none.
    Random([u8; 16]),
}

impl Blind {
    /// As the leaf holds it.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Blind::Commitment(hash) => hash,
            Blind::Random(bytes) => bytes,
        }
    }

    /// From what a leaf holds.
    pub fn of(bytes: &[u8]) -> Option<Blind> {
        let random = || Some(Blind::Random(bytes.try_into().ok()?));
        bytes.try_into().ok().map(Blind::Commitment).or_else(random)
    }
}

/// How a leaf was blinded when it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What the leaf holds.
    pub blind: Blind,
    /// The salt, as long as the private parts are there; without them the commitment stands.
    pub salt: Option<[u8; 32]>,
}

/// How leaves that are made again were blinded; empty while a log is written.
#[derive(Clone, Debug, Default)]
pub struct Blinds {
    recorded: BTreeMap<Seq, Recorded>,
}

impl Blinds {
    /// Says how the leaf at `seq` was blinded.
    pub fn expect(&mut self, seq: Seq, recorded: Recorded) {
        self.recorded.insert(seq, recorded);
    }

    /// Forgets what was said and not used.
    pub fn clear(&mut self) {
        self.recorded.clear();
    }

    /// Blinds the leaf at `seq`: answers what it holds, and the salt if private parts are to be kept.
    pub(super) fn blind(
        &mut self,
        clock: &Clock,
        seq: Seq,
        parts: Option<&[Option<&str>]>,
    ) -> Result<(Blind, Option<[u8; 32]>), TooLong> {
        let recorded = if self.recorded.is_empty() { None } else { self.recorded.remove(&seq) };
        let salt = match (recorded, parts) {
            (Some(Recorded { blind, salt: None }), _) => return Ok((blind, None)),
            (_, None) => return Ok((Blind::Random(clock.random()), None)),
            (Some(Recorded { salt: Some(salt), .. }), Some(_)) => salt,
            (None, Some(_)) => clock.random(),
        };
        Ok((Blind::Commitment(commitment(&salt, parts.unwrap_or_default())?), Some(salt)))
    }
}
