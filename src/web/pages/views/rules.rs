//! Rule sets.

use askama::Template;

use super::{Chrome, Tag, Travel, Versions};

/// A rule set: the one in force, or another.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "rules/show.html")]
pub struct RulesPage {
    /// The frame.
    pub chrome: Chrome,
    /// `Rule set 3`
    pub title: String,
    /// Since when, until when, and by which event.
    pub summary: String,
    /// The picker.
    pub travel: Travel,
    /// Its rules.
    pub rows: Vec<RuleLine>,
    /// Two versions beside each other.
    pub versions: Versions,
}

/// A rule of a set.
#[derive(Clone, Debug, Default)]
pub struct RuleLine {
    /// The rule's name.
    pub title: String,
    /// Its code.
    pub code: String,
    /// What it says with its parameters.
    pub text: String,
    /// Live, dry run or off.
    pub mode: Tag,
    /// `low`, …
    pub severity: String,
}
