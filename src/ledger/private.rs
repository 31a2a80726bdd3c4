//! Rows of what is private: the parts of an entry in the order of their commitment, and what is left of
//! a context once it is erased.

use crate::ids::Seq;

use super::Parts;
use super::store::{ContextRow, EntryPartRow};

impl EntryPartRow {
    /// The row of these parts.
    pub fn of(seq: Seq, salt: Vec<u8>, parts: Parts) -> EntryPartRow {
        EntryPartRow {
            seq,
            salt,
            party: parts.party,
            counterparty: parts.counterparty,
            counterparty_name: parts.counterparty_name,
            counterparty_country: parts.counterparty_country,
            reason: parts.reason,
        }
    }

    /// The parts in the order of the commitment.
    pub fn listed(&self) -> [Option<&str>; 5] {
        [&self.party, &self.counterparty, &self.counterparty_name, &self.counterparty_country, &self.reason].map(Option::as_deref)
    }

    /// The same, to be changed.
    pub fn parts_mut(&mut self) -> [&mut Option<String>; 5] {
        let EntryPartRow { party, counterparty, counterparty_name, counterparty_country, reason, .. } = self;
        [party, counterparty, counterparty_name, counterparty_country, reason]
    }

    /// The private parts.
    pub fn parts(&self) -> Parts {
        Parts {
            party: self.party.clone(),
            counterparty: self.counterparty.clone(),
            counterparty_name: self.counterparty_name.clone(),
            counterparty_country: self.counterparty_country.clone(),
            reason: self.reason.clone(),
        }
    }
}

impl ContextRow {
    /// What is left of a context once it is erased.
    pub fn empty(id: Seq, source: Seq) -> ContextRow {
        ContextRow {
            id,
            source,
            session_id: None,
            ip: None,
            user_agent: None,
            device_id: None,
            actor: None,
            actor_kind: None,
            fingerprint: 0,
        }
    }

    /// Whether it was erased: no other context is found by nothing.
    pub fn is_erased(&self) -> bool {
        self.fingerprint == 0
    }
}
