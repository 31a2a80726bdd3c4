//! Entries, events and mail around a date, by ranges of the log (of entries both ends inclusive).

use diesel::dsl::count_star;
use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::schema::{alerts, entries, events, jobs, outbox, reports};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::EntryRow;
use crate::on_conn;

/// The entries of `date` in a range.
pub fn entries_of(conn: &mut Conn, date: i32, (from, to): (Seq, Seq), limit: usize) -> DbResult<Vec<EntryRow>> {
    let query = entries::table
        .filter(entries::seq.ge(from))
        .filter(entries::seq.le(to))
        .filter(entries::business_date.eq(date))
        .order(entries::seq)
        .limit(limit as i64);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}

/// How many there are.
pub fn count_of(conn: &mut Conn, date: i32, (from, to): (Seq, Seq)) -> DbResult<i64> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.le(to)).filter(entries::business_date.eq(date));
    Ok(on_conn!(conn, |c| query.count().get_result(c))?)
}

/// The dates whose first version ends before a range begins: what comes in the range is late for them.
fn reported(conn: &mut Conn, from: Seq) -> DbResult<Vec<i32>> {
    let query = reports::table.filter(reports::version.eq(1)).filter(reports::seq_to.lt(from)).select(reports::business_date);
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The entries of a range whose date already had a first version.
pub fn late(conn: &mut Conn, (from, to): (Seq, Seq), limit: usize) -> DbResult<Vec<EntryRow>> {
    let dates = reported(conn, from)?;
    if dates.is_empty() {
        return Ok(Vec::new());
    }
    let query = entries::table
        .filter(entries::seq.ge(from))
        .filter(entries::seq.le(to))
        .filter(entries::business_date.eq_any(dates))
        .order(entries::seq)
        .limit(limit as i64);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}

/// How many there are.
pub fn late_count(conn: &mut Conn, (from, to): (Seq, Seq)) -> DbResult<i64> {
    let dates = reported(conn, from)?;
    if dates.is_empty() {
        return Ok(0);
    }
    let query =
        entries::table.filter(entries::seq.ge(from)).filter(entries::seq.le(to)).filter(entries::business_date.eq_any(dates));
    Ok(on_conn!(conn, |c| query.count().get_result(c))?)
}

/// The entries of a range with a later business date that has no report yet.
pub fn future(conn: &mut Conn, date: i32, (from, to): (Seq, Seq), limit: usize) -> DbResult<Vec<EntryRow>> {
    let dates = reported(conn, from)?;
    let query = entries::table
        .filter(entries::seq.ge(from))
        .filter(entries::seq.le(to))
        .filter(entries::business_date.gt(date))
        .filter(entries::business_date.ne_all(dates))
        .order(entries::seq)
        .limit(limit as i64);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}

/// How many there are.
pub fn future_count(conn: &mut Conn, date: i32, (from, to): (Seq, Seq)) -> DbResult<i64> {
    let dates = reported(conn, from)?;
    let query = entries::table
        .filter(entries::seq.ge(from))
        .filter(entries::seq.le(to))
        .filter(entries::business_date.gt(date))
        .filter(entries::business_date.ne_all(dates));
    Ok(on_conn!(conn, |c| query.count().get_result(c))?)
}

/// The place of the first event before `end` that was recorded at `at` or later; `end` if there is
/// none. Times never decrease along the log, so a few steps find it.
pub fn first_event_at(conn: &mut Conn, at: Moment, end: Seq) -> DbResult<Seq> {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let query = events::table.filter(events::seq.ge(middle)).filter(events::seq.lt(high)).order(events::seq);
        let query = query.select((events::seq, events::recorded_at));
        let found: Option<(Seq, i64)> = on_conn!(conn, |c| query.first(c).optional())?;
        match found {
            Some((seq, recorded)) if recorded < at.0 => low = seq + 1,
            _ => high = middle,
        }
    }
    let query = events::table.filter(events::seq.ge(low)).filter(events::seq.lt(end)).order(events::seq).select(events::seq);
    let found: Option<Seq> = on_conn!(conn, |c| query.first(c).optional())?;
    Ok(found.unwrap_or(end))
}

/// Bodies of the events of these kinds that count others, from `from` to before `to`, with their kinds.
pub fn flood_events(conn: &mut Conn, kinds: &[&str], (from, to): (Seq, Seq)) -> DbResult<Vec<(String, String)>> {
    let query = events::table
        .filter(events::seq.ge(from))
        .filter(events::seq.lt(to))
        .filter(events::kind.eq_any(kinds.to_vec()))
        .filter(events::body.like("%\"counted\":%"))
        .order(events::seq)
        .select((events::kind, events::body));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// Place, time and body of the events of a kind, from `from` to before `to`, at most `limit`.
pub fn events_of_kind(conn: &mut Conn, kind: &str, (from, to): (Seq, Seq), limit: i64) -> DbResult<Vec<(Seq, i64, String)>> {
    let query = events::table.filter(events::seq.ge(from)).filter(events::seq.lt(to)).filter(events::kind.eq(kind));
    let query = query.order(events::seq).limit(limit).select((events::seq, events::recorded_at, events::body));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// Events per kind, from `from` to before `to`.
pub fn event_counts(conn: &mut Conn, (from, to): (Seq, Seq)) -> DbResult<Vec<(String, i64)>> {
    let query = events::table
        .filter(events::seq.ge(from))
        .filter(events::seq.lt(to))
        .group_by(events::kind)
        .order(events::kind)
        .select((events::kind, count_star()));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// Mail about the alerts of `date`, per state.
pub fn alert_mail(conn: &mut Conn, date: i32, seq_to: Seq) -> DbResult<Vec<(i16, i64)>> {
    let of_date = alerts::table.filter(alerts::business_date.eq(date)).filter(alerts::id.le(seq_to)).select(alerts::id);
    let query = outbox::table
        .filter(outbox::kind.eq("alert"))
        .filter(outbox::about.eq_any(of_date))
        .group_by(outbox::state)
        .order(outbox::state)
        .select((outbox::state, count_star()));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// What a job's last finished run left.
pub fn job_outcome(conn: &mut Conn, name: &str) -> DbResult<Option<String>> {
    let query = jobs::table.filter(jobs::name.eq(name)).select(jobs::outcome);
    let found: Option<Option<String>> = on_conn!(conn, |c| query.first(c).optional())?;
    Ok(found.flatten())
}
