//! The table of what was cancelled, and by which entry.

use diesel::prelude::*;

use crate::db::schema::reversals;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `reversals`.
    ReversalRow => reversals { seq: i64, source: i64, reference: String }
}

/// The entry by which a source's entry of this reference was cancelled.
pub fn of(conn: &mut Conn, source: Seq, reference: &str) -> DbResult<Option<Seq>> {
    let query = reversals::table.filter(reversals::source.eq(source)).filter(reversals::reference.eq(reference));
    Ok(on_conn!(conn, |c| query.select(reversals::seq).first(c).optional())?)
}

/// Rows at the places from `from` to before `to`, in order, at most `limit`.
pub fn between(conn: &mut Conn, from: Seq, to: Seq, limit: i64) -> DbResult<Vec<ReversalRow>> {
    let query = reversals::table.filter(reversals::seq.ge(from)).filter(reversals::seq.lt(to));
    let query = query.order(reversals::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ReversalRow::as_select()).load(c))?)
}
