//! The table of proposals.

use diesel::prelude::*;

use crate::db::schema::proposals;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `proposals`.
    ProposalRow => proposals {
        id: i64, kind: String, about: String, facts: String, reason: Option<String>, detail: Option<String>,
        submitted_by: Option<i64>, submitted_at: i64, whence: Option<String>, state: i16, expires_at: i64,
        first_by: Option<i64>, first_at: Option<i64>, first_seq: Option<i64>, first_comment: Option<String>,
        approved_by: Option<i64>, approved_at: Option<i64>, approved_seq: Option<i64>, approved_comment: Option<String>,
        ready_at: Option<i64>, ended_by: Option<i64>, ended_at: Option<i64>, ended_seq: Option<i64>,
        ended_comment: Option<String>, outcome: Option<String>,
    }
}

/// `proposals.state`: waits for approval.
pub const SUBMITTED: i16 = 1;
/// `proposals.state`: waits to be carried out.
pub const APPROVED: i16 = 2;

/// The proposal submitted at `id`.
pub fn proposal(conn: &mut Conn, id: Seq) -> DbResult<Option<ProposalRow>> {
    Ok(on_conn!(conn, |c| proposals::table.find(id).select(ProposalRow::as_select()).first(c).optional())?)
}

/// The proposal for this thing that is not at its end.
pub fn open_about(conn: &mut Conn, kind: &str, about: &str) -> DbResult<Option<ProposalRow>> {
    let query = proposals::table.filter(proposals::kind.eq(kind)).filter(proposals::about.eq(about));
    let query = query.filter(proposals::state.le(APPROVED));
    Ok(on_conn!(conn, |c| query.select(ProposalRow::as_select()).first(c).optional())?)
}

/// Proposals before `before` in any of these states, newest first, at most `limit`.
pub fn newest(conn: &mut Conn, states: &[i16], before: Option<Seq>, limit: i64) -> DbResult<Vec<ProposalRow>> {
    let query = proposals::table.filter(proposals::id.lt(before.unwrap_or(i64::MAX)));
    let query = query.filter(proposals::state.eq_any(states.to_vec())).order(proposals::id.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ProposalRow::as_select()).load(c))?)
}

/// How many proposals are in this state.
pub fn count(conn: &mut Conn, state: i16) -> DbResult<i64> {
    Ok(on_conn!(conn, |c| proposals::table.filter(proposals::state.eq(state)).count().get_result(c))?)
}

/// How many proposals wait for somebody else than `user`.
pub fn count_waiting(conn: &mut Conn, kinds: &[&str], user: Seq, now: i64) -> DbResult<i64> {
    let others = proposals::submitted_by.is_null().or(proposals::submitted_by.ne(user));
    let fresh = proposals::first_by.is_null().or(proposals::first_by.ne(user));
    let query = proposals::table.filter(proposals::state.eq(SUBMITTED)).filter(proposals::expires_at.gt(now));
    let query = query.filter(proposals::kind.eq_any(kinds.to_vec())).filter(others);
    let query = query.filter(fresh);
    Ok(on_conn!(conn, |c| query.count().get_result(c))?)
}

/// Open proposals that have reached their end by `now`, oldest first, at most `limit`.
pub fn overdue(conn: &mut Conn, now: i64, limit: i64) -> DbResult<Vec<ProposalRow>> {
    let query = proposals::table.filter(proposals::state.le(APPROVED)).filter(proposals::expires_at.le(now));
    let query = query.order(proposals::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ProposalRow::as_select()).load(c))?)
}

/// Approved proposals whose quarantine is over by `now` and that have not expired, oldest first, at
/// most `limit`.
pub fn ready(conn: &mut Conn, now: i64, limit: i64) -> DbResult<Vec<ProposalRow>> {
    let query = proposals::table.filter(proposals::state.eq(APPROVED)).filter(proposals::expires_at.gt(now));
    let query = query.filter(proposals::ready_at.le(now)).order(proposals::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ProposalRow::as_select()).load(c))?)
}

/// Stores what happened to a proposal: everything but what was submitted.
pub fn update(conn: &mut Conn, row: &ProposalRow) -> DbResult<()> {
    let approvals = (
        proposals::first_by.eq(row.first_by),
        proposals::first_at.eq(row.first_at),
        proposals::first_seq.eq(row.first_seq),
        proposals::first_comment.eq(row.first_comment.as_deref()),
        proposals::approved_by.eq(row.approved_by),
        proposals::approved_at.eq(row.approved_at),
        proposals::approved_seq.eq(row.approved_seq),
        proposals::approved_comment.eq(row.approved_comment.as_deref()),
        proposals::ready_at.eq(row.ready_at),
    );
    let end = (
        proposals::state.eq(row.state),
        proposals::expires_at.eq(row.expires_at),
        proposals::ended_by.eq(row.ended_by),
        proposals::ended_at.eq(row.ended_at),
        proposals::ended_seq.eq(row.ended_seq),
        proposals::ended_comment.eq(row.ended_comment.as_deref()),
        proposals::outcome.eq(row.outcome.as_deref()),
    );
    on_conn!(conn, |c| diesel::update(proposals::table.find(row.id)).set((approvals, end)).execute(c))?;
    Ok(())
}
