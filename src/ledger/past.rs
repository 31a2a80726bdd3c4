//! What an account's earlier entries say, for whoever must look further back than memory reaches:
//! at most [`PAST_MAX`] of them, and how far in time that is known to be all.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::ids::Seq;

use super::{Direction, NewEntry, Status};

/// Entries of an account that one look-back reads, newest in the log first.
pub const PAST_MAX: usize = 4_096;
/// Entries between two marks of a [`Horizon`].
const STEP: u64 = 512;
/// Marks kept: together they reach further back than a look-back.
const MARKS: usize = PAST_MAX / STEP as usize + 2;

/// An entry as the rules and continuity see it; minor units, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Its place in the log.
    pub seq: Seq,
    /// When it was booked.
    pub booked_at: i64,
    /// The sender's own number on the account.
    pub account_seq: Option<i64>,
    /// Zero or more.
    pub amount: i64,
    /// Which way.
    pub direction: Direction,
    /// The balance before, if stated.
    pub balance_before: Option<i64>,
    /// The balance after, if stated.
    pub balance_after: Option<i64>,
    /// Whether money moved.
    pub status: Status,
}

impl Movement {
    /// An entry that got the place `seq`.
    pub fn of(seq: Seq, entry: &NewEntry) -> Movement {
        Movement {
            seq,
            booked_at: entry.booked_at.0,
            account_seq: entry.account_seq,
            amount: entry.amount,
            direction: entry.direction,
            balance_before: entry.balance_before,
            balance_after: entry.balance_after,
            status: entry.status,
        }
    }

    /// When it moved money; nothing if that was only attempted.
    pub fn moved_at(&self) -> Option<Moment> {
        (self.status == Status::Booked).then_some(Moment(self.booked_at))
    }

    /// The amount with the sign of its effect on the balance.
    pub fn signed(&self) -> i64 {
        self.direction.signed(self.amount)
    }

    /// Whether rules that count look at it.
    pub fn counts(&self) -> bool {
        self.status == Status::Booked && self.amount > 0
    }
}

/// The entries of an account before the one that is being placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// At most [`PAST_MAX`], in no particular order.
    pub entries: Vec<Movement>,
}

/// Accounts whose look-back is remembered.
const REMEMBERED: usize = 32;

/// The accounts looked back at last, newest look first: late entries come in crowds.
#[derive(Default)]
pub struct LookBacks {
    known: VecDeque<(Seq, Arc<Past>)>,
}

impl LookBacks {
    /// The account has one entry more.
    pub fn learn(&mut self, account: Seq, entry: &Movement) {
        if let Some((_, past)) = self.known.iter_mut().find(|(known, _)| *known == account) {
            let past = Arc::make_mut(past);
            past.entries.push(*entry);
            if past.entries.len() > PAST_MAX + PAST_MAX / 4 {
                past.entries.drain(..past.entries.len() - PAST_MAX);
            }
        }
    }

    /// What was read of an account, and learned since.
    pub fn find(&mut self, account: Seq) -> Option<Arc<Past>> {
        let at = self.known.iter().position(|(known, _)| *known == account)?;
        let found = self.known.remove(at)?;
        let past = found.1.clone();
        self.known.push_front(found);
        Some(past)
    }

    /// Remembers what was read of an account.
    pub fn remember(&mut self, account: Seq, past: Past) -> Arc<Past> {
        let past = Arc::new(past);
        self.known.push_front((account, past.clone()));
        self.known.truncate(REMEMBERED);
        past
    }
}

/// How far back in time a number of the newest entries is known to be complete: the latest booking
/// time among the oldest ones, at every 512th.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    added: u64,
    latest: Option<i64>,
    /// (entries, latest booking time among so many).
    marks: Vec<(u64, i64)>,
}

impl Horizon {
    /// Learns one more entry, in the order of recording.
    pub fn add(&mut self, at: Moment) {
        self.added += 1;
        let latest = self.latest.map_or(at.0, |latest| latest.max(at.0));
        self.latest = Some(latest);
        if self.added.is_multiple_of(STEP) {
            self.marks.push((self.added, latest));
            if self.marks.len() > MARKS {
                self.marks.remove(0);
            }
        }
    }

    /// Reads it, so that it is near when the next entry is added.
    pub fn touch(&self) -> i64 {
        self.latest.unwrap_or_default()
    }

    /// Of `seen` newest entries: everything booked after this instant is among them; `None` when
    /// simply everything is.
    pub fn complete_after(&self, seen: usize) -> Option<i64> {
        let unseen = self.added.saturating_sub(seen as u64);
        if unseen == 0 {
            return None;
        }
        let mark = self.marks.iter().find(|(entries, _)| *entries >= unseen);
        mark.map(|(_, latest)| *latest).or(self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_lies_at_or_before_the_mark() {
        let mut horizon = Horizon::default();
        let mut all = Vec::new();
        for i in 0..20_000_i64 {
            // Mostly in order, now and then far ahead.
            let at = if i % 997 == 0 { i + 3_000 } else { i };
            horizon.add(Moment(at));
            all.push(at);
            for seen in [0, 1, 700, PAST_MAX, 30_000] {
                let unseen = all.len().saturating_sub(seen);
                match horizon.complete_after(seen) {
                    None => assert_eq!(unseen, 0),
                    Some(after) => assert!(i % 101 != 0 || all[..unseen].iter().all(|at| *at <= after)),
                }
            }
        }
        // A look-back in an account in order knows all but the oldest of what it read.
        assert!(horizon.complete_after(PAST_MAX).is_some_and(|after| after < 20_000 - PAST_MAX as i64 + 3_600));
        assert!(horizon.marks.len() <= MARKS);
    }
}
