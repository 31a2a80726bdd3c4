//! Changes by their actor. The expressions are those of the indexes of migration `actors`: both databases
//! fold A to Z alone, as [`super::actor_key`] does.

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use crate::db::schema::record_changes;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

#[diesel::declare_sql_function]
extern "SQL" {
    fn lower(text: Nullable<Text>) -> Nullable<Text>;
    fn trim(text: Nullable<Text>) -> Nullable<Text>;
}

diesel::postfix_operator!(ByteOrder, " COLLATE \"C\"", Nullable<Text>, backend: diesel::pg::Pg);

/// A change as a look at its actor sees it: place, record, when changed.
pub(super) type Glimpse = (Seq, Seq, i64);

/// Runs a query on the changes of an actor.
macro_rules! of_actor {
    ($conn:expr, ($source:expr, $key:expr), |$query:ident, $c:ident| $run:expr) => {{
        let of_source = record_changes::table.filter(record_changes::source.eq($source));
        match $conn {
            Conn::Sqlite($c) => {
                let $query = of_source.filter(lower(trim(record_changes::actor)).eq($key));
                $run
            }
            Conn::Postgres($c) => {
                let $query = of_source.filter(lower(ByteOrder::new(trim(record_changes::actor))).eq($key));
                $run
            }
        }
    }};
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
