//! Account states from where they are stored to the end of the log: at a start, and after anything went wrong.
//!
//! Entries are read packed ([`gather`]), where there are many of them by a thread and a connection of its own, slices
//! ahead of the thread that learns them. Of each only what continuity and rules remember is decoded.
//!
//! Nothing is taken on trust: an entry whose pointers do not lead to the end of its account's state ends it, and says
//! of which account.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use counterfoil_verify::EntryLeaf;
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::leaf::entry_prefix;
use diesel::prelude::*;

use crate::db::among::among;
use crate::db::gather::{self, Packed};
use crate::db::schema::account_states;
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::continuity::Strictness;
use crate::ledger::lookup;
use crate::ledger::store::{EntryRow, entries_at};
use crate::money::Currency;
use crate::on_conn;

use super::accounts::Slot;
use super::engine::Engine;
use super::lookback::movement_of;
use super::maps::Map;
use super::state::Body;

/// Places read at once.
const SLICE: Seq = 10_240;
/// Slices that wait to be learned, at most.
const AHEAD: usize = 2;
/// Odd rows read at once.
const ODD: usize = 500;

/// Entries of a slice.
#[derive(Default)]
struct Slice {
    packed: Packed,
    /// Those that cannot be packed, because something is stored that no leaf can hold.
    odd: Vec<EntryRow>,
}

/// Brings account states up to the end of the log, of `size` leaves; answers the first account whose stored state does
/// not go up to the entry before the next one. `db` is the database, where it can be read by another connection.
pub(super) fn catch_up(engine: &mut Engine, size: Seq, db: Option<&Db>) -> DbResult<Option<Seq>> {
    let prefix = entry_prefix(engine.tail.origin()).map_err(|e| DbError::Corrupt(e.to_string()))?;
    let from = engine.states_from;
    let mut states = States { engine, covered: Vec::new(), slots: Vec::new(), how: Map::default() };
    let Some(db) = db.filter(|_| size - from > SLICE) else {
        let mut spent = Packed::default();
        for from in (from..size).step_by(SLICE as usize) {
            let slice = Slice::read(&mut states.engine.conn, (from, size.min(from + SLICE)), &prefix, spent)?;
            if let Some(account) = states.learn(&slice)? {
                return Ok(Some(account));
            }
            spent = slice.packed;
        }
        return Ok(None);
    };
    let mut conn = db.connect()?;
    thread::scope(|scope| {
        let (sender, slices) = sync_channel(AHEAD);
        let (back, rooms) = sync_channel(AHEAD);
        let reader = scope.spawn(move || read_ahead(&mut conn, (from, size), &prefix, (&sender, &rooms)));
        let learned = states.learn_all(&slices, &back);
        // Nobody waits for a reader whose slices are not wanted any more.
        drop(slices);
        let read = reader.join().map_err(|_| DbError::Corrupt("the reader of the log failed".into()))?;
        learned.and_then(|account| read.map(|()| account))
    })
}

fn read_ahead(
    conn: &mut Conn,
    (from, to): (Seq, Seq),
    prefix: &[u8],
    (sender, rooms): (&SyncSender<Slice>, &Receiver<Packed>),
) -> DbResult<()> {
    for from in (from..to).step_by(SLICE as usize) {
        let spent = rooms.try_recv().unwrap_or_default();
        let slice = Slice::read(conn, (from, to.min(from + SLICE)), prefix, spent)?;
        if sender.send(slice).is_err() {
            break;
        }
    }
    Ok(())
}

impl Slice {
    fn read(conn: &mut Conn, range: (Seq, Seq), prefix: &[u8], spent: Packed) -> DbResult<Slice> {
        let mut packed = gather::between::<EntryRow>(conn, range, prefix, spent)?;
        packed.retain(|bytes| entry(bytes).is_some());
        let mut odd = Vec::new();
        for seqs in packed.odd.chunks(ODD) {
            odd.extend(entries_at(conn, seqs)?);
        }
        Ok(Slice { packed, odd })
    }

    /// Its entries, in their order.
    fn entries(&self) -> impl Iterator<Item = EntryLeaf<'_>> {
        let mut packed = (0..self.packed.len()).filter_map(|row| entry(self.packed.get(row)?.1)).peekable();
        let mut odd = self.odd.iter().map(EntryRow::leaf).peekable();
        std::iter::from_fn(move || match (packed.peek(), odd.peek()) {
            (Some(one), Some(other)) if other.seq < one.seq => odd.next(),
            (None, Some(_)) => odd.next(),
            _ => packed.next(),
        })
    }
}

fn entry(bytes: &[u8]) -> Option<EntryLeaf<'_>> {
    match decode(bytes) {
        Ok(Leaf::Entry(_, entry)) => Some(entry),
        _ => None,
    }
}

/// The states that are brought up.
struct States<'a> {
    engine: &'a mut Engine,
    /// Up to which entry the stored state of an account goes, by its slot.
    covered: Vec<Seq>,
    /// Where the accounts of the slice at hand are, entry by entry: looked up before the first of them is learned, so
    /// that one need not be waited for after the other.
    slots: Vec<Slot>,
    /// How an account of a source and a currency is checked.
    how: Map<(Seq, Currency), Strictness>,
}

impl States<'_> {
    fn learn_all(&mut self, slices: &Receiver<Slice>, back: &SyncSender<Packed>) -> DbResult<Option<Seq>> {
        for slice in slices {
            if let Some(account) = self.learn(&slice)? {
                return Ok(Some(account));
            }
            let _ = back.try_send(slice.packed); // A reader that has enough, or has ended, needs none.
        }
        Ok(None)
    }

    /// Learns a slice; answers the account whose state does not lead to an entry of it.
    fn learn(&mut self, slice: &Slice) -> DbResult<Option<Seq>> {
        if let Some(account) = self.load(slice)? {
            return Ok(Some(account));
        }
        let slots = std::mem::take(&mut self.slots);
        for (row, at) in slice.entries().zip(&slots) {
            if !self.entry(&row, *at)? {
                return Ok(Some(row.account));
            }
        }
        self.slots = slots;
        Ok(None)
    }

    /// Holds the accounts of these entries in memory. Answers one whose state cannot be read.
    fn load(&mut self, slice: &Slice) -> DbResult<Option<Seq>> {
        let held = &self.engine.accounts;
        let missing: BTreeSet<Seq> =
            slice.entries().map(|row| row.account).filter(|account| held.by_id(*account).is_none()).collect();
        let missing: Vec<Seq> = missing.into_iter().collect();
        if let Some(account) = self.load_missing(&missing)? {
            return Ok(Some(account));
        }
        self.slots.clear();
        for row in slice.entries() {
            let gone = || DbError::Corrupt(format!("account {} is missing; run `counterfoil verify`", row.account));
            self.slots.push(self.engine.accounts.by_id(row.account).ok_or_else(gone)?);
        }
        Ok(None)
    }

    fn load_missing(&mut self, ids: &[Seq]) -> DbResult<Option<Seq>> {
        if ids.is_empty() {
            return Ok(None);
        }
        let query = account_states::table.filter(among(account_states::account, ids));
        let states: Vec<(Seq, Vec<u8>)> =
            on_conn!(&mut self.engine.conn, |c| query.select((account_states::account, account_states::body)).load(c))?;
        let mut states: Map<Seq, Vec<u8>> = states.into_iter().collect();
        for account in lookup::store::accounts_at(&mut self.engine.conn, ids)? {
            let stored = states.remove(&account.id);
            let body = stored.map_or(Ok(Body::default()), |bytes| Body::decode(account.id, &bytes));
            let Ok(body) = body else { return Ok(Some(account.id)) };
            let covered = body.head().unwrap_or(-1);
            let at = self.engine.remember_account(account, body)?;
            self.covered.resize(at.place() + 1, -1);
            self.covered[at.place()] = covered;
        }
        Ok(None)
    }

    /// Learns an entry; answers whether the account's state went up to the entry before it.
    fn entry(&mut self, row: &EntryLeaf<'_>, at: Slot) -> DbResult<bool> {
        if self.covered.get(at.place()).is_some_and(|covered| row.seq <= *covered) {
            return Ok(true);
        }
        let body = &self.engine.accounts.get(at).body;
        if (body.head(), body.position + 1) != (row.prev, row.position) {
            return Ok(false);
        }
        let entry = movement_of(row)?;
        let how = self.how(row)?;
        let engine = &mut *self.engine;
        let wanted = engine.accounts.get(at).body.continuity.wants_past(&entry, how);
        let past = if wanted { Some(engine.look_back(row.account, row.prev)?) } else { None };
        engine.look_backs.learn(row.account, &entry);
        let reach = engine.rules.reach();
        let state = engine.accounts.get_mut(at);
        state.body.append(row.seq, entry.moved_at());
        state.body.learn(&entry, row.business_date, how, reach, past.as_deref());
        state.dirty = true;
        Ok(true)
    }

    fn how(&mut self, row: &EntryLeaf<'_>) -> DbResult<Strictness> {
        let currency = Currency::parse(row.currency).map_err(|e| DbError::Corrupt(format!("entry {}: {e}", row.seq)))?;
        if let Some(how) = self.how.get(&(row.source, currency)) {
            return Ok(*how);
        }
        let source = self.engine.sources.get(&row.source).map_or("", String::as_str);
        let how = self.engine.settings.strictness(source, currency)?;
        self.how.insert((row.source, currency), how);
        Ok(how)
    }
}
