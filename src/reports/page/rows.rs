//! Rows of tables that a report and the pages of the site share.

use super::{Link, Tag};

/// A continuity break in a list.
#[derive(Clone, Debug, Default)]
pub struct BreakRow {
    /// Its page; empty where it is not linked.
    pub href: String,
    /// The kind in words, such as `Chain`.
    pub kind: String,
    /// The masked account and its page.
    pub account: Link,
    /// The currency.
    pub currency: String,
    /// The balance expected, or `—`.
    pub expected: String,
    /// The balance found.
    pub found: String,
    /// Found less expected.
    pub difference: String,
    /// The entry the break is named at.
    pub entry: Link,
    /// When that entry was booked.
    pub booked: String,
    /// When the break was recorded; set where the table has room for it.
    pub recorded: String,
    /// The session that entry came from.
    pub session: Option<Link>,
    /// The IP address it came from.
    pub ip: Option<Link>,
    /// Its state.
    pub state: Tag,
    /// Why it is healed or explained, and by what; may be empty.
    pub note: String,
}

/// An entry in a list.
#[derive(Clone, Debug, Default)]
pub struct EntryRow {
    /// Its place in the log.
    pub seq: String,
    /// Its page.
    pub href: String,
    /// The masked account and its page, on pages of several accounts.
    pub account: Option<Link>,
    /// When it was booked.
    pub booked: String,
    /// Its business date.
    pub business_date: String,
    /// The kind in words.
    pub kind: String,
    /// `Credit` or `Debit`.
    pub direction: String,
    /// The amount, always positive.
    pub amount: String,
    /// The balance before, or `—`.
    pub before: String,
    /// The balance after, or `—`.
    pub after: String,
    /// `Booked` or `Attempted`.
    pub status: String,
    /// The session it came from.
    pub session: Option<Link>,
    /// The IP address it came from.
    pub ip: Option<Link>,
    /// Hits and breaks on it.
    pub marks: Vec<Tag>,
    /// The alerts it belongs to.
    pub alerts: Vec<Link>,
    /// Why the row is set apart, such as that this entry crossed the limit; empty for the others.
    pub crossed: String,
}
