//! One session, IP address or device.

use askama::Template;

use super::{Chrome, EntryRow, Fact, Link, Pager, Tag};

/// Where entries came from: everything one session or address touched.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "sessions/show.html")]
pub struct ContextPage {
    /// The frame.
    pub chrome: Chrome,
    /// `Session`, `IP address` or `Device`.
    pub kind: String,
    /// Its value.
    pub value: String,
    /// What stands out, in a sentence; may be empty.
    pub finding: String,
    /// First and last seen, entries, accounts, linked contexts.
    pub facts: Vec<Fact>,
    /// The accounts touched.
    pub accounts: Vec<ContextAccountRow>,
    /// The entries in order, oldest first.
    pub entries: Vec<EntryRow>,
    /// The way on.
    pub pager: Pager,
}

/// An account a session or address touched.
#[derive(Clone, Debug, Default)]
pub struct ContextAccountRow {
    /// The masked number and the account's page.
    pub account: Link,
    /// Its currency.
    pub currency: String,
    /// Entries from here.
    pub entries: String,
    /// Sum of credits from here.
    pub credits: String,
    /// Sum of debits from here.
    pub debits: String,
    /// First seen.
    pub first: String,
    /// Last seen.
    pub last: String,
    /// A state that asks for attention, such as open alerts.
    pub tag: Option<Tag>,
}
