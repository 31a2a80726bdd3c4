//! Rows of tables that several pages print.

use super::{Link, Tag};

/// An alert in a list.
#[derive(Clone, Debug, Default)]
pub struct AlertRow {
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// The reference and its page.
    pub alert: Link,
    /// The masked account and its page.
    pub account: Link,
    /// The rule's name.
    pub rule: String,
    /// Why, in one line.
    pub why: String,
    /// What was observed: an amount or a count.
    pub observed: String,
    /// The day by which it is to be decided; empty once it is.
    pub due: String,
    /// How many hits it joins.
    pub hits: String,
    /// When it was raised.
    pub raised: String,
    /// How long ago, such as `2 h`; may be empty.
    pub age: String,
    /// Its state.
    pub state: Tag,
}
