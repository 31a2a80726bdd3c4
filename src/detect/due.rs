//! Business days, and the day by which an alert should be decided.

use chrono::NaiveDate;

use crate::clock::{Moment, day_date};
use crate::ledger::BusinessCalendar;

use super::Severity;

/// Days off in a row beyond this cannot be meant.
const DAYS_OFF_MAX: u32 = 366;

/// Business days until an alert of this severity is past due.
fn days_allowed(severity: Severity) -> u32 {
    match severity {
        Severity::Critical => 1,
        Severity::High => 2,
        Severity::Medium => 5,
        Severity::Low => 10,
    }
}

/// Whether the bank posts on `date`. The first instant of a date's window belongs to the date
/// itself exactly when it is a business day; else it rolls forward.
pub fn is_business_day(calendar: &BusinessCalendar, date: NaiveDate) -> bool {
    day_date(calendar.business_date(calendar.window(date).0)) == date
}

/// The last local date on which an alert opened at `opened_at` may be decided in time: business
/// days where the calendar has days off, otherwise calendar days.
pub fn due_date(calendar: &BusinessCalendar, opened_at: Moment, severity: Severity) -> NaiveDate {
    let mut date = calendar.local_date(opened_at);
    for _ in 0..days_allowed(severity) {
        date = next_business_day(calendar, date);
    }
    date
}

/// Whether an alert that is still open at `now` should have been decided before.
pub fn is_past_due(calendar: &BusinessCalendar, opened_at: Moment, severity: Severity, now: Moment) -> bool {
    calendar.local_date(now) > due_date(calendar, opened_at, severity)
}

fn next_business_day(calendar: &BusinessCalendar, date: NaiveDate) -> NaiveDate {
    let mut next = date.succ_opt().unwrap_or(date);
    for _ in 0..DAYS_OFF_MAX {
        if is_business_day(calendar, next) {
            break;
        }
        next = next.succ_opt().unwrap_or(next);
    }
    next
}

/// The instants between which entries get `date`, half-open: from the end of the business day
/// before, so that days off in between belong to it.
pub fn window(calendar: &BusinessCalendar, date: NaiveDate) -> (Moment, Moment) {
    let (mut from, to) = calendar.window(date);
    if !is_business_day(calendar, date) {
        return (from, to);
    }
    let mut earlier = date;
    for _ in 0..DAYS_OFF_MAX {
        earlier = earlier.pred_opt().unwrap_or(earlier);
        if is_business_day(calendar, earlier) {
            break;
        }
        from = calendar.window(earlier).0;
    }
    (from, to)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{Bank, CutOff};
    use chrono::Weekday;

    fn bank(weekend: bool, cut_off: u32) -> BusinessCalendar {
        let mut bank = Bank { cut_off: CutOff(cut_off), ..Bank::default() };
        if weekend {
            bank.weekend = vec![Weekday::Sat, Weekday::Sun];
            bank.holidays = vec!["2026-11-26".parse().unwrap()];
        }
        BusinessCalendar::new(&bank)
    }

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn due_dates_count_business_days_or_calendar_days() {
        let opened = at("2026-11-20T10:00:00Z"); // a Friday
        for (weekend, cut_off, severity, due) in [
            (false, 1440, Severity::Critical, "2026-11-21"),
            (false, 1440, Severity::Low, "2026-11-30"),
            (true, 1440, Severity::Critical, "2026-11-23"),
            (true, 1440, Severity::High, "2026-11-24"),
            (true, 14 * 60, Severity::High, "2026-11-24"),
            (true, 1440, Severity::Medium, "2026-11-30"), // Thanksgiving and two weekends between
        ] {
            assert_eq!(due_date(&bank(weekend, cut_off), opened, severity).to_string(), due, "{weekend} {severity:?}");
        }
        let plain = bank(false, 1440);
        assert!(!is_past_due(&plain, opened, Severity::Critical, at("2026-11-21T23:59:59Z")));
        assert!(is_past_due(&plain, opened, Severity::Critical, at("2026-11-22T00:00:00Z")));
    }

    #[test]
    fn a_monday_takes_the_weekend_before_it() {
        let (from, to) = window(&bank(true, 14 * 60), "2026-11-23".parse().unwrap());
        assert_eq!((from, to), (at("2026-11-20T14:00:00Z"), at("2026-11-23T14:00:00Z")));
        let (from, to) = window(&bank(false, 1440), "2026-11-23".parse().unwrap());
        assert_eq!((from, to), (at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z")));
    }
}
