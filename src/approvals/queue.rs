//! Reading proposals: the list in pages, one of them, and what waits for a reader.

use crate::access::Role;
use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::{Kind, Proposal, State, store};

/// Proposals of a page at most.
pub const PAGE_MAX: usize = 200;
/// Proposals carried out in one turn at most.
const READY_MAX: i64 = 50;

/// The proposal submitted at `id`.
pub fn find(conn: &mut Conn, id: Seq) -> DbResult<Option<Proposal>> {
    store::proposal(conn, id)?.map(Proposal::of).transpose()
}

/// Proposals in any of these states before `before`, newest first, at most `limit`.
pub fn list(conn: &mut Conn, states: &[State], before: Option<Seq>, limit: usize) -> DbResult<Vec<Proposal>> {
    let codes: Vec<i16> = states.iter().map(|state| state.code()).collect();
    let rows = store::newest(conn, &codes, before, limit.min(PAGE_MAX) as i64)?;
    rows.into_iter().map(Proposal::of).collect()
}

/// How many proposals wait for the word of this user, who has this role.
pub fn waiting_for(conn: &mut Conn, user: Seq, role: Role, now: Moment) -> DbResult<u64> {
    let kinds: Vec<&str> = Kind::ALL.into_iter().filter(|kind| kind.may_approve(role)).map(Kind::text).collect();
    if kinds.is_empty() {
        return Ok(0);
    }
    Ok(store::count_waiting(conn, &kinds, user, now.0)?.unsigned_abs())
}

/// Whether this user, who has this role, may approve it now.
pub fn waits_for(proposal: &Proposal, user: Seq, role: Role, now: Moment) -> bool {
    proposal.state == State::Submitted
        && now < proposal.expires_at
        && proposal.kind.may_approve(role)
        && proposal.submitted_by != Some(user)
        && proposal.first.as_ref().is_none_or(|first| first.by != Some(user))
}

/// Approved proposals whose quarantine is over, oldest first; at most 50.
pub fn ready(conn: &mut Conn, now: Moment) -> DbResult<Vec<Proposal>> {
    store::ready(conn, now.0, READY_MAX)?.into_iter().map(Proposal::of).collect()
}
