//! What mails say: facts in, letters out.
//!
//! Every fact type holds only what may leave the building; [`AlertFact::new`] masks the account and
//! replaces the rule by its family before anything is rendered. Both parts of a mail are rendered
//! from one struct, so they state the same facts.

pub mod counts;
mod letter;
mod notices;
pub mod store;

use askama::Template;
use chrono::NaiveDate;

use crate::clock::Moment;
use crate::detect::{self, Severity};
use crate::ids::{Seq, mask_account};

use counts::Count;
pub use letter::Letter;
pub use notices::NoticeFact;

/// Reports listed in one mail, the newest with its counts: no longer than a screen.
pub const REPORTS_MAX: usize = 7;
/// Items listed in one mail; the rest is counted.
pub const LISTED_MAX: usize = 50;

/// What all mails of an installation have in common.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The bank's name.
    pub bank: String,
    /// Where links begin, without a slash at the end.
    pub public_url: String,
    /// A signed checkpoint that covers what the mail reports.
    pub checkpoint: Option<CheckpointFact>,
}

/// A signed checkpoint of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFact {
    /// From 1.
    pub number: i64,
    /// Leaves it covers.
    pub size: i64,
    /// The signed note, as a verifier reads it.
    pub note: String,
}

/// To whom, when and under which id.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// `<…@…>`
    pub message_id: String,
    /// The address.
    pub recipient: String,
    /// The time of the try.
    pub date: Moment,
}

/// An alert as mail may state it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertFact {
    reference: String,
    severity: &'static str,
    family: &'static str,
    /// `account`, `record` or `actor, change`
    what: &'static str,
    account: String,
    business_date: NaiveDate,
    due: NaiveDate,
}

impl AlertFact {
    /// Of the alert `reference`, raised by the rule with code `rule` on the account `number`, to be
    /// decided by `due`.
    pub fn new(
        reference: String,
        severity: Severity,
        rule: &str,
        number: &str,
        business_date: NaiveDate,
        due: NaiveDate,
    ) -> AlertFact {
        let account = mask_account(number);
        AlertFact { reference, severity: severity.text(), family: family(rule), what: "account", account, business_date, due }
    }

    /// What it is about, as wide as the other labels.
    fn label(&self) -> String {
        format!("{:<15}", self.what)
    }

    /// The same on a record, or on an actor, by our own number.
    pub fn of_change(
        reference: String,
        severity: Severity,
        rule: &str,
        about: Seq,
        business_date: NaiveDate,
        due: NaiveDate,
    ) -> AlertFact {
        let by_actor = detect::rule(rule).is_some_and(|rule| rule.grouping() == "actor");
        let what = if by_actor { "actor, change" } else { "record" };
        let (severity, account) = (severity.text(), about.to_string());
        AlertFact { reference, severity, family: family(rule), what, account, business_date, due }
    }
}

/// The family of a rule: the pattern it serves, not how it works.
fn family(rule: &str) -> &'static str {
    match detect::rule(rule) {
        Some(rule) => rule.family(),
        None if rule == "continuity" => "balance continuity",
        None => "other",
    }
}

/// A stored daily report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFact {
    /// The date it is about.
    pub business_date: NaiveDate,
    /// From 1.
    pub version: i32,
    /// `provisional`, `final`, …
    pub status: String,
    /// Whether anything asks for a look, made of whole numbers only.
    pub verdict: String,
    /// What it counted.
    pub counts: Vec<Count>,
}

/// A finished import of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryFact {
    /// Its event.
    pub seq: Seq,
    /// What it counted.
    pub counts: Vec<Count>,
}

macro_rules! two_parts {
    ($facts:ident, $text:ident, $html:ident, $text_path:literal, $html_path:literal) => {
        #[derive(Template)]
        #[template(path = $text_path)]
        struct $text<'a> {
            m: &'a $facts<'a>,
        }
        #[derive(Template)]
        #[template(path = $html_path)]
        struct $html<'a> {
            m: &'a $facts<'a>,
        }
        impl $facts<'_> {
            fn letter(&self, to: Envelope) -> Result<Letter, askama::Error> {
                let (text, html) = ($text { m: self }.render()?, $html { m: self }.render()?);
                let subject = format!("[{} monitor] {}", one_line(&self.frame.bank), self.title);
                Ok(Letter { message_id: to.message_id, recipient: to.recipient, subject, text, html, date: to.date })
            }
        }
    };
}

struct Alerts<'a> {
    frame: &'a Frame,
    title: String,
    alerts: &'a [AlertFact],
    more: usize,
}
two_parts!(Alerts, AlertsText, AlertsHtml, "mail/alerts.txt", "mail/alerts.html");

struct Reports<'a> {
    frame: &'a Frame,
    title: String,
    reports: &'a [ReportFact],
    more: usize,
}
two_parts!(Reports, ReportsText, ReportsHtml, "mail/reports.txt", "mail/reports.html");

struct Histories<'a> {
    frame: &'a Frame,
    title: String,
    histories: &'a [HistoryFact],
    more: usize,
}
two_parts!(Histories, HistoriesText, HistoriesHtml, "mail/histories.txt", "mail/histories.html");

struct Notices<'a> {
    frame: &'a Frame,
    title: String,
    notices: &'a [NoticeFact],
    more: usize,
}
two_parts!(Notices, NoticesText, NoticesHtml, "mail/notices.txt", "mail/notices.html");

/// A mail about `total` alerts, of which the first [`LISTED_MAX`] of `alerts` are listed; gravest
/// first. `gravest` is the severity the subject names.
pub fn alerts(
    frame: &Frame,
    to: Envelope,
    gravest: Severity,
    alerts: &[AlertFact],
    total: usize,
) -> Result<Letter, askama::Error> {
    let alerts = &alerts[..alerts.len().min(LISTED_MAX)];
    let what = match alerts {
        [one] if total == 1 => format!("{} needs review", one.reference),
        _ => format!("{} need{} review", plural(total, "alert"), if total == 1 { "s" } else { "" }),
    };
    let title = format!("{}: {what}", capital(gravest.text()));
    Alerts { frame, title, alerts, more: total.saturating_sub(alerts.len()) }.letter(to)
}

/// A mail about `total` stored daily reports, of which the first [`REPORTS_MAX`] are listed.
pub fn reports(frame: &Frame, to: Envelope, reports: &[ReportFact], total: usize) -> Result<Letter, askama::Error> {
    let reports = &reports[..reports.len().min(REPORTS_MAX)];
    let title = match reports {
        [one] if total == 1 => format!("Daily report for {}: version {}, {}", one.business_date, one.version, one.status),
        _ => plural(total, "daily report"),
    };
    Reports { frame, title, reports, more: total.saturating_sub(reports.len()) }.letter(to)
}

/// A mail about `total` finished imports of history, of which the first [`LISTED_MAX`] are listed.
pub fn histories(frame: &Frame, to: Envelope, histories: &[HistoryFact], total: usize) -> Result<Letter, askama::Error> {
    let histories = &histories[..histories.len().min(LISTED_MAX)];
    let title = match total {
        1 => "Import of history finished".to_owned(),
        total => format!("{total} imports of history finished"),
    };
    Histories { frame, title, histories, more: total.saturating_sub(histories.len()) }.letter(to)
}

/// A mail about `total` notices, of which the first [`LISTED_MAX`] are listed.
pub fn notices(frame: &Frame, to: Envelope, notices: &[NoticeFact], total: usize) -> Result<Letter, askama::Error> {
    let notices = &notices[..notices.len().min(LISTED_MAX)];
    let title = match notices {
        [one] if total == 1 => one.title.clone(),
        _ => plural(total, "notice"),
    };
    Notices { frame, title, notices, more: total.saturating_sub(notices.len()) }.letter(to)
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A name from the settings, fit for a header.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
