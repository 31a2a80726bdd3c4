//! A report as data: its first level is the contract's, field for field.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::detect::Severity;
use crate::ids::Seq;

use super::Change;
use super::rows::{
    BreakItem, Cash, DatedEntry, Erasures, HighFrequency, HighValue, Hour, KindSums, RuleCounts, Signature, Source,
};

/// What a version is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Computed now, not stored.
    Preview,
    /// Stored while a source that closes its days had not closed this one.
    Provisional,
    /// Stored; nothing was missing.
    Final,
    /// A newer version exists.
    Superseded,
}

impl Status {
    /// `final`
    pub fn text(self) -> &'static str {
        match self {
            Status::Preview => "preview",
            Status::Provisional => "provisional",
            Status::Final => "final",
            Status::Superseded => "superseded",
        }
    }
}

/// The daily report. Money is decimal text, instants RFC 3339 in UTC, unknown is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The bank's accounting day.
    pub business_date: NaiveDate,
    /// From 1; 0 is a preview.
    pub version: i32,
    /// What it is worth. A stored body keeps the status it was stored with.
    pub status: Status,
    /// Whose day, and its instants.
    pub window: Window,
    /// First place of the log this version looks at for what is late, ahead, or done by people.
    pub seq_from: Seq,
    /// Last place of the log that counts, inclusive.
    pub seq_to: Seq,
    /// One sentence.
    pub verdict: String,
    /// Control totals per source.
    pub sources: Vec<Source>,
    /// Per currency.
    pub totals: BTreeMap<String, Totals>,
    /// Per currency and kind of entry.
    pub kinds: BTreeMap<String, BTreeMap<String, KindSums>>,
    /// Per hour and currency, hours with entries only.
    pub hours: Vec<Hour>,
    /// Balance continuity.
    pub continuity: Continuity,
    /// Hits of rule `high-value`, first 1,000 by place in the log.
    pub high_value: Vec<HighValue>,
    /// All of them.
    pub high_value_total: i64,
    /// Hits of rule `high-frequency`, first 1,000 by place in the log.
    pub high_frequency: Vec<HighFrequency>,
    /// All of them.
    pub high_frequency_total: i64,
    /// Accounts with more cash on one side than the line, largest first per currency, first 1,000.
    pub cash: Vec<Cash>,
    /// All of them.
    pub cash_total: i64,
    /// Entries of this version's range that belong to a date reported before, first 1,000.
    pub late: Vec<DatedEntry>,
    /// All of them.
    pub late_total: i64,
    /// Entries of this version's range with a later business date, first 1,000.
    pub future: Vec<DatedEntry>,
    /// All of them.
    pub future_total: i64,
    /// Alerts.
    pub alerts: Alerts,
    /// Every rule in force and its outcomes.
    pub rules: Vec<RuleCounts>,
    /// What people did and were refused in this version's range.
    pub access: Access,
    /// What was erased within the window, what waits to be, and how many holds are in force.
    #[serde(default)]
    pub erasures: Erasures,
    /// Mail owed for the alerts of the date.
    pub notifications: Notifications,
    /// What the figures rest on.
    pub integrity: Integrity,
    /// Signatures at the time of freezing; later ones stand beside the report.
    pub signoff: Vec<Signature>,
}

/// Whose day, and from when to when; half-open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The bank's name.
    pub institution: String,
    /// IANA name.
    pub time_zone: String,
    /// `HH:MM` local; entries at or after it belong to the next date.
    pub cut_off: String,
    /// First instant, UTC.
    pub from: String,
    /// First instant after it, UTC.
    pub to: String,
    /// First instant, local with offset.
    pub from_local: String,
    /// First instant after it, local with offset.
    pub to_local: String,
}

/// A currency's day; money in decimal text of that currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Booked entries.
    pub entries: i64,
    /// Sum of booked credits.
    pub credits: String,
    /// Sum of booked debits.
    pub debits: String,
    /// Balances before the first booked entry of the date, over accounts whose balances are known.
    pub opening: Option<String>,
    /// Balances after the last booked entry of the date, over the same accounts.
    pub closing: Option<String>,
    /// Accounts with booked entries on the date.
    pub accounts: i64,
    /// Those among them whose balances are not known: entries carry none, or nothing tells their order.
    pub accounts_unknown: i64,
    /// Entries that moved nothing; in no sum.
    pub attempted: i64,
    /// The proof that opening + credits − debits is closing.
    pub roll_forward: RollForward,
}

/// Opening + credits − debits against closing, over the accounts whose balances are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollForward {
    /// Credits of those accounts.
    pub credits: String,
    /// Debits of those accounts.
    pub debits: String,
    /// Closing less what it should be; absent when no balance is known.
    pub difference: Option<String>,
    /// `proven`, `partial` (it adds up for the accounts with balances; others have none), `difference`
    /// or `not available`.
    pub state: String,
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// Balance continuity on the date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Continuity {
    /// Accounts with at least one entry that could be checked.
    pub accounts_checked: i64,
    /// Entries of the date that could be checked.
    pub entries_checked: i64,
    /// Breaks that entries of the date opened.
    pub breaks_new: i64,
    /// Breaks of this and earlier dates that are still open.
    pub breaks_open: i64,
    /// Changes of other records, recorded on the date, whose `before` was not our last state.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub records_new: i64,
    /// Those of this and earlier dates that nobody explained.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub records_open: i64,
    /// The new and the open ones, open first, first 1,000.
    pub items: Vec<BreakItem>,
    /// All of them.
    pub items_total: i64,
}

/// Alerts; raised ones by the business date of the entry that opened them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    /// Raised by entries of the date.
    pub raised: i64,
    /// Of this and earlier dates, undecided.
    pub open: i64,
    /// Undecided for longer than their severity allows.
    pub past_due: i64,
    /// Decided within the window of the date.
    pub closed: i64,
    /// Raised, per rule.
    pub by_rule: BTreeMap<String, i64>,
    /// Raised, per severity.
    pub by_severity: BTreeMap<String, i64>,
    /// Everything per severity, gravest first.
    pub severities: Vec<SeverityCounts>,
}

/// Alerts of one severity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeverityCounts {
    /// The severity.
    pub severity: Severity,
    /// Raised by entries of the date.
    pub raised: i64,
    /// Decided within the window.
    pub closed: i64,
    /// Undecided.
    pub open: i64,
    /// Undecided for too long.
    pub past_due: i64,
}

/// Events recorded within the date's window by what they were: `sign_ins`, `denied`, …; what was
/// counted instead of listed is in its number.
pub type Access = BTreeMap<String, i64>;

/// Mail about the alerts of the date, as of when the report was computed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notifications {
    /// Whether any mail can leave.
    pub configured: bool,
    /// Addresses that get alert mail.
    pub recipients: i64,
    /// Taken by the relay.
    pub sent: i64,
    /// Waiting.
    pub pending: i64,
    /// Given up.
    pub dead: i64,
}

/// What the figures rest on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Integrity {
    /// Leaves in the log when the report was computed.
    pub size: i64,
    /// The root over them, lower-case hex.
    pub root: String,
    /// The newest signed checkpoint.
    pub checkpoint: Option<String>,
    /// Leaves the last full verification covered.
    pub verified_to: Option<i64>,
    /// When it ran.
    pub last_full_at: Option<String>,
    /// How long ago a checkpoint came back from outside.
    pub anchor_age: Option<String>,
    /// What is wrong when that is longer than `anchor.max_age_hours`.
    #[serde(default)]
    pub anchor_overdue: Option<String>,
    /// Whether the running day figures say the same as the entries; absent when entries came after `seq_to`.
    pub day_figures_agree: Option<bool>,
    /// When the report was computed.
    pub computed_at: String,
    /// The program that computed it.
    pub program: String,
    /// When the log was created: nothing older was recorded by it.
    #[serde(default)]
    pub book_began_at: Option<String>,
    /// Losses after which the log went on under a new name within this report's span.
    #[serde(default)]
    pub recovered: Vec<Recovered>,
    /// Starts of the program with other control settings, within the window of the date.
    #[serde(default)]
    pub settings_changed: Vec<SettingsChange>,
    /// The version this one replaces, and what differs.
    pub restates: Option<Restates>,
}

/// The program started with other control settings than before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingsChange {
    /// The event that says so.
    pub event: i64,
    /// When.
    pub at: String,
    /// Their names, first 100.
    pub changed: Vec<String>,
    /// How many.
    pub total: i64,
}

/// The log went on under a new name after a loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovered {
    /// The event that says so.
    pub event: i64,
    /// The new name.
    pub origin: String,
    /// Leaves from this place on were lost; absent when only the key was.
    pub lost_from: Option<i64>,
    /// The first place after them.
    pub lost_to: Option<i64>,
}

/// The version a restatement replaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restates {
    /// Its number.
    pub version: i32,
    /// The hash of its stored body.
    pub body_sha256: String,
    /// What differs, first 1,000.
    pub changes: Vec<Change>,
    /// All of them.
    pub changes_total: i64,
}
