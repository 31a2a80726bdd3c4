//! The tables of hits and alerts.

use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::among::among;
use crate::db::schema::{accounts, alerts, breaks, hits, record_changes, records, rule_sets};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::BreakState;
use crate::ledger::store::{AccountRow, BreakRow};
use crate::{bulk_row, on_conn};

use super::breaks::BreakFilter;
use super::cursor::{Cursor, Order};
use super::queue::AlertFilter;

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

/// An alert as its event opens it.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // columns of `alerts`
pub struct Opening {
    pub reference: String,
    pub rule: String,
    pub rules: Seq,
    pub account: Seq,
    pub severity: i16,
    pub business_date: i32,
    pub first_booked_at: i64,
    pub last_seq: Seq,
    pub hits: i64,
    pub explanation: String,
    pub previous: Option<Seq>,
}

impl AlertRow {
    /// An alert that was just opened by the event at `id`: nobody has decided.
    pub fn opened((id, at): (Seq, Moment), of: Opening) -> AlertRow {
        AlertRow {
            id,
            reference: of.reference,
            rule: of.rule,
            rules: of.rules,
            account: of.account,
            severity: of.severity,
            state: OPEN,
            business_date: of.business_date,
            opened_at: at.0,
            first_booked_at: of.first_booked_at,
            last_seq: of.last_seq,
            hits: of.hits,
            explanation: of.explanation,
            previous: of.previous,
            disposition: None,
            comment: None,
            duplicate_of: None,
            closed_at: None,
            closed_by: None,
            closed_seq: None,
        }
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

/// How many hits an alert had where the log ended before place `end`, and the gravest of them.
pub fn hits_before(conn: &mut Conn, alert: Seq, end: Seq) -> DbResult<(i64, Option<i16>)> {
    let query = hits::table.filter(hits::alert.eq(alert)).filter(hits::decided_by.lt(end));
    Ok(on_conn!(conn, |c| query.select((diesel::dsl::count_star(), diesel::dsl::max(hits::severity))).first(c))?)
}

/// The newest closed alert of every rule and account: (rule, account, id).
pub fn newest_closed(conn: &mut Conn) -> DbResult<Vec<(String, Seq, Seq)>> {
    let query = alerts::table.filter(alerts::state.eq(CLOSED)).order(alerts::id);
    Ok(on_conn!(conn, |c| query.select((alerts::rule, alerts::account, alerts::id)).load(c))?)
}

/// The alert with this reference.
pub fn alert_by_reference(conn: &mut Conn, reference: &str) -> DbResult<Option<AlertRow>> {
    let query = alerts::table.filter(alerts::reference.eq(reference));
    Ok(on_conn!(conn, |c| query.select(AlertRow::as_select()).first(c).optional())?)
}

/// The newest open alert of a rule on an account.
pub fn open_alert_of(conn: &mut Conn, rule: &str, account: Seq) -> DbResult<Option<AlertRow>> {
    let query = alerts::table.filter(alerts::account.eq(account)).filter(alerts::rule.eq(rule));
    let query = query.filter(alerts::state.eq(OPEN)).order(alerts::id.desc());
    Ok(on_conn!(conn, |c| query.select(AlertRow::as_select()).first(c).optional())?)
}

/// The open alerts of a rule on an account or a record, newest first, at most `limit`.
pub fn open_alerts_of(conn: &mut Conn, rule: &str, about: Seq, limit: i64) -> DbResult<Vec<AlertRow>> {
    let query = alerts::table.filter(alerts::account.eq(about)).filter(alerts::rule.eq(rule));
    let query = query.filter(alerts::state.eq(OPEN)).order(alerts::id.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(AlertRow::as_select()).load(c))?)
}

/// Lets a hit of this severity, named at `seq`, join an alert.
pub fn join_alert(conn: &mut Conn, alert: &AlertRow, severity: i16, seq: Seq) -> DbResult<()> {
    let gravest = alert.severity.max(severity);
    let set = (alerts::hits.eq(alerts::hits + 1), alerts::severity.eq(gravest), alerts::last_seq.eq(seq));
    on_conn!(conn, |c| diesel::update(alerts::table.find(alert.id)).set(set).execute(c))?;
    Ok(())
}

/// The rule set that the event at `id` defined, as stored.
pub(super) fn rule_set(conn: &mut Conn, id: Seq) -> DbResult<Option<String>> {
    Ok(on_conn!(conn, |c| rule_sets::table.find(id).select(rule_sets::body).first(c).optional())?)
}

/// Records by their ids: id, type, the source's name of it, source.
pub(super) fn records_at(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<(Seq, String, String, Seq)>> {
    let query = records::table.filter(among(records::id, ids));
    Ok(on_conn!(conn, |c| query.select((records::id, records::kind, records::reference, records::source)).load(c))?)
}

/// Of a change: its place, its record, who made it, its source.
pub(super) type Actor = (Seq, Seq, Option<String>, Seq);

/// The changes at these places.
pub(super) fn actors_at(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<Actor>> {
    use record_changes as of;
    let query = record_changes::table.filter(among(record_changes::seq, places));
    Ok(on_conn!(conn, |c| query.select((of::seq, of::record, of::actor, of::source)).load(c))?)
}

/// The newest closed alert of a rule on an account.
pub fn newest_closed_of(conn: &mut Conn, rule: &str, account: Seq) -> DbResult<Option<Seq>> {
    let query = alerts::table.filter(alerts::account.eq(account)).filter(alerts::rule.eq(rule));
    let query = query.filter(alerts::state.eq(CLOSED)).order(alerts::id.desc()).select(alerts::id);
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// What is written when an alert is closed.
pub struct Closing<'a> {
    /// Its text.
    pub disposition: &'a str,
    /// Why.
    pub comment: &'a str,
    /// The other alert's reference.
    pub duplicate_of: Option<&'a str>,
    /// When.
    pub at: Moment,
    /// The user.
    pub by: Seq,
    /// The event.
    pub seq: Seq,
}

/// Closes an alert.
pub fn close_alert(conn: &mut Conn, id: Seq, closing: &Closing<'_>) -> DbResult<()> {
    let set = (
        alerts::state.eq(CLOSED),
        alerts::disposition.eq(closing.disposition),
        alerts::comment.eq(closing.comment),
        alerts::duplicate_of.eq(closing.duplicate_of),
        alerts::closed_at.eq(closing.at.0),
        alerts::closed_by.eq(closing.by),
        alerts::closed_seq.eq(closing.seq),
    );
    on_conn!(conn, |c| diesel::update(alerts::table.find(id)).set(set).execute(c))?;
    Ok(())
}

/// Lets breaks join an alert: it has `more` of them now, the newest at `last_seq`.
pub fn extend_alert(conn: &mut Conn, id: Seq, more: i64, last_seq: Seq) -> DbResult<()> {
    let set = (alerts::hits.eq(alerts::hits + more), alerts::last_seq.eq(last_seq));
    on_conn!(conn, |c| diesel::update(alerts::table.find(id)).set(set).execute(c))?;
    Ok(())
}

/// Narrows a query on alerts; the database's type must be known where boxed queries are built.
macro_rules! filtered {
    ($backend:ty, $filter:expr) => {{
        let mut query = alerts::table.into_boxed::<$backend>();
        if let Some(state) = $filter.state {
            query = query.filter(alerts::state.eq(state.code()));
        }
        if !$filter.severities.is_empty() {
            let codes: Vec<i16> = $filter.severities.iter().map(|s| s.code()).collect();
            query = query.filter(alerts::severity.eq_any(codes));
        }
        if let Some(rule) = &$filter.rule {
            // PostgreSQL refuses a text with NUL, where no rule's code has one.
            query = query.filter(alerts::rule.eq(rule.replace('\0', " ")));
        }
        if !$filter.but.is_empty() {
            query = query.filter(alerts::rule.ne_all($filter.but.clone()));
        }
        if let Some(account) = $filter.account {
            query = query.filter(alerts::account.eq(account));
        }
        if let Some(source) = $filter.source {
            let of_source = accounts::table.filter(accounts::source.eq(source)).select(accounts::id);
            let records = records::table.filter(records::source.eq(source)).select(records::id);
            let actors = record_changes::table.filter(record_changes::source.eq(source)).select(record_changes::seq);
            let about = alerts::account.eq_any(of_source).or(alerts::account.eq_any(records));
            query = query.filter(about.or(alerts::account.eq_any(actors)));
        }
        if let Some(date) = $filter.business_date {
            query = query.filter(alerts::business_date.eq(date));
        }
        if let Some(end) = $filter.before {
            query = query.filter(alerts::id.lt(end));
        }
        query
    }};
}

/// The order and the place after which a page begins.
macro_rules! paged {
    ($query:expr, $order:expr, $after:expr) => {{
        let query = match $after {
            Some(Cursor::Newest { id }) => $query.filter(alerts::id.lt(id)),
            Some(Cursor::Gravest { severity, id }) => {
                let alike = alerts::severity.eq(severity).and(alerts::id.lt(id));
                $query.filter(alerts::severity.lt(severity).or(alike))
            }
            None => $query,
        };
        match $order {
            Order::Newest => query.order(alerts::id.desc()),
            Order::Gravest => query.order((alerts::severity.desc(), alerts::id.desc())),
        }
    }};
}

/// A page of alerts, at most `limit`.
pub fn alerts_page(
    conn: &mut Conn,
    filter: &AlertFilter,
    order: Order,
    after: Option<Cursor>,
    limit: i64,
) -> DbResult<Vec<AlertRow>> {
    Ok(match conn {
        Conn::Sqlite(c) => {
            let query = paged!(filtered!(diesel::sqlite::Sqlite, filter), order, after);
            query.limit(limit).select(AlertRow::as_select()).load(c)?
        }
        Conn::Postgres(c) => {
            let query = paged!(filtered!(diesel::pg::Pg, filter), order, after);
            query.limit(limit).select(AlertRow::as_select()).load(c)?
        }
    })
}

/// How many alerts a filter finds.
pub fn alerts_count(conn: &mut Conn, filter: &AlertFilter) -> DbResult<i64> {
    Ok(match conn {
        Conn::Sqlite(c) => filtered!(diesel::sqlite::Sqlite, filter).count().get_result(c)?,
        Conn::Postgres(c) => filtered!(diesel::pg::Pg, filter).count().get_result(c)?,
    })
}

/// Alerts by (state, severity, rule), and how many.
pub fn alert_counts(conn: &mut Conn) -> DbResult<Vec<(i16, i16, String, i64)>> {
    let query = alerts::table.group_by((alerts::state, alerts::severity, alerts::rule));
    let query = query.select((alerts::state, alerts::severity, alerts::rule, diesel::dsl::count_star()));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The reference of the alert opened at `id`.
pub fn reference_of(conn: &mut Conn, id: Seq) -> DbResult<Option<String>> {
    Ok(on_conn!(conn, |c| alerts::table.find(id).select(alerts::reference).first(c).optional())?)
}

/// Accounts by their ids.
pub fn accounts_at(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<AccountRow>> {
    let query = accounts::table.filter(among(accounts::id, ids));
    Ok(on_conn!(conn, |c| query.select(AccountRow::as_select()).load(c))?)
}

/// Breaks that a filter finds, newest first, before `after`, at most `limit`.
pub fn breaks_page(conn: &mut Conn, filter: &BreakFilter, after: Option<(Seq, i16)>, limit: i64) -> DbResult<Vec<BreakRow>> {
    macro_rules! page {
        ($backend:ty, $c:expr) => {{
            let mut query = breaks::table.into_boxed::<$backend>();
            if let Some(state) = filter.state {
                query = query.filter(breaks::state.eq(state.code()));
            }
            if let Some(account) = filter.account {
                query = query.filter(breaks::account.eq(account));
            }
            if let Some(alert) = filter.alert {
                query = query.filter(breaks::alert.eq(alert));
            }
            if let Some(end) = filter.before {
                query = query.filter(breaks::opened_by.lt(end));
            }
            if let Some((seq, kind)) = after {
                let alike = breaks::seq.eq(seq).and(breaks::kind.lt(kind));
                query = query.filter(breaks::seq.lt(seq).or(alike));
            }
            query.order((breaks::seq.desc(), breaks::kind.desc())).limit(limit).select(BreakRow::as_select()).load($c)?
        }};
    }
    Ok(match conn {
        Conn::Sqlite(c) => page!(diesel::sqlite::Sqlite, c),
        Conn::Postgres(c) => page!(diesel::pg::Pg, c),
    })
}

/// How many breaks are in this state.
pub fn breaks_count(conn: &mut Conn, state: BreakState) -> DbResult<i64> {
    Ok(on_conn!(conn, |c| breaks::table.filter(breaks::state.eq(state.code())).count().get_result(c))?)
}

/// Open breaks whose grace is over at `now` and that are in no alert, oldest grace first.
pub fn overdue_breaks(conn: &mut Conn, now: Moment, limit: i64) -> DbResult<Vec<BreakRow>> {
    let query = breaks::table.filter(breaks::state.eq(BreakState::Open.code())).filter(breaks::due_at.le(now.0));
    let query = query.filter(breaks::alert.is_null()).order((breaks::due_at, breaks::seq, breaks::kind)).limit(limit);
    Ok(on_conn!(conn, |c| query.select(BreakRow::as_select()).load(c))?)
}

/// Notes which alert a break is in.
pub fn set_break_alert(conn: &mut Conn, seq: Seq, kind: i16, alert: Seq) -> DbResult<()> {
    let which = breaks::table.filter(breaks::seq.eq(seq)).filter(breaks::kind.eq(kind));
    on_conn!(conn, |c| diesel::update(which).set(breaks::alert.eq(alert)).execute(c))?;
    Ok(())
}

/// Notes that the event at `by` explained a break.
pub fn set_break_explained(conn: &mut Conn, seq: Seq, kind: i16, by: Seq) -> DbResult<()> {
    let set = (breaks::state.eq(BreakState::Explained.code()), breaks::closed_by.eq(by));
    on_conn!(conn, |c| diesel::update(breaks::table.find((seq, kind))).set(set).execute(c))?;
    Ok(())
}

/// For tests: everything in the outbox.
#[cfg(test)]
pub(super) fn outbox(conn: &mut Conn) -> DbResult<Vec<crate::notify::store::OutboxRow>> {
    let query = crate::db::schema::outbox::table.order(crate::db::schema::outbox::id);
    Ok(on_conn!(conn, |c| query.select(crate::notify::store::OutboxRow::as_select()).load(c))?)
}
