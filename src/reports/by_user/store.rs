//! What the report by user reads, each in the order of the log and at most so much at once.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::db::schema::{events, record_changes, records};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

/// Ids asked for at once.
const CHUNK: usize = 500;

/// Public bodies of the events of a kind from `from` to before `to`, with their places, at most `limit`.
pub fn bodies(conn: &mut Conn, kind: &str, (from, to): (Seq, Seq), limit: i64) -> DbResult<Vec<(Seq, String)>> {
    let query = events::table.filter(events::kind.eq(kind)).filter(events::seq.ge(from)).filter(events::seq.lt(to));
    let query = query.order(events::seq).limit(limit).select((events::seq, events::body));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// Changes recorded from `from` to before `to`: their places, records and actors, at most `limit`.
pub fn changes(conn: &mut Conn, (from, to): (Seq, Seq), limit: i64) -> DbResult<Vec<(Seq, Seq, Option<String>)>> {
    let query = record_changes::table.filter(record_changes::seq.ge(from)).filter(record_changes::seq.lt(to));
    let query = query.order(record_changes::seq).limit(limit);
    let query = query.select((record_changes::seq, record_changes::record, record_changes::actor));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The types of records by their ids.
pub fn kinds(conn: &mut Conn, ids: &[Seq]) -> DbResult<HashMap<Seq, String>> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let query = records::table.filter(records::id.eq_any(chunk)).select((records::id, records::kind));
        let some: Vec<(Seq, String)> = on_conn!(conn, |c| query.load(c))?;
        found.extend(some);
    }
    Ok(found)
}
