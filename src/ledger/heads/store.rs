//! What heads need of entries.

use diesel::prelude::*;

use crate::db::schema::entries;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

/// Place, account, position and balance of an entry.
pub type Row = (Seq, Seq, i64, Option<i64>);

/// Entries from `from` (inclusive) to `to` (exclusive), oldest first, at most `limit`.
pub fn slice(conn: &mut Conn, from: Seq, to: Seq, limit: i64) -> DbResult<Vec<Row>> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to)).order(entries::seq).limit(limit);
    let query = query.select((entries::seq, entries::account, entries::position, entries::balance_after));
    Ok(on_conn!(conn, |c| query.load(c))?)
}
