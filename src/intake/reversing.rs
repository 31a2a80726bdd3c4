//! Entries that cancel another: officers cancel none twice, and nobody what officers cancelled; and one that officers approved begins where its
//! account stands when it is recorded.

use crate::db::DbResult;
use crate::ids::Seq;
use crate::ledger::reversals::{is_own, lacking, store};
use crate::ledger::{Direction, NewEntry, Refusal, Status};

use super::DeliveryKind;
use super::engine::Engine;
use super::evaluate::From;

impl Engine {
    /// Why an entry that cancels another cannot be recorded: that was cancelled already. What a source says of its own
    /// entries is recorded as often as it says it, because an amount may be given back in parts; but not once more what two
    /// officers reversed for it.
    pub(super) fn reversed_before(&mut self, from: &From<'_>, entry: &NewEntry) -> DbResult<Option<Refusal>> {
        let Some(reference) = entry.reverses.as_ref().filter(|_| entry.status == Status::Booked && !self.remade) else {
            return Ok(None);
        };
        let Some(first) = self.reversal_of(from.source, reference)? else { return Ok(None) };
        let approved = matches!(from.delivery.kind, DeliveryKind::Approval { .. });
        if !approved && !self.stored(first)?.is_some_and(|(row, _)| is_own(&row.source_ref)) {
            return Ok(None);
        }
        let detail = format!("entry {first} has reversed that entry already; an entry is reversed once");
        let field = Some("reverses".to_owned());
        Ok(Some(Refusal { status: 409, code: "reversed_already", field, detail, first: Some(first) }))
    }

    /// What an entry is the first to cancel: its source and the reference.
    pub(super) fn cancels(&mut self, source: Seq, entry: &NewEntry) -> DbResult<Option<(Seq, String)>> {
        let Some(reference) = entry.reverses.as_ref().filter(|_| entry.status == Status::Booked) else { return Ok(None) };
        let again = self.reversal_of(source, reference)?.is_some();
        Ok((!again).then(|| (source, reference.clone())))
    }

    /// The entry that cancelled this one: of the open batch, in flight, or stored.
    fn reversal_of(&mut self, source: Seq, reference: &str) -> DbResult<Option<Seq>> {
        let key = (source, reference.to_owned());
        for batch in std::iter::once(&self.open).chain(self.in_flight.as_ref().map(|flying| &*flying.batch)) {
            if let Some(seq) = batch.reversals.get(&key) {
                return Ok(Some(*seq));
            }
        }
        store::of(&mut self.conn, source, reference)
    }

    /// Gives a reversal that officers approved its balances and a time that is in order; refused if the funds
    /// do not suffice and it is not forced. Balances that are there stand.
    pub(super) fn complete_reversal(&mut self, entry: &mut NewEntry, forced: bool) -> DbResult<Option<Refusal>> {
        if entry.balance_before.is_some() || entry.balance_after.is_some() {
            return Ok(None);
        }
        let Some(at) = self.account(&entry.account)? else { return Ok(None) };
        let body = &self.accounts.get(at).body;
        let (head, latest, chained) = (body.head(), body.booked_to(), body.continuity.balance());
        let before = match (chained, head) {
            (None, Some(head)) => self.stored(head)?.and_then(|(row, _)| row.balance_after),
            (known, _) => known,
        };
        let balances = before.and_then(|before| Some((before, before.checked_add(entry.signed())?)));
        let suffices = match entry.direction {
            Direction::Credit => Some(true),
            Direction::Debit => balances.map(|(_, after)| after >= 0),
        };
        if let Some((code, detail)) = lacking(suffices).filter(|_| !forced) {
            return Ok(Some(Refusal { status: 409, ..Refusal::whole(code, detail) }));
        }
        (entry.balance_before, entry.balance_after) = balances.unzip();
        entry.booked_at = latest.map_or(entry.booked_at, |latest| entry.booked_at.max(latest));
        Ok(None)
    }
}
