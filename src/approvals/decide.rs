//! Deciding: approving, refusing and taking back, each once, each an event; so is every attempt that is
//! refused.

use serde_json::{Value, json};

use crate::access::{User, users};
use crate::clock::Moment;
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, Log, NewEvent};

use super::store::{self, ProposalRow};
use super::submit::{KEPT, checked_text};
use super::{Kind, Proposal, State};

/// What may be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes. What came from the command line needs two officers who say so.
    Approve,
    /// No; also as long as an approved one waits.
    Refuse,
    /// Whoever submitted it takes it back.
    Withdraw,
}

impl Decision {
    /// `approve`
    pub fn text(self) -> &'static str {
        match self {
            Decision::Approve => "approve",
            Decision::Refuse => "refuse",
            Decision::Withdraw => "withdraw",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Decision> {
        [Decision::Approve, Decision::Refuse, Decision::Withdraw].into_iter().find(|decision| decision.text() == text)
    }
}

/// An officer's word on a proposal.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// The proposal.
    pub id: Seq,
    /// What is decided.
    pub decision: Decision,
    /// Why; private. Taking back needs none.
    pub comment: String,
    /// Who decides.
    pub user: Seq,
    /// From which address; private.
    pub whence: Value,
}

/// Decides; answers the event. Refusals, each recorded: `404 proposal_unknown`, `409 proposal_closed`,
/// `409 proposal_expired`, `403 forbidden`, `403 own_proposal`, `403 not_yours`, `409 approved_already`,
/// `409 submitter_gone`, `422 comment_length`, `422 comment_unreadable`.
pub fn decide(log: &Log, deciding: Deciding) -> Result<Seq, ActError> {
    let (id, decision, user) = (deciding.id, deciding.decision, deciding.user);
    let decided = log.act(move |tx| deciding.act(tx));
    if let Err(ActError::Refused { code, .. }) = &decided {
        let body = json!({ "proposal": id, "decision": decision.text(), "user": user, "code": code });
        log.append(NewEvent::public("approval.decision_refused", body))?;
    }
    decided
}

impl Deciding {
    fn act(self, tx: &mut ActTx<'_>) -> Result<Seq, ActError> {
        let row = store::proposal(tx.conn, self.id)?;
        let row = row.ok_or_else(|| ActError::refused(404, "proposal_unknown", "there is no such proposal"))?;
        let proposal = Proposal::of(row.clone())?;
        let user = users::find(tx.conn, self.user)?.filter(|user| user.active).ok_or_else(forbidden)?;
        if !proposal.state.is_open() {
            let detail = "this proposal is decided already; open it to see what became of it";
            return Err(ActError::refused(409, "proposal_closed", detail));
        }
        if tx.now() >= proposal.expires_at {
            return Err(ActError::refused(409, "proposal_expired", "this proposal is too old: it must be submitted again"));
        }
        match self.decision {
            Decision::Approve => self.approve(tx, row, &proposal, &user),
            Decision::Refuse => self.refuse(tx, row, &proposal, &user),
            Decision::Withdraw => self.withdraw(tx, row, &proposal),
        }
    }

    fn approve(self, tx: &mut ActTx<'_>, row: ProposalRow, proposal: &Proposal, user: &User) -> Result<Seq, ActError> {
        if !proposal.kind.may_approve(user.role) {
            return Err(forbidden());
        }
        if proposal.submitted_by == Some(user.id) {
            let detail = "you submitted this: somebody else must approve it; you may take it back";
            return Err(ActError::refused(403, "own_proposal", detail));
        }
        if proposal.state != State::Submitted {
            return Err(ActError::refused(409, "proposal_closed", "this proposal is approved already"));
        }
        if proposal.first.as_ref().is_some_and(|first| first.by == Some(user.id)) {
            let detail = "you approved this already: it came from the command line and needs a second officer";
            return Err(ActError::refused(409, "approved_already", detail));
        }
        still_there(tx, proposal)?;
        let comment = checked_text("comment", &self.comment)?;
        let complete = proposal.approvals_missing() == 1;
        let ready_at = complete.then(|| tx.now().plus(proposal.kind.quarantine()));
        let expires_at = ready_at.map_or(proposal.expires_at, |ready| ready.plus(KEPT)).0;
        let ready_at = ready_at.map(|ready| ready.0);
        let body = json!({
            "proposal": row.id, "kind": row.kind, "user": user.id, "complete": complete, "ready_at": ready_at,
            "expires_at": expires_at,
        });
        let private = json!({ "comment": comment, "whence": self.whence });
        let seq = tx.append(NewEvent::with_private("approval.approved", body, private))?;
        let (by, at, seq_of, comment) = (Some(user.id), Some(tx.now().0), Some(seq), Some(comment));
        let row = if complete {
            let state = State::Approved.code();
            ProposalRow {
                state,
                expires_at,
                ready_at,
                approved_by: by,
                approved_at: at,
                approved_seq: seq_of,
                approved_comment: comment,
                ..row
            }
        } else {
            ProposalRow { first_by: by, first_at: at, first_seq: seq_of, first_comment: comment, ..row }
        };
        store::update(tx.conn, &row)?;
        Ok(seq)
    }

    fn refuse(self, tx: &mut ActTx<'_>, row: ProposalRow, proposal: &Proposal, user: &User) -> Result<Seq, ActError> {
        if !proposal.kind.may_approve(user.role) {
            return Err(forbidden());
        }
        if proposal.submitted_by == Some(user.id) {
            return Err(ActError::refused(403, "own_proposal", "you submitted this: take it back instead"));
        }
        let comment = checked_text("comment", &self.comment)?;
        let body = json!({ "proposal": row.id, "kind": row.kind, "user": user.id });
        let private = json!({ "comment": comment, "whence": self.whence });
        let seq = tx.append(NewEvent::with_private("approval.refused", body, private))?;
        end(tx, row, State::Refused, (Some(user.id), seq), Some(comment), None)
    }

    fn withdraw(self, tx: &mut ActTx<'_>, row: ProposalRow, proposal: &Proposal) -> Result<Seq, ActError> {
        if proposal.submitted_by != Some(self.user) {
            let detail = "only whoever submitted a proposal takes it back; an officer may refuse it";
            return Err(ActError::refused(403, "not_yours", detail));
        }
        let body = json!({ "proposal": row.id, "kind": row.kind, "user": self.user });
        let seq = tx.append(NewEvent::with_private("approval.withdrawn", body, json!({ "whence": self.whence })))?;
        end(tx, row, State::Withdrawn, (Some(self.user), seq), None, None)
    }
}

fn forbidden() -> ActError {
    ActError::refused(403, "forbidden", "this account may not do that; ask an officer")
}

/// Whoever submitted must still be somebody who may: else the approval would be the only pair of eyes.
fn still_there(tx: &mut ActTx<'_>, proposal: &Proposal) -> Result<(), ActError> {
    let Some(submitter) = proposal.submitted_by else { return Ok(()) };
    let found = users::find(tx.conn, submitter)?.filter(|user| user.active && proposal.kind.may_submit(user.role));
    let gone = || {
        let detail = "whoever submitted this may no longer submit it; refuse it and have it submitted again";
        ActError::refused(409, "submitter_gone", detail)
    };
    found.map(drop).ok_or_else(gone)
}

fn end(
    tx: &mut ActTx<'_>,
    row: ProposalRow,
    state: State,
    (by, seq): (Option<Seq>, Seq),
    comment: Option<String>,
    outcome: Option<String>,
) -> Result<Seq, ActError> {
    let row = ProposalRow {
        state: state.code(),
        ended_by: by,
        ended_at: Some(tx.now().0),
        ended_seq: Some(seq),
        ended_comment: comment,
        outcome,
        ..row
    };
    store::update(tx.conn, &row)?;
    Ok(seq)
}

/// Inside the act that does what was approved: notes that it was done, with public facts of what it did.
/// Answers the event. Refusals: `409 not_approved`, `409 in_quarantine`, `409 proposal_expired`.
pub fn carried_out(tx: &mut ActTx<'_>, id: Seq, kind: Kind, outcome: &Value) -> Result<Seq, ActError> {
    let row = approved(tx, id, kind)?;
    let body = json!({ "proposal": id, "kind": kind.text(), "outcome": outcome });
    let seq = tx.append(NewEvent::public("approval.carried_out", body))?;
    end(tx, row, State::CarriedOut, (None, seq), None, Some(outcome.to_string()))
}

/// Inside an act: what was approved must not be done any more, as its room found out; the proposal ends.
/// Answers the event. Refusals as those of [`carried_out`].
pub fn stopped(tx: &mut ActTx<'_>, id: Seq, kind: Kind, comment: &str) -> Result<Seq, ActError> {
    let row = approved(tx, id, kind)?;
    let body = json!({ "proposal": id, "kind": kind.text(), "user": null });
    let private = json!({ "comment": comment, "whence": null });
    let seq = tx.append(NewEvent::with_private("approval.refused", body, private))?;
    end(tx, row, State::Refused, (None, seq), Some(comment.to_owned()), None)
}

/// The approved proposal `id` of this kind, or why it may not be carried out now.
fn approved(tx: &mut ActTx<'_>, id: Seq, kind: Kind) -> Result<ProposalRow, ActError> {
    let found = store::proposal(tx.conn, id)?.filter(|row| row.kind == kind.text() && row.state == store::APPROVED);
    let row = found.ok_or_else(|| ActError::refused(409, "not_approved", format!("proposal {id} is not approved for this")))?;
    if row.ready_at.is_none_or(|ready| tx.now().0 < ready) {
        let until = Moment(row.ready_at.unwrap_or(i64::MAX));
        return Err(ActError::refused(409, "in_quarantine", format!("proposal {id} waits until {until}")));
    }
    if tx.now().0 >= row.expires_at {
        return Err(ActError::refused(409, "proposal_expired", format!("proposal {id} is too old: submit it again")));
    }
    Ok(row)
}

/// Ends what nobody decided or carried out in time; answers how many. At most 100 at a time.
pub fn expire_due(db: &crate::db::Db, log: &Log, now: Moment) -> Result<usize, ActError> {
    const AT_ONCE: i64 = 100;
    if db.read(|conn| store::overdue(conn, now.0, 1))?.is_empty() {
        return Ok(0);
    }
    log.act(|tx| {
        let now = tx.now().0;
        let rows = store::overdue(tx.conn, now, AT_ONCE)?;
        let ended = rows.len();
        for row in rows {
            let body = json!({ "proposal": row.id, "kind": row.kind });
            let seq = tx.append(NewEvent::public("approval.expired", body))?;
            end(tx, row, State::Expired, (None, seq), None, None)?;
        }
        Ok(ended)
    })
}
