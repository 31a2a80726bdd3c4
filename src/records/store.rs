//! The tables of records, and the queries on them.

use diesel::dsl::max;
use diesel::prelude::*;

use crate::db::among::among;
use crate::db::schema::{record_breaks, record_changes, record_fields, record_snapshots, records};
use crate::db::{Conn, DbResult};
use crate::ids::{Seq, erased_number};
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `records`.
    RecordRow => records { id: i64, source: i64, kind: String, reference: String, created_at: i64 }
}
bulk_row! {
    /// A row of `record_changes`.
    ChangeRow => record_changes {
        seq: i64, record: i64, version: i64, source: i64, source_ref: Option<String>, action: i16, class: i16, changed_at: i64,
        effective_at: i64, recorded_at: i64, fields: i32, actor: Option<String>, restores: Option<i64>,
    }
}
bulk_row! {
    /// A row of `record_fields`.
    FieldRow => record_fields {
        seq: i64, n: i32, path: String, old: Option<String>, new: Option<String>, old_digest: Option<String>,
        new_digest: Option<String>, salt: Option<Vec<u8>>, data_key: Option<i64>, nonce: Option<Vec<u8>>, sealed: Option<Vec<u8>>,
    }
}
bulk_row! {
    /// A row of `record_snapshots`.
    SnapshotRow => record_snapshots { record: i64, version: i64, body: String }
}
bulk_row! {
    /// A row of `record_breaks`.
    RecordBreakRow => record_breaks {
        seq: i64, record: i64, fields: i32, state: i16, business_date: i32, opened_at: i64, closed_by: Option<i64>,
    }
}

/// What a change set a field to: as much of a row of `record_fields` as a state needs.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = record_fields)]
pub struct FieldSet {
    /// The change.
    pub seq: Seq,
    /// The number of the field within it.
    pub n: i32,
    /// Where in the record.
    pub path: String,
    /// The value; `None` if it is sealed, or was taken away.
    pub new: Option<String>,
    /// The digest of a sealed value.
    pub new_digest: Option<String>,
}

impl From<&FieldRow> for FieldSet {
    fn from(row: &FieldRow) -> FieldSet {
        let FieldRow { seq, n, path, new, new_digest, .. } = row.clone();
        FieldSet { seq, n, path, new, new_digest }
    }
}

/// A record by what its source calls it.
pub fn record_by_reference(conn: &mut Conn, source: Seq, kind: &str, reference: &str) -> DbResult<Option<RecordRow>> {
    let query = records::table.filter(records::source.eq(source)).filter(records::kind.eq(kind));
    let query = query.filter(records::reference.eq(reference));
    Ok(on_conn!(conn, |c| query.select(RecordRow::as_select()).first(c).optional())?)
}

/// A record by its number.
pub fn record(conn: &mut Conn, id: Seq) -> DbResult<Option<RecordRow>> {
    Ok(on_conn!(conn, |c| records::table.find(id).select(RecordRow::as_select()).first(c).optional())?)
}

/// The newest change of a record.
pub fn newest(conn: &mut Conn, record: Seq) -> DbResult<Option<ChangeRow>> {
    let query = record_changes::table.filter(record_changes::record.eq(record)).order(record_changes::version.desc());
    Ok(on_conn!(conn, |c| query.select(ChangeRow::as_select()).first(c).optional())?)
}

/// One version of a record.
pub fn version(conn: &mut Conn, record: Seq, version: i64) -> DbResult<Option<ChangeRow>> {
    let query = record_changes::table.filter(record_changes::record.eq(record)).filter(record_changes::version.eq(version));
    Ok(on_conn!(conn, |c| query.select(ChangeRow::as_select()).first(c).optional())?)
}

/// Place, action and number of fields of each change that leads from one version to another, in their order.
pub fn steps(conn: &mut Conn, record: Seq, (after, to): (i64, i64)) -> DbResult<Vec<(Seq, i16, i32)>> {
    use record_changes as of;
    let query = of::table.filter(of::record.eq(record)).filter(of::version.gt(after)).filter(of::version.le(to));
    Ok(on_conn!(conn, |c| query.order(of::version).select((of::seq, of::action, of::fields)).load(c))?)
}

/// The versions of a record after `after` up to `to`, in their order.
pub fn versions(conn: &mut Conn, record: Seq, after: i64, to: i64) -> DbResult<Vec<ChangeRow>> {
    let query = record_changes::table.filter(record_changes::record.eq(record)).filter(record_changes::version.gt(after));
    let query = query.filter(record_changes::version.le(to)).order(record_changes::version);
    Ok(on_conn!(conn, |c| query.select(ChangeRow::as_select()).load(c))?)
}

/// The change with this place.
pub fn change(conn: &mut Conn, seq: Seq) -> DbResult<Option<ChangeRow>> {
    Ok(on_conn!(conn, |c| record_changes::table.find(seq).select(ChangeRow::as_select()).first(c).optional())?)
}

/// The changes at these places, in order.
pub fn changes_at(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<ChangeRow>> {
    let query = record_changes::table.filter(among(record_changes::seq, places)).order(record_changes::seq);
    Ok(on_conn!(conn, |c| query.select(ChangeRow::as_select()).load(c))?)
}

/// Changes of a class from a place to before another, in order, at most `limit`.
pub fn changes_of_class(conn: &mut Conn, class: i16, (from, end): (Seq, Seq), limit: i64) -> DbResult<Vec<ChangeRow>> {
    let query = record_changes::table.filter(record_changes::seq.ge(from)).filter(record_changes::seq.lt(end));
    let query = query.filter(record_changes::class.eq(class)).order(record_changes::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ChangeRow::as_select()).load(c))?)
}

/// The change that a source sent under this reference.
pub fn change_by_reference(conn: &mut Conn, source: Seq, source_ref: &str) -> DbResult<Option<ChangeRow>> {
    let query = record_changes::table.filter(record_changes::source.eq(source)).filter(record_changes::source_ref.eq(source_ref));
    Ok(on_conn!(conn, |c| query.select(ChangeRow::as_select()).first(c).optional())?)
}

/// The newest snapshot of a record at or before a version.
pub fn snapshot(conn: &mut Conn, record: Seq, version: i64) -> DbResult<Option<SnapshotRow>> {
    let query = record_snapshots::table.filter(record_snapshots::record.eq(record));
    let query = query.filter(record_snapshots::version.le(version)).order(record_snapshots::version.desc());
    Ok(on_conn!(conn, |c| query.select(SnapshotRow::as_select()).first(c).optional())?)
}

/// The fields of these changes, in order of place and number.
pub fn fields_of(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<FieldRow>> {
    let query = record_fields::table.filter(among(record_fields::seq, places)).order((record_fields::seq, record_fields::n));
    Ok(on_conn!(conn, |c| query.select(FieldRow::as_select()).load(c))?)
}

/// What the fields of these changes were set to, in order of place and number.
pub fn sets_of(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<FieldSet>> {
    let query = record_fields::table.filter(among(record_fields::seq, places)).order((record_fields::seq, record_fields::n));
    Ok(on_conn!(conn, |c| query.select(FieldSet::as_select()).load(c))?)
}

/// The fields of the changes from one place to before another, in order of place and number.
pub fn fields_between(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<FieldRow>> {
    let query = record_fields::table.filter(record_fields::seq.ge(from)).filter(record_fields::seq.lt(to));
    let query = query.order((record_fields::seq, record_fields::n));
    Ok(on_conn!(conn, |c| query.select(FieldRow::as_select()).load(c))?)
}

/// What a field was set to, and when that came to be so; newest first, at most `limit`.
pub fn values_of(conn: &mut Conn, record: Seq, path: &str, limit: i64) -> DbResult<Vec<(i64, Option<String>)>> {
    let query = record_changes::table.inner_join(record_fields::table.on(record_fields::seq.eq(record_changes::seq)));
    let query = query.filter(record_changes::record.eq(record)).filter(record_fields::path.eq(path));
    let query = query.order(record_changes::version.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select((record_changes::effective_at, record_fields::new)).load(c))?)
}

/// The types that there are records of, at most `limit`.
pub fn kinds(conn: &mut Conn, limit: i64) -> DbResult<Vec<String>> {
    let query = records::table.select(records::kind).distinct().order(records::kind).limit(limit);
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// Records of a type whose reference begins so, in order, at most `limit`.
pub fn records_like(conn: &mut Conn, kind: &str, beginning: &str, limit: i64) -> DbResult<Vec<RecordRow>> {
    let pattern: String =
        beginning.chars().flat_map(|c| if "%_\\".contains(c) { vec!['\\', c] } else { vec![c] }).chain(['%']).collect();
    let query = records::table.filter(records::kind.eq(kind)).filter(records::reference.like(pattern).escape('\\'));
    let query = query.order((records::reference, records::id)).limit(limit);
    Ok(on_conn!(conn, |c| query.select(RecordRow::as_select()).load(c))?)
}

/// Records of a type of a source after one of them, in order of their numbers, at most `limit`.
pub fn records_after(conn: &mut Conn, source: Seq, kind: &str, after: Seq, limit: i64) -> DbResult<Vec<RecordRow>> {
    let query = records::table.filter(records::source.eq(source)).filter(records::kind.eq(kind)).filter(records::id.gt(after));
    let query = query.order(records::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(RecordRow::as_select()).load(c))?)
}

/// The newest breaks, at most `limit`.
pub fn breaks_newest(conn: &mut Conn, limit: i64) -> DbResult<Vec<RecordBreakRow>> {
    let query = record_breaks::table.order(record_breaks::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(RecordBreakRow::as_select()).load(c))?)
}

/// The newest breaks that nobody explained, at most `limit`; and how many there are.
pub fn open_breaks(conn: &mut Conn, limit: i64) -> DbResult<(Vec<RecordBreakRow>, i64)> {
    let open = || record_breaks::table.filter(record_breaks::state.eq(super::OPEN));
    let (rows, all) = (open().order(record_breaks::seq.desc()).limit(limit), open().count());
    let rows: Vec<RecordBreakRow> = on_conn!(conn, |c| rows.select(RecordBreakRow::as_select()).load(c))?;
    Ok((rows, on_conn!(conn, |c| all.get_result(c))?))
}

/// Breaks recorded from one date to another, after a place as far as another, in order, at most `limit`.
pub fn breaks_of_days(
    conn: &mut Conn,
    (from, to): (i32, i32),
    (after, last): (Seq, Seq),
    limit: i64,
) -> DbResult<Vec<RecordBreakRow>> {
    use record_breaks as of;
    let query = of::table.filter(of::seq.gt(after)).filter(of::seq.le(last)).filter(of::business_date.between(from, to));
    Ok(on_conn!(conn, |c| query.order(of::seq).limit(limit).select(RecordBreakRow::as_select()).load(c))?)
}

/// Records by their numbers.
pub fn records_by_id(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<RecordRow>> {
    let query = records::table.filter(among(records::id, ids));
    Ok(on_conn!(conn, |c| query.select(RecordRow::as_select()).load(c))?)
}

/// Breaks recorded on a date, and those of this and earlier dates that are open, as far as place `seq_to`.
pub fn break_counts(conn: &mut Conn, date: i32, seq_to: Seq) -> DbResult<(i64, i64)> {
    use record_breaks as of;
    let known = || of::table.filter(of::seq.le(seq_to)).filter(of::business_date.le(date));
    let new = known().filter(of::business_date.eq(date)).count();
    let open = known().filter(of::closed_by.is_null().or(of::closed_by.gt(seq_to))).count();
    let (new, open): (i64, i64) = on_conn!(conn, |c| new.get_result(c).and_then(|new| Ok((new, open.get_result(c)?))))?;
    Ok((new, open))
}

/// The break that a change opened.
pub fn record_break(conn: &mut Conn, seq: Seq) -> DbResult<Option<RecordBreakRow>> {
    Ok(on_conn!(conn, |c| record_breaks::table.find(seq).select(RecordBreakRow::as_select()).first(c).optional())?)
}

/// Closes a break by the event at `by`.
pub fn close_break(conn: &mut Conn, seq: Seq, state: i16, by: Seq) -> DbResult<()> {
    let set = (record_breaks::state.eq(state), record_breaks::closed_by.eq(by));
    on_conn!(conn, |c| diesel::update(record_breaks::table.find(seq)).set(set).execute(c))?;
    Ok(())
}

/// The records whose changes stand at these places.
pub fn records_at(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<Seq>> {
    let of = record_changes::table.filter(among(record_changes::seq, places)).select(record_changes::record).distinct();
    Ok(on_conn!(conn, |c| of.order(record_changes::record).load(c))?)
}

/// Those of these places that define a record of this id.
pub fn defined_as(conn: &mut Conn, places: &[Seq], reference: &str) -> DbResult<Vec<Seq>> {
    let of = records::table.filter(among(records::id, places)).filter(records::reference.eq(reference)).select(records::id);
    Ok(on_conn!(conn, |c| of.load(c))?)
}

/// The places of a record's changes before `to`.
pub fn places_of(conn: &mut Conn, record: Seq, to: Seq) -> DbResult<Vec<Seq>> {
    let of = record_changes::table.filter(record_changes::record.eq(record)).filter(record_changes::seq.lt(to));
    Ok(on_conn!(conn, |c| of.order(record_changes::version).select(record_changes::seq).load(c))?)
}

/// The latest instant at which one of these records was changed, or that was recorded.
pub fn last_of(conn: &mut Conn, records: &[Seq]) -> DbResult<Option<i64>> {
    let of = record_changes::table.filter(among(record_changes::record, records));
    let of = of.select((max(record_changes::recorded_at), max(record_changes::effective_at)));
    let (recorded, changed): (Option<i64>, Option<i64>) = on_conn!(conn, |c| of.first(c))?;
    Ok(recorded.max(changed))
}

/// Whether one of these records has a break that nobody explained.
pub fn has_open_break(conn: &mut Conn, records: &[Seq]) -> DbResult<bool> {
    let of = record_breaks::table.filter(among(record_breaks::record, records)).filter(record_breaks::closed_by.is_null());
    let some: Option<Seq> = on_conn!(conn, |c| of.select(record_breaks::seq).first(c).optional())?;
    Ok(some.is_some())
}

/// Removes what is personal at these places; their erasure must be stored before. Snapshots forget the
/// values that are gone.
pub fn remove(conn: &mut Conn, places: &[Seq]) -> DbResult<()> {
    let of = records::table.filter(among(records::id, places)).select(records::id);
    let named: Vec<Seq> = on_conn!(conn, |c| of.load(c))?;
    for id in named {
        let record = diesel::update(records::table.find(id)).set(records::reference.eq(erased_number(id)));
        on_conn!(conn, |c| record.execute(c))?;
    }
    let of = record_changes::table.filter(among(record_changes::seq, places)).select(record_changes::record).distinct();
    let torn: Vec<Seq> = on_conn!(conn, |c| of.load(c))?;
    let changes = record_changes::table.filter(among(record_changes::seq, places));
    on_conn!(conn, |c| diesel::update(changes).set(record_changes::actor.eq(None::<String>)).execute(c))?;
    on_conn!(conn, |c| diesel::delete(record_fields::table.filter(among(record_fields::seq, places))).execute(c))?;
    for record in torn {
        let query = record_snapshots::table.filter(record_snapshots::record.eq(record)).order(record_snapshots::version);
        let rows: Vec<SnapshotRow> = on_conn!(conn, |c| query.select(SnapshotRow::as_select()).load(c))?;
        for row in rows {
            let mut values: Vec<(String, Seq, i32)> = serde_json::from_str(&row.body).unwrap_or_default();
            let listed = values.len();
            values.retain(|(_, seq, _)| !places.contains(seq));
            let (path, seq, n) = super::state::TORN;
            if values.len() < listed && !values.iter().any(|(_, at, _)| *at == seq) {
                values.push((path.to_owned(), seq, n));
            }
            let body = serde_json::json!(values).to_string();
            let target = record_snapshots::table.find((row.record, row.version));
            on_conn!(conn, |c| diesel::update(target).set(record_snapshots::body.eq(&body)).execute(c))?;
        }
    }
    Ok(())
}
