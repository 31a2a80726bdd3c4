//! The audit: the whole held against its log.
//!
//! [`verify`] reads every leaf once, in order, over one unchanging state of the database, and answers
//! what does not hold together: L2 every leaf and every tile hashed again, up to the root; L3 what
//! entries say (time, places, references, continuity); L4 every table that follows from the log,
//! derived again and compared; L5 every private part held against its commitment; L6 the schema
//! against the migrations of this binary. L0 and L1 need something from outside: a checkpoint.
//! Each finding names its level, table and `seq`. [`verify_account`] does as much for the history of
//! one account without reading the rest.
//!
//! Invariants: nothing is written; memory grows with accounts (and their heads at closes), breaks,
//! alerts and days, not with entries (but for eight bytes per entry up to a bound, to find repeated
//! references); findings are bounded per kind, and what lies beyond the bound is counted; every table
//! is in [`COMPARED`] or in [`EXEMPT`] with its reason. An open break is not tampering: what is
//! compared is whether the breaks are the ones the entries give.

mod account;
mod asides;
mod beside;
mod checker;
mod checkpoints;
mod classes;
mod commitments;
mod continuity;
mod definitions;
mod entries;
mod erased;
mod event;
mod expired;
mod figures;
mod filed;
mod findings;
mod follow;
mod heads;
mod hits;
mod joining;
mod learned;
mod mark;
mod noted;
mod outcomes;
mod passed;
mod ranges;
mod references;
mod repeats;
mod replay;
mod resumed;
mod reversed;
mod rows;
mod run;
mod runs;
mod sampled;
mod schema;
mod sealed;
mod settings;
mod states;
mod store;
mod stream;
mod tables;
#[cfg(test)]
mod tests;
mod tree;

use counterfoil_verify::VerifierKey;
use serde::Serialize;

pub use account::verify_account;
pub use findings::Finding;
pub use mark::{Mark, Reached};
pub use noted::{Verified, is_begun};
pub use replay::{
    BATCH as REPLAY_BATCH, Difference, Exported, LEFT_OUT, LeftOut, ReplayOptions, Replayed, Restored, TableCompared, replay,
    restore, restore_values,
};
pub use resumed::verify_resumed;
pub use run::{verify, verify_along};
pub use tables::{COMPARED, EXEMPT, Exempt};

use crate::clock::Moment;
use crate::config::Config;
use crate::ids::Seq;

/// How to verify, and whom to tell how far it is.
pub struct Options<'a> {
    /// The settings: modes and tolerances of continuity, where the log does not say them.
    pub config: &'a Config,
    /// The present time: a session that has been over for a while may be gone.
    pub now: Moment,
    /// Called with leaves done and leaves in all, now and then.
    pub progress: &'a dyn Fn(u64, u64),
    /// What the caller brings from outside.
    pub given: &'a Given,
}

/// What the caller knows from outside: the only thing that shows a log rewritten as a whole.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Verifier keys of the log; without any, the key in `keys.dir` is used.
    pub keys: Vec<VerifierKey>,
    /// Checkpoints kept, as files or mails: their names and contents.
    pub checkpoints: Vec<(String, Vec<u8>)>,
}

impl Given {
    /// Nothing from outside.
    pub const NONE: &'static Given = &Given { keys: Vec::new(), checkpoints: Vec::new() };
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Whether there are no findings.
    pub ok: bool,
    /// Leaves in the log.
    pub size: Seq,
    /// The root that the log state has, in hex.
    pub root: String,
    /// What was looked at, level by level.
    pub levels: Vec<Level>,
    /// How many findings there are; of each kind, the first 1,000 are listed.
    pub found: u64,
    /// What does not hold, by level, table and `seq`.
    pub findings: Vec<Finding>,
    /// What is not compared, and why.
    pub exempt: &'static [Exempt],
}

/// One level of the verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    /// `L0` to `L6`.
    pub level: &'static str,
    /// What it is about, in words.
    pub name: &'static str,
    /// How many things were looked at: leaves and tiles, entries, rows, private parts.
    pub checked: u64,
    /// Whether it has no findings.
    pub ok: bool,
    /// What its count does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Checkpoints.
const L0: &str = "L0";
/// Inclusion.
const L1: &str = "L1";
/// Leaves and tiles.
const L2: &str = "L2";
/// What entries say.
const L3: &str = "L3";
/// Tables that follow from the log.
const L4: &str = "L4";
/// Private parts.
const L5: &str = "L5";
/// The schema.
const L6: &str = "L6";

/// The levels with their names.
const LEVELS: [(&str, &str); 7] = [
    (L0, "signed checkpoints"),
    (L1, "inclusion in them, sampled"),
    (L2, "every leaf and tile hashed again"),
    (L3, "order, references and continuity"),
    (L4, "tables that follow from the log"),
    (L5, "private parts"),
    (L6, "triggers, indexes and views"),
];
