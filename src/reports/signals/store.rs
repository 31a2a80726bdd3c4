//! Breaks, hits, alerts and rule sets, as of a place in the log.

use std::collections::HashMap;

use diesel::dsl::count_star;
use diesel::prelude::*;

use crate::alerts::store::{HitRow, OPEN};
use crate::db::among::among;
use crate::db::schema::{accounts, alerts, breaks, entries, hits, rule_sets};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::BreakState;
use crate::ledger::store::BreakRow;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `rule_sets`.
    RuleSetRow => rule_sets { id: i64, version: i64, body: String, recorded_at: i64 }
}

/// The breaks that entries of `date` opened, and those of earlier dates still open at `seq_to`.
pub fn breaks(conn: &mut Conn, date: i32, seq_to: Seq) -> DbResult<Vec<BreakRow>> {
    // One question each, for which there is an index.
    let opened = || breaks::table.filter(breaks::opened_by.le(seq_to));
    let own = opened().filter(breaks::business_date.eq(date));
    let mut found: Vec<BreakRow> = on_conn!(conn, |c| own.select(BreakRow::as_select()).load(c))?;
    let states = [BreakState::Open.code(), BreakState::Frozen.code()];
    let open = opened().filter(breaks::state.eq_any(states)).filter(breaks::business_date.lt(date));
    let open: Vec<BreakRow> = on_conn!(conn, |c| open.select(BreakRow::as_select()).load(c))?;
    let later = opened().filter(breaks::closed_by.is_not_null()).filter(breaks::closed_by.assume_not_null().gt(seq_to));
    let later = later.filter(breaks::business_date.lt(date));
    let later: Vec<BreakRow> = on_conn!(conn, |c| later.select(BreakRow::as_select()).load(c))?;
    found.extend(open.into_iter().chain(later));
    found.sort_unstable_by_key(|row| (row.seq, row.kind));
    // A frozen break may have been closed later, too.
    found.dedup_by_key(|row| (row.seq, row.kind));
    Ok(found)
}

/// Hits on entries of `date` that lie from `first` to `last`, per rule set and rule.
pub fn hit_counts(conn: &mut Conn, date: i32, (first, last): (Seq, Seq), seq_to: Seq) -> DbResult<Vec<(Seq, String, i64)>> {
    let query = hits::table
        .filter(hits::seq.ge(first))
        .filter(hits::seq.le(last))
        .filter(hits::business_date.eq(date))
        .filter(hits::decided_by.le(seq_to))
        .group_by((hits::rules, hits::rule))
        .order((hits::rules, hits::rule))
        .select((hits::rules, hits::rule, count_star()));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The first hits of one rule on entries of `date`, by place.
pub fn hits_of_rule(
    conn: &mut Conn,
    date: i32,
    (first, last): (Seq, Seq),
    seq_to: Seq,
    rule: &str,
    limit: usize,
) -> DbResult<Vec<HitRow>> {
    let query = hits::table
        .filter(hits::seq.ge(first))
        .filter(hits::seq.le(last))
        .filter(hits::business_date.eq(date))
        .filter(hits::decided_by.le(seq_to))
        .filter(hits::rule.eq(rule))
        .order(hits::seq)
        .limit(limit as i64);
    Ok(on_conn!(conn, |c| query.select(HitRow::as_select()).load(c))?)
}

/// Alerts raised by entries of `date`, per rule and severity.
pub fn alerts_raised(conn: &mut Conn, date: i32, seq_to: Seq) -> DbResult<Vec<(String, i16, i64)>> {
    let query = alerts::table
        .filter(alerts::business_date.eq(date))
        .filter(alerts::id.le(seq_to))
        .group_by((alerts::rule, alerts::severity))
        .order((alerts::rule, alerts::severity))
        .select((alerts::rule, alerts::severity, count_star()));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// Severity and time of opening of every alert of `date` or before that was open at `seq_to`.
pub fn alerts_open(conn: &mut Conn, date: i32, seq_to: Seq) -> DbResult<Vec<(i16, i64)>> {
    let raised = || alerts::table.filter(alerts::business_date.le(date)).filter(alerts::id.le(seq_to));
    let columns = (alerts::severity, alerts::opened_at);
    let open = raised().filter(alerts::state.eq(OPEN)).select(columns);
    let mut found: Vec<(i16, i64)> = on_conn!(conn, |c| open.load(c))?;
    let later = raised().filter(alerts::closed_seq.is_not_null()).filter(alerts::closed_seq.assume_not_null().gt(seq_to));
    let later: Vec<(i16, i64)> = on_conn!(conn, |c| later.select(columns).load(c))?;
    found.extend(later);
    Ok(found)
}

/// Alerts decided from `from` to before `to` (microseconds), per severity.
pub fn alerts_closed(conn: &mut Conn, from: i64, to: i64, seq_to: Seq) -> DbResult<Vec<(i16, i64)>> {
    let query = alerts::table
        .filter(alerts::closed_at.ge(from))
        .filter(alerts::closed_at.lt(to))
        .filter(alerts::closed_seq.le(seq_to))
        .group_by(alerts::severity)
        .order(alerts::severity)
        .select((alerts::severity, count_star()));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// References of alerts by id.
pub fn alert_references(conn: &mut Conn, ids: &[Seq]) -> DbResult<HashMap<Seq, String>> {
    let query = alerts::table.filter(among(alerts::id, ids)).select((alerts::id, alerts::reference));
    let found: Vec<(Seq, String)> = on_conn!(conn, |c| query.load(c))?;
    Ok(found.into_iter().collect())
}

/// Numbers of accounts by id.
pub fn account_numbers(conn: &mut Conn, ids: &[Seq]) -> DbResult<HashMap<Seq, String>> {
    let query = accounts::table.filter(among(accounts::id, ids)).select((accounts::id, accounts::number));
    let found: Vec<(Seq, String)> = on_conn!(conn, |c| query.load(c))?;
    Ok(found.into_iter().collect())
}

/// Amounts of entries by place, minor units.
pub fn amounts(conn: &mut Conn, seqs: &[Seq]) -> DbResult<HashMap<Seq, i64>> {
    let query = entries::table.filter(among(entries::seq, seqs)).select((entries::seq, entries::amount));
    let found: Vec<(Seq, i64)> = on_conn!(conn, |c| query.load(c))?;
    Ok(found.into_iter().collect())
}

/// The rule set defined at `id`.
pub fn rule_set(conn: &mut Conn, id: Seq) -> DbResult<Option<RuleSetRow>> {
    Ok(on_conn!(conn, |c| rule_sets::table.find(id).select(RuleSetRow::as_select()).first(c).optional())?)
}

/// The newest rule set at `seq_to`.
pub fn newest_rule_set(conn: &mut Conn, seq_to: Seq) -> DbResult<Option<RuleSetRow>> {
    let query = rule_sets::table.filter(rule_sets::id.le(seq_to)).order(rule_sets::id.desc());
    Ok(on_conn!(conn, |c| query.select(RuleSetRow::as_select()).first(c).optional())?)
}
