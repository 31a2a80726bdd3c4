//! The booked entries of one account nearest in time, in order, as many as the rules reach.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::ids::Seq;
use crate::ledger::{Horizon, Movement, Past};

/// An entry's place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placed {
    /// When it was booked, microseconds.
    pub at: i64,
    /// Its place in the log, which decides among equal instants.
    pub seq: Seq,
}

/// Ordered by (`booked_at`, `seq`), bounded; the oldest is forgotten first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    placed: Vec<Placed>,
    forgot: bool,
    horizon: Horizon,
}

impl Recent {
    /// Adds a booked entry; keeps the newest `bound`.
    pub fn add(&mut self, at: Moment, seq: Seq, bound: usize) {
        self.horizon.add(at);
        let new = Placed { at: at.0, seq };
        let place = self.place(at, seq);
        if self.placed.len() < bound {
            if place > 0 || !self.forgot {
                self.make_room(bound);
                self.placed.insert(place, new);
            }
            return;
        }
        self.forgot = true;
        if place > 0 {
            self.placed.copy_within(1..place, 0);
            self.placed[place - 1] = new;
        }
    }

    /// Room for one more, and never for more than will be kept.
    fn make_room(&mut self, bound: usize) {
        let held = self.placed.len();
        if held == self.placed.capacity() {
            self.placed.reserve_exact(held.max(2).min(bound - held));
        }
    }

    /// The entries, oldest first.
    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// Reads what stands here, so that it is near when the next entry is judged.
    pub fn touch(&self) -> i64 {
        self.horizon.touch() ^ i64::from(self.forgot)
    }

    /// Reads the entries: their ends and what lies between, of the few that most rules reach.
    pub fn touch_beyond(&self) -> i64 {
        let (first, middle, last) = (self.placed.first(), self.placed.get(self.placed.len() / 2), self.placed.last());
        [first, middle, last].into_iter().flatten().fold(0, |read, placed| read ^ placed.seq)
    }

    /// Where an entry belongs among them.
    pub fn place(&self, at: Moment, seq: Seq) -> usize {
        let new = Placed { at: at.0, seq };
        match self.placed.last() {
            Some(last) if *last >= new => self.placed.partition_point(|p| *p < new),
            // The usual case: nothing comes after it.
            _ => self.placed.len(),
        }
    }

    /// Whether entries older than the first have been forgotten.
    pub fn forgot(&self) -> bool {
        self.forgot
    }

    /// Whether the `count` entries before the place of (`at`, `seq`) are here, or all those that
    /// were booked at `since` or later.
    pub fn reaches(&self, at: Moment, seq: Seq, count: usize, since: i64) -> bool {
        !self.forgot || self.place(at, seq) >= count || self.placed.first().is_some_and(|first| first.at < since)
    }

    /// The same account as a look-back sees it from `since` on; nothing, with everything forgotten,
    /// when the look-back does not reach so far.
    pub fn looked_back(&self, past: &Past, since: i64) -> Recent {
        let counted: Vec<&Movement> = past.entries.iter().filter(|entry| entry.counts()).collect();
        let enough = self.horizon.complete_after(counted.len()).is_none_or(|after| after < since);
        let near = counted.into_iter().filter(|entry| enough && entry.booked_at >= since);
        let mut placed: Vec<Placed> = near.map(|entry| Placed { at: entry.booked_at, seq: entry.seq }).collect();
        placed.sort_unstable();
        Recent { placed, forgot: !enough, horizon: Horizon::default() }
    }
}
