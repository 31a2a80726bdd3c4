//! The check of a whole log: every leaf hashed again, every tile compared, the root held against the
//! signed checkpoint and every one remembered, every pointer followed, every opening tried.
//!
//! It reads through [`Source`], a block of 256 leaves at a time, and keeps one state per account.
//! Levels: L0 checkpoints, L1 samples, L2 leaves and tiles, L3 what the leaves say of one another,
//! L4 (of archives) tables made from the leaves, L5 private parts.

mod accounts;
mod leaves;
mod notes;
mod remembered;
mod sample;
mod tree;

pub use leaves::{Scope, check};
pub use notes::{Opened, follow_rotations, open_notes};
pub use sample::{consistent, included};

use std::collections::BTreeMap;

use crate::export::Opening;
use crate::leaf::Hash;

/// Findings that are listed; the others are counted.
pub const MAX_FINDINGS: usize = 1_000;

/// Findings of one kind that are listed, where there may be one for every leaf.
const MAX_OF_KIND: u64 = 50;

/// Said where nothing from outside is held against a log.
const UNDETECTABLE: &str = "no checkpoint kept outside was given: what was rewritten as a whole, with its key, is undetectable";

/// Where a log is read from.
pub trait Source {
    /// Why it could not be read at all; what merely is wrong is a finding.
    type Error;

    /// The leaves from `first` to before `end` (at most 256) that are there.
    ///
    /// # Errors
    /// When they cannot be read.
    fn leaves(&mut self, first: u64, end: u64) -> Result<Vec<(u64, Vec<u8>)>, Self::Error>;

    /// The openings of leaves from `first` to before `end` (at most 256) that are there.
    ///
    /// # Errors
    /// When they cannot be read.
    fn openings(&mut self, first: u64, end: u64) -> Result<Vec<Opening>, Self::Error>;

    /// The bytes of a tile with so many hashes, or nothing when it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn tile(&mut self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The first place from `first` on at which there may be a leaf, if there is one: what a checkpoint covers may be
    /// far more than was handed over.
    ///
    /// # Errors
    /// When that cannot be told.
    fn next_from(&mut self, first: u64) -> Result<Option<u64>, Self::Error> {
        Ok(Some(first))
    }

    /// What is there of leaves from `size` on, which no signature covers: the place, and words.
    ///
    /// # Errors
    /// When it cannot be read.
    fn beyond(&mut self, size: u64) -> Result<Vec<(u64, String)>, Self::Error> {
        let _ = size;
        Ok(Vec::new())
    }
}

/// What is checked at which depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Signatures, and consistency with every checkpoint remembered.
    L0,
    /// Inclusion of samples.
    L1,
    /// Every leaf and tile, up to the root.
    L2,
    /// What the leaves say of one another.
    L3,
    /// Tables to read, against the leaves they were made from: of archives.
    L4,
    /// Private parts against their commitments.
    L5,
}

impl Level {
    /// All levels this crate checks.
    pub const ALL: [Self; 6] = [Self::L0, Self::L1, Self::L2, Self::L3, Self::L4, Self::L5];

    /// `L0` to `L5`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::L4 => "L4",
            Self::L5 => "L5",
        }
    }

    /// What it checks, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::L0 => "checkpoints: signatures and earlier states",
            Self::L1 => "samples: inclusion of single leaves",
            Self::L2 => "tree: every leaf and tile, up to the root",
            Self::L3 => "sense: numbers, times, accounts, closes",
            Self::L4 => "tables to read: every row from its leaf",
            Self::L5 => "private parts: commitments",
        }
    }
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The level that found it.
    pub level: Level,
    /// A stable word, such as `leaf_changed`.
    pub kind: &'static str,
    /// The leaf it is about.
    pub seq: Option<u64>,
    /// What is wrong, in words.
    pub detail: String,
}

/// What was checked and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings, the first [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub more: u64,
    /// Leaves that were read.
    pub leaves: u64,
    /// Those of them that are entries.
    pub entries: u64,
    /// Commitments for which no private part was handed over.
    pub unopened: u64,
    /// What is no finding, and yet to be known.
    pub said: Vec<String>,
    checked: [u64; Level::ALL.len()],
    /// How many there were of the kinds of which there may be one for every leaf.
    many: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Notes something that is wrong.
    pub fn add(&mut self, level: Level, kind: &'static str, seq: impl Into<Option<u64>>, detail: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { level, kind, seq: seq.into(), detail: detail.into() });
        } else {
            self.more += 1;
        }
    }

    /// Notes something that is wrong and of which there may be one for every leaf: the first [`MAX_OF_KIND`]
    /// of a kind are listed, so that they do not crowd out what is found once, at the end.
    pub(crate) fn add_one_of_many(
        &mut self,
        level: Level,
        kind: &'static str,
        seq: impl Into<Option<u64>>,
        detail: impl Into<String>,
    ) {
        let of_kind = self.many.entry(kind).or_default();
        *of_kind += 1;
        if *of_kind > MAX_OF_KIND {
            self.more += 1;
        } else {
            self.add(level, kind, seq, detail);
        }
    }

    /// Says what cannot be found where so many checkpoints were handed over that did not come with the log: those that
    /// came with it can be made again by whoever has its key.
    pub fn kept_outside(&mut self, count: usize) {
        if count == 0 {
            self.said.push(UNDETECTABLE.to_owned());
        }
    }

    /// Notes that so many things were looked at.
    pub fn note(&mut self, level: Level, things: u64) {
        self.checked[level as usize] += things;
    }

    /// How many things a level looked at.
    #[must_use]
    pub const fn checked(&self, level: Level) -> u64 {
        self.checked[level as usize]
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// The hashes of a tile, when it has as many as it must have.
fn hashes_of(tile: &[u8], width: usize) -> Option<&[Hash]> {
    let (hashes, rest) = tile.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == width).then_some(hashes)
}
