//! Events of a kind, and the rows they promise.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use serde_json::Value;

use crate::db::schema::{alerts, api_keys, events, feed_closings, reports, users};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

/// The public bodies of the events of a kind, by place.
pub(super) fn events_of(conn: &mut Conn, kind: &str, size: Seq) -> DbResult<HashMap<Seq, Value>> {
    let found: Vec<(i64, String)> = on_conn!(conn, |c| events::table
        .filter(events::kind.eq(kind))
        .filter(events::seq.lt(size))
        .select((events::seq, events::body))
        .load(c))?;
    Ok(found.into_iter().map(|(seq, body)| (seq, serde_json::from_str(&body).unwrap_or_default())).collect())
}

/// The places that the rows of a table name as theirs; of a user, also the role.
pub(super) fn rows_of(conn: &mut Conn, table: &str) -> DbResult<HashMap<Seq, Option<String>>> {
    let plain = |seqs: Vec<i64>| seqs.into_iter().map(|seq| (seq, None)).collect();
    Ok(match table {
        "alerts" => plain(on_conn!(conn, |c| alerts::table.select(alerts::id).load(c))?),
        "api_keys" => plain(on_conn!(conn, |c| api_keys::table.select(api_keys::id).load(c))?),
        "feed_closings" => plain(on_conn!(conn, |c| feed_closings::table.select(feed_closings::seq).load(c))?),
        "reports" => plain(on_conn!(conn, |c| reports::table.select(reports::seq).load(c))?),
        _ => {
            let found: Vec<(i64, String)> = on_conn!(conn, |c| users::table.select((users::id, users::role)).load(c))?;
            found.into_iter().map(|(seq, role)| (seq, Some(role))).collect()
        }
    })
}

/// The places by which alerts are closed.
pub(super) fn closed_alerts(conn: &mut Conn) -> DbResult<HashSet<Seq>> {
    let found: Vec<Option<i64>> =
        on_conn!(conn, |c| alerts::table.filter(alerts::state.eq(2)).select(alerts::closed_seq).load(c))?;
    Ok(found.into_iter().map(Option::unwrap_or_default).collect())
}

/// The frozen bytes of a stored report.
pub(super) fn report(conn: &mut Conn, seq: Seq) -> DbResult<Option<(String, String)>> {
    let query = reports::table.filter(reports::seq.eq(seq)).select((reports::body, reports::html));
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}
