//! An account's past: its entries in pages, its balance at any time as known at any time.
//!
//! Pages follow the order of recording, so that a page once read never changes: a late entry comes
//! at the end. Every question is bounded: a page looks at [`SCAN_MAX`] entries and says where to go
//! on; a balance takes a logarithmic number of steps, and where late entries stand in its way
//! [`LATE_MAX`] of them at most, and says when that was not enough.

mod instant;
mod newest;
mod store;

use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;

use super::Movement;
use super::continuity::{Instant, Proof, course};
use super::store::{EntryRow, entries_at};
use store::Link;

pub use instant::LATE_MAX;
pub use newest::Newest;

/// Entries that one page looks at.
pub const SCAN_MAX: i64 = 20_000;
/// Entries walked in one query.
const BLOCK: i64 = 1_000;

/// A page of an account's entries.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order of recording.
    pub items: Vec<EntryRow>,
    /// The position to go on after, if there may be more.
    pub next: Option<i64>,
}

/// Which entries of an account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    /// Booked at or after.
    pub from: Option<Moment>,
    /// Booked before.
    pub to: Option<Moment>,
    /// After this position.
    pub after: i64,
}

/// The balance of an account, or why it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Minor units, and the entry that says so.
    Known {
        /// Minor units.
        minor: i64,
        /// The entry.
        seq: Seq,
        /// When it was booked.
        booked_at: Moment,
        /// Whether it is certainly the last: entries of one instant may leave that open.
        proven: bool,
    },
    /// Nothing was booked by then.
    NoEntry,
    /// The entry states no balance.
    NotStated {
        /// The entry.
        seq: Seq,
    },
    /// More than [`LATE_MAX`] late entries would have to be looked at.
    TooLong,
}

/// The account's newest entry: its place and its number on the account.
pub fn newest(conn: &mut Conn, newest: &Newest, account: Seq) -> DbResult<Option<(Seq, i64)>> {
    Ok(head(conn, newest, account)?.map(|link| (link.seq, link.position)))
}

/// The entries up to `last` along their pointers, at most `count`.
pub fn earlier(conn: &mut Conn, last: Seq, count: usize) -> DbResult<Vec<Movement>> {
    store::earlier(conn, last, count)
}

fn head(conn: &mut Conn, newest: &Newest, account: Seq) -> DbResult<Option<Link>> {
    match newest.of(conn, account)? {
        Some(seq) => link(conn, seq).map(Some),
        None => Ok(None),
    }
}

fn link(conn: &mut Conn, seq: Seq) -> DbResult<Link> {
    let missing = || DbError::Corrupt(format!("entry {seq} is missing though another points to it; run `counterfoil verify`"));
    store::link(conn, seq)?.ok_or_else(missing)
}

/// The place of the entry at `position`, a logarithmic number of steps before `at`.
fn place(conn: &mut Conn, mut at: Link, position: i64) -> DbResult<Seq> {
    while at.position > position {
        let jump = counterfoil_verify::leaf::jump_position(at.position).filter(|p| *p >= position).and(at.jump);
        let back = jump.or(at.prev);
        let back = back.ok_or_else(|| DbError::Corrupt(format!("entry {} points nowhere; run `counterfoil verify`", at.seq)))?;
        at = link(conn, back)?;
    }
    Ok(at.seq)
}

/// The entry after this one on its account, if there is one.
pub fn after(conn: &mut Conn, newest: &Newest, entry: &EntryRow) -> DbResult<Option<Seq>> {
    match head(conn, newest, entry.account)? {
        Some(head) if head.position > entry.position => place(conn, head, entry.position + 1).map(Some),
        _ => Ok(None),
    }
}

/// A page of at most `limit` entries.
pub fn page(conn: &mut Conn, newest: &Newest, account: Seq, window: &Window, limit: i64) -> DbResult<Page> {
    let mut items: Vec<EntryRow> = Vec::new();
    let Some(head) = head(conn, newest, account)? else { return Ok(Page { items, next: None }) };
    let filtered = window.from.is_some() || window.to.is_some();
    let block = if filtered { BLOCK } else { limit.min(BLOCK) };
    let mut done = window.after.max(0);
    let budget = done.saturating_add(SCAN_MAX);
    while done < head.position && done < budget && (items.len() as i64) < limit {
        let last = done.saturating_add(block).min(head.position);
        let at = place(conn, head, last)?;
        let mut places = store::walk(conn, at, last - done, window.from, window.to)?;
        let room = (limit - items.len() as i64) as usize;
        let cut = places.len() > room;
        places.truncate(room);
        items.extend(entries_at(conn, &places)?);
        done = if cut { items.last().map_or(last, |row| row.position) } else { last };
    }
    Ok(Page { items, next: (done < head.position).then_some(done) })
}

/// The balance after the latest entry booked before `at`, among those recorded at or before
/// `known_at`. Attempts move nothing and do not count.
pub fn balance(conn: &mut Conn, newest: &Newest, account: Seq, at: Moment, known_at: Moment) -> DbResult<Balance> {
    let Some(known) = last_known(conn, newest, account, known_at)? else { return Ok(Balance::NoEntry) };
    let Some(window) = instant::deciding(conn, (account, known), at)? else { return Ok(Balance::TooLong) };
    Ok(Balance::at_end(&before(&window, at)))
}

/// The account's last entry recorded at or before `known_at`.
pub fn last_known(conn: &mut Conn, newest: &Newest, account: Seq, known_at: Moment) -> DbResult<Option<Seq>> {
    match newest.of(conn, account)? {
        Some(last) => instant::store::last_recorded(conn, last, known_at),
        None => Ok(None),
    }
}

/// The entries of the account's last instant, and of those around it that decide their order, among the
/// entries up to `last`. Empty where it would take too many late entries to see.
pub fn latest(conn: &mut Conn, account: Seq, last: Seq) -> DbResult<Vec<Movement>> {
    Ok(instant::deciding(conn, (account, last), Moment(i64::MAX))?.unwrap_or_default())
}

/// The last instant up to `at`, as far as the log knew it at the place `to`: by its entries' numbers
/// there may be several of one time.
pub fn instant(conn: &mut Conn, newest: &Newest, account: Seq, at: Moment, to: Seq) -> DbResult<Vec<Instant>> {
    let Some(last) = newest.of(conn, account)? else { return Ok(Vec::new()) };
    let Some(known) = instant::up_to(conn, last, to)? else { return Ok(Vec::new()) };
    let behind = Moment(at.0.saturating_add(1));
    let window = instant::deciding(conn, (account, known), behind)?.unwrap_or_default();
    Ok(before(&window, behind))
}

/// Of the course of these entries, the last instant before `at`.
fn before(window: &[Movement], at: Moment) -> Vec<Instant> {
    let mut found = course(window);
    found.retain(|instant| instant.at < at.0);
    let last = found.last().map(|instant| instant.at);
    found.retain(|instant| Some(instant.at) == last);
    found
}

impl Balance {
    /// What the last of these instants leaves.
    pub fn at_end(course: &[Instant]) -> Balance {
        let Some(last) = course.last() else { return Balance::NoEntry };
        let Some(entry) = last.entries.last() else { return Balance::NoEntry };
        match last.end {
            Some(minor) => {
                Balance::Known { minor, seq: entry.seq, booked_at: Moment(last.at), proven: last.proof == Proof::Proven }
            }
            None => {
                let silent = last.entries.iter().rev().find(|entry| entry.balance_after.is_none());
                Balance::NotStated { seq: silent.unwrap_or(entry).seq }
            }
        }
    }
}

#[cfg(test)]
mod tests;
