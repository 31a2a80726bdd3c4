//! The verdict: one sentence that an officer reads first.

use crate::clock::Moment;

use super::{Recovered, Report, Source, SourceState, Status};

/// Names printed of sources that need attention; the rest is a number.
const NAMES_MAX: usize = 5;

/// What the day comes to.
pub(super) fn sentence(report: &Report) -> String {
    let entries: i64 = report.totals.values().map(|t| t.entries).sum();
    let attempted: i64 = report.totals.values().map(|t| t.attempted).sum();
    let mut parts = vec![if let Some(began) = before_the_book(report) {
        format!("This date lies before the book's start on {began}: nothing was recorded of it")
    } else if entries == 0 && attempted == 0 {
        format!("No entries with this business date; {}", feeds(&report.sources))
    } else {
        format!("{}: {}, {}", lead(&report.sources), count(entries, "entry", "entries"), feeds(&report.sources))
    }];
    if attempted > 0 {
        parts.push(count(attempted, "attempt that moved nothing", "attempts that moved nothing"));
    }
    let (breaks, alerts) = (&report.continuity, &report.alerts);
    parts.push(format!(
        "{} found ({} open)",
        count(breaks.breaks_new, "continuity break", "continuity breaks"),
        breaks.breaks_open
    ));
    if breaks.records_new + breaks.records_open > 0 {
        let found = count(breaks.records_new, "record break", "record breaks");
        parts.push(format!("{found} found ({} open)", breaks.records_open));
    }
    parts.push(format!("{} raised ({} past due)", count(alerts.raised, "alert", "alerts"), alerts.past_due));
    exceptions(report, &mut parts);
    parts.join(", ") + "."
}

/// The local date on which the log was created, if the reported date ended before and nothing of it
/// was sent later.
pub(super) fn before_the_book(report: &Report) -> Option<String> {
    let began = report.integrity.book_began_at.as_deref()?;
    let nothing = report.totals.is_empty() && report.sources.is_empty();
    let (end, start) = (Moment::parse(&report.window.to).ok()?, Moment::parse(began).ok()?);
    let zone: chrono_tz::Tz = report.window.time_zone.parse().unwrap_or(chrono_tz::Tz::UTC);
    (nothing && end <= start).then(|| start.utc().with_timezone(&zone).date_naive().to_string())
}

/// What is said only when there is any.
fn exceptions(report: &Report, parts: &mut Vec<String>) {
    let proofs = report.totals.values().filter(|t| t.roll_forward.state == "difference").count() as i64;
    let errors = report.rules.iter().map(|r| r.errors).sum();
    for (n, one, many) in [
        (proofs, "roll-forward that does not add up", "roll-forwards that do not add up"),
        (errors, "rule evaluation failed", "rule evaluations failed"),
        (report.late_total, "late entry of a date reported before", "late entries of dates reported before"),
        (report.notifications.dead, "mail given up", "mails given up"),
    ] {
        if n > 0 {
            parts.push(count(n, one, many));
        }
    }
    for recovered in &report.integrity.recovered {
        parts.push(format!("after a loss, {}", recovered.words()));
    }
    let changed = report.integrity.settings_changed.len() as i64;
    if changed > 0 {
        parts.push(count(changed, "start with other control settings", "starts with other control settings"));
    }
    if let Some(overdue) = &report.integrity.anchor_overdue {
        parts.push(overdue.clone());
    }
    if report.integrity.day_figures_agree == Some(false) {
        parts.push("the running day figures differ from the entries: run `counterfoil verify`".into());
    }
    if let Some(restates) = &report.integrity.restates {
        parts.push(match (report.status, restates.changes_total) {
            (Status::Preview, 0) => format!("no figure differs from version {}", restates.version),
            (status, n) => {
                let word = if status == Status::Preview { "differs from" } else { "restates" };
                format!("{word} version {} in {}", restates.version, count(n, "figure", "figures"))
            }
        });
    }
}

impl Recovered {
    /// What was lost, in the middle of a sentence.
    pub fn words(&self) -> String {
        match (self.lost_from, self.lost_to) {
            (Some(from), Some(to)) => format!("leaves {from} to {} of the log were lost", to - 1),
            _ => "the key of the log was lost".to_owned(),
        }
    }

    /// What was lost and what was done, as a sentence.
    pub fn sentence(&self) -> String {
        let words = self.words();
        let mut chars = words.chars();
        let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
        format!("{first}{}; two officers let it go on as {} (event {})", chars.as_str(), self.origin, self.event)
    }
}

fn lead(sources: &[Source]) -> &'static str {
    let any = |state| sources.iter().any(|s| s.state == state);
    if any(SourceState::Mismatch) {
        "Mismatch"
    } else if any(SourceState::NotReceived) || sources.iter().any(|s| s.closes && s.closed_at.is_none()) {
        "Incomplete"
    } else if sources.iter().all(|s| s.state == SourceState::Matched) && !sources.is_empty() {
        "Complete"
    } else {
        "Received"
    }
}

/// `2 of 3 sources matched, not received: core`
fn feeds(sources: &[Source]) -> String {
    if sources.is_empty() {
        return "no source is known yet".into();
    }
    let of = |state| sources.iter().filter(move |s| s.state == state);
    let announced = sources.iter().any(|s| s.closes || s.closed_at.is_some());
    let mut text = match (announced, sources.len()) {
        (false, 1) => "the source announced no totals".to_owned(),
        (false, n) => format!("none of {n} sources announced totals"),
        (true, n) => format!("{} of {} matched", of(SourceState::Matched).count(), count(n as i64, "source", "sources")),
    };
    for state in [SourceState::Mismatch, SourceState::NotReceived] {
        let names: Vec<&str> = of(state).map(|s| s.name.as_str()).collect();
        if !names.is_empty() {
            let more = names.len().saturating_sub(NAMES_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text.push_str(&format!(", {}: {}{more}", state.text(), names[..names.len().min(NAMES_MAX)].join(", ")));
        }
    }
    text
}

fn count(n: i64, one: &str, many: &str) -> String {
    let digits = crate::money::group_thousands(n.unsigned_abs().into());
    format!("{digits} {}", if n == 1 { one } else { many })
}
