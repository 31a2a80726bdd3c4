//! Halving an account along its jump pointers, inside the database.
//!
//! Each entry is found together with the place of the next one, by questions of one row each: joined with
//! what decides between two places, PostgreSQL read whole segments at each step.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable};

use crate::clock::Moment;
use crate::db::fixed::{Fixed, Text};
use crate::db::schema::entries;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

use super::broken;

/// How far booked time had come at an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// That entry.
    pub seq: Seq,
    /// The latest booking time up to it.
    pub reached: Option<i64>,
    /// The newest entry in order with that time.
    pub by: Option<Seq>,
}

/// From an entry back to the last one recorded before a time. Steps are bounded: the square of the
/// logarithm of any account's length is far below.
struct Recorded;

impl Text for Recorded {
    const PIECES: &'static [&'static str] = &[
        "WITH RECURSIVE down(seq, prev, at, next, n) AS (SELECT e.seq, e.prev, e.recorded_at, \
         CASE WHEN (SELECT j.recorded_at FROM entries j WHERE j.seq = e.jump) >= ",
        " THEN e.jump ELSE e.prev END, 1 FROM entries e WHERE e.seq = ",
        " UNION ALL SELECT e.seq, e.prev, e.recorded_at, \
         CASE WHEN (SELECT j.recorded_at FROM entries j WHERE j.seq = e.jump) >= ",
        " THEN e.jump ELSE e.prev END, d.n + 1 FROM down d JOIN entries e ON e.seq = d.next WHERE d.n < 8192 AND d.at >= ",
        ") SELECT seq, prev, at FROM down ORDER BY n DESC LIMIT 1",
    ];
    type Columns = (BigInt, Nullable<BigInt>, BigInt);
}

/// From an entry back to the last one at which booked time had not come to an instant.
struct Reaching;

impl Text for Reaching {
    const PIECES: &'static [&'static str] = &[
        "WITH RECURSIVE down(seq, prev, reached, reached_by, next, n) AS (\
         SELECT e.seq, e.prev, CASE WHEN a.seq IS NULL THEN e.booked_at ELSE a.reached END, \
         CASE WHEN a.seq IS NULL THEN e.seq ELSE a.reached_by END, \
         CASE WHEN (SELECT CASE WHEN b.seq IS NULL THEN j.booked_at ELSE b.reached END \
         FROM entries j LEFT JOIN asides b ON b.seq = j.seq WHERE j.seq = e.jump) >= ",
        " THEN e.jump ELSE e.prev END, 1 \
         FROM entries e LEFT JOIN asides a ON a.seq = e.seq WHERE e.seq = ",
        " UNION ALL SELECT e.seq, e.prev, CASE WHEN a.seq IS NULL THEN e.booked_at ELSE a.reached END, \
         CASE WHEN a.seq IS NULL THEN e.seq ELSE a.reached_by END, \
         CASE WHEN (SELECT CASE WHEN b.seq IS NULL THEN j.booked_at ELSE b.reached END \
         FROM entries j LEFT JOIN asides b ON b.seq = j.seq WHERE j.seq = e.jump) >= ",
        " THEN e.jump ELSE e.prev END, d.n + 1 \
         FROM down d JOIN entries e ON e.seq = d.next LEFT JOIN asides a ON a.seq = e.seq WHERE d.n < 8192 AND d.reached >= ",
        ") SELECT seq, prev, reached, reached_by FROM down ORDER BY n DESC LIMIT 1",
    ];
    type Columns = (BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>);
}

/// The entries in order of one instant, from the newest back.
struct OfInstant;

impl Text for OfInstant {
    const PIECES: &'static [&'static str] = &[
        "WITH RECURSIVE same(seq, next, n) AS (\
         SELECT e.seq, CASE WHEN EXISTS (SELECT 1 FROM asides a WHERE a.seq = e.prev) \
         THEN (SELECT a.reached_by FROM asides a WHERE a.seq = e.prev) ELSE e.prev END, 1 FROM entries e WHERE e.seq = ",
        " UNION ALL SELECT e.seq, CASE WHEN EXISTS (SELECT 1 FROM asides a WHERE a.seq = e.prev) \
         THEN (SELECT a.reached_by FROM asides a WHERE a.seq = e.prev) ELSE e.prev END, s.n + 1 \
         FROM same s JOIN entries e ON e.seq = s.next WHERE s.n < 1024 AND e.booked_at = ",
        ") SELECT seq, n FROM same",
    ];
    type Columns = (BigInt, Integer);
}

/// The last entry of an account, from `newest` back, that was recorded at or before `known_at`.
pub fn last_recorded(conn: &mut Conn, newest: Seq, known_at: Moment) -> DbResult<Option<Seq>> {
    let after = known_at.0.saturating_add(1);
    let query = Fixed::<Recorded, 4>::with([after, newest, after, after]);
    let found: Option<(i64, Option<i64>, i64)> = on_conn!(conn, |c| query.get_result(c).optional())?;
    match found.ok_or_else(|| broken(newest))? {
        (seq, _, at) if at < after => Ok(Some(seq)),
        (_, None, _) => Ok(None),
        (seq, ..) => Err(broken(seq)),
    }
}

/// How far booked time had come at the last entry, from `last` back, at which it had not come to `at`.
pub fn last_reaching(conn: &mut Conn, last: Seq, at: Moment) -> DbResult<Option<Order>> {
    let query = Fixed::<Reaching, 4>::with([at.0, last, at.0, at.0]);
    type Found = (i64, Option<i64>, Option<i64>, Option<i64>);
    let found: Option<Found> = on_conn!(conn, |c| query.get_result(c).optional())?;
    let (seq, prev, reached, by) = found.ok_or_else(|| broken(last))?;
    match (reached.is_none_or(|reached| reached < at.0), prev) {
        (true, _) => Ok(Some(Order { seq, reached, by })),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(broken(seq)),
    }
}

/// The entries in order that were booked at `instant`, of which `newest` is the newest.
pub fn of_instant(conn: &mut Conn, newest: Seq, instant: i64) -> DbResult<Vec<Seq>> {
    let query = Fixed::<OfInstant, 2>::with([newest, instant]);
    let found: Vec<(i64, i32)> = on_conn!(conn, |c| query.load(c))?;
    Ok(found.into_iter().map(|(seq, _)| seq).collect())
}

/// When an entry was booked.
pub fn booked_at(conn: &mut Conn, seq: Seq) -> DbResult<Option<i64>> {
    Ok(on_conn!(conn, |c| entries::table.find(seq).select(entries::booked_at).first(c).optional())?)
}
