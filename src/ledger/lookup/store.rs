//! Queries of looking up: rows by their ids, accounts by how they begin, contexts by session and address.

use diesel::prelude::*;

use crate::db::among::among;
use crate::db::schema::{accounts, contexts, entries};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{AccountRow, ContextRow, EntryRow};
use crate::on_conn;

/// Contexts by their ids.
pub fn contexts_at(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<ContextRow>> {
    let query = contexts::table.filter(among(contexts::id, ids)).order(contexts::id);
    Ok(on_conn!(conn, |c| query.select(ContextRow::as_select()).load(c))?)
}

/// Accounts by their ids.
pub fn accounts_at(conn: &mut Conn, ids: &[Seq]) -> DbResult<Vec<AccountRow>> {
    let query = accounts::table.filter(among(accounts::id, ids)).order(accounts::id);
    Ok(on_conn!(conn, |c| query.select(AccountRow::as_select()).load(c))?)
}

/// Accounts whose number begins like this, in order of their number, at most `limit`.
pub fn accounts_beginning(conn: &mut Conn, start: &str, limit: i64) -> DbResult<Vec<AccountRow>> {
    // No account has such a number, and PostgreSQL takes no text with NUL in it.
    if start.contains('\0') {
        return Ok(Vec::new());
    }
    // A range of the order in which numbers are kept, byte by byte: of that there is an index.
    let query = accounts::table.filter(accounts::number.ge(start)).order(accounts::number).limit(limit);
    match behind(start) {
        Some(end) => {
            let query = query.filter(accounts::number.lt(end));
            Ok(on_conn!(conn, |c| query.select(AccountRow::as_select()).load(c))?)
        }
        None => Ok(on_conn!(conn, |c| query.select(AccountRow::as_select()).load(c))?),
    }
}

/// The first text after all those that begin like this; none for the last there are.
fn behind(start: &str) -> Option<String> {
    let mut text: Vec<char> = start.chars().collect();
    while let Some(last) = text.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text.into_iter().collect());
        }
    }
    None
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
        entries::table.filter(entries::seq.ge(from)).filter(among(entries::context, ids)).order(entries::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}

/// The newest entries of the log, newest first.
pub fn newest(conn: &mut Conn, limit: i64) -> DbResult<Vec<EntryRow>> {
    let query = entries::table.order(entries::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}
