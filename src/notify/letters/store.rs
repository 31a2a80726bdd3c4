//! Dead letters, as rows of the outbox that share a Message-ID.

use diesel::dsl::{count, count_star, max, min};
use diesel::prelude::*;

use crate::clock::{Moment, day_date};
use crate::db::schema::{alerts, outbox, reports};
use crate::db::{Conn, DbResult};
use crate::notify::MailKind;
use crate::notify::store::{ACKNOWLEDGED, DEAD, PENDING};
use crate::on_conn;

use super::About;

/// A mail that was given up.
pub(super) struct Found {
    pub message_id: String,
    pub kind: String,
    pub recipient: String,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub done_at: Option<i64>,
    pub rows: i64,
    pub acknowledged: bool,
}

type Row = (Option<String>, String, String, i16, Option<i32>, Option<String>, Option<i64>, i64);

fn found((message_id, kind, recipient, state, attempts, last_error, done_at, rows): Row) -> Option<Found> {
    let acknowledged = state == ACKNOWLEDGED;
    let (message_id, attempts) = (message_id?, attempts.unwrap_or_default());
    Some(Found { message_id, kind, recipient, attempts, last_error, done_at, rows, acknowledged })
}

macro_rules! grouped {
    ($c:expr, $of:expr, $limit:expr) => {
        $of.group_by((outbox::message_id, outbox::kind, outbox::recipient, outbox::state))
            .order((outbox::state, max(outbox::done_at).desc(), min(outbox::id)))
            .limit($limit)
            .select((
                outbox::message_id,
                outbox::kind,
                outbox::recipient,
                outbox::state,
                max(outbox::attempts),
                max(outbox::last_error),
                max(outbox::done_at),
                count_star(),
            ))
            .load::<Row>($c)
    };
}

/// Of all that were given up, those nobody has acknowledged first; then the newest first.
pub(super) fn letters(conn: &mut Conn, limit: i64) -> DbResult<Vec<Found>> {
    let rows = on_conn!(conn, |c| grouped!(c, outbox::table.filter(outbox::state.eq_any([DEAD, ACKNOWLEDGED])), limit))?;
    Ok(rows.into_iter().filter_map(found).collect())
}

/// Of those nobody has acknowledged.
pub(super) fn unacknowledged(conn: &mut Conn, limit: i64) -> DbResult<Vec<Found>> {
    let rows = on_conn!(conn, |c| grouped!(c, outbox::table.filter(outbox::state.eq(DEAD)), limit))?;
    Ok(rows.into_iter().filter_map(found).collect())
}

/// The one with this Message-ID that nobody has acknowledged.
pub(super) fn letter(conn: &mut Conn, message_id: &str) -> DbResult<Option<Found>> {
    let rows = on_conn!(conn, |c| {
        grouped!(c, outbox::table.filter(outbox::state.eq(DEAD)).filter(outbox::message_id.eq(message_id)), 1)
    })?;
    Ok(rows.into_iter().find_map(found))
}

/// How many there are that nobody has acknowledged.
pub(super) fn open(conn: &mut Conn) -> DbResult<i64> {
    let query = outbox::table.filter(outbox::state.eq(DEAD)).select(count(outbox::message_id).aggregate_distinct());
    Ok(on_conn!(conn, |c| query.first(c))?)
}

/// The rows of a mail that was given up, ascending.
pub(super) fn rows(conn: &mut Conn, message_id: &str) -> DbResult<Vec<i64>> {
    let query = outbox::table.filter(outbox::state.eq(DEAD)).filter(outbox::message_id.eq(message_id));
    Ok(on_conn!(conn, |c| query.order(outbox::id).select(outbox::id).load(c))?)
}

/// What a mail was about, at most `limit`, in order.
pub(super) fn about(conn: &mut Conn, message_id: &str, kind: &str, limit: i64) -> DbResult<Vec<About>> {
    let of = outbox::table.filter(outbox::state.eq_any([DEAD, ACKNOWLEDGED])).filter(outbox::message_id.eq(message_id));
    Ok(match MailKind::parse(kind) {
        Some(MailKind::Alert) => {
            let query = of.inner_join(alerts::table.on(alerts::id.eq(outbox::about))).order(alerts::id).limit(limit);
            let rows: Vec<String> = on_conn!(conn, |c| query.select(alerts::reference).load(c))?;
            rows.into_iter().map(About::Alert).collect()
        }
        Some(MailKind::Report) => {
            let query = of.inner_join(reports::table.on(reports::seq.eq(outbox::about))).order(reports::seq).limit(limit);
            let rows: Vec<(i32, i32)> = on_conn!(conn, |c| query.select((reports::business_date, reports::version)).load(c))?;
            rows.into_iter().map(|(date, version)| About::Report(day_date(date), version)).collect()
        }
        _ => {
            let query = of.order(outbox::about).limit(limit).select(outbox::about);
            let rows: Vec<i64> = on_conn!(conn, |c| query.load(c))?;
            rows.into_iter().map(About::Event).collect()
        }
    })
}

/// A mail that was given up waits again from `now` on, as if it had never been tried.
pub(super) fn wait_again(conn: &mut Conn, message_id: &str, now: Moment) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(outbox::table.filter(outbox::state.eq(DEAD)).filter(outbox::message_id.eq(message_id)))
        .set((
            outbox::state.eq(PENDING),
            outbox::attempts.eq(0),
            outbox::not_before.eq(now.0),
            outbox::last_error.eq(None::<String>),
            outbox::done_at.eq(None::<i64>),
        ))
        .execute(c))?;
    Ok(())
}

/// A mail that was given up is known of.
pub(super) fn acknowledge(conn: &mut Conn, message_id: &str) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(outbox::table.filter(outbox::state.eq(DEAD)).filter(outbox::message_id.eq(message_id)))
        .set(outbox::state.eq(ACKNOWLEDGED))
        .execute(c))?;
    Ok(())
}
