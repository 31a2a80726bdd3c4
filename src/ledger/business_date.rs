//! The bank's accounting day: decided once per entry, from the bank's clock and calendar.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDate, Offset, TimeZone, Weekday};
use chrono_tz::Tz;

use crate::clock::{HOUR, Moment, SECOND, day_date, day_number};
use crate::config::Bank;

/// Time zone, cut-off and days off of the bank.
#[derive(Clone, Debug)]
pub struct BusinessCalendar {
    zone: Tz,
    cut_off_minutes: u32,
    weekend: Vec<Weekday>,
    holidays: HashSet<NaiveDate>,
}

/// A year of days off in a row cannot be meant; the date is then left where it is.
const ROLL_DAYS_MAX: u32 = 366;

/// Minutes after a local time at which the next one must exist: a zone may skip a whole day.
pub const SKIPPED_MINUTES_MAX: i64 = 26 * 60;

/// How long after clocks were set back they may show an hour again.
const SET_BACK_WITHIN: i64 = 3 * HOUR;

impl BusinessCalendar {
    /// From the settings.
    pub fn new(bank: &Bank) -> BusinessCalendar {
        BusinessCalendar {
            zone: bank.time_zone,
            cut_off_minutes: bank.cut_off.0,
            weekend: bank.weekend.clone(),
            holidays: bank.holidays.iter().copied().collect(),
        }
    }

    /// The bank's time zone.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The local calendar date of an instant.
    pub fn local_date(&self, at: Moment) -> NaiveDate {
        self.zone.from_utc_datetime(&at.utc().naive_utc()).date_naive()
    }

    /// The business date of something booked at `at`, as a day number.
    pub fn business_date(&self, at: Moment) -> i32 {
        let (offset, cut_off) = (self.offset(at), i64::from(self.cut_off_minutes));
        let local = at.0.div_euclid(SECOND) + offset;
        let minute = local.rem_euclid(86_400) / 60;
        let day = local.div_euclid(86_400) + i64::from(minute >= cut_off);
        let day = i32::try_from(day).unwrap_or(i32::MAX);
        let again = minute < cut_off && cut_off < 1440 && self.offset(Moment(at.0 - SET_BACK_WITHIN)) > offset;
        let day = if again && at >= self.local_midnight_plus(day_date(day), cut_off) { day + 1 } else { day };
        if self.weekend.is_empty() && self.holidays.is_empty() {
            return day;
        }
        day_number(self.roll_forward(day_date(day)))
    }

    /// What the clocks are ahead of UTC at an instant, seconds.
    fn offset(&self, at: Moment) -> i64 {
        i64::from(self.zone.offset_from_utc_datetime(&at.utc().naive_utc()).fix().local_minus_utc())
    }

    /// The window of a business date as instants, half-open; 23 or 25 hours where clocks change. It ends when the clocks show
    /// the cut-off for the first time: what they show once more before it, set back, belongs to the next date.
    pub fn window(&self, date: NaiveDate) -> (Moment, Moment) {
        let cut = i64::from(self.cut_off_minutes);
        let start =
            if cut == 1440 { self.local_midnight(date) } else { self.local_midnight_plus(date.pred_opt().unwrap_or(date), cut) };
        let end =
            if cut == 1440 { self.local_midnight(date.succ_opt().unwrap_or(date)) } else { self.local_midnight_plus(date, cut) };
        (start, end)
    }

    /// A day of the bank's clock as instants, half-open, whatever the cut-off.
    pub fn day(&self, date: NaiveDate) -> (Moment, Moment) {
        (self.local_midnight(date), self.local_midnight(date.succ_opt().unwrap_or(date)))
    }

    fn roll_forward(&self, mut date: NaiveDate) -> NaiveDate {
        for _ in 0..ROLL_DAYS_MAX {
            if !self.weekend.contains(&date.weekday()) && !self.holidays.contains(&date) {
                break;
            }
            date = date.succ_opt().unwrap_or(date);
        }
        date
    }

    fn local_midnight(&self, date: NaiveDate) -> Moment {
        self.local_midnight_plus(date, 0)
    }

    /// A local wall time as an instant; one skipped by the clocks becomes the first that exists.
    fn local_midnight_plus(&self, date: NaiveDate, minutes: i64) -> Moment {
        let naive = date.and_time(chrono::NaiveTime::MIN) + chrono::Duration::minutes(minutes);
        let exists = |skipped| self.zone.from_local_datetime(&(naive + chrono::Duration::minutes(skipped))).earliest();
        let local = (0..=SKIPPED_MINUTES_MAX).find_map(exists).map(|local| local.timestamp_micros());
        Moment(local.unwrap_or_else(|| naive.and_utc().timestamp_micros()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::CutOff;

    fn calendar(zone: &str, cut_off: u32) -> BusinessCalendar {
        BusinessCalendar::new(&Bank { time_zone: zone.parse().unwrap(), cut_off: CutOff(cut_off), ..Bank::default() })
    }

    fn date(calendar: &BusinessCalendar, at: &str) -> String {
        day_date(calendar.business_date(Moment::parse(at).unwrap())).to_string()
    }

    #[test]
    fn an_entry_at_the_cut_off_belongs_to_the_next_date() {
        let bank = calendar("America/New_York", 14 * 60);
        assert_eq!(date(&bank, "2026-11-20T13:59:59.999999-05:00"), "2026-11-20");
        assert_eq!(date(&bank, "2026-11-20T14:00:00-05:00"), "2026-11-21");
        assert_eq!(date(&calendar("UTC", 1440), "2026-11-20T23:59:59Z"), "2026-11-20");
    }

    #[test]
    fn days_off_roll_forward() {
        let mut bank = Bank { cut_off: CutOff(14 * 60), ..Bank::default() };
        bank.weekend = vec![Weekday::Sat, Weekday::Sun];
        bank.holidays = vec!["2026-11-23".parse().unwrap()];
        let bank = BusinessCalendar::new(&bank);
        assert_eq!(date(&bank, "2026-11-20T15:00:00Z"), "2026-11-24"); // Friday after the cut-off
    }

    #[test]
    fn the_night_the_clocks_change_is_23_or_25_hours_long() {
        let berlin = calendar("Europe/Berlin", 1440);
        let hours = |day: &str| {
            let (from, to) = berlin.window(day.parse().unwrap());
            (to.0 - from.0) / HOUR
        };
        assert_eq!((hours("2026-03-29"), hours("2026-10-25"), hours("2026-11-20")), (23, 25, 24));
        let (from, _) = berlin.window("2026-03-29".parse().unwrap());
        assert_eq!(day_date(berlin.business_date(from)).to_string(), "2026-03-29");
    }

    #[test]
    fn a_cut_off_that_the_clocks_show_twice_counts_the_first_time() {
        let berlin = calendar("Europe/Berlin", 150);
        let window = berlin.window("2026-10-25".parse().unwrap());
        assert_eq!(window.1, Moment::parse("2026-10-25T02:30:00+02:00").unwrap());
        for (at, day) in [
            ("2026-10-25T02:29:59+02:00", "2026-10-25"),
            ("2026-10-25T02:30:00+02:00", "2026-10-26"),
            ("2026-10-25T02:00:00+01:00", "2026-10-26"),
            ("2026-10-25T02:29:59+01:00", "2026-10-26"),
            ("2026-10-25T03:00:00+01:00", "2026-10-26"),
            ("2026-10-26T02:29:59+01:00", "2026-10-26"),
            ("2026-03-29T01:59:59+01:00", "2026-03-29"),
            ("2026-03-29T03:00:00+02:00", "2026-03-30"),
        ] {
            assert_eq!(date(&berlin, at), day, "{at}");
        }
        // Every instant around it lies in the window of its date.
        for minutes in 0..3_000 {
            let at = Moment(window.1.0 - 24 * HOUR + minutes * 60 * SECOND);
            let (from, to) = berlin.window(day_date(berlin.business_date(at)));
            assert!(from <= at && at < to, "{at}");
        }
    }

    #[test]
    fn a_day_that_the_clocks_skip_is_empty_and_the_days_around_it_are_whole() {
        // Samoa had no 30 December 2011.
        let apia = calendar("Pacific/Apia", 1440);
        let window = |day: &str| apia.window(day.parse().unwrap());
        let at = |text: &str| Moment::parse(text).unwrap();
        assert_eq!(window("2011-12-29"), (at("2011-12-29T10:00:00Z"), at("2011-12-30T10:00:00Z")));
        assert_eq!(window("2011-12-30"), (at("2011-12-30T10:00:00Z"), at("2011-12-30T10:00:00Z")));
        assert_eq!(window("2011-12-31"), (at("2011-12-30T10:00:00Z"), at("2011-12-31T10:00:00Z")));
        assert_eq!(date(&apia, "2011-12-30T10:00:00Z"), "2011-12-31");
        assert_eq!(date(&apia, "2011-12-30T09:59:59Z"), "2011-12-29");
    }

    #[test]
    fn every_day_begins_where_the_day_before_ends_and_every_instant_lies_in_the_window_of_its_date() {
        for (zone, cut_off) in [("Pacific/Apia", 1440), ("Africa/Monrovia", 0), ("Asia/Kathmandu", 600), ("Europe/Berlin", 150)] {
            let calendar = calendar(zone, cut_off);
            for day in day_number("2011-01-01".parse().unwrap())..day_number("2012-12-31".parse().unwrap()) {
                let (from, to) = calendar.window(day_date(day));
                assert_eq!(calendar.window(day_date(day + 1)).0, to, "{zone} {}", day_date(day));
                if from < to {
                    assert_eq!(calendar.business_date(from), day, "{zone} {from}");
                    assert_eq!(calendar.business_date(Moment(to.0 - 1)), day, "{zone} {to}");
                }
            }
        }
    }

    #[test]
    fn the_date_is_that_of_the_wall_calendar() {
        for zone in ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Africa/Monrovia", "America/St_Johns"] {
            let calendar = calendar(zone, 1440);
            for step in 0..20_000_i64 {
                let at = Moment(-2_200_000_000_000_000 + step * 467_123_456_789);
                assert_eq!(day_date(calendar.business_date(at)), calendar.local_date(at), "{zone} {at}");
            }
        }
    }
}
