//! The table of import runs, and what the log says of a run.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::db::schema::{breaks, deliveries, entries, import_runs};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::intake::DeliveryKind;
use crate::ledger::BreakState;
use crate::on_conn;

/// A row of `import_runs`: how far a run has come.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = import_runs)]
pub struct RunRow {
    /// SHA-256 of the file, the source and the profile, as hex.
    pub digest: String,
    /// The source's name.
    pub source: String,
    /// Rows of the file that are settled.
    pub rows_done: i64,
    /// Entries recorded.
    pub recorded: i64,
    /// Entries that were there before.
    pub duplicates: i64,
    /// Rows refused.
    pub rejected: i64,
    /// Hits decided.
    pub hits: i64,
    /// [`RUNNING`] or [`DONE`].
    pub state: String,
    /// Recorded time, microseconds.
    pub started_at: i64,
    /// Recorded time, microseconds.
    pub updated_at: i64,
}

/// `import_runs.state`: going on, or interrupted.
pub const RUNNING: &str = "running";
/// `import_runs.state`: came to its end.
pub const DONE: &str = "done";

/// The run with this digest.
pub(super) fn run(conn: &mut Conn, digest: &str) -> DbResult<Option<RunRow>> {
    Ok(on_conn!(conn, |c| import_runs::table.find(digest).select(RunRow::as_select()).first(c).optional())?)
}

/// Notes how far a run has come, over what was noted before.
pub fn save(conn: &mut Conn, run: &RunRow) -> DbResult<()> {
    on_conn!(conn, |c| diesel::insert_into(import_runs::table)
        .values(run)
        .on_conflict(import_runs::digest)
        .do_update()
        .set(run)
        .execute(c))?;
    Ok(())
}

/// The deliveries of a file: one a day.
fn deliveries_of(conn: &mut Conn, source: Seq, origin: &str) -> DbResult<Vec<Seq>> {
    let query = deliveries::table
        .filter(deliveries::source.eq(source))
        .filter(deliveries::kind.eq(DeliveryKind::Import.text()))
        .filter(deliveries::origin.eq(origin))
        .order(deliveries::id)
        .select(deliveries::id);
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The place after the last entry of a file that was recorded since an instant and is among the
/// first `noted`: what an interrupted run had counted lies before it. Reads the rows since then: an
/// interrupted run asks once.
pub(super) fn noted_to(conn: &mut Conn, source: Seq, origin: &str, since: Moment, noted: i64) -> DbResult<Seq> {
    let ids = deliveries_of(conn, source, origin)?;
    let Some(first) = ids.first().copied().filter(|_| noted > 0) else { return Ok(0) };
    let last: Option<i64> = on_conn!(conn, |c| entries::table
        .filter(entries::seq.gt(first))
        .filter(entries::recorded_at.ge(since.0))
        .filter(entries::delivery.eq_any(&ids))
        .order(entries::seq)
        .offset(noted - 1)
        .limit(1)
        .select(entries::seq)
        .first(c)
        .optional())?;
    Ok(last.map_or(Seq::MAX, |last| last + 1))
}

/// Which of these entries were recorded from a file since an instant.
pub(super) fn recorded_from(conn: &mut Conn, source: Seq, origin: &str, since: Moment, seqs: &[Seq]) -> DbResult<Vec<Seq>> {
    let ids = deliveries_of(conn, source, origin)?;
    let mut found = Vec::new();
    for some in seqs.chunks(1_000) {
        let query = entries::table
            .filter(entries::seq.eq_any(some))
            .filter(entries::recorded_at.ge(since.0))
            .filter(entries::delivery.eq_any(&ids))
            .select(entries::seq);
        found.extend(on_conn!(conn, |c| query.load::<i64>(c))?);
    }
    Ok(found)
}

/// Breaks opened by entries of a file at or after `from` (a place) and `since`, and still open.
pub(super) fn open_breaks(conn: &mut Conn, source: Seq, origin: &str, from: Seq, since: Moment) -> DbResult<u64> {
    let ids = deliveries_of(conn, source, origin)?;
    let open = [BreakState::Open.code(), BreakState::Frozen.code()];
    let found: i64 = on_conn!(conn, |c| breaks::table
        .inner_join(entries::table.on(entries::seq.eq(breaks::opened_by)))
        .filter(breaks::state.eq_any(&open))
        .filter(breaks::opened_by.ge(from))
        .filter(entries::recorded_at.ge(since.0))
        .filter(entries::delivery.eq_any(&ids))
        .count()
        .get_result(c))?;
    Ok(u64::try_from(found).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trail::testing::Bench;

    #[test]
    fn a_run_is_noted_over_what_was_noted_before() {
        let bench = Bench::new();
        let mut row = RunRow {
            digest: "ab".into(),
            source: "core".into(),
            rows_done: 0,
            recorded: 0,
            duplicates: 0,
            rejected: 0,
            hits: 0,
            state: RUNNING.into(),
            started_at: 5,
            updated_at: 5,
        };
        assert_eq!(bench.read(|c| run(c, "ab")), None);
        let first = row.clone();
        bench.log.side(move |conn| save(conn, &first)).unwrap();
        row.rows_done = 5_000;
        row.recorded = 4_999;
        let second = row.clone();
        bench.log.side(move |conn| save(conn, &second)).unwrap();
        assert_eq!(bench.read(|c| run(c, "ab")), Some(row));
        assert_eq!(bench.read(|c| noted_to(c, 1, "f", Moment(0), 0)), 0);
        assert_eq!(bench.read(|c| recorded_from(c, 1, "f", Moment(0), &[1, 2])), Vec::<Seq>::new());
        assert_eq!(bench.read(|c| open_breaks(c, 1, "f", 0, Moment(0))), 0);
    }
}
