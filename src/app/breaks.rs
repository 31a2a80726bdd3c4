//! Breaks of entries and of records alike: proposing an explanation, and carrying it out.

use serde_json::Value;

use crate::alerts;
use crate::approvals::{Kind, Proposal, Submission};
use crate::db::Conn;
use crate::ids::Seq;
use crate::ledger::BreakKind;
use crate::records;
use crate::trail::ActError;

use super::App;

/// A break, by the place it is named at and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakName {
    /// The entry or the change.
    pub seq: Seq,
    /// Which of its breaks.
    pub kind: BreakKind,
}

impl BreakName {
    /// From its two parts as they stand in an address.
    pub fn parse(seq: &str, kind: &str) -> Option<BreakName> {
        let seq = seq.parse().ok().filter(|seq: &Seq| *seq >= 0)?;
        Some(BreakName { seq, kind: BreakKind::parse(kind)? })
    }

    /// What a proposal about it is about: one may be open.
    pub fn about(self) -> String {
        format!("{} break {}", self.kind.text(), self.seq)
    }

    /// An explanation to be submitted. Refusals: `404 break_unknown`, `409 break_closed`.
    ///
    /// # Errors
    /// Also when the database cannot be read.
    pub fn explanation(self, conn: &mut Conn, reason: String, by: Seq, whence: Value) -> Result<Submission, ActError> {
        let facts = match self.kind {
            BreakKind::Record => records::explain::facts(conn, self.seq)?,
            kind => alerts::explain::facts(conn, self.seq, kind)?,
        };
        Ok(Submission { kind: Kind::ExplainBreak, about: self.about(), facts, reason, detail: None, by: Some(by), whence })
    }
}

/// Carries out an approved explanation.
pub(super) fn explain(app: &App, proposal: &Proposal) -> Result<(), ActError> {
    let proposal = proposal.clone();
    let of_record = proposal.facts["kind"] == BreakKind::Record.text();
    let explain = if of_record { records::explain::explain } else { alerts::explain::explain };
    app.log().act(move |tx| explain(tx, &proposal))
}
