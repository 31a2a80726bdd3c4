//! Everything one commit writes, collected while entries are evaluated.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use crate::alerts::store::{AlertRow, HitRow};
use crate::db::bulk::Value;
use crate::db::schema::day_refusals;
use crate::db::standing::{self, Standing};
use crate::db::{Channel, Conn, DbResult, bulk, wake};
use crate::ids::Seq;
use crate::ledger::order::store::AsideRow;
use crate::ledger::reversals::store::ReversalRow;
use crate::ledger::store::{AccountRow, BreakRow, ContextRow, DeliveryRow, EntryPartRow, EntryRow};
use crate::ledger::{BreakKind, BreakState, Parts};
use crate::notify::store::OutboxRow;
use crate::on_conn;
use crate::trail::Tail;
use crate::trail::sealing::store::{DataKeyRow, SealedPartRow};
use crate::trail::store::{self as trail_store, EventPartRow, EventRow, TileRow};

use super::alerting::AlertUpdate;
use super::entries::Entries;
use super::{figures, runs, store};

#[derive(Default)]
pub(super) struct Batch {
    pub entries: Entries,
    pub parts: Vec<EntryPartRow>,
    pub data_keys: Vec<DataKeyRow>,
    pub sealed: Vec<SealedPartRow>,
    pub events: Vec<EventRow>,
    pub event_parts: Vec<EventPartRow>,
    pub tiles: Vec<TileRow>,
    pub accounts: Vec<AccountRow>,
    pub contexts: Vec<ContextRow>,
    pub deliveries: Vec<DeliveryRow>,
    pub asides: Vec<AsideRow>,
    /// What entries of this batch cancel, by source and reference.
    pub reversals: BTreeMap<(Seq, String), Seq>,
    pub hits: Vec<HitRow>,
    pub alerts: Vec<AlertRow>,
    pub breaks: Vec<BreakRow>,
    pub outbox: Vec<OutboxRow>,
    pub figures: figures::Changed,
    pub refusals: BTreeMap<(i32, Seq, &'static str), i64>,
    /// Account states that leave memory: account, covered up to, state.
    pub states: Vec<(Seq, Seq, Vec<u8>)>,
    /// With this commit, stored states cover everything before this place.
    pub states_from: Option<Seq>,
    alert_updates: BTreeMap<Seq, AlertUpdate>,
    break_updates: BTreeMap<(Seq, i16), (BreakState, Seq)>,
    /// Where a break of this batch stands in `breaks`.
    break_places: HashMap<(Seq, i16), usize>,
}

impl Batch {
    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.events.is_empty() && self.states.is_empty() && self.states_from.is_none()
    }

    /// An entry of this batch, with its private parts.
    pub fn entry(&self, seq: Seq) -> DbResult<Option<(EntryRow, Option<EntryPartRow>)>> {
        let Some(row) = self.entries.row(seq)? else { return Ok(None) };
        let part = self.parts.binary_search_by_key(&seq, |part| part.seq).ok();
        Ok(Some((row, part.map(|i| self.parts[i].clone()))))
    }

    /// The private parts of an entry of this batch.
    pub fn parts_of(&self, seq: Seq) -> Option<Parts> {
        let at = self.parts.binary_search_by_key(&seq, |part| part.seq).ok()?;
        whole(&self.parts[at])
    }

    /// The private parts of the newest entry of this batch, if its place is `seq` or later.
    pub fn parts_since(&self, seq: Seq) -> Option<Parts> {
        self.parts.last().filter(|part| part.seq >= seq).and_then(whole)
    }

    /// Notes what a hit changed in an alert, whether stored or of this batch.
    pub fn update_alert(&mut self, id: Seq, update: AlertUpdate) {
        match self.alerts.binary_search_by_key(&id, |row| row.id) {
            Ok(at) => {
                let row = &mut self.alerts[at];
                (row.hits, row.severity, row.last_seq) = (update.hits, update.severity, update.last_seq);
            }
            Err(_) => {
                self.alert_updates.insert(id, update);
            }
        }
    }

    /// Closes a break, whether stored or of this batch.
    pub fn close_break(&mut self, seq: Seq, kind: BreakKind, state: BreakState, by: Seq) {
        match self.break_places.get(&(seq, kind.code())) {
            Some(at) => {
                let row = &mut self.breaks[*at];
                (row.state, row.closed_by) = (state.code(), Some(by));
            }
            None => {
                self.break_updates.insert((seq, kind.code()), (state, by));
            }
        }
    }

    /// Opens a break; one that was healed and breaks again is opened again.
    pub fn open_break(&mut self, row: BreakRow) {
        self.break_updates.remove(&(row.seq, row.kind));
        match self.break_places.get(&(row.seq, row.kind)) {
            Some(at) => {
                // As in the table: whatever the batches, it keeps when it was opened first.
                let before = &self.breaks[*at];
                let (business_date, opened_at) = (before.business_date, before.opened_at);
                self.breaks[*at] = BreakRow { business_date, opened_at, ..row };
            }
            None => {
                self.break_places.insert((row.seq, row.kind), self.breaks.len());
                self.breaks.push(row);
            }
        }
    }

    /// Breaks that this batch changes: their new state, and whether it opened them.
    pub fn break_states(&self) -> impl Iterator<Item = ((Seq, i16), BreakState, bool)> {
        let state = |code| BreakState::from_code(code).unwrap_or(BreakState::Open);
        let own = self.breaks.iter().map(move |row| ((row.seq, row.kind), state(row.state), true));
        own.chain(self.break_updates.iter().map(|(name, (state, _))| (*name, *state, false)))
    }

    /// Writes everything and moves the log state from `size_before` to `tail`.
    pub fn write(&self, conn: &mut Conn, size_before: Seq, tail: &Tail) -> DbResult<()> {
        trail_store::advance(conn, size_before, tail)?;
        trail_store::append_events(conn, &self.events, &self.event_parts)?;
        bulk::append(conn, &self.accounts)?;
        bulk::append(conn, &self.contexts)?;
        bulk::append(conn, &self.deliveries)?;
        self.entries.append(conn)?;
        bulk::append(conn, &self.parts)?;
        bulk::append(conn, &self.data_keys)?;
        bulk::append(conn, &self.sealed)?;
        bulk::append(conn, &self.tiles)?;
        bulk::append(conn, &self.asides)?;
        let reversal = |((source, reference), seq): (&(Seq, String), &Seq)| ReversalRow {
            seq: *seq,
            source: *source,
            reference: reference.clone(),
        };
        bulk::append(conn, &self.reversals.iter().map(reversal).collect::<Vec<_>>())?;
        bulk::append(conn, &self.hits)?;
        bulk::append(conn, &self.alerts)?;
        bulk::append(conn, &self.outbox)?;
        if !self.outbox.is_empty() {
            wake(conn, Channel::Mail)?;
        }
        self.write_breaks(conn)?;
        self.write_updates(conn)?;
        self.figures.store(conn)?;
        self.write_states(conn)
    }

    /// Writes what has no leaf, when the log itself has not grown: counted refusals, states.
    pub fn write_without_leaves(&self, conn: &mut Conn, epoch: i64) -> DbResult<()> {
        trail_store::require_epoch(conn, epoch)?;
        self.write_updates(conn)?;
        self.write_states(conn)
    }

    /// A break may have been opened, healed and opened again at the same entry: the row is kept.
    fn write_breaks(&self, conn: &mut Conn) -> DbResult<()> {
        for row in &self.breaks {
            let number = |value: Option<i64>| value.map_or(Value::Null, Value::Int);
            let fixed = [row.seq, row.kind.into(), row.account, row.business_date.into(), row.opened_at].map(Value::Int);
            let changing = [
                Value::Int(row.state.into()),
                number(row.expected),
                number(row.found),
                Value::Int(row.opened_by),
                Value::Int(row.due_at),
                number(row.closed_by),
            ];
            standing::run::<StoreBreak>(conn, &[&[Value::Text(&row.currency)], &fixed[..], &changing].concat())?;
        }
        Ok(())
    }

    fn write_updates(&self, conn: &mut Conn) -> DbResult<()> {
        for ((seq, kind), (state, by)) in &self.break_updates {
            let values = [state.code().into(), *by, *seq, (*kind).into()].map(Value::Int);
            standing::run::<CloseBreak>(conn, &values)?;
        }
        store::update_alerts(conn, &self.alert_updates)?;
        for ((date, source, code), rows) in &self.refusals {
            let row = (
                day_refusals::business_date.eq(date),
                day_refusals::source.eq(source),
                day_refusals::code.eq(code),
                day_refusals::rows.eq(rows),
            );
            let id = (day_refusals::business_date, day_refusals::source, day_refusals::code);
            on_conn!(conn, |c| diesel::insert_into(day_refusals::table)
                .values(row)
                .on_conflict(id)
                .do_update()
                .set(day_refusals::rows.eq(day_refusals::rows + rows))
                .execute(c))?;
        }
        Ok(())
    }

    fn write_states(&self, conn: &mut Conn) -> DbResult<()> {
        runs::put_states(conn, &self.states)?;
        match self.states_from {
            Some(seq) => trail_store::set_states_from(conn, seq),
            None => Ok(()),
        }
    }
}

struct StoreBreak;

impl Standing for StoreBreak {
    const SQL: &'static str = "INSERT INTO breaks (currency, seq, kind, account, business_date, opened_at, state, expected, found, \
        opened_by, due_at, closed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (seq, kind) DO UPDATE SET \
        state = excluded.state, expected = excluded.expected, found = excluded.found, opened_by = excluded.opened_by, \
        due_at = excluded.due_at, closed_by = excluded.closed_by";
}

struct CloseBreak;

impl Standing for CloseBreak {
    const SQL: &'static str = "UPDATE breaks SET state = ?, closed_by = ? WHERE seq = ? AND kind = ?";
}

/// Private parts, if they are all of them: without the salt some are sealed, and the entry kept its own.
fn whole(row: &EntryPartRow) -> Option<Parts> {
    (!row.salt.is_empty()).then(|| row.clone().parts())
}
