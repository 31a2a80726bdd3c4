//! The bank's accounting day: decided once per entry, from the bank's clock and calendar.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDate, Offset, TimeZone, Weekday};
use chrono_tz::Tz;

use crate::clock::{Moment, SECOND, day_date, day_number};
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
        let offset = self.zone.offset_from_utc_datetime(&at.utc().naive_utc()).fix().local_minus_utc();
        let local = at.0.div_euclid(SECOND) + i64::from(offset);
        let minute = local.rem_euclid(86_400) / 60;
        let day = local.div_euclid(86_400) + i64::from(minute >= i64::from(self.cut_off_minutes));
        let day = i32::try_from(day).unwrap_or(i32::MAX);
        if self.weekend.is_empty() && self.holidays.is_empty() {
            return day;
        }
        day_number(self.roll_forward(day_date(day)))
    }

    /// The window of a business date as instants, half-open; 23 or 25 hours where clocks change.
    pub fn window(&self, date: NaiveDate) -> (Moment, Moment) {
        let cut = i64::from(self.cut_off_minutes);
        let start =
            if cut == 1440 { self.local_midnight(date) } else { self.local_midnight_plus(date.pred_opt().unwrap_or(date), cut) };
        let end =
            if cut == 1440 { self.local_midnight(date.succ_opt().unwrap_or(date)) } else { self.local_midnight_plus(date, cut) };
        (start, end)
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
        let mut wanted = naive;
        for _ in 0..8 {
            if let Some(local) = self.zone.from_local_datetime(&wanted).earliest() {
                return Moment(local.timestamp_micros());
            }
            wanted += chrono::Duration::minutes(30);
        }
        Moment(naive.and_utc().timestamp_micros())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::HOUR;
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
