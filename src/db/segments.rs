//! Segments of the log on PostgreSQL: entries and events with their private parts lie in partitions
//! of a fixed range of places, so that an old range can be detached, copied and vacuumed alone, and no
//! index outgrows memory. They are made ahead of the log, by a function of the owner: whoever
//! writes may not make tables. An SQLite file has none.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{Conn, DbResult};

/// Places in a segment: the leaves under a full tile of level 2. The migration says the same.
pub const SEGMENT: i64 = 1 << 24;

/// After a failure, places until the next attempt.
const AGAIN_AFTER: i64 = 1 << 16;

/// How far there are segments, as the one process that writes knows it.
#[derive(Default)]
pub struct Segments {
    made_to: i64,
    next_try: i64,
}

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = BigInt)]
    made_to: i64,
}

impl Segments {
    /// Sees to it that a whole segment lies ahead of a log of this size. A failure is told and tried
    /// again later: there is room for millions of leaves until one is needed.
    pub fn keep_ahead(&mut self, conn: &mut Conn, size: i64) {
        if size + SEGMENT <= self.made_to || size < self.next_try {
            return;
        }
        self.next_try = size + AGAIN_AFTER;
        match make(conn, size + SEGMENT) {
            Ok(made_to) => *self = Segments { made_to, next_try: 0 },
            Err(error) => tracing::warn!(%error, size, "the next segment of the log could not be made"),
        }
    }
}

/// Makes segments up to the one that holds `upto`; answers the first place without one.
///
/// # Errors
/// Also when `upto` lies more than eight segments ahead of the log.
pub fn make(conn: &mut Conn, upto: i64) -> DbResult<i64> {
    let Conn::Postgres(c) = conn else { return Ok(i64::MAX) };
    let made: Made = diesel::sql_query("SELECT make_segments($1) AS made_to").bind::<BigInt, _>(upto).get_result(c)?;
    Ok(made.made_to)
}
