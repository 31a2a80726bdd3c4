//! What comes in to be recorded, and what its sender gets back.

use crate::ids::Seq;
use crate::ledger::Refusal;

use super::change::NewChange;
use super::event::Told;
use super::judge::ReceiptHit;

/// A row of a submission.
pub struct Row {
    /// Its line or number, from 1.
    pub line: u64,
    /// What was read.
    pub change: Result<NewChange, Refusal>,
    /// As it was sent, bounded.
    pub bytes: Vec<u8>,
}

/// From whom changes come.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The source.
    pub source: Seq,
    /// With which key.
    pub key: Option<Seq>,
    /// From which address or file.
    pub origin: Option<String>,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeResult {
    /// It is in the log.
    Recorded(ChangeReceipt),
    /// It was in the log: the first receipt.
    Duplicate(ChangeReceipt),
    /// It changes nothing, so it is not recorded; the record's newest change, if there is one.
    Unchanged(Option<Seq>),
    /// It is not.
    Rejected(Refusal),
}

/// What the sender keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeReceipt {
    /// Its place in the log.
    pub seq: Seq,
    /// The leaf's RFC 6962 hash.
    pub leaf: [u8; 32],
    /// The number of the change on the record, from 1.
    pub version: i64,
    /// Where `before` is not our last state: path, what we have, what was sent.
    pub mismatches: Vec<Told>,
    /// Card numbers that were masked.
    pub masked: u32,
    /// Rules it hit.
    pub hits: Vec<ReceiptHit>,
}
