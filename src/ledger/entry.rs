//! An entry that has been read and checked, but has no place in the log yet.

use crate::clock::Moment;
use crate::money::Currency;

use super::{ActorKind, Channel, Direction, Instrument, Kind, Status, cards};

/// Bit 0 of an entry's flags: the sender stated the business date.
pub const FLAG_DATE_STATED: i16 = 1;

/// One booked credit or debit on one account, as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// The sender's id, unique per source for ever.
    pub source_ref: String,
    /// The account's number.
    pub account: String,
    /// The account's currency.
    pub currency: Currency,
    /// What kind of movement.
    pub kind: Kind,
    /// Which way.
    pub direction: Direction,
    /// Minor units, zero or more.
    pub amount: i64,
    /// Minor units.
    pub balance_before: Option<i64>,
    /// Minor units; always present when `balance_before` is.
    pub balance_after: Option<i64>,
    /// When it was booked.
    pub booked_at: Moment,
    /// Day number.
    pub value_date: Option<i32>,
    /// Day number, when the sender stated it.
    pub business_date: Option<i32>,
    /// Joins the legs of one transaction.
    pub transaction_ref: Option<String>,
    /// The sender's own order on the account.
    pub account_seq: Option<i64>,
    /// Who acted, and whence.
    pub context: Context,
    /// Where the customer acted.
    pub channel: Option<Channel>,
    /// What moved.
    pub instrument: Option<Instrument>,
    /// The `source_ref` of the entry this one cancels.
    pub reverses: Option<String>,
    /// Whether money moved.
    pub status: Status,
    /// What is personal and can be erased.
    pub parts: Parts,
}

impl NewEntry {
    /// The amount with the sign of its effect on the balance, minor units.
    pub fn signed(&self) -> i64 {
        self.direction.signed(self.amount)
    }
}

impl NewEntry {
    /// The texts that people write, in which card numbers are not kept: identifiers stay as they are.
    fn free_texts(&mut self) -> [&mut Option<String>; 3] {
        [&mut self.parts.reason, &mut self.parts.counterparty_name, &mut self.context.user_agent]
    }

    /// Masks card numbers in what is free text.
    pub(crate) fn mask_cards(&mut self) {
        for text in self.free_texts() {
            if let Some(text) = text.as_mut().filter(|text| cards::may_have(text)) {
                *text = cards::mask(text).0;
            }
        }
    }

    /// How many of its free texts hold a card number that was masked.
    pub(crate) fn masked_cards(&self) -> u32 {
        let texts = [&self.parts.reason, &self.parts.counterparty_name, &self.context.user_agent];
        texts.into_iter().flatten().filter(|text| text.contains('*') && cards::is_masked(text)).count() as u32
    }
}

/// Session, address and actor: interned, because few are distinct.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Context {
    /// An identifier of the session, never a live token.
    pub session_id: Option<String>,
    /// An IP address in its canonical text.
    pub ip: Option<String>,
    /// The user agent.
    pub user_agent: Option<String>,
    /// The device.
    pub device_id: Option<String>,
    /// Who acted.
    pub actor: Option<String>,
    /// What kind of actor.
    pub actor_kind: Option<ActorKind>,
}

/// The private parts of an entry: in the leaf only as a commitment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The holder.
    pub party: Option<String>,
    /// The other side's account or id.
    pub counterparty: Option<String>,
    /// The other side's name.
    pub counterparty_name: Option<String>,
    /// The other side's country.
    pub counterparty_country: Option<String>,
    /// The sender's reason or remittance text.
    pub reason: Option<String>,
}

impl Parts {
    /// In the order of the commitment (`docs/log-format.md`).
    pub fn listed(&self) -> [Option<&str>; 5] {
        [
            self.party.as_deref(),
            self.counterparty.as_deref(),
            self.counterparty_name.as_deref(),
            self.counterparty_country.as_deref(),
            self.reason.as_deref(),
        ]
    }

    /// Whether there is anything to commit to.
    pub fn is_empty(&self) -> bool {
        self.listed().iter().all(Option::is_none)
    }
}
