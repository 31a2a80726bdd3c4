//! How far each receiver is.

use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::schema::forwards;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

/// Characters of an error that are kept.
const ERROR_MAX: usize = 300;

/// A row of `forwards`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = forwards, treat_none_as_null = true)]
pub struct ForwardRow {
    /// The receiver's name in the settings.
    pub name: String,
    /// The first place of the log that it has not confirmed.
    pub next_seq: i64,
    /// When it last confirmed something, microseconds since 1970.
    pub confirmed_at: Option<i64>,
    /// Since when nothing was confirmed, if the last attempt failed.
    pub failing_since: Option<i64>,
    /// Attempts in a row that failed.
    pub failures: i64,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// How far a receiver is, if it ever was asked.
pub fn forward(conn: &mut Conn, name: &str) -> DbResult<Option<ForwardRow>> {
    Ok(on_conn!(conn, |c| forwards::table.find(name).select(ForwardRow::as_select()).first(c).optional())?)
}

/// Notes that everything before `next` was confirmed, and why what follows was not.
pub fn note(conn: &mut Conn, name: &str, next: Seq, now: Moment, failed: Option<&str>) -> DbResult<()> {
    let mut row = ForwardRow {
        name: name.to_owned(),
        next_seq: next,
        confirmed_at: Some(now.0),
        failing_since: None,
        failures: 0,
        last_error: None,
    };
    if let Some(error) = failed {
        let before = forward(conn, name)?;
        row.confirmed_at = before.as_ref().and_then(|before| before.confirmed_at);
        row.failing_since = before.as_ref().and_then(|before| before.failing_since).or(Some(now.0));
        row.failures = before.map_or(0, |before| before.failures) + 1;
        row.last_error = Some(error.chars().filter(|c| !c.is_control()).take(ERROR_MAX).collect());
    }
    on_conn!(conn, |c| diesel::insert_into(forwards::table)
        .values(&row)
        .on_conflict(forwards::name)
        .do_update()
        .set(&row)
        .execute(c))?;
    Ok(())
}
