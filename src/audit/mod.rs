//! The audit: the whole held against its log.
//!
//! [`verify`] reads every leaf once, in order, over one unchanging state of the database, and answers
//! what does not hold together: L2 every leaf and every tile hashed again, up to the root; L3 what
//! entries say (time, places, references, continuity); L4 every table that follows from the log,
//! derived again and compared; L5 every private part held against its commitment. Each finding names
//! its level, table and `seq`.
//!
//! Invariants: nothing is written; memory grows with accounts, breaks and days, not with entries
//! (but for eight bytes per entry up to a bound, to find repeated references); findings are bounded
//! per kind, and what lies beyond the bound is counted. An open break is not tampering: what is
//! compared is whether the breaks are the ones the entries give.
//!
//! Not here: signatures and outside checkpoints (L0, L1), and the schema itself (L6).

mod checker;
mod commitments;
mod continuity;
mod definitions;
mod entries;
mod figures;
mod findings;
mod hits;
mod outcomes;
mod promises;
mod ranges;
mod references;
mod repeats;
mod run;
mod store;
#[cfg(test)]
mod tests;
mod tree;

use serde::Serialize;

pub use findings::Finding;
pub use run::verify;

use crate::config::Source;

/// What to verify, and whom to tell how far it is.
pub struct Options<'a> {
    /// Check the continuity of this account only; everything else is checked whole.
    pub account: Option<String>,
    /// `[[source]]` of the configuration: modes and tolerances of continuity.
    pub sources: &'a [Source],
    /// Called with leaves done and leaves in all, now and then.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Whether there are no findings.
    pub ok: bool,
    /// What was looked at, level by level.
    pub levels: Vec<Level>,
    /// What does not hold, by level, table and `seq`.
    pub findings: Vec<Finding>,
}

/// One level of the verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    /// `L2` to `L5`.
    pub level: &'static str,
    /// What it is about, in words.
    pub name: &'static str,
    /// How many things were looked at: leaves and tiles, entries, rows, private parts.
    pub checked: u64,
    /// Whether it has no findings.
    pub ok: bool,
}

/// Leaves and tiles.
const L2: &str = "L2";
/// What entries say.
const L3: &str = "L3";
/// Tables that follow from the log.
const L4: &str = "L4";
/// Private parts.
const L5: &str = "L5";

/// The levels with their names.
const LEVELS: [(&str, &str); 4] = [
    (L2, "every leaf and tile hashed again"),
    (L3, "order, references and continuity"),
    (L4, "tables that follow from the log"),
    (L5, "private parts"),
];
