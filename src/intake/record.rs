//! An entry that is new gets its place: continuity, rules, leaf, figures, breaks and hits.

use counterfoil_verify::EntryLeaf;

use crate::db::{DbError, DbResult};
use crate::detect::Outcome;
use crate::ids::Seq;
use crate::ledger::continuity::{Break, Changes, Strictness};
use crate::ledger::store::EntryPartRow;
use crate::ledger::{BreakKind, FLAG_DATE_STATED, Movement, NewEntry, Status};
use crate::trail::Blind;
use crate::trail::sealing::Fields;

use super::Receipt;
use super::accounts::Slot;
use super::consequences::Recorded;
use super::decide::{outcomes_text, receipt_break, run_rules};
use super::engine::Engine;
use super::evaluate::{Fresh, From};
use super::state::Pointers;

/// What was decided about one entry.
struct Decided {
    /// Rules by their number in the set, with what they found.
    found: Vec<(usize, Outcome)>,
    changes: Changes,
    pointers: Pointers,
}

impl Engine {
    /// Gives an entry its place and decides everything about it.
    ///
    /// # Errors
    /// When the database cannot be asked; the entry is whole then, and can be evaluated again.
    pub fn record(&mut self, from: &mut From<'_>, entry: &mut NewEntry, fresh: Fresh) -> DbResult<Receipt> {
        let next = self.tail.next_seq();
        let placed = self.place(from, entry, fresh);
        if placed.is_err()
            && let Some(parts) = self.open.parts_since(next)
        {
            entry.parts = parts;
        }
        placed
    }

    fn place(&mut self, from: &mut From<'_>, entry: &mut NewEntry, fresh: Fresh) -> DbResult<Receipt> {
        let at = self.account_for(from.source, entry, fresh.account)?;
        let state = self.accounts.get(at);
        let account = state.id;
        self.prepare_seal(from.sensitive, entry)?;
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        let context = self.dictionary.context(&mut to, &mut self.conn, from.source, &entry.context)?;
        let known = from.delivery_id.map(Ok);
        let delivery = known.unwrap_or_else(|| self.dictionary.delivery(&mut to, &mut self.conn, from.source, from.delivery))?;
        from.delivery_id = Some(delivery);
        let seq = self.tail.next_seq();
        let business_date = fresh.business_date;
        let Decided { found, changes, pointers } = self.decide(from, at, seq, entry, business_date)?;
        let notes = self.notes(from.source, entry)?;
        let cancels = self.cancels(from.source, entry)?;
        let outcomes = outcomes_text(&self.rules, seq, &found, &changes, notes)?;
        let masked = entry.masked_cards();
        let blind = self.blind(seq, entry, from.sensitive)?;
        let recorded = Recorded {
            seq,
            recorded_at: self.tail.recorded_at().0,
            account,
            currency: entry.currency,
            booked_at: entry.booked_at,
            business_date,
        };
        let interned = Interned { source: from.source, context, delivery, rules: self.rules.id };
        let leaf = leaf_of(entry, recorded, &pointers, interned);
        let leaf = EntryLeaf { outcomes: outcomes.as_deref(), blind: blind.bytes(), ..leaf };
        let leaf = self.open.entries.seal(&mut self.tail, &leaf)?;
        self.count(entry, fresh, seq)?;
        self.references.insert(fresh.key, seq);
        self.open.reversals.extend(cancels.map(|cancelled| (cancelled, seq)));
        self.open_breaks(recorded, &changes);
        let breaks: Vec<_> = changes.opened.iter().map(|b| receipt_break(b, entry.currency)).collect();
        let hits = self.raise(from, recorded, found)?;
        let told = self.told(at, from.source, seq, &breaks)?;
        Ok(Receipt { seq, leaf, position: pointers.position, hits, breaks, told, masked })
    }

    /// Runs the rules and places the entry on its account.
    fn decide(&mut self, from: &mut From<'_>, at: Slot, seq: Seq, entry: &NewEntry, business_date: i32) -> DbResult<Decided> {
        let how = self.strictness(from, entry)?;
        let foreign = self.accounts.get(at).source != from.source && entry.status == Status::Booked;
        if foreign && self.stranger(at)?.is_none() {
            self.accounts.get_mut(at).stranger = Some(Some(seq));
        }
        let moved = Movement::of(seq, entry);
        let seen = self.seen(at, &moved, how)?;
        let state = self.accounts.get_mut(at);
        let found = run_rules(&self.rules, entry, seq, seen.recent.as_ref().unwrap_or(&state.body.recent));
        let past = seen.past.as_deref();
        let mut changes = state.body.learn(&moved, business_date, how, self.rules.reach(), past);
        if foreign {
            changes.opened.push(Break { seq, kind: BreakKind::ForeignSource, expected: None, found: None });
        }
        (state.dirty, state.touched) = (true, self.batch_no);
        let (id, pointers) = (state.id, state.body.append(seq, moved.moved_at()));
        self.open.asides.extend(pointers.aside.map(|aside| aside.row(seq, id)));
        self.look_backs.learn(id, &moved);
        if let Some(rehearsed) = &mut self.rehearsed {
            rehearsed.learn(seq, (id, pointers.prev), entry, business_date);
        }
        Ok(Decided { found, changes, pointers })
    }

    fn strictness(&self, from: &mut From<'_>, entry: &NewEntry) -> DbResult<Strictness> {
        match from.strictness {
            Some((currency, how)) if currency == entry.currency => Ok(how),
            _ => {
                let how = self.settings.strictness(&from.name, entry.currency)?;
                from.strictness = Some((entry.currency, how));
                Ok(how)
            }
        }
    }

    fn account_for(&mut self, source: Seq, entry: &NewEntry, known: Option<Slot>) -> DbResult<Slot> {
        if let Some(at) = known {
            return Ok(at);
        }
        // An entry before it in the same unit may have defined it.
        if let Some(at) = self.account(&entry.account)? {
            return Ok(at);
        }
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        let row = to.define_account(source, &entry.account, entry.currency.code())?;
        self.remember_account(row, Default::default())
    }

    /// Takes the private parts out of the entry into the batch; answers what the leaf holds for them.
    fn blind(&mut self, seq: Seq, entry: &mut NewEntry, sensitive: Fields) -> DbResult<Blind> {
        let long = |e: counterfoil_verify::TooLong| DbError::Corrupt(e.to_string());
        if entry.parts.is_empty() {
            return Ok(self.tail.blind(&self.settings.clock, None).map_err(long)?.0);
        }
        let parts = std::mem::take(&mut entry.parts);
        let (blind, salt) = self.tail.blind(&self.settings.clock, Some(&parts.listed())).map_err(long)?;
        let Some(salt) = salt else { return Ok(blind) };
        if self.seals(sensitive, &parts) {
            // The entry keeps its parts: were its batch lost, what is sealed could not be put back.
            entry.parts.clone_from(&parts);
            self.keep_sealed(seq, salt, blind.bytes(), parts, sensitive)?;
        } else {
            self.open.parts.push(EntryPartRow::of(seq, salt.to_vec(), parts));
        }
        Ok(blind)
    }

    fn count(&mut self, entry: &NewEntry, fresh: Fresh, seq: Seq) -> DbResult<()> {
        let figure = self.figures.get(fresh.figure).with(entry.direction, entry.amount);
        let figure = figure.ok_or_else(|| DbError::Corrupt("a day's sum overflowed".into()))?;
        self.figures.set(fresh.figure, figure);
        self.figures.extend_range(fresh.business_date, seq)
    }
}

/// What an entry refers to: places of the events that defined it.
struct Interned {
    source: Seq,
    context: Seq,
    delivery: Seq,
    rules: Seq,
}

/// The leaf, but for what was decided and the blinding.
fn leaf_of<'a>(entry: &'a NewEntry, recorded: Recorded, pointers: &Pointers, interned: Interned) -> EntryLeaf<'a> {
    EntryLeaf {
        seq: recorded.seq,
        recorded_at: recorded.recorded_at,
        source: interned.source,
        source_ref: &entry.source_ref,
        account: recorded.account,
        position: pointers.position,
        prev: pointers.prev,
        jump: pointers.jump,
        kind: entry.kind.code(),
        direction: entry.direction.code(),
        amount: entry.amount,
        currency: entry.currency.code(),
        balance_before: entry.balance_before,
        balance_after: entry.balance_after,
        booked_at: entry.booked_at.0,
        value_date: entry.value_date,
        business_date: recorded.business_date,
        flags: if entry.business_date.is_some() { FLAG_DATE_STATED } else { 0 },
        transaction_ref: entry.transaction_ref.as_deref(),
        account_seq: entry.account_seq,
        context: interned.context,
        delivery: interned.delivery,
        channel: entry.channel.map(crate::ledger::Channel::code),
        instrument: entry.instrument.map(crate::ledger::Instrument::code),
        status: entry.status.code(),
        reverses: entry.reverses.as_deref(),
        rules: interned.rules,
        outcomes: None,
        blind: &[],
    }
}
