//! Rows of the tables that are compared, a stretch of places at a time.

use diesel::prelude::*;

use crate::access::searches::store::SearchRow;
use crate::access::store::{KeyRow, UserRow};
use crate::alerts::store::{AlertRow, HitRow};
use crate::db::schema::{
    accounts, acts, alerts, anchors, api_keys, asides, breaks, contexts, day_ranges, deliveries, entries, entry_parts,
    event_parts, events, feed_closings, hits, jobs, outbox, record_breaks, record_changes, records, reversals, rule_sets,
    searches, sources, tiles, users,
};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::feeds::store::ClosingRow;
use crate::ledger::order::store::AsideRow;
use crate::ledger::reversals::store::ReversalRow;
use crate::ledger::store::{AccountRow, BreakRow, ContextRow, DeliveryRow, EntryPartRow, EntryRow, SourceRow};
use crate::notify::store::OutboxRow;
use crate::on_conn;
use crate::records::store::{ChangeRow, RecordBreakRow, RecordRow};
use crate::trail::attempts::store::ActRow;
use crate::trail::store::{AnchorRow, EventPartRow, EventRow, JobRow, TileRow};

use super::super::store::{RangeRow, RuleSetRow};

macro_rules! between {
    ($($table:ident . $key:ident as $row:ty;)*) => { $(
        #[doc = concat!("Rows of `", stringify!($table), "` from a place to before another.")]
        pub(super) fn $table(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<$row>> {
            let query = $table::table.filter($table::$key.ge(from)).filter($table::$key.lt(to));
            Ok(on_conn!(conn, |c| query.select(<$row>::as_select()).load(c))?)
        }
    )* };
}

between! {
    entries.seq as EntryRow;
    entry_parts.seq as EntryPartRow;
    events.seq as EventRow;
    event_parts.seq as EventPartRow;
    sources.id as SourceRow;
    accounts.id as AccountRow;
    contexts.id as ContextRow;
    deliveries.id as DeliveryRow;
    rule_sets.id as RuleSetRow;
    asides.seq as AsideRow;
    reversals.seq as ReversalRow;
    hits.seq as HitRow;
    breaks.seq as BreakRow;
    alerts.id as AlertRow;
    users.id as UserRow;
    api_keys.id as KeyRow;
    feed_closings.seq as ClosingRow;
    anchors.id as AnchorRow;
    outbox.about as OutboxRow;
    records.id as RecordRow;
    record_changes.seq as ChangeRow;
    record_breaks.seq as RecordBreakRow;
    acts.id as ActRow;
}

/// Tiles of a level from a number to before another.
pub(super) fn tiles_of(conn: &mut Conn, level: i16, from: i64, to: i64) -> DbResult<Vec<TileRow>> {
    let query = tiles::table.filter(tiles::level.eq(level)).filter(tiles::idx.ge(from)).filter(tiles::idx.lt(to));
    Ok(on_conn!(conn, |c| query.select(TileRow::as_select()).load(c))?)
}

/// Every search that is kept.
pub(super) fn all_searches(conn: &mut Conn) -> DbResult<Vec<SearchRow>> {
    Ok(on_conn!(conn, |c| searches::table.select(SearchRow::as_select()).load(c))?)
}

/// Every job.
pub(super) fn all_jobs(conn: &mut Conn) -> DbResult<Vec<JobRow>> {
    Ok(on_conn!(conn, |c| jobs::table.select(JobRow::as_select()).load(c))?)
}

/// What a date's ranges come to: where they begin and end depends on when the program was restarted.
pub(super) fn range_of(conn: &mut Conn, date: i32) -> DbResult<Option<RangeRow>> {
    let query = day_ranges::table.filter(day_ranges::business_date.eq(date)).order(day_ranges::first_seq);
    let rows: Vec<RangeRow> = on_conn!(conn, |c| query.select(RangeRow::as_select()).load(c))?;
    let (Some(first), Some(last)) = (rows.first(), rows.iter().map(|row| row.last_seq).max()) else { return Ok(None) };
    let entries = rows.iter().map(|row| row.entries).sum();
    Ok(Some(RangeRow { business_date: date, first_seq: first.first_seq, last_seq: last, entries }))
}
