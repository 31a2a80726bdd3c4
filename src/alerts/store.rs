//! The tables of hits and alerts.

use diesel::prelude::*;

use crate::db::schema::{alerts, hits};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `hits`.
    HitRow => hits {
        seq: i64, rule: String, rules: i64, account: i64, business_date: i32, severity: i16, late: i16,
        decided_by: i64, alert: Option<i64>, evidence: String,
    }
}
bulk_row! {
    /// A row of `alerts`.
    AlertRow => alerts {
        id: i64, reference: String, rule: String, rules: i64, account: i64, severity: i16, state: i16,
        business_date: i32, opened_at: i64, first_booked_at: i64, last_seq: i64, hits: i64, explanation: String,
        previous: Option<i64>, disposition: Option<String>, comment: Option<String>, duplicate_of: Option<String>,
        closed_at: Option<i64>, closed_by: Option<i64>, closed_seq: Option<i64>,
    }
}

/// `alerts.state`: nobody has decided yet.
pub const OPEN: i16 = 1;
/// `alerts.state`: decided.
pub const CLOSED: i16 = 2;

/// Every open alert, oldest first.
pub fn open_alerts(conn: &mut Conn) -> DbResult<Vec<AlertRow>> {
    let query = alerts::table.filter(alerts::state.eq(OPEN)).order(alerts::id);
    Ok(on_conn!(conn, |c| query.select(AlertRow::as_select()).load(c))?)
}

/// The alert opened at `id`.
pub fn alert(conn: &mut Conn, id: Seq) -> DbResult<Option<AlertRow>> {
    Ok(on_conn!(conn, |c| alerts::table.find(id).select(AlertRow::as_select()).first(c).optional())?)
}

/// The newest alert reference of a year, as text.
pub fn newest_reference(conn: &mut Conn, year: i32) -> DbResult<Option<String>> {
    let prefix = format!("ALR-{year:04}-%");
    let query = alerts::table.filter(alerts::reference.like(prefix)).order(alerts::id.desc()).select(alerts::reference);
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// The hits of an entry.
pub fn hits_of_entry(conn: &mut Conn, seq: Seq) -> DbResult<Vec<HitRow>> {
    let query = hits::table.filter(hits::seq.eq(seq)).order(hits::rule);
    Ok(on_conn!(conn, |c| query.select(HitRow::as_select()).load(c))?)
}

/// The hits of an alert, oldest first, at most `limit`.
pub fn hits_of_alert(conn: &mut Conn, alert: Seq, limit: i64) -> DbResult<Vec<HitRow>> {
    let query = hits::table.filter(hits::alert.eq(alert)).order(hits::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(HitRow::as_select()).load(c))?)
}

/// The newest closed alert of every rule and account: (rule, account, id).
pub fn newest_closed(conn: &mut Conn) -> DbResult<Vec<(String, Seq, Seq)>> {
    let query = alerts::table.filter(alerts::state.eq(CLOSED)).order(alerts::id);
    Ok(on_conn!(conn, |c| query.select((alerts::rule, alerts::account, alerts::id)).load(c))?)
}
