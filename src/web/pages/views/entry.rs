//! One entry.

use askama::Template;

use super::{BreakRow, Chrome, Empty, Fact, FieldError, Link, Tag};

/// Everything that is known of one entry.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "entries/show.html")]
pub struct EntryPage {
    /// The frame.
    pub chrome: Chrome,
    /// Its place in the log.
    pub seq: String,
    /// The masked account and its page.
    pub account: Link,
    /// What was decided with it, and whether money moved.
    pub tags: Vec<Tag>,
    /// The movement in one sentence.
    pub summary: String,
    /// The entry before it on the account.
    pub before: Option<Link>,
    /// The entry after it on the account.
    pub after: Option<Link>,
    /// Amounts, balances, dates and references.
    pub movement: Vec<Fact>,
    /// Session, address, browser, device, actor.
    pub origin: Vec<Fact>,
    /// Holder, counterparty, reason.
    pub parties: Vec<Fact>,
    /// What is sealed of it, for a reader who may see it.
    pub sealed: Option<SealedForm>,
    /// Breaks named at it.
    pub breaks: Vec<BreakRow>,
    /// Said when there are none.
    pub breaks_empty: Empty,
    /// Rules it hit.
    pub hits: Vec<HitRow>,
    /// Said when there are none.
    pub hits_empty: Empty,
    /// Cancelling it.
    pub reversal: ReversalView,
    /// How and when it came.
    pub delivery: Vec<Fact>,
    /// Place, leaf and rule set.
    pub log: Vec<Fact>,
}

/// The form by which what is sealed is shown.
#[derive(Clone, Debug, Default)]
pub struct SealedForm {
    /// Where it goes.
    pub action: String,
    /// What is sealed, in words.
    pub fields: String,
    /// The reason as written so far.
    pub reason: String,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// Cancelling an entry.
#[derive(Clone, Debug, Default)]
pub struct ReversalView {
    /// The entry that did.
    pub reversed: Option<Link>,
    /// The proposal that is open.
    pub waiting: Option<Link>,
    /// What it would come to.
    pub facts: Vec<Fact>,
    /// Why it cannot be.
    pub why_not: Option<String>,
    /// Proposing it, for who may.
    pub form: Option<ReversalForm>,
}

/// Proposing that an entry is cancelled.
#[derive(Clone, Debug, Default)]
pub struct ReversalForm {
    /// Where it is sent.
    pub action: String,
    /// Whether the funds do not suffice, or nobody knows.
    pub must_force: bool,
    /// Whether that was chosen.
    pub forced: bool,
    /// The reason as typed.
    pub reason: String,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
}

/// A rule an entry hit.
#[derive(Clone, Debug, Default)]
pub struct HitRow {
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// The rule's name.
    pub rule: String,
    /// What was seen.
    pub observed: String,
    /// The line that was crossed.
    pub limit: String,
    /// The alert it joined.
    pub alert: Option<Link>,
}
