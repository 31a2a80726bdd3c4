//! One booked credit or debit on one account, in the words of the interface.

use serde::{Deserialize, Serialize};

use crate::money::{Amount, Balance};
use crate::who::Who;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident: $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $(#[doc = $text] $variant),+
        }
    };
}

words! {
    /// What an entry is for.
    Kind {
        Deposit: "Credit by default.", Withdrawal: "Debit by default.", Transfer: "Needs a direction.", Payment: "Debit by default.",
        Card: "Debit by default.", Fee: "Debit by default.", Interest: "Credit by default.", Adjustment: "Needs a direction.",
        Reversal: "Needs a direction.",
    }
}
words! {
    /// Which way the balance moves.
    Direction { Credit: "Raises it.", Debit: "Lowers it." }
}
words! {
    /// Where it was asked for.
    Channel { Branch: "At a counter.", Atm: "At a machine.", Online: "In a browser.", Mobile: "In an app.", Card: "With a card.",
        Api: "By a program.", Batch: "In a run of many." }
}
words! {
    /// What was moved.
    Instrument { Cash: "Notes and coins.", Transfer: "A transfer.", Card: "A card.", Cheque: "A cheque.", Other: "Something else." }
}
words! {
    /// Whether it was booked.
    Status { Booked: "It moved the balance.", Attempted: "It was tried and moved nothing." }
}

/// One booked credit or debit on one account.
///
/// `source_ref` is yours and unique for ever: the same entry may be sent any number of times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Your id of it.
    pub source_ref: String,
    /// The account's number.
    pub account: String,
    /// ISO 4217.
    pub currency: String,
    /// What it is for.
    pub kind: Kind,
    /// Which way; may be absent where the kind says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub direction: Option<Direction>,
    /// How much, with no more decimals than the currency has.
    pub amount: Amount,
    /// The holder's balance before; with the one after or not at all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub balance_before: Option<Balance>,
    /// The holder's balance after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub balance_after: Option<Balance>,
    /// RFC 3339 with an offset, at most microseconds; see [`crate::rfc3339`].
    pub booked_at: String,
    /// `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value_date: Option<String>,
    /// `YYYY-MM-DD`; otherwise the server decides it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub business_date: Option<String>,
    /// Joins the legs of one transaction.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transaction_ref: Option<String>,
    /// Your own order on the account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account_seq: Option<i64>,
    /// Who, and whence.
    #[serde(flatten)]
    pub who: Who,
    /// Where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<Channel>,
    /// What was moved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instrument: Option<Instrument>,
    /// The holder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub party: Option<String>,
    /// The other side's account or id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterparty: Option<String>,
    /// The other side's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterparty_name: Option<String>,
    /// The other side's country.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterparty_country: Option<String>,
    /// Remittance text or reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The `source_ref` of the entry this one cancels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reverses: Option<String>,
    /// `None`: booked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<Status>,
}

impl Entry {
    /// An entry with what every entry needs; what else there is to say is set on the fields.
    pub fn new(
        source_ref: impl Into<String>,
        account: impl Into<String>,
        currency: impl Into<String>,
        kind: Kind,
        amount: Amount,
        booked_at: impl Into<String>,
    ) -> Entry {
        Entry {
            source_ref: source_ref.into(),
            account: account.into(),
            currency: currency.into(),
            kind,
            direction: None,
            amount,
            balance_before: None,
            balance_after: None,
            booked_at: booked_at.into(),
            value_date: None,
            business_date: None,
            transaction_ref: None,
            account_seq: None,
            who: Who::default(),
            channel: None,
            instrument: None,
            party: None,
            counterparty: None,
            counterparty_name: None,
            counterparty_country: None,
            reason: None,
            reverses: None,
            status: None,
        }
    }

    /// With the holder's balance before and after.
    pub fn balances(self, before: Balance, after: Balance) -> Entry {
        Entry { balance_before: Some(before), balance_after: Some(after), ..self }
    }

    /// With who did it, and whence.
    pub fn by(self, who: Who) -> Entry {
        Entry { who, ..self }
    }
}
