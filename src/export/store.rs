//! Queries of the exports: every one is a slice of bounded length, keyed by `seq`.

use std::collections::{BTreeSet, HashMap};

use diesel::dsl::{max, min};
use diesel::prelude::*;

use crate::alerts::store::{AlertRow, HitRow};
use crate::db::among::among;
use crate::db::schema::{accounts, alerts, breaks, contexts, day_ranges, entries, event_parts, events, hits, record_changes};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{AccountRow, BreakRow, ContextRow, EntryRow};
use crate::on_conn;
use crate::records::store::ChangeRow;
use crate::trail::store::{EventPartRow, EventRow};

/// Where entries of these business dates lie: first and last place, `None` if there are none.
pub(super) fn places_of_days(conn: &mut Conn, from: i32, to: i32) -> DbResult<Option<(Seq, Seq)>> {
    let query = day_ranges::table
        .filter(day_ranges::business_date.between(from, to))
        .select((min(day_ranges::first_seq), max(day_ranges::last_seq)));
    let (first, last): (Option<i64>, Option<i64>) = on_conn!(conn, |c| query.first(c))?;
    Ok(first.zip(last))
}

/// Entries of these business dates from `after` (exclusive) to `last` (inclusive), by place.
pub(super) fn entries(conn: &mut Conn, (from, to): (i32, i32), after: Seq, last: Seq, limit: i64) -> DbResult<Vec<EntryRow>> {
    let query = entries::table
        .filter(entries::seq.gt(after))
        .filter(entries::seq.le(last))
        .filter(entries::business_date.between(from, to))
        .order(entries::seq)
        .limit(limit);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}

/// Events from `after` (exclusive) to `last` (inclusive), by place.
pub(super) fn events(conn: &mut Conn, after: Seq, last: Seq, limit: i64) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(events::seq.gt(after)).filter(events::seq.le(last)).order(events::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}

/// Changes after a place and before another, in order, at most `limit`.
pub(super) fn changes(conn: &mut Conn, after: Seq, end: Seq, limit: i64) -> DbResult<Vec<ChangeRow>> {
    use record_changes as of;
    let query = of::table.filter(of::seq.gt(after)).filter(of::seq.lt(end)).order(of::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ChangeRow::as_select()).load(c))?)
}

/// Breaks of these business dates after (`seq`, kind), in that order.
pub(super) fn breaks(
    conn: &mut Conn,
    (from, to): (i32, i32),
    after: (Seq, i16),
    last: Seq,
    limit: i64,
) -> DbResult<Vec<BreakRow>> {
    let (seq, kind) = after;
    let query = breaks::table
        .filter(breaks::seq.ge(seq))
        .filter(breaks::seq.gt(seq).or(breaks::seq.eq(seq).and(breaks::kind.gt(kind))))
        .filter(breaks::seq.le(last))
        .filter(breaks::business_date.between(from, to))
        .order((breaks::seq, breaks::kind))
        .limit(limit);
    Ok(on_conn!(conn, |c| query.select(BreakRow::as_select()).load(c))?)
}

/// Hits of these business dates after (`seq`, rule), in that order.
pub(super) fn hits(
    conn: &mut Conn,
    (from, to): (i32, i32),
    after: &(Seq, String),
    last: Seq,
    limit: i64,
) -> DbResult<Vec<HitRow>> {
    let (seq, rule) = after;
    let query = hits::table
        .filter(hits::seq.ge(*seq))
        .filter(hits::seq.gt(*seq).or(hits::seq.eq(*seq).and(hits::rule.gt(rule.clone()))))
        .filter(hits::seq.le(last))
        .filter(hits::business_date.between(from, to))
        .order((hits::seq, hits::rule))
        .limit(limit);
    Ok(on_conn!(conn, |c| query.select(HitRow::as_select()).load(c))?)
}

/// Alerts of these business dates after `after`, in order of their opening.
pub(super) fn alerts(conn: &mut Conn, (from, to): (i32, i32), after: Seq, last: Seq, limit: i64) -> DbResult<Vec<AlertRow>> {
    let query = alerts::table
        .filter(alerts::id.gt(after))
        .filter(alerts::id.le(last))
        .filter(alerts::business_date.between(from, to))
        .order(alerts::id)
        .limit(limit);
    Ok(on_conn!(conn, |c| query.select(AlertRow::as_select()).load(c))?)
}

/// Accounts by their ids.
pub(super) fn accounts(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<AccountRow>> {
    let query = accounts::table.filter(among(accounts::id, ids));
    Ok(on_conn!(conn, |c| query.select(AccountRow::as_select()).load(c))?)
}

/// Contexts by their ids.
pub(super) fn contexts(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<ContextRow>> {
    let query = contexts::table.filter(among(contexts::id, ids));
    Ok(on_conn!(conn, |c| query.select(ContextRow::as_select()).load(c))?)
}

/// References of alerts by their ids.
pub(super) fn alert_references(conn: &mut Conn, ids: &[Seq]) -> DbResult<HashMap<Seq, String>> {
    let query = alerts::table.filter(among(alerts::id, ids)).select((alerts::id, alerts::reference));
    let found: Vec<(i64, String)> = on_conn!(conn, |c| query.load(c))?;
    Ok(found.into_iter().collect())
}

/// The `source_ref` of entries, and of changes, by their places.
pub(super) fn source_refs(conn: &mut Conn, seqs: &[Seq]) -> DbResult<HashMap<Seq, String>> {
    let query = entries::table.filter(among(entries::seq, seqs)).select((entries::seq, entries::source_ref));
    let found: Vec<(i64, String)> = on_conn!(conn, |c| query.load(c))?;
    let changes = record_changes::table.filter(among(record_changes::seq, seqs)).filter(record_changes::source_ref.is_not_null());
    let changes = changes.select((record_changes::seq, record_changes::source_ref.assume_not_null()));
    let changes: Vec<(i64, String)> = on_conn!(conn, |c| changes.load(c))?;
    Ok(found.into_iter().chain(changes).collect())
}

/// What entries from `from` to before `to` refer to before `from`.
pub(super) fn referred(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<BTreeSet<Seq>> {
    let mut places = BTreeSet::new();
    macro_rules! add {
        ($column:ident) => {{
            let query =
                entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to)).filter(entries::$column.lt(from));
            let query = query.select(entries::$column).distinct();
            let found: Vec<i64> = on_conn!(conn, |c| query.load(c))?;
            places.extend(found);
        }};
    }
    add!(source);
    add!(account);
    add!(context);
    add!(delivery);
    add!(rules);
    Ok(places)
}

/// The events at these places, in order.
pub(super) fn events_at(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(among(events::seq, places)).order(events::seq);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}

/// What is left of the private parts of the events at these places.
pub(super) fn event_parts_at(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<EventPartRow>> {
    let query = event_parts::table.filter(among(event_parts::seq, places));
    Ok(on_conn!(conn, |c| query.select(EventPartRow::as_select()).load(c))?)
}

/// Events of a kind from one place to before another, oldest first, at most `limit`.
pub(super) fn events_of_kind(conn: &mut Conn, kind: &str, (from, to): (Seq, Seq), limit: i64) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(events::kind.eq(kind)).filter(events::seq.ge(from)).filter(events::seq.lt(to));
    let query = query.order(events::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}
