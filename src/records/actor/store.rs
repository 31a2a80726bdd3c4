//! Changes by their actor. The expressions are those of the indexes of migration `actors`: both databases
//! fold A to Z alone, as [`super::actor_key`] does.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use crate::db::schema::record_changes;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

const SQLITE_KEY: &str = "lower(trim(actor)) = ";
const POSTGRES_KEY: &str = "lower(trim(actor) COLLATE \"C\") = ";

/// A change as a look at its actor sees it: place, record, when changed.
pub(super) type Glimpse = (Seq, Seq, i64);

/// Runs a query on the changes of an actor.
macro_rules! of_actor {
    ($conn:expr, ($source:expr, $key:expr), |$query:ident, $c:ident| $run:expr) => {
        match $conn {
            Conn::Sqlite($c) => {
                let is = sql::<Bool>(SQLITE_KEY).bind::<Text, _>($key);
                let $query = record_changes::table.filter(record_changes::source.eq($source)).filter(is);
                $run
            }
            Conn::Postgres($c) => {
                let is = sql::<Bool>(POSTGRES_KEY).bind::<Text, _>($key);
                let $query = record_changes::table.filter(record_changes::source.eq($source)).filter(is);
                $run
            }
        }
    };
}

/// The changes of an actor from an instant through another, the latest first, at most `limit`.
pub(super) fn until(
    conn: &mut Conn,
    (source, key): (Seq, &str),
    (from, through): (i64, i64),
    limit: i64,
) -> DbResult<Vec<Glimpse>> {
    use record_changes as of;
    Ok(of_actor!(conn, (source, key), |query, c| {
        let query = query.filter(of::changed_at.ge(from)).filter(of::changed_at.le(through));
        query.order((of::changed_at.desc(), of::seq.desc())).limit(limit).select((of::seq, of::record, of::changed_at)).load(c)
    })?)
}

/// The changes of an actor after an instant through another, the earliest first, at most `limit`.
pub(super) fn after(
    conn: &mut Conn,
    (source, key): (Seq, &str),
    (after, through): (i64, i64),
    limit: i64,
) -> DbResult<Vec<Glimpse>> {
    use record_changes as of;
    Ok(of_actor!(conn, (source, key), |query, c| {
        let query = query.filter(of::changed_at.gt(after)).filter(of::changed_at.le(through));
        query.order((of::changed_at, of::seq)).limit(limit).select((of::seq, of::record, of::changed_at)).load(c)
    })?)
}

/// The first change that an actor made for a source.
pub(in super::super) fn first_change_of(conn: &mut Conn, source: Seq, key: &str) -> DbResult<Option<Seq>> {
    Ok(of_actor!(conn, (source, key), |query, c| {
        query.order(record_changes::seq).limit(1).select(record_changes::seq).first(c).optional()
    })?)
}
