//! The entries of a date, found through `day_ranges`, and the running figures beside them.

use diesel::prelude::*;

use crate::db::schema::{day_figures as figures, day_ranges, entries, events, record_changes};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

use super::Activity;

/// What a report reads of an entry; amounts in minor units, times in microseconds.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = entries)]
#[allow(missing_docs)] // the columns are explained in migrations/
pub struct DayEntry {
    pub seq: i64,
    pub source: i64,
    pub account: i64,
    pub kind: i16,
    pub direction: i16,
    pub amount: i64,
    pub currency: String,
    pub balance_before: Option<i64>,
    pub balance_after: Option<i64>,
    pub booked_at: i64,
    pub account_seq: Option<i64>,
    pub instrument: Option<i16>,
    pub status: i16,
    pub rules: i64,
    pub outcomes: Option<String>,
}

/// Entries of one source, currency, kind, status and hour, summed.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = figures)]
#[allow(missing_docs)] // the columns are explained in migrations/
pub struct Cell {
    pub source: i64,
    pub currency: String,
    pub kind: i16,
    pub status: i16,
    pub hour: i64,
    pub entries: i64,
    pub credits: i64,
    pub debits: i64,
}

/// Ranges taken from the database at a time.
const PAGE: i64 = 10_000;

/// Ranges at most this far apart are read as one: the entries between them are filtered out.
const GAP: i64 = 10_000;

/// The places between which entries of `date` lie, up to `seq_to`, joined where they are close.
pub fn ranges(conn: &mut Conn, date: i32, seq_to: Seq) -> DbResult<Vec<(Seq, Seq)>> {
    let mut joined: Vec<(Seq, Seq)> = Vec::new();
    let mut after = -1_i64;
    loop {
        let query = day_ranges::table
            .filter(day_ranges::business_date.eq(date))
            .filter(day_ranges::first_seq.gt(after))
            .filter(day_ranges::first_seq.le(seq_to))
            .order(day_ranges::first_seq)
            .select((day_ranges::first_seq, day_ranges::last_seq))
            .limit(PAGE);
        let page: Vec<(Seq, Seq)> = on_conn!(conn, |c| query.load(c))?;
        for (first, last) in &page {
            let last = (*last).min(seq_to);
            match joined.last_mut() {
                Some(before) if *first <= before.1.saturating_add(GAP) => before.1 = before.1.max(last),
                _ => joined.push((*first, last)),
            }
        }
        match page.last() {
            Some((first, _)) if page.len() as i64 == PAGE => after = *first,
            _ => return Ok(joined),
        }
    }
}

/// The last place at which an entry of `date` lies.
pub fn last_place(conn: &mut Conn, date: i32) -> DbResult<Option<Seq>> {
    let query = day_ranges::table.filter(day_ranges::business_date.eq(date)).order(day_ranges::first_seq.desc());
    Ok(on_conn!(conn, |c| query.select(day_ranges::last_seq).first(c).optional())?)
}

/// Entries of `date` from `first` to `last`, both inclusive, in order, at most `limit`.
pub fn slice(conn: &mut Conn, date: i32, first: Seq, last: Seq, limit: i64) -> DbResult<Vec<DayEntry>> {
    let query = entries::table
        .filter(entries::seq.ge(first))
        .filter(entries::seq.le(last))
        .filter(entries::business_date.eq(date))
        .order(entries::seq)
        .limit(limit);
    Ok(on_conn!(conn, |c| query.select(DayEntry::as_select()).load(c))?)
}

/// The changes of records from a place to before another, with what they say in public; at most `limit`.
pub fn changes(conn: &mut Conn, (from, end): (Seq, Seq), limit: i64) -> DbResult<Vec<(Seq, String)>> {
    let query = record_changes::table.inner_join(events::table.on(events::seq.eq(record_changes::seq)));
    let query = query.filter(record_changes::seq.ge(from)).filter(record_changes::seq.lt(end));
    let query = query.order(record_changes::seq).limit(limit).select((events::seq, events::body));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The sums of a date as the writer keeps them: quick, and always of the log's present size.
pub fn day_figures(conn: &mut Conn, date: i32) -> DbResult<Activity> {
    let query = figures::table.filter(figures::business_date.eq(date));
    let cells: Vec<Cell> = on_conn!(conn, |c| query.select(Cell::as_select()).load(c))?;
    let mut activity = Activity::default();
    cells.iter().for_each(|cell| activity.add(cell));
    Ok(activity)
}

/// Dates with entries from `first` to `last`, both inclusive.
pub fn dates(conn: &mut Conn, first: i32, last: i32) -> DbResult<Vec<i32>> {
    let query = figures::table
        .filter(figures::business_date.ge(first))
        .filter(figures::business_date.le(last))
        .select(figures::business_date)
        .distinct()
        .order(figures::business_date);
    Ok(on_conn!(conn, |c| query.load(c))?)
}
