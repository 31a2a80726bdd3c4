//! The table of attempts.

use diesel::dsl::count_star;
use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::schema::acts;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

use super::Outcome;

bulk_row! {
    /// A row of `acts`.
    ActRow => acts {
        id: i64, user_id: Option<i64>, act: String, attempted_at: i64, outcome: i16, status: Option<i16>,
        ended_at: Option<i64>, ended_seq: Option<i64>,
    }
}

/// How many of one user, kind and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct CountRow {
    /// Whose; none: a command.
    pub user_id: Option<i64>,
    /// Of which kind.
    pub act: String,
    /// How they ended.
    pub outcome: i16,
    /// How many.
    pub count: i64,
}

/// One attempt.
pub fn attempt(conn: &mut Conn, id: Seq) -> DbResult<Option<ActRow>> {
    Ok(on_conn!(conn, |c| acts::table.find(id).select(ActRow::as_select()).first(c).optional())?)
}

/// Attempts without an end, oldest first, at most `limit`.
pub fn open(conn: &mut Conn, limit: i64) -> DbResult<Vec<ActRow>> {
    let query = acts::table.filter(acts::ended_seq.is_null()).order(acts::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ActRow::as_select()).load(c))?)
}

/// Notes the end of an attempt.
pub fn set_end(conn: &mut Conn, id: Seq, outcome: i16, status: Option<i16>, (at, seq): (i64, Seq)) -> DbResult<()> {
    let of = acts::table.find(id);
    let to = (acts::outcome.eq(outcome), acts::status.eq(status), acts::ended_at.eq(at), acts::ended_seq.eq(seq));
    on_conn!(conn, |c| diesel::update(of).set(to).execute(c))?;
    Ok(())
}

/// Attempts made from `from` until before `until`, counted; at most `limit` counts.
pub fn counts(conn: &mut Conn, from: Moment, until: Moment, limit: i64) -> DbResult<Vec<CountRow>> {
    let of = (acts::user_id, acts::act, acts::outcome);
    let query = acts::table.filter(acts::attempted_at.ge(from.0)).filter(acts::attempted_at.lt(until.0));
    let query = query.group_by(of).select((acts::user_id, acts::act, acts::outcome, count_star())).order(of).limit(limit);
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// When this user was denied this act since then, oldest first, at most `limit`.
pub fn denied_since(conn: &mut Conn, (user, act): (Seq, &str), since: Moment, limit: i64) -> DbResult<Vec<Moment>> {
    let query = acts::table.filter(acts::attempted_at.ge(since.0)).filter(acts::user_id.eq(user)).filter(acts::act.eq(act));
    let query = query.filter(acts::outcome.eq(Outcome::Denied.code())).order(acts::id).limit(limit);
    let times: Vec<i64> = on_conn!(conn, |c| query.select(acts::attempted_at).load(c))?;
    Ok(times.into_iter().map(Moment).collect())
}

/// Attempts after `after`, in order, at most `limit`.
pub fn after(conn: &mut Conn, after: Seq, limit: i64) -> DbResult<Vec<ActRow>> {
    let query = acts::table.filter(acts::id.gt(after)).order(acts::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ActRow::as_select()).load(c))?)
}
