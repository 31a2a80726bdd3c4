//! The daily compliance report: one article, frozen once computed.

use askama::Template;

use super::{
    AlertCountRow, BreakRow, CashRow, CountRow, CurrencyActivity, EntryRow, Fact, Figure, FrequencyRow, LateRow, RuleRow,
    SignatureRow, SourceSumRow, SourceTotals, Tag, Tile, VersionRow,
};

/// The article alone, as the site shows a preview.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "reports/daily.html")]
pub struct ReportArticle {
    /// The report.
    pub report: DailyReport,
}

/// The frozen document for storage: depends on nobody who is signed in. Its `<article>` is
/// byte for byte what [`ReportArticle`] prints.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "reports/frozen.html")]
pub struct ReportPage {
    /// *Trusted markup*: the style sheet itself, so that the document needs nothing else.
    pub style: &'static str,
    /// The report.
    pub report: DailyReport,
}

/// Everything the report prints. A section whose list is empty prints its note instead, so every
/// list has one; a note beside a list says what was left out.
#[derive(Clone, Debug, Default)]
pub struct DailyReport {
    /// The bank's name.
    pub bank: String,
    /// The business date, `2026-11-20`.
    pub business_date: String,
    /// Its weekday.
    pub weekday: String,
    /// The version: `1`, or `0` for a preview.
    pub version: String,
    /// Preview, provisional, final or superseded.
    pub status: Tag,
    /// Such as `Confidential, internal`.
    pub handling: String,
    /// Window local and UTC, cut-off, run, computed at and by, seq range, rule set, program.
    pub header: Vec<Fact>,
    /// The verdict: one sentence or a few.
    pub verdict: String,
    /// Said on a day without entries; unknown is never shown as zero.
    pub nil_day: Option<String>,
    /// Why provisional, or how late it was made.
    pub notices: Vec<String>,
    /// A: six figures.
    pub tiles: Vec<Tile>,
    /// B: a row per source.
    pub sources: Vec<SourceTotals>,
    /// B: a row per source and currency.
    pub source_sums: Vec<SourceSumRow>,
    /// B: what the table means or leaves out.
    pub sources_note: String,
    /// C: the roll-forward per currency.
    pub activity: Vec<CurrencyActivity>,
    /// C: method, or why there is nothing.
    pub activity_note: String,
    /// D: accounts and entries checked, breaks new and open.
    pub continuity: Vec<Fact>,
    /// D: the breaks.
    pub breaks: Vec<BreakRow>,
    /// D: modes in force; said also when there is no break.
    pub breaks_note: String,
    /// E: entries at or above the limit.
    pub high_value: Vec<EntryRow>,
    /// E: limit and total.
    pub high_value_note: String,
    /// F: accounts with many entries in the window.
    pub high_frequency: Vec<FrequencyRow>,
    /// F: limit and total.
    pub high_frequency_note: String,
    /// G: cash per account and day.
    pub cash: Vec<CashRow>,
    /// G: limit and total.
    pub cash_note: String,
    /// J: raised, open, past due, closed, suppressed.
    pub alerts: Vec<Fact>,
    /// J: the chart by rule.
    pub alerts_chart: Option<Figure>,
    /// J: by severity; `severity` is set.
    pub alerts_by_severity: Vec<AlertCountRow>,
    /// J: why there is nothing, or what is left out.
    pub alerts_note: String,
    /// J: every rule and its outcomes.
    pub rules: Vec<RuleRow>,
    /// M: sign-ins, refusals, changes.
    pub access: Vec<CountRow>,
    /// L: erasures carried out and waiting, and holds.
    pub erasures: Vec<CountRow>,
    /// N: mail and webhooks.
    pub notifications: Vec<CountRow>,
    /// O: entries of earlier days that came after their report.
    pub late: Vec<LateRow>,
    /// O: total of late entries.
    pub late_note: String,
    /// O: entries dated ahead.
    pub future: Vec<LateRow>,
    /// O: total of future entries.
    pub future_note: String,
    /// P: size, root, checkpoint, verified to, anchor age.
    pub integrity: Vec<Fact>,
    /// P: what this covers and what it does not.
    pub integrity_note: String,
    /// R: the versions of this day.
    pub versions: Vec<VersionRow>,
    /// R: the signatures at the time of freezing.
    pub signatures: Vec<SignatureRow>,
    /// S: definitions, limits in force, exclusions.
    pub method: Vec<String>,
}
