//! What was recorded before: the stored row of a reference, and its first receipt.

use crate::alerts::store as alert_store;
use crate::db::{DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::continuity::Break;
use crate::ledger::store::{self as ledger_store, EntryPartRow, EntryRow};
use crate::ledger::{BreakKind, Context, NewEntry};

use super::accounts::Slot;
use super::decide::receipt_break;
use super::engine::Engine;
use super::outcomes::{Outcomes, REVERSES_UNKNOWN};
use super::references::RefKey;
use super::{Receipt, ReceiptBreak, ReceiptHit, Told};

impl Engine {
    /// An entry with its private parts: of the open batch, in flight, or stored.
    pub fn stored(&mut self, seq: Seq) -> DbResult<Option<(EntryRow, Option<EntryPartRow>)>> {
        for batch in std::iter::once(&self.open).chain(self.in_flight.as_ref().map(|f| &*f.batch)) {
            if let Some(found) = batch.entry(seq)? {
                return Ok(Some(found));
            }
        }
        if let Some(found) = self.repeated.take(seq) {
            return Ok(Some(found));
        }
        let Some(row) = ledger_store::entry(&mut self.conn, seq)? else { return Ok(None) };
        let part = ledger_store::entry_part(&mut self.conn, seq)?;
        Ok(Some((row, part)))
    }

    /// The context with this id.
    pub fn context_of(&mut self, id: Seq) -> DbResult<Context> {
        let flying = self.in_flight.iter().flat_map(|f| &f.batch.contexts);
        if let Some(row) = self.open.contexts.iter().chain(flying).find(|row| row.id == id) {
            return Ok(row.context());
        }
        let row = ledger_store::context(&mut self.conn, id)?;
        row.map(|row| row.context()).ok_or_else(|| DbError::Corrupt(format!("context {id} is missing")))
    }

    /// Whether nothing is left of this context because it was erased.
    pub fn is_context_erased(&mut self, id: Seq, context: &Context) -> DbResult<bool> {
        if *context != Context::default() {
            return Ok(false);
        }
        Ok(ledger_store::context(&mut self.conn, id)?.is_some_and(|row| row.is_erased()))
    }

    /// The number of an account.
    pub fn number_of(&mut self, id: Seq) -> DbResult<String> {
        let flying = self.in_flight.iter().flat_map(|f| &f.batch.accounts);
        if let Some(row) = self.open.accounts.iter().chain(flying).find(|row| row.id == id) {
            return Ok(row.number.clone());
        }
        let row = ledger_store::account(&mut self.conn, id)?;
        row.map(|row| row.number).ok_or_else(|| DbError::Corrupt(format!("account {id} is missing")))
    }

    /// The context of a stored entry, which is mostly the one that was sent.
    pub fn context_again(&mut self, row: &EntryRow, sent: &Context) -> DbResult<Context> {
        if self.dictionary.find(row.source, sent) == Some(row.context) {
            return Ok(sent.clone());
        }
        let context = self.context_of(row.context)?;
        self.dictionary.learn(row.context, row.source, &context);
        Ok(context)
    }

    /// The account number of a stored entry, which is mostly the one that was sent.
    pub fn number_again(&mut self, row: &EntryRow, sent: &str) -> DbResult<String> {
        match self.account(sent)? {
            Some(at) if self.accounts.get(at).id == row.account => Ok(sent.to_owned()),
            _ => self.number_of(row.account),
        }
    }

    /// What is noted beside the outcomes of rules and continuity.
    pub fn notes(&mut self, source: Seq, entry: &NewEntry) -> DbResult<Vec<String>> {
        let Some(reversed) = &entry.reverses else { return Ok(Vec::new()) };
        for seq in self.references.find(&mut self.conn, RefKey::of(source, reversed))? {
            if self.stored(seq)?.is_some_and(|(row, _)| row.source == source && row.source_ref == *reversed) {
                return Ok(Vec::new());
            }
        }
        Ok(vec![REVERSES_UNKNOWN.to_owned()])
    }

    /// The receipt of an entry as it was at recording, but for masked texts, which whoever sent it again knows; `sent` is the number of its account.
    pub fn receipt_again(&mut self, row: &EntryRow, sent: &str) -> DbResult<Receipt> {
        let corrupt = |what: String| DbError::Corrupt(format!("entry {}: {what}", row.seq));
        let outcomes = Outcomes::read(row.outcomes.as_deref()).map_err(|e| corrupt(e.to_string()))?;
        let currency = row.money()?;
        let mut hits = Vec::new();
        for outcome in outcomes.rules.iter().filter(|o| o.outcome == "hit") {
            let alert = self.alert_of(outcome.entry.unwrap_or(row.seq), &outcome.rule)?;
            let severity = outcome.severity.clone().unwrap_or_default();
            hits.push(ReceiptHit { rule: outcome.rule.clone(), severity, alert });
        }
        let mut breaks = Vec::new();
        for outcome in &outcomes.breaks {
            let kind = BreakKind::parse(&outcome.kind).ok_or_else(|| corrupt(format!("unknown break {}", outcome.kind)))?;
            let found = Break { seq: outcome.seq, kind, expected: outcome.expected, found: outcome.found };
            breaks.push(receipt_break(&found, currency));
        }
        let leaf = row.leaf_hash(self.origins.at(row.seq)).map_err(|e| corrupt(e.to_string()))?;
        let at = self.account(sent)?.filter(|at| self.accounts.get(*at).id == row.account);
        let told = at.map_or(Ok(Told::All), |at| self.told(at, row.source, row.seq, &breaks))?;
        Ok(Receipt { seq: row.seq, leaf, position: row.position, hits, breaks, told, masked: 0 })
    }

    /// How much of what is on the account at `at` whoever sent the entry at `seq` is told.
    pub fn told(&mut self, at: Slot, sender: Seq, seq: Seq, breaks: &[ReceiptBreak]) -> DbResult<Told> {
        if self.accounts.get(at).source != sender {
            return Ok(Told::Nothing);
        }
        if breaks.iter().all(|found| found.expected.is_none()) {
            return Ok(Told::All);
        }
        let before = self.stranger(at)?.is_some_and(|first| first < seq);
        Ok(if before { Told::NoBalance } else { Told::All })
    }

    /// The first booked entry of another source on the account at `at`.
    pub fn stranger(&mut self, at: Slot) -> DbResult<Option<Seq>> {
        let state = self.accounts.get(at);
        if let Some(known) = state.stranger {
            return Ok(known);
        }
        let first = ledger_store::first_foreign(&mut self.conn, state.id)?;
        self.accounts.get_mut(at).stranger = Some(first);
        Ok(first)
    }

    /// The reference of the alert that a hit joined.
    fn alert_of(&mut self, seq: Seq, rule: &str) -> DbResult<Option<String>> {
        let flying = self.in_flight.iter().flat_map(|f| &f.batch.hits);
        let here = self.open.hits.iter().chain(flying).find(|hit| hit.seq == seq && hit.rule == rule);
        let alert = match here {
            Some(hit) => hit.alert,
            None => alert_store::hits_of_entry(&mut self.conn, seq)?.into_iter().find(|h| h.rule == rule).and_then(|h| h.alert),
        };
        let Some(id) = alert else { return Ok(None) };
        let flying = self.in_flight.iter().flat_map(|f| &f.batch.alerts);
        if let Some(row) = self.open.alerts.iter().chain(flying).find(|row| row.id == id) {
            return Ok(Some(row.reference.clone()));
        }
        Ok(alert_store::alert(&mut self.conn, id)?.map(|row| row.reference))
    }
}
