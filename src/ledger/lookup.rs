//! Reading backwards, for people: an account's entries newest first, and where entries came from.
//!
//! Each entry names the account's entry before it (`prev`), so a page costs one look-up per row,
//! wherever in the history it begins.
//!
//! Not here: pages in the order of recording and balances at a time ([`super::history`]), index
//! runs (`intake`), breaks and alerts (`alerts`).

pub mod store;

use std::collections::{BTreeSet, HashMap};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::history::Newest;
use super::store::{AccountRow, ContextRow, EntryRow};

/// Entries of one page at most.
pub const PAGE_MAX: usize = 1_000;

/// A page of an account's entries.
#[derive(Clone, Debug, Default)]
pub struct Backwards {
    /// Newest in the log first.
    pub entries: Vec<EntryRow>,
    /// The entry at which the next page begins, if there is one.
    pub next: Option<Seq>,
}

/// Entries of `account` from `from` (or the newest) backwards, at most `limit` (1 to [`PAGE_MAX`]).
/// A place that is not an entry of the account gives an empty page.
pub fn page(conn: &mut Conn, newest: &Newest, account: Seq, from: Option<Seq>, limit: usize) -> DbResult<Backwards> {
    let limit = limit.clamp(1, PAGE_MAX);
    let mut at = match from {
        Some(seq) => Some(seq),
        None => newest.of(conn, account)?,
    };
    let mut entries = Vec::with_capacity(limit);
    while let Some(seq) = at.filter(|_| entries.len() < limit) {
        let Some(entry) = super::store::entry(conn, seq)?.filter(|e| e.account == account) else { break };
        at = entry.prev;
        entries.push(entry);
    }
    Ok(Backwards { next: at.filter(|_| entries.len() == limit), entries })
}

/// The contexts of entries, by their ids.
pub fn contexts(conn: &mut Conn, entries: &[EntryRow]) -> DbResult<HashMap<Seq, ContextRow>> {
    let rows = store::contexts_at(conn, &distinct(entries.iter().map(|e| e.context)))?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The accounts of entries, by their ids.
pub fn accounts(conn: &mut Conn, entries: &[EntryRow]) -> DbResult<HashMap<Seq, AccountRow>> {
    let rows = store::accounts_at(conn, &distinct(entries.iter().map(|e| e.account)))?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

fn distinct(ids: impl Iterator<Item = Seq>) -> Vec<Seq> {
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
