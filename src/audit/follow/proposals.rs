//! Proposals: what was submitted, who approved it, and how it ended.

use std::collections::BTreeMap;

use crate::approvals::store::ProposalRow;
use crate::approvals::{Kind, State};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::super::L3;
use super::super::event::Event;
use super::super::findings::Findings;
use super::{extra, missing, same, store};

#[derive(Default)]
pub(super) struct Proposals {
    /// By the place of the submission: it and what followed, in order.
    of: BTreeMap<Seq, Vec<Event>>,
    /// What says that it was approved, and must have been before.
    claims: Vec<Event>,
}

impl Proposals {
    pub(super) fn meet(&mut self, event: Event) {
        match event.kind.as_str() {
            "approval.submitted" => drop(self.of.insert(event.seq, vec![event])),
            _ => {
                if let Some(events) = self.of.get_mut(&event.number("proposal")) {
                    events.push(event);
                }
            }
        }
    }

    /// A break that was explained.
    pub(super) fn explained(&mut self, event: Event) {
        self.claims.push(event);
    }

    /// Whether what the event claims to carry out was approved before, in these very facts.
    fn approved(&self, claim: &Event) -> bool {
        let events = self.of.get(&claim.number("proposal")).map_or(&[][..], Vec::as_slice);
        let Some(submitted) = events.first().filter(|event| event.body["kind"] == Kind::ExplainBreak.text()) else {
            return false;
        };
        let same = |field: &str| submitted.body["facts"][field] == claim.body[field];
        let complete = |event: &Event| event.kind == "approval.approved" && event.body["complete"] == true;
        same("break") && same("kind") && events.iter().any(|event| event.seq < claim.seq && complete(event))
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for claim in self.claims.iter().filter(|claim| !self.approved(claim)) {
            findings.checked(L3, 1);
            findings.add((L3, "not_approved"), "events", claim.seq, "nobody approved that this break is explained");
        }
        for row in store::proposals(conn)? {
            match self.of.remove(&row.id) {
                Some(events) => same("proposals", row.id, &row, &expected(&events, &row), findings),
                None => extra("proposals", row.id, findings),
            }
        }
        self.of.into_keys().for_each(|seq| missing("proposals", seq, findings));
        Ok(())
    }
}

/// The row that the events give; where a private part is gone, what is stored stands.
fn expected(events: &[Event], stored: &ProposalRow) -> ProposalRow {
    let mut row = ProposalRow::empty();
    for event in events {
        let (by, at, seq) = (event.body["user"].as_i64(), Some(event.at), Some(event.seq));
        match event.kind.as_str() {
            "approval.submitted" => row = submitted(event, stored),
            "approval.approved" if event.body["complete"] == true => {
                (row.approved_by, row.approved_at, row.approved_seq) = (by, at, seq);
                row.approved_comment = event.private_or_null("comment", stored.approved_comment.as_ref());
                (row.state, row.expires_at) = (State::Approved.code(), event.number("expires_at"));
                row.ready_at = event.body["ready_at"].as_i64();
            }
            "approval.approved" => {
                (row.first_by, row.first_at, row.first_seq) = (by, at, seq);
                row.first_comment = event.private_or_null("comment", stored.first_comment.as_ref());
            }
            other => {
                (row.ended_by, row.ended_at, row.ended_seq) = (by, at, seq);
                row.state = ended(other).code();
                if other == "approval.refused" {
                    row.ended_comment = event.private_or_null("comment", stored.ended_comment.as_ref());
                }
                row.outcome = Some(&event.body["outcome"]).filter(|outcome| !outcome.is_null()).map(ToString::to_string);
            }
        }
    }
    row
}

fn submitted(event: &Event, stored: &ProposalRow) -> ProposalRow {
    ProposalRow {
        id: event.seq,
        kind: event.text("kind"),
        about: event.text("about"),
        facts: event.body["facts"].to_string(),
        reason: event.private_or_null("reason", stored.reason.as_ref()),
        detail: event.private_json_or_null("detail", stored.detail.as_ref()),
        submitted_by: event.body["user"].as_i64(),
        submitted_at: event.at,
        // Where nothing is known of whence, that is what the row says too.
        whence: event.private_json("whence", stored.whence.as_ref()),
        expires_at: event.number("expires_at"),
        ..ProposalRow::empty()
    }
}

fn ended(kind: &str) -> State {
    match kind {
        "approval.refused" => State::Refused,
        "approval.withdrawn" => State::Withdrawn,
        "approval.expired" => State::Expired,
        _ => State::CarriedOut,
    }
}
