//! The facts that mails state, read from the tables of the rooms that own them.

use diesel::prelude::*;

use crate::clock::{Moment, day_date};
use crate::db::schema::{accounts, alerts, events, outbox, reports};
use crate::db::{Conn, DbResult};
use crate::detect::Severity;
use crate::detect::due::due_date;
use crate::ledger::BusinessCalendar;
use crate::on_conn;
use crate::trail::store as trail_store;

use super::{AlertFact, CheckpointFact, HistoryFact, NoticeFact, ReportFact, counts};
use crate::notify::store::PENDING;

/// The gravest alerts of a mail, at most `limit`; of equal ones the oldest first.
pub fn alerts_of(conn: &mut Conn, calendar: &BusinessCalendar, message_id: &str, limit: i64) -> DbResult<Vec<AlertFact>> {
    type Found = (String, String, i16, i32, i64, Option<String>, i64);
    let rows: Vec<Found> = on_conn!(conn, |c| outbox::table
        .inner_join(alerts::table.on(alerts::id.eq(outbox::about)))
        .left_join(accounts::table.on(accounts::id.eq(alerts::account)))
        .filter(outbox::state.eq(PENDING))
        .filter(outbox::message_id.eq(message_id))
        .order((alerts::severity.desc(), alerts::id))
        .limit(limit)
        .select((
            alerts::reference,
            alerts::rule,
            alerts::severity,
            alerts::business_date,
            alerts::opened_at,
            accounts::number.nullable(),
            alerts::account,
        ))
        .load(c))?;
    let fact = |(reference, rule, severity, date, opened_at, number, about): Found| {
        // A severity nobody knows is treated as the gravest.
        let severity = Severity::from_code(severity).unwrap_or(Severity::Critical);
        let due = due_date(calendar, Moment(opened_at), severity);
        match number {
            Some(number) => AlertFact::new(reference, severity, &rule, &number, day_date(date), due),
            // No account: a rule on changes opened it.
            None => AlertFact::of_change(reference, severity, &rule, about, day_date(date), due),
        }
    };
    Ok(rows.into_iter().map(fact).collect())
}

/// The reports of a mail, newest date first, at most `limit`.
pub fn reports_of(conn: &mut Conn, message_id: &str, limit: i64) -> DbResult<Vec<ReportFact>> {
    let rows: Vec<(i32, i32, String, String)> = on_conn!(conn, |c| outbox::table
        .inner_join(reports::table.on(reports::seq.eq(outbox::about)))
        .filter(outbox::state.eq(PENDING))
        .filter(outbox::message_id.eq(message_id))
        .order((reports::business_date.desc(), reports::version.desc()))
        .limit(limit)
        .select((reports::business_date, reports::version, reports::status, reports::body))
        .load(c))?;
    let fact = |(date, version, status, body): (i32, i32, String, String)| ReportFact {
        business_date: day_date(date),
        version,
        status,
        verdict: counts::verdict(&body),
        counts: counts::of_report(&body),
    };
    Ok(rows.into_iter().map(fact).collect())
}

/// The imports of a mail, newest first, at most `limit`.
pub fn histories_of(conn: &mut Conn, message_id: &str, limit: i64) -> DbResult<Vec<HistoryFact>> {
    let rows: Vec<(i64, String)> = on_conn!(conn, |c| outbox::table
        .inner_join(events::table.on(events::seq.eq(outbox::about)))
        .filter(outbox::state.eq(PENDING))
        .filter(outbox::message_id.eq(message_id))
        .order(events::seq.desc())
        .limit(limit)
        .select((events::seq, events::body))
        .load(c))?;
    Ok(rows.into_iter().map(|(seq, body)| HistoryFact { seq, counts: counts::of_history(&body) }).collect())
}

/// The notices of a mail, newest first, at most `limit`.
pub fn notices_of(conn: &mut Conn, message_id: &str, limit: i64) -> DbResult<Vec<NoticeFact>> {
    let rows: Vec<(i64, String, String)> = on_conn!(conn, |c| outbox::table
        .inner_join(events::table.on(events::seq.eq(outbox::about)))
        .filter(outbox::state.eq(PENDING))
        .filter(outbox::message_id.eq(message_id))
        .order(events::seq.desc())
        .limit(limit)
        .select((events::seq, events::kind, events::body))
        .load(c))?;
    Ok(rows.into_iter().map(|(seq, kind, body)| NoticeFact::of(&kind, seq, &body)).collect())
}

/// The newest signed checkpoint.
pub fn checkpoint(conn: &mut Conn) -> DbResult<Option<CheckpointFact>> {
    let newest = trail_store::newest_checkpoint(conn)?;
    Ok(newest.map(|row| CheckpointFact { number: row.number, size: row.size, note: row.note }))
}
