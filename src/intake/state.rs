//! What the sequencer remembers of an account, in memory within a bound, and stored when it leaves.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::db::{DbError, DbResult};
use crate::detect::Recent;
use crate::ids::Seq;
use crate::ledger::continuity::{AccountContinuity, Changes, Strictness};
use crate::ledger::order::{Aside, Order};
use crate::ledger::{Movement, Past};
use crate::money::Currency;

/// First byte of a stored state. Those of the first version, which had none, began with 0 or 1.
const FORMAT: u8 = 6;

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
    /// The number of the newest entry on the account.
    pub position: i64,
    /// The entries that the next jump pointer may lead to, oldest first: those of index i, i & (i − 1) and so on to 0,
    /// where i = `position` − 1 is that of the newest.
    ancestors: Vec<Seq>,
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
        let same = self.position == stored.position && self.ancestors == stored.ancestors;
        let same = same && self.order == stored.order;
        same && recent && self.continuity == stored.continuity
    }

    /// Takes the next position for the entry at `seq`, which moved money at `moved_at`. The jump pointer of index n leads to
    /// n & (n − 1), so that any earlier entry is a logarithmic number of steps away.
    pub fn append(&mut self, seq: Seq, moved_at: Option<Moment>) -> Pointers {
        let (position, prev, jump) = self.next();
        self.ancestors.truncate(self.kept());
        self.ancestors.push(seq);
        self.position = position;
        Pointers { position, prev, jump, aside: self.order.place(seq, moved_at) }
    }

    /// What the next entry must say: its number, the entry before it, and an earlier one.
    pub fn next(&self) -> (i64, Option<Seq>, Option<Seq>) {
        let jump = self.kept().checked_sub(1).and_then(|at| self.ancestors.get(at)).copied();
        (self.position + 1, self.head(), jump.filter(|_| self.position > 0))
    }

    /// How many of the ancestors the next entry keeps: below the newest lie those that its index leaves as its lowest
    /// bits are cleared, and the next entry's target is one of them.
    fn kept(&self) -> usize {
        self.ancestors.len().saturating_sub(self.position.trailing_zeros() as usize)
    }

    /// The entries that the next jump may lead to, with their numbers, oldest first.
    pub fn ancestors(&self) -> Vec<(i64, Seq)> {
        let indexes = std::iter::successors(Some(self.position - 1), |index| (*index > 0).then(|| index & (index - 1)));
        let mut named: Vec<(i64, Seq)> = indexes.zip(self.ancestors.iter().rev()).map(|(index, seq)| (index + 1, *seq)).collect();
        named.reverse();
        named
    }

    /// The newest entry.
    pub fn head(&self) -> Option<Seq> {
        self.ancestors.last().copied()
    }

    /// How far booked time has come.
    pub fn booked_to(&self) -> Option<Moment> {
        self.order.reached()
    }

    /// Reads what the next entry will be decided with, of what stands here: so many accounts' at once that the waits
    /// for memory overlap. [`Body::touch_beyond`] comes after it.
    pub fn touch(&self) -> i64 {
        let reached = self.order.reached().map_or(0, |at| at.0);
        self.position ^ reached ^ self.recent.touch() ^ self.continuity.touch()
    }

    /// The same of what this points to.
    pub fn touch_beyond(&self) -> i64 {
        self.head().unwrap_or_default() ^ self.recent.touch_beyond()
    }

    /// What an entry changes in continuity and in the rules' memory.
    pub fn learn(&mut self, entry: &Movement, business_date: i32, how: Strictness, reach: usize, past: Option<&Past>) -> Changes {
        let changes = self.continuity.add(entry, business_date, how, past);
        if entry.counts() {
            self.recent.add(Moment(entry.booked_at), entry.seq, reach);
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
            let next = body.next();
            let pointers = body.append(position * 10, Some(Moment(position)));
            assert_eq!(next, (pointers.position, pointers.prev, pointers.jump));
            assert!(body.ancestors().iter().all(|(position, seq)| *seq == position * 10));
            assert_eq!(body.ancestors().first(), Some(&(1, 10)));
            assert_eq!(pointers.position, position);
            let jump = counterfoil_verify::leaf::jump_position(position);
            assert_eq!(pointers.jump, jump.map(|p| p * 10), "position {position}");
            assert!(body.ancestors.len() <= 12);
        }
    }
}
