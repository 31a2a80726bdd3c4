//! Erasures as they are listed: on the daily report and on page Trail.

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::store;

/// Erasures listed at most.
pub const ERASURES_MAX: i64 = 1_000;

/// An erasure that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The event.
    pub event: Seq,
    /// When.
    pub at: Moment,
    /// `subject`, or `register` where an older copy of the database was put right.
    pub cause: String,
    /// The proposal that was approved.
    pub proposal: Option<Seq>,
    /// Private parts that went.
    pub places: i64,
}

/// An erasure that was asked for and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The proposal.
    pub proposal: Seq,
    /// When it was asked for.
    pub submitted_at: Moment,
    /// When it may be carried out, once it is approved.
    pub ready_at: Option<Moment>,
}

/// Erasures carried out at or after `from` and before `to`, among the leaves up to `end`; oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn done(conn: &mut Conn, (from, to): (Moment, Moment), end: Seq) -> DbResult<(Vec<Done>, i64)> {
    let (rows, total) = store::erasures_between(conn, (from, to), end, ERASURES_MAX)?;
    Ok((rows.into_iter().map(Done::of).collect(), total))
}

/// The newest erasures, newest first, at most `limit`, and how many there are.
///
/// # Errors
/// When the database cannot be read.
pub fn done_newest(conn: &mut Conn, limit: i64) -> DbResult<(Vec<Done>, i64)> {
    let (rows, total) = store::erasures_newest(conn, limit)?;
    Ok((rows.into_iter().map(Done::of).collect(), total))
}

impl Done {
    fn of(row: store::ErasureRow) -> Done {
        Done { event: row.id, at: Moment(row.erased_at), cause: row.cause, proposal: row.proposal, places: row.places }
    }
}

/// Erasures that waited when the log ended at `end`; oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn waiting(conn: &mut Conn, end: Seq) -> DbResult<(Vec<Waiting>, i64)> {
    let (rows, total) = store::erasures_waiting(conn, end, ERASURES_MAX)?;
    let waiting = |(proposal, submitted_at, ready_at, approved): store::WaitingRow| Waiting {
        proposal,
        submitted_at: Moment(submitted_at),
        ready_at: ready_at.filter(|_| approved.is_some_and(|seq| seq <= end)).map(Moment),
    };
    Ok((rows.into_iter().map(waiting).collect(), total))
}

/// Holds in force when the log ended at `end`.
///
/// # Errors
/// When the database cannot be read.
pub fn holds_in_force(conn: &mut Conn, end: Seq) -> DbResult<i64> {
    store::holds_in_force(conn, end)
}
