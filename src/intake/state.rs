//! What the sequencer remembers of an account, in memory within a bound, and stored when it leaves.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::db::{DbError, DbResult};
use crate::detect::Recent;
use crate::ids::Seq;
use crate::ledger::continuity::{AccountContinuity, Changes, Strictness};
use crate::ledger::order::{Aside, Order};
use crate::ledger::{NewEntry, Past, Status};
use crate::money::Currency;

/// First byte of a stored state. Those of the first version, which had none, began with 0 or 1.
const FORMAT: u8 = 5;

/// One account.
#[derive(Clone, Debug)]
pub(super) struct AccountState {
    pub id: Seq,
    pub source: Seq,
    pub currency: Currency,
    /// The last batch that touched it; the longest untouched leave memory first.
    pub touched: u64,
    /// Changed since it was stored.
    pub dirty: bool,
    /// The first booked entry of another source on it, once that was asked.
    pub stranger: Option<Option<Seq>>,
    pub body: Body,
}

/// The part that is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The newest entry.
    pub head: Option<Seq>,
    /// Its number on the account.
    pub position: i64,
    /// The entries that the next jump pointer may lead to: (index from 0, seq), oldest first.
    ancestors: Vec<(i64, Seq)>,
    /// How far booked time has come.
    order: Order,
    /// The rules' memory.
    pub recent: Recent,
    /// Chains and breaks.
    pub continuity: AccountContinuity,
}

/// Where a new entry stands on its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointers {
    /// Its number on the account, from 1.
    pub position: i64,
    /// The account's entry before it.
    pub prev: Option<Seq>,
    /// An earlier one, further away.
    pub jump: Option<Seq>,
    /// What there is to say when it is not in order of booked time.
    pub aside: Option<Aside>,
}

impl Body {
    /// As stored.
    pub fn encode(&self) -> DbResult<Vec<u8>> {
        let written = postcard::to_extend(self, vec![FORMAT]);
        written.map_err(|e| DbError::Corrupt(format!("an account state cannot be written: {e}")))
    }

    /// From what is stored for `account`.
    pub fn decode(account: Seq, bytes: &[u8]) -> DbResult<Body> {
        let (format, body) = bytes.split_first().unwrap_or((&0, &[]));
        if *format != FORMAT {
            let what = format!("the stored state of account {account} is of another version of this program");
            return Err(DbError::Corrupt(what));
        }
        postcard::from_bytes(body).map_err(|e| DbError::Corrupt(format!("the stored state of account {account}: {e}")))
    }

    /// Whether a stored state is one that this version can read.
    pub fn is_current(bytes: &[u8]) -> bool {
        bytes.first() == Some(&FORMAT)
    }

    /// Whether `stored` is this state, as it was held in memory: as many of the newest entries as the
    /// rules then in force reached back to, one of `reaches`.
    pub fn is_stored_as(&self, stored: &Body, reaches: &[usize]) -> bool {
        let (all, kept) = (self.recent.placed(), stored.recent.placed());
        let recent = match stored.recent.forgot() {
            true => reaches.contains(&kept.len()) && all.ends_with(kept),
            false => !self.recent.forgot() && all == kept,
        };
        let same = self.head == stored.head && self.position == stored.position && self.ancestors == stored.ancestors;
        let same = same && self.order == stored.order;
        same && recent && self.continuity == stored.continuity
    }

    /// Takes the next position for the entry at `seq`, which moved money at `moved_at`. The jump pointer of index n leads to
    /// n & (n − 1), so that any earlier entry is a logarithmic number of steps away.
    pub fn append(&mut self, seq: Seq, moved_at: Option<Moment>) -> Pointers {
        let index = self.position;
        let prev = self.head;
        let mut jump = None;
        if index > 0 {
            let target = index & (index - 1);
            while self.ancestors.last().is_some_and(|(i, _)| *i > target) {
                self.ancestors.pop();
            }
            jump = self.ancestors.last().map(|(_, seq)| *seq);
        }
        self.ancestors.push((index, seq));
        self.head = Some(seq);
        self.position += 1;
        Pointers { position: self.position, prev, jump, aside: self.order.place(seq, moved_at) }
    }

    /// How far booked time has come.
    pub fn booked_to(&self) -> Option<Moment> {
        self.order.reached()
    }

    /// Reads what the next entry will be decided with.
    pub fn touch(&self) -> i64 {
        let ancestor = self.ancestors.last().map_or(0, |(_, seq)| *seq);
        self.position ^ ancestor ^ self.recent.touch() ^ self.continuity.touch()
    }

    /// What an entry changes in continuity and in the rules' memory.
    pub fn learn(
        &mut self,
        seq: Seq,
        entry: &NewEntry,
        business_date: i32,
        how: Strictness,
        reach: usize,
        past: Option<&Past>,
    ) -> Changes {
        let changes = self.continuity.add(seq, entry, business_date, how, past);
        if entry.status == Status::Booked && entry.amount > 0 {
            self.recent.add(entry.booked_at, seq, reach);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_pointers_are_those_of_the_format() {
        let mut body = Body::default();
        for position in 1..=2_000_i64 {
            let pointers = body.append(position * 10, Some(Moment(position)));
            assert_eq!(pointers.position, position);
            let jump = counterfoil_verify::leaf::jump_position(position);
            assert_eq!(pointers.jump, jump.map(|p| p * 10), "position {position}");
            assert!(body.ancestors.len() <= 12);
        }
    }
}
