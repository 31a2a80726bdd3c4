//! The booked entries of one account nearest in time, in order, as many as the rules reach.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::ids::Seq;

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
}

impl Recent {
    /// Adds a booked entry; keeps the newest `bound`.
    pub fn add(&mut self, at: Moment, seq: Seq, bound: usize) {
        let new = Placed { at: at.0, seq };
        let place = self.place(at, seq);
        if place == 0 && self.forgot {
            return;
        }
        self.placed.insert(place, new);
        if self.placed.len() > bound {
            self.placed.remove(0);
            self.forgot = true;
        }
    }

    /// The entries, oldest first.
    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// Where an entry belongs among them.
    pub fn place(&self, at: Moment, seq: Seq) -> usize {
        let new = Placed { at: at.0, seq };
        self.placed.partition_point(|p| *p < new)
    }

    /// Whether entries older than the first have been forgotten.
    pub fn forgot(&self) -> bool {
        self.forgot
    }
}
