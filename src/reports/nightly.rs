//! Which reports are due, and making them.

use std::collections::BTreeSet;

use chrono::{Duration, NaiveDate, NaiveTime, TimeZone};

use crate::clock::{Moment, day_date, day_number};
use crate::db::{Conn, Db, DbResult};
use crate::detect::due;
use crate::ledger::{BusinessCalendar, SKIPPED_MINUTES_MAX};
use crate::trail::{ActError, Log};

use super::{Context, Made, Report, activity, make, versions};

/// Days looked at in one run at most: a century.
const DAYS_MAX: u32 = 36_600;

/// The business dates whose report is due at `now` and not made, oldest first, at most `catch_up`.
///
/// The report of a date is due on the next calendar day at the local time `at`; where the clocks
/// skip that time, at the first instant that exists, and where they repeat it, the first time.
/// The first date is that of `created_at`, the last stored one is `stored`. A longer backlog is
/// taken up again by the next run.
pub fn due_dates(
    now: Moment,
    calendar: &BusinessCalendar,
    at: NaiveTime,
    created_at: Moment,
    stored: Option<NaiveDate>,
    catch_up: u32,
) -> Vec<NaiveDate> {
    let born = day_date(calendar.business_date(created_at));
    let first = stored.and_then(|date| date.succ_opt()).map_or(born, |next| next.max(born));
    let mut out = Vec::new();
    for date in first.iter_days().take(DAYS_MAX as usize) {
        if out.len() >= catch_up as usize || due_at(calendar, date, at).is_none_or(|due| due > now) {
            break;
        }
        if due::is_business_day(calendar, date) {
            out.push(date);
        }
    }
    out
}

/// The newest date whose night has come at `now`, and the instant it came: when its report is due, or would be.
pub fn last_night(now: Moment, calendar: &BusinessCalendar, at: NaiveTime) -> Option<(NaiveDate, Moment)> {
    let yesterday = calendar.local_date(now).pred_opt()?;
    [Some(yesterday), yesterday.pred_opt()]
        .into_iter()
        .flatten()
        .find_map(|date| due_at(calendar, date, at).filter(|due| *due <= now).map(|due| (date, due)))
}

/// How many versions of reports were made from `from` to `to`: each owes its mail.
pub fn stored_between(conn: &mut Conn, from: Moment, to: Moment) -> DbResult<i64> {
    versions::computed_between(conn, from, to)
}

/// When the report of `date` is due.
fn due_at(calendar: &BusinessCalendar, date: NaiveDate, at: NaiveTime) -> Option<Moment> {
    let wanted = date.succ_opt()?.and_time(at);
    (0..=SKIPPED_MINUTES_MAX)
        .find_map(|minutes| calendar.zone().from_local_datetime(&(wanted + Duration::minutes(minutes))).earliest())
        .map(|local| Moment(local.timestamp_micros()))
}

/// What a run makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The report of this date, whether it is due or not.
    Date(NaiveDate),
    /// Every report that is due and not made; once a night also the dates to which entries came after their newest
    /// version.
    Missing {
        /// Whether it is that time of the night.
        restate: bool,
    },
}

/// Makes what is due; answers what became of each.
///
/// Beside business days, a day off is due when entries state it as their business date. Blocks;
/// what was made before an error stays made.
pub fn run_nightly(
    log: &Log,
    db: &Db,
    ctx: &Context,
    what: Due,
    render: &dyn Fn(&Report) -> String,
) -> Result<Vec<(NaiveDate, Made)>, ActError> {
    let dates = match what {
        Due::Date(date) => vec![date],
        Due::Missing { restate } => db.read(|conn| conn.snapshot(|conn| missing(conn, ctx, restate)))?,
    };
    let mut made = Vec::new();
    for date in dates {
        made.push((date, make(log, db, ctx, date, render)?));
    }
    Ok(made)
}

/// The dates that are due and have no report, oldest first; then, as far as there is room, those to be restated.
fn missing(conn: &mut Conn, ctx: &Context, restate: bool) -> DbResult<Vec<NaiveDate>> {
    let Some((created, _)) = crate::trail::store::event(conn, 0)? else { return Ok(Vec::new()) };
    let created_at = Moment(created.recorded_at);
    let mut due: BTreeSet<i32> =
        due_dates(ctx.clock.now(), &ctx.calendar, ctx.at, created_at, None, DAYS_MAX).into_iter().map(day_number).collect();
    let (Some(first), Some(last)) = (due.first().copied(), due.last().copied()) else { return Ok(Vec::new()) };
    due.extend(activity::store::dates(conn, first, last)?);
    for (stored, computed_at) in versions::last_computed(conn, first, last)? {
        // One that was made before the date was over tells of a part of it.
        if computed_at >= due::window(&ctx.calendar, day_date(stored)).1 {
            due.remove(&stored);
        }
    }
    let most = ctx.catch_up as usize;
    let mut dates: Vec<i32> = due.into_iter().take(most).collect();
    if restate {
        let outdated = outdated(conn, (first, last), &dates, most - dates.len())?;
        dates.extend(outdated);
    }
    Ok(dates.into_iter().map(day_date).collect())
}

/// The dates with a report to which entries came after its newest version, oldest first; those beyond `most` wait for the
/// next night.
fn outdated(conn: &mut Conn, (first, last): (i32, i32), but: &[i32], most: usize) -> DbResult<Vec<i32>> {
    let mut dates = Vec::new();
    for (date, seq_to) in versions::last_places(conn, first, last)? {
        let is_late = !but.contains(&date) && activity::store::last_place(conn, date)?.is_some_and(|newest| newest > seq_to);
        if is_late && dates.len() == most {
            tracing::warn!(first = %day_date(date), "more reports are to be restated than a night makes: the others wait for the next");
            break;
        }
        if is_late {
            dates.push(date);
        }
    }
    Ok(dates)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{Bank, CutOff};
    use chrono::Weekday;

    struct Case {
        zone: &'static str,
        weekend: bool,
        at: &'static str,
        created: &'static str,
        stored: Option<&'static str>,
        now: &'static str,
        catch_up: u32,
        due: &'static [&'static str],
    }

    const UTC: Case = Case {
        zone: "UTC",
        weekend: false,
        at: "00:30",
        created: "2026-11-18T10:00:00Z",
        stored: Some("2026-11-20"),
        now: "2026-11-22T00:30:00Z",
        catch_up: 31,
        due: &["2026-11-21"],
    };

    fn check(case: &Case) {
        let mut bank = Bank { time_zone: case.zone.parse().unwrap(), cut_off: CutOff(1440), ..Bank::default() };
        if case.weekend {
            bank.weekend = vec![Weekday::Sat, Weekday::Sun];
        }
        let calendar = BusinessCalendar::new(&bank);
        let at = NaiveTime::parse_from_str(case.at, "%H:%M").unwrap();
        let moment = |text: &str| Moment::parse(text).unwrap();
        let stored = case.stored.map(|d| d.parse().unwrap());
        let due = due_dates(moment(case.now), &calendar, at, moment(case.created), stored, case.catch_up);
        let due: Vec<String> = due.iter().map(ToString::to_string).collect();
        assert_eq!(due, case.due, "{} now {} at {}", case.zone, case.now, case.at);
    }

    #[test]
    fn a_report_is_due_the_next_night_at_its_time() {
        check(&UTC);
        check(&Case { now: "2026-11-22T00:29:59Z", due: &[], ..UTC });
        check(&Case { stored: Some("2026-11-21"), due: &[], ..UTC });
        check(&Case { zone: "America/New_York", now: "2026-11-22T05:29:59Z", due: &[], ..UTC });
        check(&Case { zone: "America/New_York", now: "2026-11-22T05:30:00Z", ..UTC });
    }

    #[test]
    fn the_last_night_is_any_calendar_day_s_whose_time_has_come() {
        let bank =
            Bank { time_zone: "America/New_York".parse().unwrap(), weekend: vec![Weekday::Sat, Weekday::Sun], ..Bank::default() };
        let calendar = BusinessCalendar::new(&bank);
        let last = |now: &str| {
            let at = NaiveTime::from_hms_opt(0, 30, 0).unwrap();
            last_night(Moment::parse(now).unwrap(), &calendar, at).map(|(date, came)| format!("{date} {came}")).unwrap()
        };
        assert_eq!(last("2026-11-23T05:29:59Z"), "2026-11-21 2026-11-22T05:30:00Z");
        assert_eq!(last("2026-11-23T05:30:00Z"), "2026-11-22 2026-11-23T05:30:00Z", "of a Sunday");
        assert_eq!(last("2026-11-24T04:59:00Z"), "2026-11-22 2026-11-23T05:30:00Z");
    }

    #[test]
    fn missed_nights_come_oldest_first_and_bounded() {
        check(&Case { stored: Some("2026-11-18"), due: &["2026-11-19", "2026-11-20", "2026-11-21"], ..UTC });
        check(&Case { stored: Some("2026-11-18"), catch_up: 2, due: &["2026-11-19", "2026-11-20"], ..UTC });
        check(&Case { stored: None, due: &["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"], ..UTC });
        check(&Case { stored: Some("2026-01-01"), catch_up: 1, due: &["2026-11-18"], ..UTC });
        check(&Case { catch_up: 0, due: &[], ..UTC });
    }

    #[test]
    fn days_off_have_no_report() {
        check(&Case { weekend: true, stored: Some("2026-11-19"), now: "2026-11-23T12:00:00Z", due: &["2026-11-20"], ..UTC });
        check(&Case { weekend: true, stored: Some("2026-11-20"), now: "2026-11-24T00:30:00Z", due: &["2026-11-23"], ..UTC });
    }

    #[test]
    fn where_the_clocks_skip_the_time_the_first_instant_after_it_counts() {
        // Berlin: 02:00 to 03:00 does not exist on 29 March 2026.
        let night =
            Case { zone: "Europe/Berlin", at: "02:15", created: "2026-03-01T00:00:00Z", stored: Some("2026-03-27"), ..UTC };
        check(&Case { now: "2026-03-29T00:59:59Z", due: &[], ..night });
        check(&Case { now: "2026-03-29T01:00:00Z", due: &["2026-03-28"], ..night });
        // It is 24 hours later again the night after.
        check(&Case { stored: Some("2026-03-28"), now: "2026-03-30T00:14:59Z", due: &[], ..night });
        check(&Case { stored: Some("2026-03-28"), now: "2026-03-30T00:15:00Z", due: &["2026-03-29"], ..night });
    }

    #[test]
    fn where_the_clocks_repeat_the_time_it_counts_once_and_the_first_time() {
        let night =
            Case { zone: "Europe/Berlin", at: "02:30", created: "2026-10-01T00:00:00Z", stored: Some("2026-10-23"), ..UTC };
        check(&Case { now: "2026-10-25T00:29:59Z", due: &[], ..night });
        check(&Case { now: "2026-10-25T00:30:00Z", due: &["2026-10-24"], ..night });
        check(&Case { stored: Some("2026-10-24"), now: "2026-10-25T01:30:00Z", due: &[], ..night });
    }
}
