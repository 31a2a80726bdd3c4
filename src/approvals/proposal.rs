//! A proposal as it stands.

use serde_json::Value;

use crate::clock::Moment;
use crate::db::{DbError, DbResult};
use crate::ids::Seq;

use super::Kind;
use super::store::ProposalRow;

/// How far a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Waits for approval.
    Submitted,
    /// Approved; waits for its quarantine to end and to be carried out.
    Approved,
    /// An officer said no, also during the quarantine.
    Refused,
    /// Taken back by whoever submitted it.
    Withdrawn,
    /// Nobody decided, or nobody could carry it out, in time.
    Expired,
    /// Done.
    CarriedOut,
}

impl State {
    /// Every state, in the order of their codes.
    pub const ALL: [State; 6] =
        [State::Submitted, State::Approved, State::Refused, State::Withdrawn, State::Expired, State::CarriedOut];

    /// As stored.
    pub fn code(self) -> i16 {
        match self {
            State::Submitted => super::store::SUBMITTED,
            State::Approved => super::store::APPROVED,
            State::Refused => 3,
            State::Withdrawn => 4,
            State::Expired => 5,
            State::CarriedOut => 6,
        }
    }

    /// `carried_out`
    pub fn text(self) -> &'static str {
        match self {
            State::Submitted => "submitted",
            State::Approved => "approved",
            State::Refused => "refused",
            State::Withdrawn => "withdrawn",
            State::Expired => "expired",
            State::CarriedOut => "carried_out",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.text() == text)
    }

    /// Whether something may still happen.
    pub fn is_open(self) -> bool {
        matches!(self, State::Submitted | State::Approved)
    }
}

/// Somebody's word on a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Who; `None` for the program itself.
    pub by: Option<Seq>,
    /// When.
    pub at: Moment,
    /// The event that says so.
    pub seq: Seq,
    /// What they wrote, as long as it has not been erased.
    pub comment: Option<String>,
}

/// A proposal with everything that happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The event that submitted it.
    pub id: Seq,
    /// What is proposed.
    pub kind: Kind,
    /// The thing it is about: opaque, one open proposal of a kind for each.
    pub about: String,
    /// Public facts.
    pub facts: Value,
    /// Why, in the words of whoever submitted it; gone once erased.
    pub reason: Option<String>,
    /// Private facts for whoever carries it out; gone once erased.
    pub detail: Option<Value>,
    /// Who; `None` for the command line, which no user can equal.
    pub submitted_by: Option<Seq>,
    /// When.
    pub submitted_at: Moment,
    /// From which address or by which user of the operating system, in private.
    pub whence: Option<Value>,
    /// How far it is.
    pub state: State,
    /// When it ends by itself.
    pub expires_at: Moment,
    /// The first of two approvals, for what came from the command line.
    pub first: Option<Word>,
    /// The approval that counted.
    pub approval: Option<Word>,
    /// When it may be carried out.
    pub ready_at: Option<Moment>,
    /// How it ended.
    pub end: Option<Word>,
    /// What carrying it out did.
    pub outcome: Option<Value>,
}

impl Proposal {
    /// How many officers it still needs.
    pub fn approvals_missing(&self) -> u8 {
        match (self.approval.is_some(), self.submitted_by.is_some() || self.first.is_some()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }

    pub(super) fn of(row: ProposalRow) -> DbResult<Proposal> {
        let corrupt = |what: &str| DbError::Corrupt(format!("proposal {}: {what}", row.id));
        let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|_| corrupt("its facts cannot be read"));
        let word = |by: Option<Seq>, at: Option<i64>, seq: Option<Seq>, comment: &Option<String>| {
            Some(Word { by, at: Moment(at?), seq: seq?, comment: comment.clone() })
        };
        Ok(Proposal {
            id: row.id,
            kind: Kind::parse(&row.kind).ok_or_else(|| corrupt("a kind this program does not know"))?,
            facts: json(&row.facts)?,
            detail: row.detail.as_deref().map(json).transpose()?,
            whence: row.whence.as_deref().map(json).transpose()?,
            outcome: row.outcome.as_deref().map(json).transpose()?,
            state: State::ALL.into_iter().find(|s| s.code() == row.state).ok_or_else(|| corrupt("an unknown state"))?,
            first: word(row.first_by, row.first_at, row.first_seq, &row.first_comment),
            approval: word(row.approved_by, row.approved_at, row.approved_seq, &row.approved_comment),
            end: word(row.ended_by, row.ended_at, row.ended_seq, &row.ended_comment),
            submitted_by: row.submitted_by,
            submitted_at: Moment(row.submitted_at),
            expires_at: Moment(row.expires_at),
            ready_at: row.ready_at.map(Moment),
            about: row.about,
            reason: row.reason,
        })
    }
}
