//! The one way into the log.
//!
//! A [`Submission`] waits in a bounded queue. The sequencer takes all that waits, gives each entry
//! its place, checks continuity, runs the rules, seals the leaf and opens alerts; the committer
//! writes the whole batch in one transaction and only then answers with receipts. Evaluating the
//! next batch overlaps committing the last; a failed commit drops every cached state and reads it
//! again. Acts of officers and commands take their turn between batches.
//!
//! Invariants: acknowledged means committed; an entry, its breaks, its hits, the alerts and the
//! mail they owe are stored together or not at all; the same reference with the same content gives
//! the first receipt again; nothing in memory is the only copy of anything.
//!
//! Not here: what an entry, a chain, a rule or an alert is (the rooms below).

mod accounts;
mod again;
mod ahead;
mod alerting;
mod batch;
mod catching_up;
mod committer;
mod consequences;
mod control;
mod decide;
mod dictionary;
mod engine;
mod entries;
mod evaluate;
mod figures;
mod handle;
mod indexer;
mod load;
mod lookback;
mod maps;
mod outcomes;
mod planted;
mod queue;
mod rebuild;
mod record;
mod references;
mod refusals;
mod rehearsal;
mod reversing;
mod rules;
pub mod runs;
mod sensitive;
mod sequencer;
mod session_key;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod trust;
mod waiting;
mod warming;

pub use dictionary::{context_fingerprint, delivery_fingerprint};
pub use handle::{Intake, StartError, start, start_with};
pub use load::rules_in_force;
pub use maps::Map;
pub use outcomes::{Outcomes, REVERSES_UNKNOWN, evidence_digest};
pub use rebuild::{Differs, Met, Rebuild, RebuildError, RecordedLeaf};
pub use refusals::SINGLY_MAX;
pub use rehearsal::{ENTRIES_MAX as REHEARSED_MAX, Rehearsal};
pub use rules::define_rules;
pub use session_key::SessionKey;
pub use state::Body;

use std::time::Duration;

use crate::ids::Seq;
use crate::ledger::{NewEntry, Refusal};

/// How long either stage waits for a database that does not answer before senders are refused.
const PATIENCE: Duration = Duration::from_secs(10);

/// Entries that are to be recorded, from one source over one way.
pub struct Submission {
    /// The source: the `seq` of the event that defined it.
    pub source: Seq,
    /// How they came.
    pub delivery: Delivery,
    /// In the sender's order.
    pub rows: Vec<Row>,
    /// All of them or none.
    pub atomic: bool,
    /// Entries of the past: alerts are raised, but mail is not owed for each.
    pub history: bool,
    /// Called once, after the commit; results are parallel to `rows`.
    pub reply: Reply,
}

/// What is called with the results.
pub type Reply = Box<dyn FnOnce(Result<Vec<RowResult>, Failed>) + Send>;

/// How entries came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// Over which way.
    pub kind: DeliveryKind,
    /// With which key.
    pub api_key: Option<Seq>,
    /// From which address or file; private.
    pub origin: Option<String>,
}

/// The ways in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryKind {
    /// HTTP.
    Api,
    /// A file.
    Import,
    /// A command.
    Command,
    /// Two officers; `forced`: whether or not the funds suffice.
    Approval {
        /// As approved. It is not stored with the delivery.
        forced: bool,
    },
}

impl DeliveryKind {
    /// As stored.
    pub fn text(self) -> &'static str {
        match self {
            DeliveryKind::Api => "api",
            DeliveryKind::Import => "import",
            DeliveryKind::Command => "command",
            DeliveryKind::Approval { .. } => "approval",
        }
    }

    /// From its text. What was approved was recorded, whatever the funds.
    pub fn parse(text: &str) -> Option<DeliveryKind> {
        let kinds = [DeliveryKind::Api, DeliveryKind::Import, DeliveryKind::Command, DeliveryKind::Approval { forced: true }];
        kinds.into_iter().find(|kind| kind.text() == text)
    }
}

/// One row of a submission.
pub struct Row {
    /// Its line in the file or its number in the array, from 1.
    pub line: u64,
    /// What was read.
    pub entry: Result<NewEntry, Refused>,
    /// Recorded together with the next row, or neither is.
    pub with_next: bool,
}

/// A row that could not be read as an entry.
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The row as sent; the caller bounds it.
    pub bytes: Vec<u8>,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowResult {
    /// It is in the log.
    Recorded(Receipt),
    /// It was in the log: the first receipt.
    Duplicate(Receipt),
    /// It is not.
    Rejected(Refusal),
}

/// What the sender keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its place in the log.
    pub seq: Seq,
    /// The leaf's RFC 6962 hash.
    pub leaf: [u8; 32],
    /// Our number of the entry on its account, from 1.
    pub position: i64,
    /// Hits decided with this entry.
    pub hits: Vec<ReceiptHit>,
    /// Breaks opened by this entry.
    pub breaks: Vec<ReceiptBreak>,
    /// How much of it its sender may read.
    pub told: Told,
    /// Free texts in which card numbers were masked.
    pub masked: u32,
}

/// How much of what is on an account the sender of an entry is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Everything: only its own entries are on the account.
    #[default]
    All,
    /// No balance that was expected: an entry of another source stands before this one, and it may be that one's.
    NoBalance,
    /// Nothing but what was sent: the account is another source's.
    Nothing,
}

/// A hit on a receipt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReceiptHit {
    /// The rule's code.
    pub rule: String,
    /// `high`, …
    pub severity: String,
    /// The alert it joined; `null` in a dry run.
    pub alert: Option<String>,
}

/// A break on a receipt; amounts as decimal text, numbers of a sequence plain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReceiptBreak {
    /// `chain`, …
    pub kind: String,
    /// What should have been there.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// found − expected.
    pub difference: Option<String>,
}

/// The batch could not be committed: nothing of it is stored; send it again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("nothing was recorded: {0}; send it again")]
pub struct Failed(pub String);

/// The queue is full: nothing was taken; try again after a second.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many entries are waiting; try again in a second")]
pub struct Busy;

/// The log is no longer written by this process.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the log is no longer written by this process")]
pub struct Stopped;
