//! Whether the clock can be believed, judged by the log itself.
//!
//! A program that runs leaves a leaf at least every hour. A clock that was set ahead shows as a stretch in
//! which nothing was recorded; it is not believed until the log has gone on without one for two weeks: time
//! enough to see it on the reports and to set it right. A clock behind the newest leaf is never believed.

use crate::clock::{DAY, MINUTE, Moment};
use crate::config::Retention;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::store as trail;

use super::store;

/// How far a clock may be behind the newest leaf.
const BEHIND: i64 = 5 * MINUTE;
/// How long the log must have gone on without a silence.
const PROBATION: i64 = 14 * DAY;

/// Why the clock is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// Stable.
    pub code: &'static str,
    /// For people.
    pub detail: &'static str,
}

/// Looks at the clock.
pub(super) fn look(conn: &mut Conn, settings: &Retention, now: Moment) -> DbResult<Result<(), Distrust>> {
    let Some(state) = trail::state(conn)? else { return Ok(Ok(())) };
    let newest = state.recorded_at;
    let quiet = i64::from(settings.quiet_days) * DAY;
    let distrust = |code, detail| Ok(Err(Distrust { code, detail }));
    if now.0 < newest - BEHIND {
        let detail = "the clock is behind the newest leaf of the log: one of them is wrong, and nothing is dropped. Set the \
            clock right; if the log is ahead of the time, it waits until the time has come";
        return distrust("clock_behind", detail);
    }
    if now.0 > newest + quiet {
        let detail = "the clock is further ahead of the newest leaf than retention.quiet_days: it may be wrong, and nothing is \
            dropped. With the program running, runs go on two weeks after the silence";
        return distrust("clock_ahead", detail);
    }
    let first = trail::event(conn, 0)?.map_or(newest, |(row, _)| row.recorded_at);
    let mut until = newest;
    while until - quiet > first && until > newest - PROBATION {
        let since = until - quiet;
        if !recorded_between(conn, since, until, state.size)? {
            let detail = "nothing was recorded for longer than retention.quiet_days within the last two weeks: the clock may have \
                been set ahead, and nothing is dropped until the log has gone on for two weeks";
            return distrust("silence", detail);
        }
        until = since;
    }
    Ok(Ok(()))
}

/// Whether anything was recorded from `since` to before `until`.
fn recorded_between(conn: &mut Conn, since: i64, until: i64, size: Seq) -> DbResult<bool> {
    let seq = store::first_place_at(conn, since, size)?;
    let at = store::recorded_at(conn, seq)?;
    Ok(at.is_some_and(|at| at < until))
}
