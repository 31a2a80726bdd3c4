//! What is asked of the tables about a subject, and the only statements that remove private values.

use diesel::prelude::*;

use crate::alerts::store::OPEN;
use crate::approvals::Kind;
use crate::clock::Moment;
use crate::db::among::among;
use crate::db::schema::{
    accounts, alerts, breaks, contexts, entries, entry_parts, erased, erasures, event_parts, events, holds, inbox, proposals,
    record_fields, sealed_parts, searches,
};
use crate::db::{Conn, DbResult, bulk};
use crate::ids::{Seq, erased_number};
use crate::ledger::BreakState;
use crate::records::store as records;
use crate::{bulk_row, on_conn};

use super::subject::folded;
use super::{Range, Ranges, Scope, Subject};

bulk_row! {
    /// A row of `erasures`.
    ErasureRow => erasures {
        id: i64, cause: String, proposal: Option<i64>, again: Option<i64>, places: i64, digest: String, erased_at: i64,
    }
}
bulk_row! {
    /// A row of `erased`.
    ErasedRow => erased { event: i64, first_seq: i64, last_seq: i64 }
}

bulk_row! {
    /// A row of `holds`.
    HoldRow => holds {
        id: i64, scope: String, subject: Option<String>, account: Option<i64>, placed_at: i64, released_at: Option<i64>,
        released_seq: Option<i64>,
    }
}

/// An entry's place, account and context.
pub(super) type Place = (Seq, Seq, Seq);

/// Values bound in one statement.
const CHUNK: usize = 500;
/// Event parts read at once.
const PAGE: i64 = 1_000;

/// The account with this number.
pub(super) fn account_by_number(conn: &mut Conn, number: &str) -> DbResult<Option<Seq>> {
    let query = accounts::table.filter(accounts::number.eq(number)).select(accounts::id);
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// The entries of these accounts from `from` to before `to`.
pub(super) fn entries_of(conn: &mut Conn, of: &[Seq], from: Seq, to: Seq) -> DbResult<Vec<Place>> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to));
    let query = query.filter(among(entries::account, of)).order(entries::seq);
    Ok(on_conn!(conn, |c| query.select((entries::seq, entries::account, entries::context)).load(c))?)
}

/// The entries from `from` to before `to` that name this holder.
pub(super) fn entries_of_party(conn: &mut Conn, party: &str, from: Seq, to: Seq) -> DbResult<Vec<Place>> {
    let query = entries::table.inner_join(entry_parts::table.on(entry_parts::seq.eq(entries::seq)));
    let query = query.filter(entry_parts::seq.ge(from)).filter(entry_parts::seq.lt(to)).filter(entry_parts::party.eq(party));
    let query = query.order(entries::seq).select((entries::seq, entries::account, entries::context));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// Those of these accounts that have an entry of another holder before `to`.
pub(super) fn accounts_with_others(conn: &mut Conn, of: &[Seq], party: &str, to: Seq) -> DbResult<Vec<Seq>> {
    let query = entries::table.inner_join(entry_parts::table.on(entry_parts::seq.eq(entries::seq)));
    let query = query.filter(among(entries::account, of)).filter(entries::seq.lt(to));
    let query = query.filter(entry_parts::party.is_not_null()).filter(entry_parts::party.ne(party));
    Ok(on_conn!(conn, |c| query.select(entries::account).distinct().load(c))?)
}

/// Places and contexts of the entries from `from` to before `to` that came from these contexts.
pub(super) fn entries_from(conn: &mut Conn, of: &[Seq], from: Seq, to: Seq) -> DbResult<Vec<(Seq, Seq)>> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to));
    let query = query.filter(among(entries::context, of)).select((entries::seq, entries::context));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The numbers of these accounts.
pub(super) fn numbers(conn: &mut Conn, of: &[Seq]) -> DbResult<Vec<String>> {
    let query = accounts::table.filter(among(accounts::id, of)).select(accounts::number);
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The events that closed alerts of these accounts.
pub(super) fn closings_of(conn: &mut Conn, of: &[Seq]) -> DbResult<Vec<Seq>> {
    let query = alerts::table.filter(among(alerts::account, of)).select(alerts::closed_seq);
    let found: Vec<Option<Seq>> = on_conn!(conn, |c| query.load(c))?;
    Ok(found.into_iter().flatten().collect())
}

/// Private parts of events after `after` and before `to`, but for these kinds; a page.
pub(super) fn parts_after(conn: &mut Conn, after: Seq, to: Seq, without: &[&str]) -> DbResult<Vec<(Seq, String)>> {
    let query = event_parts::table.inner_join(events::table.on(events::seq.eq(event_parts::seq)));
    let query = query.filter(event_parts::seq.gt(after)).filter(event_parts::seq.lt(to));
    let query = query.filter(events::kind.ne_all(without.to_vec())).order(event_parts::seq).limit(PAGE);
    Ok(on_conn!(conn, |c| query.select((event_parts::seq, event_parts::body)).load(c))?)
}

/// Whether a hold is on the subject or on one of its accounts, however either is capitalised.
pub(super) fn is_held(conn: &mut Conn, subject: &Subject, of: &[Seq], places: &[Seq]) -> DbResult<bool> {
    let active = || holds::table.filter(holds::released_at.is_null());
    let mut names = numbers(conn, of)?;
    names.push(subject.name.clone());
    let held = active().filter(holds::scope.ne(Scope::Range.text())).select(holds::subject);
    let held: Vec<Option<String>> = on_conn!(conn, |c| held.load(c))?;
    let named = held.iter().flatten().any(|held| names.iter().any(|name| folded(name) == folded(held)));
    let of_accounts = active().filter(holds::account.eq_any(of)).count();
    let of_accounts: i64 = on_conn!(conn, |c| of_accounts.get_result(c))?;
    let parties = active().filter(holds::scope.eq(Scope::Party.text())).select(holds::subject);
    let parties: Vec<Option<String>> = on_conn!(conn, |c| parties.load(c))?;
    // A holder under hold keeps every account that has entries of theirs.
    let mut of_holders = false;
    for party in parties.into_iter().flatten() {
        of_holders |= has_party(conn, of, &party)?;
    }
    let ranges = active().filter(holds::scope.eq(Scope::Range.text())).select(holds::subject);
    let ranges: Vec<Option<String>> = on_conn!(conn, |c| ranges.load(c))?;
    let mut of_time = false;
    for range in ranges.iter().flatten().filter_map(|text| Range::parse(text)) {
        of_time |= super::retention::has_entry_within(conn, places, range.ends())?;
    }
    Ok(named || of_accounts > 0 || of_holders || of_time)
}

fn has_party(conn: &mut Conn, of: &[Seq], party: &str) -> DbResult<bool> {
    let query = entries::table.inner_join(entry_parts::table.on(entry_parts::seq.eq(entries::seq)));
    let query = query.filter(entry_parts::party.eq(party)).filter(among(entries::account, of)).count();
    let found: i64 = on_conn!(conn, |c| query.get_result(c))?;
    Ok(found > 0)
}

/// Whether one of these accounts has an open alert.
pub(super) fn has_open_alert(conn: &mut Conn, of: &[Seq]) -> DbResult<bool> {
    let query = alerts::table.filter(among(alerts::account, of)).filter(alerts::state.eq(OPEN)).count();
    let found: i64 = on_conn!(conn, |c| query.get_result(c))?;
    Ok(found > 0)
}

/// Whether one of these accounts has a break that nothing closed.
pub(super) fn has_open_break(conn: &mut Conn, of: &[Seq]) -> DbResult<bool> {
    let open = [BreakState::Open.code(), BreakState::Frozen.code()];
    let query = breaks::table.filter(among(breaks::account, of)).filter(breaks::state.eq_any(open)).count();
    let found: i64 = on_conn!(conn, |c| query.get_result(c))?;
    Ok(found > 0)
}

/// The latest instant at which one of these entries was recorded or booked.
pub(super) fn last_of(conn: &mut Conn, seqs: &[Seq]) -> DbResult<Option<i64>> {
    let latest = (diesel::dsl::max(entries::recorded_at), diesel::dsl::max(entries::booked_at));
    let query = entries::table.filter(among(entries::seq, seqs)).select(latest);
    let (recorded, booked): (Option<i64>, Option<i64>) = on_conn!(conn, |c| query.first(c))?;
    Ok(recorded.max(booked))
}

/// The active hold on a subject by its name.
///
/// # Errors
/// When the database cannot be read.
pub fn hold_on(conn: &mut Conn, scope: Scope, name: &str) -> DbResult<Option<Seq>> {
    let query = holds::table.filter(holds::released_at.is_null()).filter(holds::scope.eq(scope.text()));
    let query = query.filter(holds::subject.eq(name)).select(holds::id);
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// One hold.
pub(super) fn hold(conn: &mut Conn, id: Seq) -> DbResult<Option<HoldRow>> {
    Ok(on_conn!(conn, |c| holds::table.find(id).select(HoldRow::as_select()).first(c).optional())?)
}

/// The newest holds, at most `limit`.
pub(super) fn holds_newest(conn: &mut Conn, limit: i64) -> DbResult<Vec<HoldRow>> {
    let query = holds::table.order(holds::id.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(HoldRow::as_select()).load(c))?)
}

/// Every hold there ever was, oldest first.
pub fn every_hold(conn: &mut Conn) -> DbResult<Vec<HoldRow>> {
    Ok(on_conn!(conn, |c| holds::table.order(holds::id).select(HoldRow::as_select()).load(c))?)
}

/// Notes that a hold was released.
pub(super) fn set_released(conn: &mut Conn, id: Seq, at: i64, seq: Seq) -> DbResult<()> {
    let values = (holds::released_at.eq(at), holds::released_seq.eq(seq));
    on_conn!(conn, |c| diesel::update(holds::table.find(id)).set(values).execute(c))?;
    Ok(())
}

/// Every erasure, oldest first.
pub fn erasures(conn: &mut Conn) -> DbResult<Vec<ErasureRow>> {
    Ok(on_conn!(conn, |c| erasures::table.order(erasures::id).select(ErasureRow::as_select()).load(c))?)
}

/// Erasures of a span of time among the leaves up to `end`, oldest first, at most `limit`, and all of them.
pub(super) fn erasures_between(
    conn: &mut Conn,
    (from, to): (Moment, Moment),
    end: Seq,
    limit: i64,
) -> DbResult<(Vec<ErasureRow>, i64)> {
    let within = || {
        erasures::table.filter(erasures::erased_at.ge(from.0)).filter(erasures::erased_at.lt(to.0)).filter(erasures::id.le(end))
    };
    let total: i64 = on_conn!(conn, |c| within().count().get_result(c))?;
    let query = within().order(erasures::id).limit(limit);
    Ok((on_conn!(conn, |c| query.select(ErasureRow::as_select()).load(c))?, total))
}

/// The newest erasures, newest first, at most `limit`, and all of them.
pub(super) fn erasures_newest(conn: &mut Conn, limit: i64) -> DbResult<(Vec<ErasureRow>, i64)> {
    let total: i64 = on_conn!(conn, |c| erasures::table.count().get_result(c))?;
    let query = erasures::table.order(erasures::id.desc()).limit(limit);
    Ok((on_conn!(conn, |c| query.select(ErasureRow::as_select()).load(c))?, total))
}

/// A proposal to erase: its place, when it was submitted, when it may be carried out, who approved it.
pub(super) type WaitingRow = (Seq, i64, Option<i64>, Option<Seq>);

/// Proposals to erase that had not ended when the log ended at `end`, oldest first, at most `limit`, and
/// all of them.
pub(super) fn erasures_waiting(conn: &mut Conn, end: Seq, limit: i64) -> DbResult<(Vec<WaitingRow>, i64)> {
    let open = || {
        let asked = proposals::table.filter(proposals::kind.eq(Kind::EraseSubject.text())).filter(proposals::id.le(end));
        asked.filter(proposals::ended_seq.is_null().or(proposals::ended_seq.gt(end)))
    };
    let total: i64 = on_conn!(conn, |c| open().count().get_result(c))?;
    let columns = (proposals::id, proposals::submitted_at, proposals::ready_at, proposals::approved_seq);
    let query = open().order(proposals::id).limit(limit).select(columns);
    Ok((on_conn!(conn, |c| query.load(c))?, total))
}

/// Holds in force when the log ended at `end`.
pub(super) fn holds_in_force(conn: &mut Conn, end: Seq) -> DbResult<i64> {
    let open = holds::released_seq.is_null().or(holds::released_seq.gt(end));
    Ok(on_conn!(conn, |c| holds::table.filter(holds::id.le(end)).filter(open).count().get_result(c))?)
}

/// The ranges of every erasure, by its event, in order.
pub fn erased(conn: &mut Conn) -> DbResult<Vec<ErasedRow>> {
    let query = erased::table.order((erased::event, erased::first_seq));
    Ok(on_conn!(conn, |c| query.select(ErasedRow::as_select()).load(c))?)
}

/// The places among these that still have a private part, or an account or a context that is not
/// erased.
pub(super) fn still_there(conn: &mut Conn, ranges: &Ranges) -> DbResult<Vec<Seq>> {
    let mut there = Vec::new();
    for places in ranges.all().chunks(CHUNK) {
        macro_rules! add {
            ($query:expr, $key:expr) => {{
                let some: Vec<Seq> = on_conn!(conn, |c| $query.select($key).load(c))?;
                there.extend(some);
            }};
        }
        add!(entry_parts::table.filter(among(entry_parts::seq, places)), entry_parts::seq);
        add!(sealed_parts::table.filter(among(sealed_parts::seq, places)), sealed_parts::seq);
        add!(event_parts::table.filter(among(event_parts::seq, places)), event_parts::seq);
        let named = accounts::table.filter(among(accounts::id, places)).filter(accounts::number.not_like(" erased %"));
        add!(named, accounts::id);
        add!(contexts::table.filter(among(contexts::id, places)).filter(contexts::fingerprint.ne(0)), contexts::id);
        add!(record_fields::table.filter(among(record_fields::seq, places)), record_fields::seq);
    }
    Ok(there)
}

/// What the leaves at these places commit to.
pub(super) fn blinds(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<(Seq, Vec<u8>)>> {
    let mut found: Vec<(Seq, Vec<u8>)> = Vec::new();
    for places in places.chunks(CHUNK) {
        let of = entries::table.filter(among(entries::seq, places)).select((entries::seq, entries::blind));
        let some: Vec<(Seq, Vec<u8>)> = on_conn!(conn, |c| of.load(c))?;
        found.extend(some);
        let of = events::table.filter(among(events::seq, places)).select((events::seq, events::blind));
        let some: Vec<(Seq, Vec<u8>)> = on_conn!(conn, |c| of.load(c))?;
        found.extend(some);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What an erasure removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Accounts whose number is gone.
    pub accounts: Vec<Seq>,
    /// Contexts of which nothing is left.
    pub contexts: usize,
}

/// Removes everything private at these places; the erasure must be stored before. `old` is when a
/// request of a command is no longer waited for.
pub(super) fn remove(conn: &mut Conn, row: &ErasureRow, ranges: &Ranges, old: i64) -> DbResult<Removed> {
    let rows: Vec<ErasedRow> =
        ranges.list().iter().map(|(first, last)| ErasedRow { event: row.id, first_seq: *first, last_seq: *last }).collect();
    bulk::append(conn, std::slice::from_ref(row))?;
    bulk::append(conn, &rows)?;
    let mut removed = Removed::default();
    for places in ranges.all().chunks(CHUNK) {
        let parts = entry_parts::table.filter(among(entry_parts::seq, places));
        on_conn!(conn, |c| diesel::delete(parts).execute(c))?;
        let sealed = sealed_parts::table.filter(among(sealed_parts::seq, places));
        on_conn!(conn, |c| diesel::delete(sealed).execute(c))?;
        remove_of_events(conn, places)?;
        let of = accounts::table.filter(among(accounts::id, places)).select(accounts::id);
        let named: Vec<Seq> = on_conn!(conn, |c| of.load(c))?;
        for id in named {
            let account = diesel::update(accounts::table.find(id)).set(accounts::number.eq(erased_number(id)));
            on_conn!(conn, |c| account.execute(c))?;
            removed.accounts.push(id);
        }
        removed.contexts += empty_contexts(conn, places)?;
        records::remove(conn, places)?;
    }
    on_conn!(conn, |c| diesel::delete(inbox::table.filter(inbox::created_at.lt(old))).execute(c))?;
    Ok(removed)
}

/// The private parts of events, and what tables hold of them.
fn remove_of_events(conn: &mut Conn, places: &[Seq]) -> DbResult<()> {
    // The id of a search stands in the private part, as it leads to the words.
    let made = events::table.inner_join(event_parts::table.on(event_parts::seq.eq(events::seq)));
    let made = made.filter(among(events::seq, places)).filter(events::kind.eq("search.made")).select(event_parts::body);
    let bodies: Vec<String> = on_conn!(conn, |c| made.load(c))?;
    let ids: Vec<String> = bodies.iter().filter_map(|body| search_id(body)).collect();
    on_conn!(conn, |c| diesel::delete(searches::table.filter(searches::id.eq_any(&ids))).execute(c))?;
    let closed = alerts::table.filter(alerts::closed_seq.eq_any(places));
    on_conn!(conn, |c| diesel::update(closed).set(alerts::comment.eq(None::<String>)).execute(c))?;
    remove_of_proposals(conn, places)?;
    let held = holds::table.filter(among(holds::id, places));
    on_conn!(conn, |c| diesel::update(held).set(holds::subject.eq(None::<String>)).execute(c))?;
    let parts = event_parts::table.filter(among(event_parts::seq, places));
    on_conn!(conn, |c| diesel::delete(parts).execute(c))?;
    Ok(())
}

/// What proposals hold of private parts: of the submission, and of each word on it.
fn remove_of_proposals(conn: &mut Conn, places: &[Seq]) -> DbResult<()> {
    let none = None::<String>;
    let submitted = proposals::table.filter(among(proposals::id, places));
    let values = (proposals::reason.eq(none.clone()), proposals::detail.eq(none.clone()), proposals::whence.eq(none));
    on_conn!(conn, |c| diesel::update(submitted).set(values).execute(c))?;
    macro_rules! word {
        ($($seq:ident => $comment:ident),*) => { $(
            let said = proposals::table.filter(proposals::$seq.eq_any(places));
            on_conn!(conn, |c| diesel::update(said).set(proposals::$comment.eq(None::<String>)).execute(c))?;
        )* };
    }
    word!(first_seq => first_comment, approved_seq => approved_comment, ended_seq => ended_comment);
    Ok(())
}

fn search_id(body: &str) -> Option<String> {
    serde_json::from_str::<serde_json::Value>(body).ok()?["id"].as_str().map(str::to_owned)
}

fn empty_contexts(conn: &mut Conn, places: &[Seq]) -> DbResult<usize> {
    let none = None::<String>;
    let empty = (
        contexts::session_id.eq(none.clone()),
        contexts::ip.eq(none.clone()),
        contexts::user_agent.eq(none.clone()),
        contexts::device_id.eq(none.clone()),
        contexts::actor.eq(none),
        contexts::actor_kind.eq(None::<i16>),
        contexts::fingerprint.eq(0),
    );
    let which = contexts::table.filter(among(contexts::id, places));
    Ok(on_conn!(conn, |c| diesel::update(which).set(empty).execute(c))?)
}
