//! The table of the entries that are not in order of booked time.

use diesel::prelude::*;

use crate::db::schema::asides;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `asides`.
    AsideRow => asides { seq: i64, account: i64, late_at: Option<i64>, reached: Option<i64>, reached_by: Option<i64> }
}

/// The rows at the places from `from` to before `to`, in order.
pub fn between(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<AsideRow>> {
    let query = asides::table.filter(asides::seq.ge(from)).filter(asides::seq.lt(to)).order(asides::seq);
    Ok(on_conn!(conn, |c| query.select(AsideRow::as_select()).load(c))?)
}

/// The row of the entry at `seq`, if that is not in order.
pub fn of(conn: &mut Conn, seq: Seq) -> DbResult<Option<AsideRow>> {
    Ok(on_conn!(conn, |c| asides::table.find(seq).select(AsideRow::as_select()).first(c).optional())?)
}

/// Late entries of `account` booked at or after `from` and before `to`, as (place, booking time): the
/// latest first, and of one time the newest; after `after`, at most `limit`.
pub fn late(
    conn: &mut Conn,
    account: Seq,
    from: i64,
    to: i64,
    after: Option<(Seq, i64)>,
    limit: i64,
) -> DbResult<Vec<(Seq, i64)>> {
    // One bound for both: a page begins below the last place of the one before it.
    let (seq, at) = after.unwrap_or((i64::MIN, to));
    let late_at = asides::late_at.assume_not_null();
    let query = asides::table
        .filter(asides::account.eq(account))
        .filter(asides::late_at.is_not_null())
        .filter(late_at.ge(from))
        .filter(late_at.le(at))
        .filter(late_at.lt(at).or(asides::seq.lt(seq)))
        .order((late_at.desc(), asides::seq.desc()))
        .limit(limit);
    Ok(on_conn!(conn, |c| query.select((asides::seq, late_at)).load(c))?)
}

/// Late entries of `account` booked at or after `from` and before `to`, as (place, booking time): the
/// earliest first, at most `limit`.
pub fn late_from(conn: &mut Conn, account: Seq, from: i64, to: i64, limit: i64) -> DbResult<Vec<(Seq, i64)>> {
    let late_at = asides::late_at.assume_not_null();
    let query = asides::table
        .filter(asides::account.eq(account))
        .filter(asides::late_at.is_not_null())
        .filter(late_at.ge(from))
        .filter(late_at.lt(to))
        .order((late_at.asc(), asides::seq.asc()))
        .limit(limit);
    Ok(on_conn!(conn, |c| query.select((asides::seq, late_at)).load(c))?)
}
