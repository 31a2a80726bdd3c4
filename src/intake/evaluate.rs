//! From a submitted row to a sealed leaf: checking, placing, continuity, rules, alerts.

use std::collections::HashMap;

use counterfoil_verify::commitment;

use crate::clock::day_number;
use crate::db::{DbError, DbResult};
use crate::detect::Outcome;
use crate::ids::Seq;
use crate::ledger::continuity::{Break, Changes};
use crate::ledger::store::{EntryPartRow, EntryRow};
use crate::ledger::{BreakKind, FLAG_DATE_STATED, NewEntry, Refusal, Status};
use crate::money::Currency;

use super::decide::{outcomes_of, receipt_break, run_rules};
use super::engine::Engine;
use super::figures::FigureKey;
use super::references::RefKey;
use super::refusals::RefusedRow;
use super::state::Pointers;
use super::{Delivery, Receipt, Row, RowResult, Submission};

/// What is known of a row before anything is changed.
enum Checked {
    New(RefKey, i32),
    Duplicate(Receipt),
    /// The same as an earlier row of the same unit.
    SameAs(usize),
    Rejected(Refusal),
}

/// What was decided about one entry.
struct Decided {
    /// Rules by their number in the set, with what they found.
    found: Vec<(usize, Outcome)>,
    changes: Changes,
    pointers: Pointers,
}

/// Where an entry comes from, for every row of a submission.
pub(super) struct From<'a> {
    pub source: Seq,
    pub delivery: &'a Delivery,
    pub history: bool,
}

impl Engine {
    /// Evaluates a submission into the open batch; its reply waits for the commit.
    pub fn submit(&mut self, submission: Submission) -> DbResult<()> {
        self.tick();
        let Submission { source, delivery, mut rows, atomic, history, reply } = submission;
        if let Some(name) = self.sources.get(&source) {
            let entries = rows.iter_mut().filter_map(|row| row.entry.as_mut().ok());
            entries.for_each(|entry| self.settings.hide_session(name, &mut entry.context));
        }
        let from = From { source, delivery: &delivery, history };
        let mut results: Vec<RowResult> = Vec::with_capacity(rows.len());
        let mut refused: Vec<(u64, usize, Vec<u8>)> = Vec::new();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let unit = next_unit(&mut rows, atomic);
            self.record_unit(&from, unit, atomic, &mut results, &mut refused)?;
        }
        if !refused.is_empty() {
            self.tell_refusals(&from, &results, &refused)?;
        }
        self.replies.push((reply, results));
        Ok(())
    }

    /// Records the rows of one unit, all or none of them.
    fn record_unit(
        &mut self,
        from: &From<'_>,
        unit: Vec<Row>,
        atomic: bool,
        results: &mut Vec<RowResult>,
        refused: &mut Vec<(u64, usize, Vec<u8>)>,
    ) -> DbResult<()> {
        let first = results.len();
        let checked = self.check_unit(from, &unit)?;
        let spoilt = unit.len() > 1 && checked.iter().any(|c| matches!(c, Checked::Rejected(_)));
        for (i, (row, checked)) in unit.into_iter().zip(checked).enumerate() {
            let result = match checked {
                Checked::Rejected(refusal) => {
                    let bytes = row.entry.err().map(|r| r.bytes).unwrap_or_default();
                    refused.push((row.line, first + i, bytes));
                    RowResult::Rejected(refusal)
                }
                _ if spoilt => RowResult::Rejected(together(atomic)),
                Checked::Duplicate(receipt) => RowResult::Duplicate(receipt),
                Checked::SameAs(earlier) => match &results[first + earlier] {
                    RowResult::Recorded(receipt) | RowResult::Duplicate(receipt) => RowResult::Duplicate(receipt.clone()),
                    RowResult::Rejected(refusal) => RowResult::Rejected(refusal.clone()),
                },
                Checked::New(key, date) => match row.entry {
                    Ok(entry) => RowResult::Recorded(self.record(from, entry, key, date)?),
                    Err(unread) => RowResult::Rejected(unread.refusal),
                },
            };
            results.push(result);
        }
        Ok(())
    }

    /// Checks the rows of a unit against what is stored and against each other, changing nothing.
    fn check_unit(&mut self, from: &From<'_>, unit: &[Row]) -> DbResult<Vec<Checked>> {
        let total: i128 = unit.iter().filter_map(|r| r.entry.as_ref().ok()).map(|e| i128::from(e.amount)).sum();
        let mut seen: HashMap<RefKey, usize> = HashMap::new();
        let mut currencies: HashMap<&str, Currency> = HashMap::new();
        let mut checked = Vec::with_capacity(unit.len());
        for (i, row) in unit.iter().enumerate() {
            let entry = match &row.entry {
                Ok(entry) => entry,
                Err(unread) => {
                    checked.push(Checked::Rejected(unread.refusal.clone()));
                    continue;
                }
            };
            let mut outcome = self.check(from, entry, total)?;
            if unit.len() > 1
                && let Checked::New(key, _) = outcome
            {
                if let Some(earlier) = seen.get(&key).copied() {
                    outcome = match &unit[earlier].entry {
                        Ok(other) if other == entry => Checked::SameAs(earlier),
                        _ => Checked::Rejected(Refusal::conflict(format!(
                            "source_ref was already used by line {} with other content; use a new one",
                            unit[earlier].line
                        ))),
                    };
                } else {
                    seen.insert(key, i);
                }
                let first = *currencies.entry(entry.account.as_str()).or_insert(entry.currency);
                if first != entry.currency {
                    outcome = Checked::Rejected(currency_mismatch(first, entry.currency));
                }
            }
            checked.push(outcome);
        }
        Ok(checked)
    }

    fn check(&mut self, from: &From<'_>, entry: &NewEntry, total: i128) -> DbResult<Checked> {
        let key = RefKey::of(from.source, &entry.source_ref);
        for seq in self.references.find(&mut self.conn, key)? {
            if let Some(checked) = self.compare(from, entry, seq)? {
                return Ok(checked);
            }
        }
        if let Some(id) = self.account(&entry.account)?
            && let Some(state) = self.states.get(&id)
            && state.currency != entry.currency
        {
            return Ok(Checked::Rejected(currency_mismatch(state.currency, entry.currency)));
        }
        let date = entry.business_date.unwrap_or_else(|| self.settings.calendar.business_date(entry.booked_at));
        let figure = self.figures.get(&mut self.conn, FigureKey::of(from.source, entry, date))?;
        let sums = [figure.credits, figure.debits].map(|sum| i128::from(sum) + total);
        if sums.iter().any(|sum| *sum > i128::from(i64::MAX)) {
            let detail = "the sums of this business date would no longer fit in 63 bits of minor units";
            return Ok(Checked::Rejected(Refusal::field("amount_too_large", "amount", detail)));
        }
        Ok(Checked::New(key, date))
    }

    /// Compares with the entry at `seq`: `None` if that has another reference after all.
    fn compare(&mut self, from: &From<'_>, entry: &NewEntry, seq: Seq) -> DbResult<Option<Checked>> {
        let Some((row, part)) = self.stored(seq)? else { return Ok(None) };
        if row.source != from.source || row.source_ref != entry.source_ref {
            return Ok(None);
        }
        let context = self.context_of(row.context)?;
        let number = self.number_of(row.account)?;
        let parts = part.map(|p| p.parts()).unwrap_or_default();
        let erased = row.blind.len() == 32 && parts.is_empty();
        let mut same = row.to_entry(&number, context, parts)?;
        if erased {
            // What was erased cannot be compared; the rest decides.
            same.parts = entry.parts.clone();
        }
        // A date that is stated as the one we derived, or left to us to derive the same, is no change.
        let derived = || self.settings.calendar.business_date(entry.booked_at);
        if entry.business_date.unwrap_or_else(derived) == row.business_date {
            same.business_date = entry.business_date;
        }
        if same != *entry {
            let detail = format!("source_ref was already used for entry {seq} with other content; use a new one");
            return Ok(Some(Checked::Rejected(Refusal::conflict(detail))));
        }
        Ok(Some(Checked::Duplicate(self.receipt_again(&row)?)))
    }

    /// Gives an entry its place and decides everything about it.
    fn record(&mut self, from: &From<'_>, entry: NewEntry, key: RefKey, business_date: i32) -> DbResult<Receipt> {
        let account = self.account_for(from.source, &entry)?;
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        let context = self.dictionary.context(&mut to, &mut self.conn, from.source, &entry.context)?;
        let delivery = self.dictionary.delivery(&mut to, &mut self.conn, from.source, from.delivery)?;
        let seq = self.tail.next_seq();
        let Decided { found, changes, pointers } = self.decide(from.source, account, seq, &entry, business_date)?;
        let outcomes = outcomes_of(&self.rules, seq, &found, &changes);
        let (blind, part) = self.blind(seq, &entry)?;
        let receipt_breaks = changes.opened.iter().map(|b| receipt_break(b, entry.currency)).collect();
        let row = EntryRow {
            seq,
            recorded_at: self.tail.recorded_at().0,
            source: from.source,
            account,
            position: pointers.position,
            prev: pointers.prev,
            jump: pointers.jump,
            kind: entry.kind.code(),
            direction: entry.direction.code(),
            amount: entry.amount,
            currency: entry.currency.code().to_owned(),
            balance_before: entry.balance_before,
            balance_after: entry.balance_after,
            booked_at: entry.booked_at.0,
            value_date: entry.value_date,
            business_date,
            flags: if entry.business_date.is_some() { FLAG_DATE_STATED } else { 0 },
            account_seq: entry.account_seq,
            context,
            delivery,
            channel: entry.channel.map(crate::ledger::Channel::code),
            instrument: entry.instrument.map(crate::ledger::Instrument::code),
            status: entry.status.code(),
            rules: self.rules.id,
            outcomes: outcomes.text(),
            blind,
            source_ref: entry.source_ref,
            transaction_ref: entry.transaction_ref,
            reverses: entry.reverses,
        };
        let leaf = self.tail.seal_entry(&row.leaf()).map_err(|e| DbError::Corrupt(e.to_string()))?;
        self.count(&row, entry.direction, entry.currency)?;
        self.references.insert(key, seq);
        self.open_breaks(&row, &changes);
        let hits = self.raise(from, &row, entry.booked_at, found)?;
        let position = row.position;
        self.open.entries.push(row);
        self.open.parts.extend(part);
        Ok(Receipt { seq, leaf, position, hits, breaks: receipt_breaks })
    }

    /// Runs the rules and places the entry on its account.
    fn decide(&mut self, source: Seq, account: Seq, seq: Seq, entry: &NewEntry, business_date: i32) -> DbResult<Decided> {
        let name = self.sources.get(&source).map(String::as_str).unwrap_or_default();
        let how = self.settings.strictness(name, entry.currency)?;
        let missing = || DbError::Corrupt(format!("account {account} is not in memory"));
        let seen = self.seen(account, seq, entry, how)?;
        let state = self.states.get_mut(&account).ok_or_else(missing)?;
        let found = run_rules(&self.rules, entry, seq, seen.recent.as_ref().unwrap_or(&state.body.recent));
        let past = seen.past.as_deref();
        let mut changes = state.body.learn(seq, entry, business_date, how, self.rules.reach(), past);
        if state.source != source && entry.status == Status::Booked {
            changes.opened.push(Break { seq, kind: BreakKind::ForeignSource, expected: None, found: None });
        }
        (state.dirty, state.touched) = (true, self.batch_no);
        let pointers = state.body.append(seq);
        self.look_backs.learn(account, seq, entry);
        Ok(Decided { found, changes, pointers })
    }

    fn account_for(&mut self, source: Seq, entry: &NewEntry) -> DbResult<Seq> {
        if let Some(id) = self.account(&entry.account)? {
            return Ok(id);
        }
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        let row = to.define_account(source, &entry.account, entry.currency.code())?;
        let id = row.id;
        self.remember_account(row, Default::default())?;
        Ok(id)
    }

    /// The commitment to the private parts, or random bytes where there are none.
    fn blind(&self, seq: Seq, entry: &NewEntry) -> DbResult<(Vec<u8>, Option<EntryPartRow>)> {
        if entry.parts.is_empty() {
            return Ok((self.settings.clock.random::<16>().to_vec(), None));
        }
        let salt = self.settings.clock.random::<32>();
        let blind = commitment(&salt, &entry.parts.listed()).map_err(|e| DbError::Corrupt(e.to_string()))?;
        let parts = entry.parts.clone();
        let row = EntryPartRow {
            seq,
            salt: salt.to_vec(),
            party: parts.party,
            counterparty: parts.counterparty,
            counterparty_name: parts.counterparty_name,
            counterparty_country: parts.counterparty_country,
            reason: parts.reason,
        };
        Ok((blind.to_vec(), Some(row)))
    }

    fn count(&mut self, row: &EntryRow, direction: crate::ledger::Direction, currency: Currency) -> DbResult<()> {
        let key = FigureKey {
            business_date: row.business_date,
            source: row.source,
            currency: currency.code(),
            kind: row.kind,
            status: row.status,
            hour: row.booked_at.div_euclid(crate::clock::HOUR),
        };
        let figure = self.figures.get(&mut self.conn, key)?;
        let figure = figure.with(direction, row.amount).ok_or_else(|| DbError::Corrupt("a day's sum overflowed".into()))?;
        self.figures.set(key, figure);
        self.open.figures.insert(key, figure);
        let range = self.figures.extend_range(row.business_date, row.seq);
        self.open.ranges.insert((row.business_date, range.first_seq), range);
        Ok(())
    }

    fn tell_refusals(&mut self, from: &From<'_>, results: &[RowResult], refused: &[(u64, usize, Vec<u8>)]) -> DbResult<()> {
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        let delivery = self.dictionary.delivery(&mut to, &mut self.conn, from.source, from.delivery)?;
        let today = day_number(self.settings.calendar.local_date(to.tail.recorded_at()));
        let mut rows = Vec::with_capacity(refused.len());
        for (line, i, bytes) in refused {
            if let RowResult::Rejected(refusal) = &results[*i] {
                *to.batch.refusals.entry((today, from.source, refusal.code)).or_default() += 1;
                rows.push(RefusedRow { line: *line, refusal, bytes });
            }
        }
        self.refusals.tell(&mut to, from.source, delivery, &rows)
    }
}

/// The next row with those tied to it; in an atomic submission, all rows.
fn next_unit(rows: &mut std::iter::Peekable<std::vec::IntoIter<Row>>, atomic: bool) -> Vec<Row> {
    let mut unit = Vec::with_capacity(1);
    for row in rows.by_ref() {
        let more = atomic || row.with_next;
        unit.push(row);
        if !more {
            break;
        }
    }
    unit
}

fn together(atomic: bool) -> Refusal {
    let (code, detail) = if atomic {
        ("atomic_aborted", "not recorded, because another row of this atomic request was refused")
    } else {
        ("paired_row_refused", "not recorded, because the entry it belongs together with was refused")
    };
    Refusal { status: 422, code, field: None, detail: detail.to_owned() }
}

fn currency_mismatch(account: Currency, sent: Currency) -> Refusal {
    let detail = format!("the account is kept in {account}; an entry in {sent} cannot be recorded on it");
    Refusal::field("currency_mismatch", "currency", detail)
}
