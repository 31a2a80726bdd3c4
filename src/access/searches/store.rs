//! The table of searches.

use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::schema::searches;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `searches`.
    SearchRow => searches { id: String, user_id: i64, kind: String, query: String, created_at: i64 }
}

/// A user's search, unless it was made before `since`.
pub fn search(conn: &mut Conn, id: &str, user: Seq, since: Moment) -> DbResult<Option<SearchRow>> {
    let query = searches::table.find(id).filter(searches::user_id.eq(user)).filter(searches::created_at.ge(since.0));
    Ok(on_conn!(conn, |c| query.select(SearchRow::as_select()).first(c).optional())?)
}

/// Removes what is too old to be asked for.
pub fn delete_before(conn: &mut Conn, since: Moment) -> DbResult<usize> {
    let old = searches::table.filter(searches::created_at.lt(since.0));
    Ok(on_conn!(conn, |c| diesel::delete(old).execute(c))?)
}
