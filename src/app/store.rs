//! The table `inbox`: requests of commands, and the leader's answers.
//!
//! A row with `answered_at` and no answer is one whose work was committed by a process that was killed before it
//! could answer.

use diesel::prelude::*;

use crate::db::schema::inbox;
use crate::db::{Conn, DbResult};
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `inbox`.
    InboxRow => inbox { id: i64, created_at: i64, request: String, answer: Option<String>, answered_at: Option<i64> }
}

/// Requests without an answer, oldest first, at most `limit`.
pub(super) fn waiting(conn: &mut Conn, limit: i64) -> DbResult<Vec<InboxRow>> {
    let query = inbox::table.filter(inbox::answer.is_null()).order((inbox::created_at, inbox::id)).limit(limit);
    Ok(on_conn!(conn, |c| query.select(InboxRow::as_select()).load(c))?)
}

/// The answer to a request, once there is one.
pub(super) fn answer(conn: &mut Conn, id: i64) -> DbResult<Option<String>> {
    let query = inbox::table.find(id).select(inbox::answer);
    let found: Option<Option<String>> = on_conn!(conn, |c| query.first(c).optional())?;
    Ok(found.flatten())
}

/// Notes that something was committed for a request that is not answered yet; in the transaction that commits it.
pub(super) fn mark(conn: &mut Conn, id: i64, now: i64) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(inbox::table.find(id)).set(inbox::answered_at.eq(now)).execute(c))?;
    Ok(())
}

/// Stores the answer to a request.
pub(super) fn set_answer(conn: &mut Conn, id: i64, answer: &str, now: i64) -> DbResult<()> {
    let values = (inbox::answer.eq(answer), inbox::answered_at.eq(now));
    on_conn!(conn, |c| diesel::update(inbox::table.find(id)).set(values).execute(c))?;
    Ok(())
}

/// Removes a request that has been read, or was given up.
pub(super) fn remove(conn: &mut Conn, id: i64) -> DbResult<()> {
    on_conn!(conn, |c| diesel::delete(inbox::table.find(id)).execute(c))?;
    Ok(())
}

/// Removes what nobody waits for any more.
pub(super) fn sweep(conn: &mut Conn, created_before: i64) -> DbResult<usize> {
    let old = inbox::table.filter(inbox::created_at.lt(created_before));
    Ok(on_conn!(conn, |c| diesel::delete(old).execute(c))?)
}
