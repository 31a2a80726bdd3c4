//! The tables that follow from events, as they are.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::access::searches::store::SearchRow;
use crate::access::store::{KeyRow, SessionRow, UserRow};
use crate::alerts::store::AlertRow;
use crate::approvals::store::ProposalRow;
use crate::db::among::among;
use crate::db::schema::{
    alerts, anchors, api_keys, data_keys, day_refusals, event_parts, events, feed_closings, import_runs, jobs, outbox, proposals,
    record_breaks, record_changes, record_fields, record_snapshots, records, reports, searches, sessions, sources, users,
};
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::ledger::feeds::store::ClosingRow;
use crate::notify::store::OutboxRow;
use crate::records::store::{ChangeRow, FieldRow, RecordBreakRow, RecordRow, SnapshotRow};
use crate::trail::store::{AnchorRow, EventPartRow, EventRow, JobRow};
use crate::{bulk_row, on_conn};

use super::super::event::Event;

bulk_row! {
    /// A row of `import_runs`.
    ImportRunRow => import_runs {
        digest: String, source: String, rows_done: i64, recorded: i64, duplicates: i64, rejected: i64, hits: i64,
        state: String, started_at: i64, updated_at: i64,
    }
}
bulk_row! {
    /// A row of `day_refusals`.
    RefusalRow => day_refusals { business_date: i32, source: i64, code: String, rows: i64 }
}
bulk_row! {
    /// A row of `reports`.
    ReportRow => reports {
        business_date: i32, version: i32, status: String, seq: i64, seq_from: i64, seq_to: i64, computed_at: i64,
        body: String, html: String, body_sha256: String, html_sha256: String,
    }
}

macro_rules! all {
    ($($(#[$doc:meta])* $name:ident: $table:ident as $row:ty, by $($key:ident),+;)*) => { $(
        $(#[$doc])*
        pub(in super::super) fn $name(conn: &mut Conn) -> DbResult<Vec<$row>> {
            let query = $table::table.order(($($table::$key,)+));
            Ok(on_conn!(conn, |c| query.select(<$row>::as_select()).load(c))?)
        }
    )* };
}
all! {
    /// Every user.
    users: users as UserRow, by id;
    /// Every key.
    keys: api_keys as KeyRow, by id;
    /// Every session.
    sessions: sessions as SessionRow, by token_hash;
    /// Every search that is kept.
    searches: searches as SearchRow, by id;
    /// Every closing.
    closings: feed_closings as ClosingRow, by seq, currency;
    /// Every import.
    import_runs: import_runs as ImportRunRow, by digest;
    /// Every count of refused rows.
    refusals: day_refusals as RefusalRow, by business_date, source, code;
    /// Every checkpoint that came back.
    anchors: anchors as AnchorRow, by id;
    /// Every proposal.
    proposals: proposals as ProposalRow, by id;
    /// Every job.
    jobs: jobs as JobRow, by name;
}

/// The dates and versions of the stored reports.
pub(super) fn report_keys(conn: &mut Conn) -> DbResult<Vec<(i32, i32)>> {
    let query = reports::table.order((reports::business_date, reports::version));
    Ok(on_conn!(conn, |c| query.select((reports::business_date, reports::version)).load(c))?)
}

/// One stored report.
pub(super) fn report(conn: &mut Conn, date: i32, version: i32) -> DbResult<Option<ReportRow>> {
    let query = reports::table.find((date, version));
    Ok(on_conn!(conn, |c| query.select(ReportRow::as_select()).first(c).optional())?)
}

/// The names of the sources.
pub(super) fn source_names(conn: &mut Conn) -> DbResult<HashMap<Seq, String>> {
    let found: Vec<(i64, String)> = on_conn!(conn, |c| sources::table.select((sources::id, sources::name)).load(c))?;
    Ok(found.into_iter().collect())
}

/// Alerts after `after`, in order, at most `limit`.
pub(super) fn alerts_after(conn: &mut Conn, after: Seq, limit: i64) -> DbResult<Vec<AlertRow>> {
    let query = alerts::table.filter(alerts::id.gt(after)).order(alerts::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(AlertRow::as_select()).load(c))?)
}

/// Rows of the outbox after `after`, in order, at most `limit`.
pub(super) fn outbox_after(conn: &mut Conn, after: i64, limit: i64) -> DbResult<Vec<OutboxRow>> {
    let query = outbox::table.filter(outbox::id.gt(after)).order(outbox::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(OutboxRow::as_select()).load(c))?)
}

/// Records after `after`, in order, at most `limit`.
pub(super) fn records_after(conn: &mut Conn, after: Seq, limit: i64) -> DbResult<Vec<RecordRow>> {
    let query = records::table.filter(records::id.gt(after)).order(records::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(RecordRow::as_select()).load(c))?)
}

/// Snapshots after this record and version, in order, at most `limit`.
pub(super) fn snapshots_after(conn: &mut Conn, (record, version): (Seq, i64), limit: i64) -> DbResult<Vec<SnapshotRow>> {
    use record_snapshots as of;
    let later = of::record.gt(record).or(of::record.eq(record).and(of::version.gt(version)));
    let query = of::table.filter(later).order((of::record, of::version)).limit(limit);
    Ok(on_conn!(conn, |c| query.select(SnapshotRow::as_select()).load(c))?)
}

/// Whether there ever was such a data key.
pub(super) fn is_data_key(conn: &mut Conn, id: Seq) -> DbResult<bool> {
    let query = data_keys::table.find(id).select(data_keys::id);
    let found: Option<Seq> = on_conn!(conn, |c| query.first(c).optional())?;
    Ok(found.is_some())
}

macro_rules! placed {
    ($($(#[$doc:meta])* $table:ident as $row:ty, by $($key:ident),+;)*) => { $(
        $(#[$doc])*
        pub(super) fn $table(conn: &mut Conn, (from, to): (Seq, Seq)) -> DbResult<Vec<$row>> {
            let query = $table::table.filter($table::seq.ge(from)).filter($table::seq.lt(to)).order(($($table::$key,)+));
            Ok(on_conn!(conn, |c| query.select(<$row>::as_select()).load(c))?)
        }
    )* };
}
placed! {
    /// Changes of records in a range of places.
    record_changes as ChangeRow, by seq;
    /// Their fields.
    record_fields as FieldRow, by seq, n;
    /// Their breaks.
    record_breaks as RecordBreakRow, by seq;
}

/// Stores a row of the outbox in the place of the one that is there.
pub(super) fn put_owed(conn: &mut Conn, row: &OutboxRow) -> DbResult<()> {
    on_conn!(conn, |c| diesel::delete(outbox::table.find(row.id)).execute(c))?;
    bulk::append(conn, std::slice::from_ref(row))
}

/// The events at these places.
pub(super) fn events_at(conn: &mut Conn, mut seqs: Vec<Seq>) -> DbResult<HashMap<Seq, Event>> {
    seqs.sort_unstable();
    seqs.dedup();
    let query = events::table.filter(among(events::seq, &seqs));
    let rows: Vec<EventRow> = on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?;
    let query = event_parts::table.filter(among(event_parts::seq, &seqs));
    let parts: Vec<EventPartRow> = on_conn!(conn, |c| query.select(EventPartRow::as_select()).load(c))?;
    let parts: HashMap<Seq, EventPartRow> = parts.into_iter().map(|part| (part.seq, part)).collect();
    Ok(rows.into_iter().map(|row| (row.seq, Event::read(&row, parts.get(&row.seq)))).collect())
}
