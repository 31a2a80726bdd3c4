//! The outbox: rows owed, mails made up from them, and how they end.

use diesel::dsl::{count_star, max, min};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::schema::{mail_groups, outbox};
use crate::db::{Channel, Conn, DbResult, bulk, wake};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::trail::NewEvent;
use crate::{bulk_row, on_conn};

use super::group::{self, Decision, Group};
use super::{MailKind, RECIPIENTS_MAX, outbox_id};

bulk_row! {
    /// A row of `outbox`.
    OutboxRow => outbox {
        id: i64, kind: String, about: i64, recipient: String, severity: i16, state: i16, created_at: i64,
        not_before: i64, attempts: i32, last_error: Option<String>, message_id: Option<String>, done_at: Option<i64>,
    }
}

/// `outbox.state`: waiting for its first or next try.
pub const PENDING: i16 = 1;
/// `outbox.state`: taken by the relay.
pub const SENT: i16 = 2;
/// `outbox.state`: given up, visibly, and nobody has acknowledged it.
pub const DEAD: i16 = 3;
/// `outbox.state`: given up, and somebody knows.
pub const ACKNOWLEDGED: i16 = 4;

/// Rows in one mail at most; more make a second mail.
pub const ROWS_PER_MAIL: i64 = 100_000;
/// Rows that one event names at most, so that it fits; the result of a larger mail is several events of one act.
pub const ROWS_PER_EVENT: usize = 2_000;
/// Recipients and kinds looked at in one pass.
const GROUPS_MAX: i64 = 1_000;

impl OutboxRow {
    /// A row that is owed from `now` on; `id` from [`outbox_id`].
    pub fn owed(id: i64, kind: MailKind, about: Seq, recipient: &str, severity: Severity, now: Moment) -> OutboxRow {
        OutboxRow {
            id,
            kind: kind.text().to_owned(),
            about,
            recipient: recipient.to_owned(),
            severity: severity.code(),
            state: PENDING,
            created_at: now.0,
            not_before: now.0,
            attempts: 0,
            last_error: None,
            message_id: None,
            done_at: None,
        }
    }
}

/// The rows that owe each of `recipients` (the first [`RECIPIENTS_MAX`]) a mail about the event at
/// `about`; to be stored in the transaction of that event, with [`owe`] or among other rows.
pub fn owed_rows(kind: MailKind, about: Seq, recipients: &[String], severity: Severity, now: Moment) -> Vec<OutboxRow> {
    let numbered = recipients.iter().take(RECIPIENTS_MAX).enumerate();
    numbered.map(|(index, to)| OutboxRow::owed(outbox_id(about, index), kind, about, to, severity, now)).collect()
}

/// The event that owes `recipients` mail: how many of them in public, who they are in the private
/// part, so that what the outbox must hold follows from the log alone.
pub fn promising(kind: &'static str, mut body: Value, private: Option<Value>, recipients: &[String]) -> NewEvent {
    let owed = &recipients[..recipients.len().min(RECIPIENTS_MAX)];
    if owed.is_empty() {
        return NewEvent { kind, body, private };
    }
    body["mail"] = json!(owed.len());
    let mut private = private.unwrap_or_else(|| json!({}));
    private["mail_to"] = json!(owed);
    NewEvent::with_private(kind, body, private)
}

/// Stores rows that are owed, in the caller's transaction.
pub fn owe(conn: &mut Conn, rows: &[OutboxRow]) -> DbResult<()> {
    bulk::append(conn, rows)?;
    if rows.is_empty() { Ok(()) } else { wake(conn, Channel::Mail) }
}

/// What waits for a recipient and kind and is in no mail yet.
#[derive(Clone, Debug)]
pub struct WaitingGroup {
    /// The address.
    pub recipient: String,
    /// As stored.
    pub kind: String,
    /// What becomes of it.
    pub decision: Decision,
}

/// Everything that waits and is in no mail yet, with what becomes of it at `now`.
pub fn waiting(conn: &mut Conn, now: Moment) -> DbResult<Vec<WaitingGroup>> {
    type Found = (String, String, Option<i16>, Option<i64>);
    let rows: Vec<Found> = on_conn!(conn, |c| outbox::table
        .filter(outbox::state.eq(PENDING))
        .filter(outbox::message_id.is_null())
        .group_by((outbox::recipient, outbox::kind))
        .select((outbox::recipient, outbox::kind, max(outbox::severity), max(outbox::created_at)))
        .limit(GROUPS_MAX)
        .load(c))?;
    let mut found = Vec::with_capacity(rows.len());
    for (recipient, kind, severity, newest) in rows {
        let group = group_of(conn, &recipient, &kind)?;
        let waiting = group::Waiting { severity: severity.unwrap_or_default(), newest: Moment(newest.unwrap_or_default()) };
        found.push(WaitingGroup { decision: group::decide(now, group, waiting), recipient, kind });
    }
    Ok(found)
}

fn group_of(conn: &mut Conn, recipient: &str, kind: &str) -> DbResult<Option<Group>> {
    let query = mail_groups::table.find((recipient, kind)).select((mail_groups::held_until, mail_groups::severity));
    let row: Option<(i64, i16)> = on_conn!(conn, |c| query.first(c).optional())?;
    Ok(row.map(|(until, severity)| Group { until: Moment(until), severity }))
}

/// Makes up mails of all that may leave at `now`: rows of one recipient and kind get one Message-ID,
/// under which they stay together. Answers how many mails were made up.
pub fn make_up(conn: &mut Conn, now: Moment, domain: &str) -> DbResult<usize> {
    let mut made = 0;
    for waiting in waiting(conn, now)? {
        if let Decision::Leave(group) = waiting.decision {
            make_up_one(conn, now, domain, &waiting)?;
            set_group(conn, &waiting, group)?;
            made += 1;
        }
    }
    Ok(made)
}

fn make_up_one(conn: &mut Conn, now: Moment, domain: &str, of: &WaitingGroup) -> DbResult<()> {
    let rows: Vec<(i64, i64)> = on_conn!(conn, |c| outbox::table
        .filter(outbox::state.eq(PENDING))
        .filter(outbox::message_id.is_null())
        .filter(outbox::recipient.eq(&of.recipient))
        .filter(outbox::kind.eq(&of.kind))
        .order(outbox::id)
        .limit(ROWS_PER_MAIL)
        .select((outbox::id, outbox::created_at))
        .load(c))?;
    let (Some((first, created)), Some((last, _))) = (rows.first(), rows.last()) else { return Ok(()) };
    // A row is made up once, so its id makes this unique in a log; the time, among logs.
    let message_id = format!("<{}.{first}.{}.{created:x}@{domain}>", of.kind, rows.len());
    on_conn!(conn, |c| diesel::update(
        outbox::table
            .filter(outbox::state.eq(PENDING))
            .filter(outbox::message_id.is_null())
            .filter(outbox::recipient.eq(&of.recipient))
            .filter(outbox::kind.eq(&of.kind))
            .filter(outbox::id.le(last))
    )
    .set((outbox::message_id.eq(&message_id), outbox::not_before.eq(now.0)))
    .execute(c))?;
    Ok(())
}

fn set_group(conn: &mut Conn, of: &WaitingGroup, group: Group) -> DbResult<()> {
    let key = (mail_groups::recipient.eq(&of.recipient), mail_groups::kind.eq(&of.kind));
    let values = (mail_groups::held_until.eq(group.until.0), mail_groups::severity.eq(group.severity));
    on_conn!(conn, |c| diesel::insert_into(mail_groups::table)
        .values((key, values))
        .on_conflict((mail_groups::recipient, mail_groups::kind))
        .do_update()
        .set(values)
        .execute(c))?;
    Ok(())
}

/// A mail that was made up and is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeUp {
    /// `<…@…>`
    pub message_id: String,
    /// The address.
    pub recipient: String,
    /// As stored.
    pub kind: String,
    /// The gravest severity in it, as stored.
    pub severity: i16,
    /// Failed tries so far.
    pub attempts: i32,
    /// Rows in it.
    pub rows: i64,
}

/// Mails whose next try is due at `now`, gravest first, at most `limit`.
pub fn due(conn: &mut Conn, now: Moment, limit: i64) -> DbResult<Vec<MadeUp>> {
    type Found = (Option<String>, String, String, Option<i16>, Option<i32>, i64);
    let rows: Vec<Found> = on_conn!(conn, |c| outbox::table
        .filter(outbox::state.eq(PENDING))
        .filter(outbox::message_id.is_not_null())
        .filter(outbox::not_before.le(now.0))
        .group_by((outbox::message_id, outbox::recipient, outbox::kind))
        .order((max(outbox::severity).desc(), min(outbox::id)))
        .limit(limit)
        .select((outbox::message_id, outbox::recipient, outbox::kind, max(outbox::severity), max(outbox::attempts), count_star()))
        .load(c))?;
    let made_up = |(message_id, recipient, kind, severity, attempts, rows): Found| {
        let (severity, attempts) = (severity.unwrap_or_default(), attempts.unwrap_or_default());
        Some(MadeUp { message_id: message_id?, recipient, kind, severity, attempts, rows })
    };
    Ok(rows.into_iter().filter_map(made_up).collect())
}

/// When the next try of a mail that was made up is due, if there is one.
pub fn next_try(conn: &mut Conn) -> DbResult<Option<Moment>> {
    let query = outbox::table.filter(outbox::state.eq(PENDING)).filter(outbox::message_id.is_not_null());
    let at: Option<i64> = on_conn!(conn, |c| query.select(min(outbox::not_before)).first(c))?;
    Ok(at.map(Moment))
}

/// The ids of a mail's rows that are not done, ascending.
pub fn rows_of(conn: &mut Conn, message_id: &str) -> DbResult<Vec<i64>> {
    let query = outbox::table.filter(outbox::state.eq(PENDING)).filter(outbox::message_id.eq(message_id));
    Ok(on_conn!(conn, |c| query.order(outbox::id).select(outbox::id).load(c))?)
}

/// Puts a mail's next try off to `not_before`.
pub fn put_off(conn: &mut Conn, message_id: &str, attempts: i32, not_before: Moment, error: &str) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(
        outbox::table.filter(outbox::state.eq(PENDING)).filter(outbox::message_id.eq(message_id))
    )
    .set((outbox::attempts.eq(attempts), outbox::not_before.eq(not_before.0), outbox::last_error.eq(error)))
    .execute(c))?;
    Ok(())
}

/// Ends a mail as [`SENT`] (no error) or [`DEAD`].
pub fn finish(conn: &mut Conn, message_id: &str, attempts: i32, at: Moment, error: Option<&str>) -> DbResult<()> {
    let state = if error.is_none() { SENT } else { DEAD };
    on_conn!(conn, |c| diesel::update(
        outbox::table.filter(outbox::state.eq(PENDING)).filter(outbox::message_id.eq(message_id))
    )
    .set((outbox::state.eq(state), outbox::attempts.eq(attempts), outbox::last_error.eq(error), outbox::done_at.eq(at.0)))
    .execute(c))?;
    Ok(())
}

/// Rows of the outbox by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Waiting for their first or next try.
    pub pending: i64,
    /// Taken by the relay.
    pub sent: i64,
    /// Given up.
    pub dead: i64,
}

impl Summary {
    fn of(rows: Vec<(i16, i64)>) -> Summary {
        let count = |state| rows.iter().filter(|(s, _)| *s == state).map(|(_, n)| n).sum();
        Summary { pending: count(PENDING), sent: count(SENT), dead: count(DEAD) }
    }
}

/// All rows by state.
pub fn summary(conn: &mut Conn) -> DbResult<Summary> {
    let query = outbox::table.group_by(outbox::state).select((outbox::state, count_star()));
    Ok(Summary::of(on_conn!(conn, |c| query.load(c))?))
}

/// The rows owed from `from` (inclusive) to `to` (exclusive), by state.
pub fn summary_between(conn: &mut Conn, from: Moment, to: Moment) -> DbResult<Summary> {
    let within = outbox::table.filter(outbox::created_at.ge(from.0)).filter(outbox::created_at.lt(to.0));
    let query = within.group_by(outbox::state).select((outbox::state, count_star()));
    Ok(Summary::of(on_conn!(conn, |c| query.load(c))?))
}

/// What is or was owed about the event at `about`, by recipient number.
pub fn about(conn: &mut Conn, about: Seq) -> DbResult<Vec<OutboxRow>> {
    // By id, which has the index: the ids of an event's rows lie side by side.
    let ids = outbox_id(about, 0)..=outbox_id(about, RECIPIENTS_MAX - 1);
    let query = outbox::table.filter(outbox::id.between(*ids.start(), *ids.end())).order(outbox::id);
    Ok(on_conn!(conn, |c| query.select(OutboxRow::as_select()).load(c))?)
}
