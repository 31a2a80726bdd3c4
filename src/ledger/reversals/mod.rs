//! Reversing an entry: another one on the same account that moves as much the other way and names it.
//!
//! Two officers reverse an entry once, and only what its source has not reversed itself. What a reversal comes to
//! is worked out here; it is recorded like any other entry, where its account then stands (`intake`).

pub mod store;

use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::{Conn, DbError};
use crate::ids::{Seq, is_erased_number};
use crate::money::plain;
use crate::trail::ActError;

use super::history::{self, Balance, Newest};
use super::store::{self as ledger, AccountRow, EntryRow};
use super::{Context, Direction, Kind, NewEntry, Parts, Status};

/// How the reference of a reversal by officers begins; the place of the entry follows.
const OURS: &str = "counterfoil:reversal:";

/// What reversing an entry would come to, as its account stands now.
#[derive(Clone, Debug)]
pub struct Reversal {
    /// The entry.
    pub entry: EntryRow,
    /// Its account.
    pub account: AccountRow,
    /// Which way the reversal goes.
    pub direction: Direction,
    /// The balance now and after it, minor units; `None` where it is not known.
    pub balance: Option<(i64, i64)>,
}

impl Reversal {
    /// Works it out. Refusals: `404 not_found`, `409 entry_attempted`, `409 entry_reverses`,
    /// `409 nothing_to_reverse`, `409 entry_foreign`, `409 entry_erased`, `409 reversed_already`.
    ///
    /// # Errors
    /// Also when the database cannot be read.
    pub fn of(conn: &mut Conn, heads: &Newest, seq: Seq) -> Result<Reversal, ActError> {
        let missing = || ActError::refused(404, "not_found", "there is no such entry");
        let entry = ledger::entry(conn, seq)?.ok_or_else(missing)?;
        let account = ledger::account(conn, entry.account)?.ok_or_else(missing)?;
        if let Some((code, why)) = unfit(&entry, &account) {
            return Err(ActError::refused(409, code, why));
        }
        if let Some(by) = store::of(conn, entry.source, &entry.source_ref)? {
            return Err(ActError::refused(409, "reversed_already", format!("entry {by} has reversed it already")));
        }
        let corrupt = || DbError::Corrupt(format!("entry {seq}: its direction cannot be read; run `counterfoil verify`"));
        let direction = Direction::from_code(entry.direction).ok_or_else(corrupt)?.opposite();
        let before = match history::balance(conn, heads, account.id, Moment(i64::MAX), Moment(i64::MAX))? {
            Balance::Known { minor, .. } => Some(minor),
            _ => None,
        };
        let after = before.and_then(|before| before.checked_add(direction.signed(entry.amount)));
        Ok(Reversal { balance: before.zip(after), entry, account, direction })
    }

    /// Whether the balance stays at or above zero, or rises; `None` where it is not known.
    pub fn suffices(&self) -> Option<bool> {
        match self.direction {
            Direction::Credit => Some(true),
            Direction::Debit => self.balance.map(|(_, after)| after >= 0),
        }
    }

    /// What is public of it, for the proposal. Refused unless the funds suffice or it is forced.
    ///
    /// # Errors
    /// `409 funds_insufficient`, `409 funds_unknown`; when the currency cannot be read.
    pub fn facts(&self, forced: bool) -> Result<Value, ActError> {
        if let Some((code, detail)) = lacking(self.suffices()).filter(|_| !forced) {
            return Err(ActError::refused(409, code, detail));
        }
        let currency = self.entry.money()?;
        Ok(json!({
            "entry": self.entry.seq, "account": self.account.id, "direction": self.direction.text(),
            "currency": currency.code(), "amount": plain(self.entry.amount.into(), currency), "forced": forced,
        }))
    }

    /// What it is about: of one entry there is one open proposal.
    pub fn about(&self) -> String {
        format!("entry {}", self.entry.seq)
    }

    /// The entry to be recorded, booked now; its balances are for whoever gives it its place.
    ///
    /// # Errors
    /// When the currency cannot be read.
    pub fn to_entry(&self, now: Moment, actor: Option<String>, reason: Option<String>) -> Result<NewEntry, DbError> {
        Ok(NewEntry {
            source_ref: own_reference(self.entry.seq),
            account: self.account.number.clone(),
            currency: self.entry.money()?,
            kind: Kind::Reversal,
            direction: self.direction,
            amount: self.entry.amount,
            balance_before: None,
            balance_after: None,
            booked_at: now,
            value_date: None,
            business_date: None,
            transaction_ref: None,
            account_seq: None,
            context: Context { actor, actor_kind: Some(super::ActorKind::Staff), ..Context::default() },
            channel: None,
            instrument: None,
            reverses: Some(self.entry.source_ref.clone()),
            status: Status::Booked,
            parts: Parts { reason, ..Parts::default() },
        })
    }
}

/// The reference of the reversal of the entry at `seq` by officers.
pub fn own_reference(seq: Seq) -> String {
    format!("{OURS}{seq}")
}

/// Whether a reference is one of a reversal by officers.
pub fn is_own(reference: &str) -> bool {
    reference.starts_with(OURS)
}

/// Why the funds do not allow it: they do not suffice, or nobody knows.
pub fn lacking(suffices: Option<bool>) -> Option<(&'static str, &'static str)> {
    match suffices {
        Some(true) => None,
        Some(false) => Some(("funds_insufficient", "the balance would fall below zero; it can be forced, with a reason")),
        None => {
            Some(("funds_unknown", "the account's balance is not known, so nobody can say that it suffices; it can be forced"))
        }
    }
}

/// Why an entry cannot be reversed, whatever its account holds.
fn unfit(entry: &EntryRow, account: &AccountRow) -> Option<(&'static str, &'static str)> {
    if entry.status != Status::Booked.code() {
        return Some(("entry_attempted", "it was only attempted: nothing moved, so nothing can be reversed"));
    }
    if entry.reverses.is_some() || entry.kind == Kind::Reversal.code() {
        let why = "it reverses an entry itself: what was reversed in error is booked anew by the bank's core";
        return Some(("entry_reverses", why));
    }
    if entry.amount == 0 {
        return Some(("nothing_to_reverse", "its amount is zero"));
    }
    if entry.source != account.source {
        let why = "it came from another source than its account: the account's own source must correct it";
        return Some(("entry_foreign", why));
    }
    is_erased_number(&account.number).then_some(("entry_erased", "its account was erased: nothing more can be recorded on it"))
}
