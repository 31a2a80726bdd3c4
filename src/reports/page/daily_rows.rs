//! Rows of the daily report.

use super::{Figure, Link, Tag};

/// B: what a source announced and what came.
#[derive(Clone, Debug, Default)]
pub struct SourceTotals {
    /// The source.
    pub name: String,
    /// Entries announced, or `—`.
    pub expected: String,
    /// Rows received.
    pub received: String,
    /// Recorded.
    pub accepted: String,
    /// Refused.
    pub rejected: String,
    /// Sent again with the same content.
    pub duplicates: String,
    /// When the source closed its day, or `—`.
    pub closed: String,
    /// Matched, Mismatch or Not received.
    pub state: Tag,
}

/// B: control totals of a source in a currency.
#[derive(Clone, Debug, Default)]
pub struct SourceSumRow {
    /// The source.
    pub name: String,
    /// The currency.
    pub currency: String,
    /// Debits announced, or `—`.
    pub debits_expected: String,
    /// Debits recorded.
    pub debits: String,
    /// Credits announced, or `—`.
    pub credits_expected: String,
    /// Credits recorded.
    pub credits: String,
    /// Matched, Mismatch or Not announced.
    pub state: Tag,
}

/// C: a currency's day.
#[derive(Clone, Debug, Default)]
pub struct CurrencyActivity {
    /// The currency.
    pub currency: String,
    /// Entries counted.
    pub entries: String,
    /// Opening balance of the accounts known.
    pub opening: String,
    /// Credits.
    pub credits: String,
    /// Debits.
    pub debits: String,
    /// Closing balance.
    pub closing: String,
    /// Accounts left out because no balance is known.
    pub unknown: String,
    /// Whether opening + credits − debits is closing.
    pub proof: Tag,
    /// By kind.
    pub kinds: Vec<KindRow>,
    /// By hour: entries, then value; their figures are in `hours`.
    pub charts: Vec<Figure>,
    /// By hour: start of the hour, entries, value.
    pub hours: Vec<HourRow>,
}

/// C: an hour in a currency.
#[derive(Clone, Debug, Default)]
pub struct HourRow {
    /// When it starts, with the offset where the clocks change.
    pub start: String,
    /// Entries.
    pub entries: String,
    /// Credits and debits together.
    pub value: String,
}

/// C: a kind of entry in a currency.
#[derive(Clone, Debug, Default)]
pub struct KindRow {
    /// The kind in words.
    pub kind: String,
    /// Entries.
    pub entries: String,
    /// Credits.
    pub credits: String,
    /// Debits.
    pub debits: String,
}

/// F: an account with many entries.
#[derive(Clone, Debug, Default)]
pub struct FrequencyRow {
    /// The masked account and its page.
    pub account: Link,
    /// The window.
    pub window: String,
    /// Entries in it.
    pub count: String,
    /// The limit.
    pub limit: String,
    /// Their value, with currency.
    pub value: String,
    /// The alert.
    pub alert: Link,
}

/// G: an account's cash on the day.
#[derive(Clone, Debug, Default)]
pub struct CashRow {
    /// The masked account and its page.
    pub account: Link,
    /// `Cash in` or `Cash out`.
    pub side: String,
    /// Entries.
    pub entries: String,
    /// Their sum, with currency.
    pub total: String,
    /// The largest of them.
    pub largest: String,
    /// Such as `Above the limit`.
    pub state: Tag,
}

/// J: alerts counted by severity.
#[derive(Clone, Debug, Default)]
pub struct AlertCountRow {
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// Raised on the day.
    pub raised: String,
    /// Closed on the day.
    pub closed: String,
    /// Open at the end.
    pub open: String,
    /// Past due at the end.
    pub past_due: String,
}

/// J: a rule and its outcomes.
#[derive(Clone, Debug, Default)]
pub struct RuleRow {
    /// The rule's name.
    pub rule: String,
    /// Its code and version.
    pub version: String,
    /// Live, Dry run or Off.
    pub mode: String,
    /// Entries evaluated.
    pub evaluated: String,
    /// Hits.
    pub hits: String,
    /// Not applicable.
    pub not_applicable: String,
    /// Too little history.
    pub insufficient: String,
    /// Errors.
    pub errors: String,
    /// Hits muted by a suppression.
    pub suppressed: String,
}

/// M and N: something counted.
#[derive(Clone, Debug, Default)]
pub struct CountRow {
    /// What.
    pub what: String,
    /// How many.
    pub count: String,
    /// More about it; may be empty.
    pub note: String,
    /// A state that asks for attention.
    pub tag: Option<Tag>,
}

/// O: an entry that is late or ahead.
#[derive(Clone, Debug, Default)]
pub struct LateRow {
    /// Its place in the log.
    pub seq: String,
    /// The masked account and its page.
    pub account: Link,
    /// The business date it belongs to.
    pub business_date: String,
    /// When it was booked.
    pub booked: String,
    /// When it was recorded.
    pub recorded: String,
    /// Credit or Debit.
    pub direction: String,
    /// The amount, with currency.
    pub amount: String,
}

/// R: a version of the day's report.
#[derive(Clone, Debug, Default)]
pub struct VersionRow {
    /// The version.
    pub version: String,
    /// Its status.
    pub status: Tag,
    /// When it was computed.
    pub computed: String,
    /// What changed and why.
    pub change: String,
    /// The hash of its content.
    pub hash: String,
}

/// R: a signature.
#[derive(Clone, Debug, Default)]
pub struct SignatureRow {
    /// Who, with role.
    pub by: String,
    /// When.
    pub at: String,
    /// Reviewed or Exception noted.
    pub outcome: Tag,
    /// The comment; may be empty.
    pub comment: String,
}
