//! The rows of a report's lists. Accounts are masked; `account_id` is opaque and leads to their page.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::detect::{Mode, Severity};
use crate::ids::Seq;

/// How a source's own totals compare with what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceState {
    /// Count and sums are those the source announced.
    #[serde(rename = "matched")]
    Matched,
    /// They are not.
    #[serde(rename = "mismatch")]
    Mismatch,
    /// Neither entries nor an end-of-day marker came: unknown, not zero.
    #[serde(rename = "not received")]
    NotReceived,
    /// Rows came, but no end-of-day marker to compare them with.
    #[serde(rename = "not announced")]
    NotAnnounced,
}

impl SourceState {
    /// `not received`
    pub fn text(self) -> &'static str {
        match self {
            SourceState::Matched => "matched",
            SourceState::Mismatch => "mismatch",
            SourceState::NotReceived => "not received",
            SourceState::NotAnnounced => "not announced",
        }
    }
}

/// Control totals of one source; figures are `null` when nothing was received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// How it compares.
    pub state: SourceState,
    /// Booked entries the source announced.
    pub expected: Option<i64>,
    /// Booked entries recorded.
    pub entries: Option<i64>,
    /// Entries recorded that moved nothing.
    pub attempted: Option<i64>,
    /// Rows refused.
    pub rejected: Option<i64>,
    /// Rows refused, per code.
    pub rejected_by_code: BTreeMap<String, i64>,
    /// Rows sent again with the same content; `null`: not counted per date.
    pub duplicates: Option<i64>,
    /// Whether the source has ever sent an end-of-day marker.
    pub closes: bool,
    /// When its marker for this date came.
    pub closed_at: Option<String>,
    /// Sums per currency.
    pub currencies: BTreeMap<String, SourceSums>,
}

/// Erasures and holds; nothing in it tells of whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasures {
    /// Carried out, oldest first, first 1,000.
    pub done: Vec<ErasureItem>,
    /// All of them.
    pub done_total: i64,
    /// Asked for and not ended, oldest first, first 1,000.
    pub waiting: Vec<WaitingErasure>,
    /// All of them.
    pub waiting_total: i64,
    /// Legal holds in force.
    pub holds: i64,
    /// Runs that drop values of changes whose time is over, the newest first, first 20.
    #[serde(default)]
    pub retention: Vec<RetentionItem>,
}

/// A run of retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionItem {
    /// The event.
    pub event: i64,
    /// When.
    pub at: String,
    /// Changes of each class whose values went.
    pub critical: i64,
    /// The same of class `normal`.
    pub normal: i64,
    /// The same of class `debug`.
    pub debug: i64,
    /// Changes that a legal hold keeps.
    pub held: i64,
    /// Whether more is due than one run drops.
    pub more: bool,
    /// What one run drops at most.
    pub cap: i64,
    /// Why nothing was dropped, where the clock was not believed.
    pub refused: Option<String>,
}

/// An erasure that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureItem {
    /// Its event.
    pub event: Seq,
    /// When.
    pub at: String,
    /// `subject`, or `register`: an older copy of the database was put right.
    pub cause: String,
    /// The proposal that was approved.
    pub proposal: Option<Seq>,
    /// Private parts that went.
    pub places: i64,
}

/// An erasure that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingErasure {
    /// The proposal.
    pub proposal: Seq,
    /// When it was asked for.
    pub submitted_at: String,
    /// When it may be carried out; `null` until it is approved.
    pub ready_at: Option<String>,
}

/// Control totals of one source in one currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSums {
    /// Booked entries announced.
    pub expected_entries: Option<i64>,
    /// Booked entries recorded.
    pub entries: i64,
    /// Credits announced.
    pub expected_credits: Option<String>,
    /// Credits recorded.
    pub credits: String,
    /// Debits announced.
    pub expected_debits: Option<String>,
    /// Debits recorded.
    pub debits: String,
    /// How they compare.
    pub state: SourceState,
}

/// Booked entries of one kind in one currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindSums {
    /// How many.
    pub entries: i64,
    /// Their credits.
    pub credits: String,
    /// Their debits.
    pub debits: String,
}

/// Booked entries of one hour in one currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hour {
    /// Its first instant, UTC.
    pub start: String,
    /// The currency.
    pub currency: String,
    /// How many.
    pub entries: i64,
    /// Credits and debits together.
    pub value: String,
}

/// A continuity break.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakItem {
    /// The entry it is named at.
    pub seq: Seq,
    /// The masked account.
    pub account: String,
    /// The account.
    pub account_id: Seq,
    /// Its currency.
    pub currency: String,
    /// `chain`, `arithmetic`, …
    pub kind: String,
    /// What should have been there: money, or a number for `sequence`.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// Found less expected.
    pub difference: Option<String>,
    /// `open`, `healed`, `explained` or `frozen`.
    pub state: String,
    /// The business date of the entry that opened it.
    pub business_date: NaiveDate,
    /// When that was recorded.
    pub opened_at: String,
    /// When the entry the break is named at was booked.
    #[serde(default)]
    pub booked_at: Option<String>,
    /// The session that entry came from.
    #[serde(default)]
    pub session: Option<String>,
    /// The IP address it came from.
    #[serde(default)]
    pub ip: Option<String>,
    /// What leads to the session and the address without naming them.
    #[serde(default)]
    pub context: Option<Seq>,
    /// What closed it: an entry or an event.
    pub closed_by: Option<Seq>,
    /// The alert it raised.
    pub alert: Option<String>,
}

/// An entry of a high amount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HighValue {
    /// The entry.
    pub seq: Seq,
    /// The masked account.
    pub account: String,
    /// The account.
    pub account_id: Seq,
    /// Its currency.
    pub currency: String,
    /// The amount.
    pub amount: String,
    /// `credit` or `debit`.
    pub direction: String,
    /// The kind of entry.
    pub kind: String,
    /// When it was booked.
    pub booked_at: String,
    /// Gravity of the hit.
    pub severity: Severity,
    /// The line, for people.
    pub threshold: String,
    /// The alert it joined.
    pub alert: Option<String>,
}

/// An entry that crossed the line of many entries in a short time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HighFrequency {
    /// The entry that crossed.
    pub seq: Seq,
    /// The masked account.
    pub account: String,
    /// The account.
    pub account_id: Seq,
    /// Its currency.
    pub currency: String,
    /// Entries in the window.
    pub count: i64,
    /// How many are too many.
    pub threshold: i64,
    /// How long the window is.
    pub window: String,
    /// Credits and debits of those entries together.
    pub value: String,
    /// When the entry that crossed was booked.
    pub booked_at: String,
    /// Gravity of the hit.
    pub severity: Severity,
    /// Whether an entry recorded later made it cross.
    pub late: bool,
    /// The alert it joined.
    pub alert: Option<String>,
}

/// Cash of an account on one side, above the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cash {
    /// The masked account.
    pub account: String,
    /// The account.
    pub account_id: Seq,
    /// Its currency.
    pub currency: String,
    /// `in` or `out`.
    pub side: String,
    /// Entries.
    pub entries: i64,
    /// Their sum.
    pub total: String,
    /// The largest of them.
    pub largest: String,
    /// The line the sum is above.
    pub threshold: String,
}

/// An entry that belongs to another date than the one reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatedEntry {
    /// The entry.
    pub seq: Seq,
    /// The masked account.
    pub account: String,
    /// The account.
    pub account_id: Seq,
    /// The date it belongs to.
    pub business_date: NaiveDate,
    /// When it was booked.
    pub booked_at: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// The kind of entry.
    pub kind: String,
    /// `credit` or `debit`.
    pub direction: String,
    /// The amount.
    pub amount: String,
    /// Its currency.
    pub currency: String,
}

/// A rule of a rule set in force on the date, and its outcomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleCounts {
    /// The rule's code.
    pub rule: String,
    /// The version of the rule set.
    pub version: i64,
    /// `off`, `dry_run` or `live`.
    pub mode: Mode,
    /// Gravity of its hits.
    pub severity: Severity,
    /// The rule in one sentence, with its parameters.
    pub text: Option<String>,
    /// Entries of the date it looked at, booked and attempted; of a rule on changes, changes recorded on the date.
    pub evaluated: i64,
    /// Hits on them.
    pub hits: i64,
    /// Those it does not apply to.
    pub not_applicable: i64,
    /// Those whose history reached beyond what is remembered.
    pub insufficient_history: i64,
    /// Those it failed on.
    pub errors: i64,
    /// Hits muted by a suppression.
    pub suppressed: i64,
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
    /// `reviewed` or `exception`.
    pub outcome: String,
    /// In the signer's words.
    pub comment: String,
}
