//! End-of-day markers and refusals.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::prelude::*;

use crate::db::schema::{day_refusals, feed_closings};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

/// What a source announced in one currency, minor units.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = feed_closings)]
#[allow(missing_docs)] // the columns are explained in migrations/
pub struct Closing {
    pub seq: i64,
    pub source: i64,
    pub currency: String,
    pub entries: i64,
    pub debits: i64,
    pub credits: i64,
    pub received_at: i64,
}

/// The newest marker of each source for a date, a row per currency.
pub fn closings(conn: &mut Conn, date: i32, seq_to: Seq) -> DbResult<HashMap<Seq, Vec<Closing>>> {
    let query = feed_closings::table
        .filter(feed_closings::business_date.eq(date))
        .filter(feed_closings::seq.le(seq_to))
        .order((feed_closings::seq, feed_closings::currency));
    let rows: Vec<Closing> = on_conn!(conn, |c| query.select(Closing::as_select()).load(c))?;
    let mut newest: HashMap<Seq, Vec<Closing>> = HashMap::new();
    for row in rows {
        let kept = newest.entry(row.source).or_default();
        if kept.first().is_some_and(|k| k.seq != row.seq) {
            kept.clear();
        }
        kept.push(row);
    }
    Ok(newest)
}

/// The sources that have ever sent a marker.
pub fn sources_that_close(conn: &mut Conn, seq_to: Seq) -> DbResult<HashSet<Seq>> {
    let query = feed_closings::table.filter(feed_closings::seq.le(seq_to)).select(feed_closings::source).distinct();
    let found: Vec<Seq> = on_conn!(conn, |c| query.load(c))?;
    Ok(found.into_iter().collect())
}

/// Rows refused on a date, per source and code.
pub fn refusals(conn: &mut Conn, date: i32) -> DbResult<HashMap<Seq, BTreeMap<String, i64>>> {
    let query = day_refusals::table.filter(day_refusals::business_date.eq(date));
    let query = query.select((day_refusals::source, day_refusals::code, day_refusals::rows));
    let rows: Vec<(Seq, String, i64)> = on_conn!(conn, |c| query.load(c))?;
    let mut out: HashMap<Seq, BTreeMap<String, i64>> = HashMap::new();
    for (source, code, count) in rows {
        out.entry(source).or_default().insert(code, count);
    }
    Ok(out)
}
