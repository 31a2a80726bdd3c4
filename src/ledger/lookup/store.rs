//! Queries of looking up: rows by their ids, accounts by how they begin, contexts by session and address.

use diesel::prelude::*;

use crate::db::schema::{accounts, contexts, entries};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{AccountRow, ContextRow, EntryRow};
use crate::on_conn;

/// Contexts by their ids.
pub fn contexts_at(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<ContextRow>> {
    let query = contexts::table.filter(contexts::id.eq_any(ids)).order(contexts::id);
    Ok(on_conn!(conn, |c| query.select(ContextRow::as_select()).load(c))?)
}

/// Accounts by their ids.
pub fn accounts_at(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<AccountRow>> {
    let query = accounts::table.filter(accounts::id.eq_any(ids)).order(accounts::id);
    Ok(on_conn!(conn, |c| query.select(AccountRow::as_select()).load(c))?)
}

/// Accounts whose number begins like this, in order of their number, at most `limit`.
pub fn accounts_like(conn: &mut Conn, start: &str, limit: i64) -> DbResult<Vec<AccountRow>> {
    let pattern: String =
        start.chars().flat_map(|c| if "%_\\".contains(c) { vec!['\\', c] } else { vec![c] }).chain(['%']).collect();
    let query = accounts::table.filter(accounts::number.like(pattern).escape('\\')).order(accounts::number).limit(limit);
    Ok(on_conn!(conn, |c| query.select(AccountRow::as_select()).load(c))?)
}

/// The newest contexts of a session, at most `limit`.
pub fn contexts_of_session(conn: &mut Conn, session: &str, limit: i64) -> DbResult<Vec<ContextRow>> {
    let query = contexts::table.filter(contexts::session_id.eq(session)).order(contexts::id.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ContextRow::as_select()).load(c))?)
}

/// The newest contexts of an address, at most `limit`.
pub fn contexts_of_ip(conn: &mut Conn, ip: &str, limit: i64) -> DbResult<Vec<ContextRow>> {
    let query = contexts::table.filter(contexts::ip.eq(ip)).order(contexts::id.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(ContextRow::as_select()).load(c))?)
}

/// Entries of these contexts among those from `from` on, newest first, at most `limit`.
pub fn entries_of_contexts(conn: &mut Conn, ids: &[Seq], from: Seq, limit: i64) -> DbResult<Vec<EntryRow>> {
    let query =
        entries::table.filter(entries::seq.ge(from)).filter(entries::context.eq_any(ids)).order(entries::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}

/// The newest entries of the log, newest first.
pub fn newest(conn: &mut Conn, limit: i64) -> DbResult<Vec<EntryRow>> {
    let query = entries::table.order(entries::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}
