//! One break: of an entry or of a record.

use askama::Template;

use super::{ChangeLine, Chrome, Fact, FieldError, Link, Tag};

/// What does not follow, and its explanation.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "breaks/show.html")]
pub struct BreakPage {
    /// The frame.
    pub chrome: Chrome,
    /// What kind of break, and where.
    pub title: String,
    /// The account or record, masked.
    pub of: Link,
    /// Its state.
    pub tags: Vec<Tag>,
    /// It in one sentence.
    pub summary: String,
    /// Expected, found, when, in which alert.
    pub facts: Vec<Fact>,
    /// Of a record: field, ours, sent.
    pub mismatches: Vec<ChangeLine>,
    /// The proposal by which it was explained.
    pub explained: Option<Link>,
    /// The proposal that is open.
    pub waiting: Option<Link>,
    /// Proposing an explanation, for who may.
    pub form: Option<ExplainForm>,
    /// Said where there is no form.
    pub note: Option<String>,
}

/// Proposing an explanation.
#[derive(Clone, Debug, Default)]
pub struct ExplainForm {
    /// Where it is sent.
    pub action: String,
    /// The reason as typed.
    pub reason: String,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
}
