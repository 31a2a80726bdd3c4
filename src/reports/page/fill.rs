//! A report's figures as the words and charts of its page.

mod activity;
mod completeness;
mod head;
mod operations;
mod signals;

use super::DailyReport;
use super::words::LocalTime;
use crate::reports::Report;

/// Everything the page prints.
pub(super) fn report(from: &Report) -> DailyReport {
    let time = LocalTime::named(&from.window.time_zone);
    let mut page = head::fill(from, time);
    completeness::fill(&mut page, from, time);
    activity::fill(&mut page, from, time);
    signals::fill(&mut page, from, time);
    operations::fill(&mut page, from, time);
    page
}

/// `first 1,000 of 4,812`, said when a list leaves rows out.
fn left_out(shown: usize, total: i64) -> String {
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    if total <= shown {
        return String::new();
    }
    format!(" The list holds the first {} of {}.", super::words::count(shown), super::words::count(total))
}

#[cfg(test)]
mod tests;
