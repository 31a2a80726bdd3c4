//! What the sender of a change is answered, and keeps.

use crate::alerts::store as alerts;
use crate::db::{Conn, DbResult};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::ledger::Refusal;

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
    pub mismatches: Vec<(String, Option<String>, Option<String>)>,
    /// Card numbers that were masked.
    pub masked: u32,
    /// Rules it hit.
    pub hits: Vec<ReceiptHit>,
}

/// A rule that a change hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptHit {
    /// Its code.
    pub rule: String,
    /// How grave.
    pub severity: Severity,
    /// The alert it joined; none while the rule runs dry.
    pub alert: Option<String>,
}

/// The hits of a change, as they were told when it was recorded.
pub(super) fn hits_again(conn: &mut Conn, seq: Seq) -> DbResult<Vec<ReceiptHit>> {
    let mut hits = Vec::new();
    for row in alerts::hits_of_entry(conn, seq)? {
        let alert = row.alert.map(|id| alerts::reference_of(conn, id)).transpose()?.flatten();
        let severity = Severity::from_code(row.severity).unwrap_or(Severity::Critical);
        hits.push(ReceiptHit { rule: row.rule, severity, alert });
    }
    Ok(hits)
}
