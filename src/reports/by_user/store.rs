//! What the report by user reads, each in the order of the log and at most so much at once.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::db::among::among;
use crate::db::schema::{record_changes, records};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

/// A change, as far as it counts for somebody.
#[derive(Queryable)]
pub struct Change {
    /// Its place.
    pub seq: Seq,
    /// Its record.
    pub record: Seq,
    /// The source that sent it.
    pub source: Seq,
    /// Whom that names.
    pub actor: Option<String>,
    /// The change whose state officers restored by it.
    pub restores: Option<Seq>,
}

/// Changes recorded from `from` to before `to`, at most `limit`.
pub fn changes(conn: &mut Conn, (from, to): (Seq, Seq), limit: i64) -> DbResult<Vec<Change>> {
    use record_changes as of;
    let query = of::table.filter(of::seq.ge(from)).filter(of::seq.lt(to)).order(of::seq).limit(limit);
    let query = query.select((of::seq, of::record, of::source, of::actor, of::restores));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The types of records by their ids.
pub fn kinds(conn: &mut Conn, ids: &[Seq]) -> DbResult<HashMap<Seq, String>> {
    let query = records::table.filter(among(records::id, ids)).select((records::id, records::kind));
    let found: Vec<(Seq, String)> = on_conn!(conn, |c| query.load(c))?;
    Ok(found.into_iter().collect())
}
