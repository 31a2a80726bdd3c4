//! Finding accounts, and one account.

use askama::Template;

use super::{AlertRow, BreakRow, Choice, Chrome, Empty, EntryRow, Fact, FieldError, Figure, Link, Travel};
use super::{Pager, Tag};

/// Search. The form is a POST: what is searched for never stands in an address.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "accounts/list.html")]
pub struct AccountsPage {
    /// The frame.
    pub chrome: Chrome,
    /// Where the search is sent.
    pub action: String,
    /// What may be searched: account, session, IP address.
    pub kinds: Vec<Choice>,
    /// What was searched for.
    pub query: String,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// The heading of the results, such as `3 accounts match`.
    pub heading: String,
    /// What was found.
    pub rows: Vec<AccountRow>,
    /// Said when nothing is listed.
    pub empty: Empty,
    /// The way on.
    pub pager: Pager,
    /// Whether the reader may go on to holders.
    pub holders: bool,
}

/// An erasure and a hold by the name of a holder.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "accounts/holder.html")]
pub struct HoldersPage {
    /// The frame.
    pub chrome: Chrome,
    /// What was sent and could not be taken.
    pub hold_name: String,
    /// See above.
    pub hold_reason: String,
    /// See above.
    pub erase_name: String,
    /// See above.
    pub erase_reason: String,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
}

/// An account in a list.
#[derive(Clone, Debug, Default)]
pub struct AccountRow {
    /// The masked number and the account's page.
    pub account: Link,
    /// Its currency.
    pub currency: String,
    /// Its source.
    pub source: String,
    /// Its balance after the last booked entry, or `—`.
    pub balance: String,
    /// How many entries it has.
    pub entries: String,
    /// When the newest was booked.
    pub last: String,
    /// Open alerts.
    pub alerts: String,
    /// Open breaks.
    pub breaks: String,
}

/// One account.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "accounts/show.html")]
pub struct AccountPage {
    /// The frame.
    pub chrome: Chrome,
    /// The number in full, when this role may see it, else masked.
    pub number: String,
    /// What this view of the full number means, such as that it is recorded.
    pub number_note: Option<String>,
    /// States, such as open breaks.
    pub tags: Vec<Tag>,
    /// The picker, and what stood at an instant.
    pub travel: Travel,
    /// Masked number, currency, source, continuity mode, balance, first and last entry.
    pub facts: Vec<Fact>,
    /// The account's currency.
    pub currency: String,
    /// The balance chart.
    pub balance: Option<Figure>,
    /// The continuity ribbon.
    pub continuity: Option<Figure>,
    /// Said when nothing was checked.
    pub continuity_tag: Option<Tag>,
    /// What was checked, in a sentence: the mode decides how much.
    pub continuity_note: String,
    /// Entries, newest first.
    pub entries: Vec<EntryRow>,
    /// The way on in the entries.
    pub pager: Pager,
    /// Continuity breaks.
    pub breaks: Vec<BreakRow>,
    /// Said when there are none.
    pub breaks_empty: Empty,
    /// Sessions and IP addresses.
    pub contexts: Vec<ContextRow>,
    /// Alerts.
    pub alerts: Vec<AlertRow>,
    /// Said when there are none.
    pub alerts_empty: Empty,
    /// Holding and erasing what is stored, for who may.
    pub privacy: Option<PrivacyForms>,
    /// Where the proof of the last entry at a close is made.
    pub proof_action: String,
}

/// Holding and erasing what is stored of an account. Field ids: `hold-reason`, `erase-reason`.
#[derive(Clone, Debug, Default)]
pub struct PrivacyForms {
    /// Where an erasure is proposed.
    pub erase_action: String,
    /// Its reason, as typed.
    pub erase_reason: String,
    /// Where a hold is placed, or its release proposed.
    pub hold_action: String,
    /// Its reason, as typed.
    pub hold_reason: String,
    /// The hold in force.
    pub hold: Option<String>,
    /// What is wrong.
    pub errors: Vec<FieldError>,
}

/// A session or IP address seen on an account.
#[derive(Clone, Debug, Default)]
pub struct ContextRow {
    /// `Session`, `IP address` or `Device`.
    pub kind: String,
    /// Its value and page.
    pub context: Link,
    /// First seen on this account.
    pub first: String,
    /// Last seen on this account.
    pub last: String,
    /// Entries of this account.
    pub entries: String,
    /// How many accounts share it.
    pub accounts: String,
    /// A state that asks for attention, such as `Shared`.
    pub tag: Option<Tag>,
}
