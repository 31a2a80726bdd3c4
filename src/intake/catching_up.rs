//! Account states from where they are stored to the end of the log: at a start, and after anything went wrong.
//!
//! Entries are read packed ([`gather`]), where there are many of them by a thread and a connection of its own, slices
//! ahead of the thread that learns them. Of each only what continuity and rules remember is taken along.
//!
//! Nothing is taken on trust: an entry whose pointers do not lead to the end of its account's state ends it, and says
//! of which account.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use counterfoil_verify::EntryLeaf;
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::leaf::entry_prefix;

use crate::db::gather::{self, Packed};
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::continuity::Strictness;
use crate::ledger::store::{EntryRow, entries_at};
use crate::ledger::{Movement, lookup};
use crate::money::Currency;

use super::accounts::Slot;
use super::engine::Engine;
use super::lookback::movement_of;
use super::maps::Map;
use super::state::Body;
use super::store;

/// Places read at once.
const SLICE: Seq = 10_240;
/// Slices that wait to be learned, at most.
const AHEAD: usize = 2;
/// Rows that could not be packed, read at once.
const ODD: usize = 500;
/// Accounts looked at before the first of them is learned, so that one need not be waited for after the other.
const NEAR: usize = 64;

/// What is learned of an entry.
#[derive(Clone, Copy)]
struct Step {
    seq: Seq,
    account: Seq,
    source: Seq,
    position: i64,
    prev: Option<Seq>,
    business_date: i32,
    /// Nothing where a code is one that no entry has.
    entry: Option<(Movement, Currency)>,
}

impl Step {
    fn of(row: &EntryLeaf<'_>) -> Step {
        let entry = movement_of(row).ok().zip(Currency::parse(row.currency).ok());
        let EntryLeaf { seq, account, source, position, prev, business_date, .. } = *row;
        Step { seq, account, source, position, prev, business_date, entry }
    }
}

/// Brings account states up to the end of the log, of `size` leaves; answers the first account whose stored state does
/// not go up to the entry before the next one. `db` is the database, where it can be read by another connection.
pub(super) fn catch_up(engine: &mut Engine, size: Seq, db: Option<&Db>) -> DbResult<Option<Seq>> {
    let prefix = entry_prefix(engine.tail.origin()).map_err(|e| DbError::Corrupt(e.to_string()))?;
    let from = engine.states_from;
    let mut reader = Reader { prefix, packed: Packed::default() };
    let mut states = States { engine, covered: Vec::new(), slots: Vec::new(), how: Map::default() };
    let Some(db) = db.filter(|_| size - from > SLICE) else {
        let mut steps = Vec::new();
        for from in (from..size).step_by(SLICE as usize) {
            reader.read(&mut states.engine.conn, (from, size.min(from + SLICE)), &mut steps)?;
            if let Some(account) = states.learn(&steps)? {
                return Ok(Some(account));
            }
        }
        return Ok(None);
    };
    let mut conn = db.connect()?;
    conn.read_once()?;
    thread::scope(|scope| {
        let (sender, slices) = sync_channel(AHEAD);
        let (back, rooms) = sync_channel(AHEAD);
        let reading = scope.spawn(move || reader.read_all(&mut conn, (from, size), (&sender, &rooms)));
        let learned = states.learn_all(&slices, &back);
        // Nobody waits for a reader whose slices are not wanted any more.
        drop(slices);
        let read = reading.join().map_err(|_| DbError::Corrupt("the reader of the log failed".into()))?;
        learned.and_then(|account| read.map(|()| account))
    })
}

/// Reads entries, a slice at a time.
struct Reader {
    prefix: Vec<u8>,
    /// Kept for its room.
    packed: Packed,
}

impl Reader {
    fn read_all(
        mut self,
        conn: &mut Conn,
        (from, to): (Seq, Seq),
        (sender, rooms): (&SyncSender<Vec<Step>>, &Receiver<Vec<Step>>),
    ) -> DbResult<()> {
        for from in (from..to).step_by(SLICE as usize) {
            let mut steps = rooms.try_recv().unwrap_or_default();
            self.read(conn, (from, to.min(from + SLICE)), &mut steps)?;
            if sender.send(steps).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The steps of the entries between two places, in their order.
    fn read(&mut self, conn: &mut Conn, range: (Seq, Seq), steps: &mut Vec<Step>) -> DbResult<()> {
        steps.clear();
        let mut packed = gather::between::<EntryRow>(conn, range, &self.prefix, std::mem::take(&mut self.packed))?;
        // What is stored and no leaf can hold is read as queries see it.
        packed.retain(|bytes| {
            let Ok(Leaf::Entry(_, row)) = decode(bytes) else { return false };
            steps.push(Step::of(&row));
            true
        });
        for seqs in packed.odd.chunks(ODD) {
            steps.extend(entries_at(conn, seqs)?.iter().map(|row| Step::of(&row.leaf())));
        }
        if !packed.odd.is_empty() {
            steps.sort_unstable_by_key(|step| step.seq);
        }
        self.packed = packed;
        Ok(())
    }
}

/// The states that are brought up.
struct States<'a> {
    engine: &'a mut Engine,
    /// Up to which entry the stored state of an account goes, by its slot.
    covered: Vec<Seq>,
    /// Where the accounts of the next entries are; kept for its room.
    slots: Vec<Slot>,
    /// How an account of a source and a currency is checked.
    how: Map<(Seq, Currency), Strictness>,
}

impl States<'_> {
    fn learn_all(&mut self, slices: &Receiver<Vec<Step>>, back: &SyncSender<Vec<Step>>) -> DbResult<Option<Seq>> {
        for steps in slices {
            if let Some(account) = self.learn(&steps)? {
                return Ok(Some(account));
            }
            let _ = back.try_send(steps); // A reader that has enough, or has ended, needs none.
        }
        Ok(None)
    }

    /// Learns a slice; answers the account whose state does not lead to an entry of it, or cannot be read.
    fn learn(&mut self, steps: &[Step]) -> DbResult<Option<Seq>> {
        let held = &self.engine.accounts;
        let missing = steps.iter().map(|step| step.account).filter(|account| held.by_id(*account).is_none());
        let missing: Vec<Seq> = missing.collect::<BTreeSet<Seq>>().into_iter().collect();
        if let Some(account) = self.load(&missing)? {
            return Ok(Some(account));
        }
        let mut slots = std::mem::take(&mut self.slots);
        for near in steps.chunks(NEAR) {
            slots.clear();
            for step in near {
                let gone = || DbError::Corrupt(format!("account {} is missing; run `counterfoil verify`", step.account));
                slots.push(self.engine.accounts.by_id(step.account).ok_or_else(gone)?);
            }
            std::hint::black_box(slots.iter().map(|at| self.engine.accounts.get(*at).body.position).fold(0, i64::wrapping_add));
            for (step, at) in near.iter().zip(&slots) {
                if !self.step(step, *at)? {
                    return Ok(Some(step.account));
                }
            }
        }
        self.slots = slots;
        Ok(None)
    }

    /// Holds these accounts in memory. Answers one whose state cannot be read.
    fn load(&mut self, ids: &[Seq]) -> DbResult<Option<Seq>> {
        if ids.is_empty() {
            return Ok(None);
        }
        let mut states: Map<Seq, Vec<u8>> = store::states_of(&mut self.engine.conn, ids)?.into_iter().collect();
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
    fn step(&mut self, step: &Step, at: Slot) -> DbResult<bool> {
        if self.covered.get(at.place()).is_some_and(|covered| step.seq <= *covered) {
            return Ok(true);
        }
        let body = &self.engine.accounts.get(at).body;
        if (body.head(), body.position + 1) != (step.prev, step.position) {
            return Ok(false);
        }
        let unknown = || DbError::Corrupt(format!("entry {}: an unknown code; run `counterfoil verify`", step.seq));
        let (entry, currency) = step.entry.ok_or_else(unknown)?;
        let how = self.how(step.source, currency)?;
        let engine = &mut *self.engine;
        let wanted = engine.accounts.get(at).body.continuity.wants_past(&entry, how);
        let past = if wanted { Some(engine.look_back(step.account, step.prev)?) } else { None };
        engine.look_backs.learn(step.account, &entry);
        let reach = engine.rules.reach();
        let state = engine.accounts.get_mut(at);
        state.body.append(step.seq, entry.moved_at());
        state.body.learn(&entry, step.business_date, how, reach, past.as_deref());
        state.dirty = true;
        Ok(true)
    }

    fn how(&mut self, source: Seq, currency: Currency) -> DbResult<Strictness> {
        if let Some(how) = self.how.get(&(source, currency)) {
            return Ok(*how);
        }
        let name = self.engine.sources.get(&source).map_or("", String::as_str);
        let how = self.engine.settings.strictness(name, currency)?;
        self.how.insert((source, currency), how);
        Ok(how)
    }
}
