//! What is asked of the log about time.

use diesel::prelude::*;

use crate::db::among::among;
use crate::db::schema::{entries, events, holds};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

use super::super::store::HoldRow;

/// Whether one of these entries was recorded or booked within a span of time.
pub(in super::super) fn has_entry_within(conn: &mut Conn, places: &[Seq], (from, to): (i64, i64)) -> DbResult<bool> {
    let recorded = entries::recorded_at.ge(from).and(entries::recorded_at.lt(to));
    let booked = entries::booked_at.ge(from).and(entries::booked_at.lt(to));
    let query = entries::table.filter(among(entries::seq, places)).filter(recorded.or(booked)).count();
    let found: i64 = on_conn!(conn, |c| query.get_result(c))?;
    Ok(found > 0)
}

/// The holds in force, oldest first.
pub(super) fn active_holds(conn: &mut Conn) -> DbResult<Vec<HoldRow>> {
    let query = holds::table.filter(holds::released_at.is_null()).order(holds::id);
    Ok(on_conn!(conn, |c| query.select(HoldRow::as_select()).load(c))?)
}

/// The first place recorded at or after an instant, in microseconds; `size` if there is none. Recorded time
/// never decreases with the place.
pub(super) fn first_place_at(conn: &mut Conn, at: i64, size: Seq) -> DbResult<Seq> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        match recorded_at(conn, middle)? {
            Some(recorded) if recorded < at => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// When the leaf at a place was recorded.
pub(super) fn recorded_at(conn: &mut Conn, seq: Seq) -> DbResult<Option<i64>> {
    let entry = entries::table.find(seq).select(entries::recorded_at);
    let entry: Option<i64> = on_conn!(conn, |c| entry.first(c).optional())?;
    if entry.is_some() {
        return Ok(entry);
    }
    Ok(on_conn!(conn, |c| events::table.find(seq).select(events::recorded_at).first(c).optional())?)
}
