//! The close of a business date: once its first report is stored, the log commits to the last entry
//! of every account, so that whoever holds a root can be shown which entry was the last.
//!
//! Heads are read over a snapshot, away from the writer; only the event is an act. Dates are closed in
//! order and once. Nights that are made up for in one run are closed together, and say the same
//! size: a close covers what was in the log when it was made.

use chrono::NaiveDate;
use counterfoil_verify::heads::{Close, Heads, KIND};

use crate::clock::{day_date, day_number, parse_date};
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::heads;
use crate::trail::store::{event_after, events_of, state};
use crate::trail::{ActError, Log, NewEvent};

use super::{Context, versions};

/// Closes the business dates that are over, have a report and no close; answers which. Blocks.
///
/// The first close of a log is that of the newest such date; after that, every date after the last
/// close, oldest first, at most `catch_up` in one run.
///
/// # Errors
/// When the database cannot be read or written, or another close was committed meanwhile.
pub fn close_days(log: &Log, db: &Db, ctx: &Context) -> Result<Vec<NaiveDate>, ActError> {
    let today = day_number(ctx.calendar.local_date(ctx.clock.now()));
    let catch_up = ctx.catch_up.max(1) as usize;
    let found = db.connect()?.snapshot(|conn| {
        let dates = due(conn, today, catch_up)?;
        if dates.is_empty() {
            return Ok(None);
        }
        let state = state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
        DbResult::Ok(Some((dates, heads::at(conn, &state, state.size)?, state.size)))
    })?;
    let Some((dates, heads, size)) = found else { return Ok(Vec::new()) };
    let closes = closes(&dates, &heads, size);
    log.act(move |tx| {
        if event_after(tx.conn, KIND, size - 1)?.is_some() {
            let text = "the day was closed meanwhile; nothing more is needed";
            return Err(ActError::refused(409, "close_moved", text));
        }
        for close in closes {
            tx.append(NewEvent::public(KIND, close.body()))?;
        }
        Ok(dates)
    })
}

fn closes(dates: &[NaiveDate], heads: &Heads, size: Seq) -> Vec<Close> {
    dates.iter().map(|date| heads.close(&date.to_string(), size.unsigned_abs())).collect()
}

/// The dates before `today` to be closed, in order.
fn due(conn: &mut Conn, today: i32, catch_up: usize) -> DbResult<Vec<NaiveDate>> {
    let Some((newest, report)) = versions::newest_first_version(conn, today)? else { return Ok(Vec::new()) };
    // Mostly it is closed, and its close stands soon after its report.
    let after = event_after(conn, KIND, report)?;
    if after.and_then(|row| day(&row.body)).is_some_and(|day| day >= newest) {
        return Ok(Vec::new());
    }
    let Some(last) = events_of(conn, &[KIND], None, 1)?.pop() else { return Ok(vec![day_date(newest)]) };
    let last = day(&last.body)
        .ok_or_else(|| DbError::Corrupt(format!("event {} is no close that can be read; run `counterfoil verify`", last.seq)))?;
    let mut days = versions::dates_with_version(conn, last + 1, newest)?;
    days.sort_unstable();
    Ok(days.into_iter().take(catch_up).map(day_date).collect())
}

fn day(body: &str) -> Option<i32> {
    parse_date(&Close::parse(body)?.business_date).ok().map(day_number)
}
