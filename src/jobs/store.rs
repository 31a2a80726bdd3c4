//! The table `jobs`: when each job last ran, and its outcome.

use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::schema::jobs;
use crate::db::{Conn, DbResult};
use crate::on_conn;

/// Notes a run of a job; its outcome is JSON.
pub fn note(conn: &mut Conn, name: &str, started: Moment, finished: Moment, outcome: &str) -> DbResult<()> {
    let values = (jobs::started_at.eq(started.0), jobs::finished_at.eq(finished.0), jobs::outcome.eq(outcome));
    on_conn!(conn, |c| diesel::insert_into(jobs::table)
        .values((jobs::name.eq(name), values))
        .on_conflict(jobs::name)
        .do_update()
        .set(values)
        .execute(c))?;
    Ok(())
}
