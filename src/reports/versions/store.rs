//! The table of stored reports.

use diesel::dsl::max;
use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::schema::reports;
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `reports`.
    ReportRow => reports {
        business_date: i32, version: i32, status: String, seq: i64, seq_from: i64, seq_to: i64, computed_at: i64,
        body: String, html: String, body_sha256: String, html_sha256: String,
    }
}

/// A row without the page.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = reports)]
pub struct Brief {
    pub business_date: i32,
    pub version: i32,
    pub status: String,
    pub seq: i64,
    pub seq_from: i64,
    pub seq_to: i64,
    pub computed_at: i64,
    pub body: String,
    pub body_sha256: String,
    pub html_sha256: String,
}

impl ReportRow {
    /// Without the page.
    pub fn brief(&self) -> Brief {
        Brief {
            business_date: self.business_date,
            version: self.version,
            status: self.status.clone(),
            seq: self.seq,
            seq_from: self.seq_from,
            seq_to: self.seq_to,
            computed_at: self.computed_at,
            body: self.body.clone(),
            body_sha256: self.body_sha256.clone(),
            html_sha256: self.html_sha256.clone(),
        }
    }
}

/// Appends a version.
pub fn insert(conn: &mut Conn, row: ReportRow) -> DbResult<()> {
    bulk::append(conn, &[row])
}

/// The newest version of a date.
pub fn newest(conn: &mut Conn, date: i32) -> DbResult<Option<Brief>> {
    let query = reports::table.filter(reports::business_date.eq(date)).order(reports::version.desc());
    Ok(on_conn!(conn, |c| query.select(Brief::as_select()).first(c).optional())?)
}

/// One version of a date.
pub fn version(conn: &mut Conn, date: i32, version: i32) -> DbResult<Option<ReportRow>> {
    let query = reports::table.find((date, version));
    Ok(on_conn!(conn, |c| query.select(ReportRow::as_select()).first(c).optional())?)
}

/// Every version of a date, oldest first.
pub fn versions(conn: &mut Conn, date: i32) -> DbResult<Vec<Brief>> {
    let query = reports::table.filter(reports::business_date.eq(date)).order(reports::version);
    Ok(on_conn!(conn, |c| query.select(Brief::as_select()).load(c))?)
}

/// The last place that a first version took; first versions follow each other without gaps.
pub fn last_of_first_versions(conn: &mut Conn) -> DbResult<Option<Seq>> {
    let query = reports::table.filter(reports::version.eq(1)).select(max(reports::seq_to));
    Ok(on_conn!(conn, |c| query.first(c))?)
}

/// The newest date before `before` that has a first version, and the event that stored it.
pub fn newest_first_version(conn: &mut Conn, before: i32) -> DbResult<Option<(i32, Seq)>> {
    let query = reports::table.filter(reports::version.eq(1)).filter(reports::business_date.lt(before));
    let query = query.order(reports::business_date.desc()).select((reports::business_date, reports::seq));
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// The newest version of each date before `before`, newest date first.
pub fn newest_of_dates(conn: &mut Conn, before: Option<i32>, limit: i64) -> DbResult<Vec<Brief>> {
    let query = reports::table
        .filter(reports::business_date.lt(before.unwrap_or(i32::MAX)))
        .group_by(reports::business_date)
        .order(reports::business_date.desc())
        .select((reports::business_date, max(reports::version)))
        .limit(limit);
    let keys: Vec<(i32, Option<i32>)> = on_conn!(conn, |c| query.load(c))?;
    let mut rows = Vec::with_capacity(keys.len());
    for (date, version) in keys {
        let query = reports::table.find((date, version.unwrap_or(0)));
        let row: Option<Brief> = on_conn!(conn, |c| query.select(Brief::as_select()).first(c).optional())?;
        rows.extend(row);
    }
    Ok(rows)
}

/// Dates from `first` to `last` that have a report.
pub fn dates_with_version(conn: &mut Conn, first: i32, last: i32) -> DbResult<Vec<i32>> {
    let query = reports::table
        .filter(reports::version.eq(1))
        .filter(reports::business_date.ge(first))
        .filter(reports::business_date.le(last))
        .select(reports::business_date);
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// Dates from `first` to `last` that have a report, and when the last version of each was computed.
pub fn last_computed(conn: &mut Conn, first: i32, last: i32) -> DbResult<Vec<(i32, Moment)>> {
    let query = reports::table
        .filter(reports::business_date.ge(first))
        .filter(reports::business_date.le(last))
        .group_by(reports::business_date)
        .select((reports::business_date, max(reports::computed_at)));
    let rows: Vec<(i32, Option<i64>)> = on_conn!(conn, |c| query.load(c))?;
    Ok(rows.into_iter().map(|(date, at)| (date, Moment(at.unwrap_or_default()))).collect())
}

/// Dates from `first` to `last` that have a report, oldest first, and the last place that the newest version of each took.
pub fn last_places(conn: &mut Conn, first: i32, last: i32) -> DbResult<Vec<(i32, Seq)>> {
    let query = reports::table
        .filter(reports::business_date.ge(first))
        .filter(reports::business_date.le(last))
        .group_by(reports::business_date)
        .order(reports::business_date)
        .select((reports::business_date, max(reports::seq_to)));
    let rows: Vec<(i32, Option<Seq>)> = on_conn!(conn, |c| query.load(c))?;
    Ok(rows.into_iter().map(|(date, seq)| (date, seq.unwrap_or(-1))).collect())
}

/// How many versions were computed from `from` to `to`.
pub fn computed_between(conn: &mut Conn, from: Moment, to: Moment) -> DbResult<i64> {
    let query = reports::table.filter(reports::computed_at.ge(from.0)).filter(reports::computed_at.le(to.0));
    Ok(on_conn!(conn, |c| query.count().get_result(c))?)
}

/// Id, kind, recipient and state of the mail about an event.
#[cfg(test)]
pub fn mail(conn: &mut Conn, about: Seq) -> DbResult<Vec<(i64, String, String, i16)>> {
    use crate::db::schema::outbox;
    let query = outbox::table.filter(outbox::about.eq(about)).filter(outbox::kind.eq("report")).order(outbox::id);
    Ok(on_conn!(conn, |c| query.select((outbox::id, outbox::kind, outbox::recipient, outbox::state)).load(c))?)
}
