//! The list of proposals, and one proposal.

use askama::Template;

use super::{Choice, Chrome, Empty, Fact, FieldError, HistoryRow, Link, Pager, Tag};

/// What was proposed.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "approvals/list.html")]
pub struct ApprovalsPage {
    /// The frame.
    pub chrome: Chrome,
    /// What is listed, in one sentence.
    pub summary: String,
    /// Open, decided, all.
    pub states: Vec<Choice>,
    /// The proposals, newest first.
    pub rows: Vec<ProposalRow>,
    /// Said when there are none.
    pub empty: Empty,
    /// The way on.
    pub pager: Pager,
}

/// A proposal in the list.
#[derive(Clone, Debug, Default)]
pub struct ProposalRow {
    /// What is proposed, and its page.
    pub proposal: Link,
    /// Its place in the log.
    pub seq: String,
    /// Who submitted it.
    pub by: String,
    /// When.
    pub at: String,
    /// Until when it can be decided or carried out; empty at its end.
    pub until: String,
    /// How far it is.
    pub state: Tag,
    /// Whether it waits for the reader.
    pub mine: bool,
}

/// One proposal.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "approvals/show.html")]
pub struct ApprovalPage {
    /// The frame.
    pub chrome: Chrome,
    /// What is proposed.
    pub title: String,
    /// How far it is.
    pub state: Tag,
    /// In one sentence, what happens next.
    pub next: String,
    /// What carrying it out does, in sentences.
    pub effects: Vec<String>,
    /// Public facts.
    pub facts: Vec<Fact>,
    /// Private facts, for who may see them.
    pub detail: Vec<Fact>,
    /// Why it is proposed, for who may read it.
    pub reason: Option<String>,
    /// Said instead of the reason.
    pub reason_note: String,
    /// The form, when this reader may decide.
    pub form: Option<VerdictForm>,
    /// Where the reader takes it back, when it is theirs.
    pub withdraw: Option<String>,
    /// Why this reader may not decide, when there is no form.
    pub read_only: Option<String>,
    /// What happened to it, newest first.
    pub history: Vec<HistoryRow>,
}

/// Approving or refusing. Field ids: `comment`.
#[derive(Clone, Debug, Default)]
pub struct VerdictForm {
    /// Where it is sent.
    pub action: String,
    /// Whether it can still be approved; else it can be stopped only.
    pub may_approve: bool,
    /// The comment, as typed.
    pub comment: String,
    /// What is wrong.
    pub errors: Vec<FieldError>,
}
