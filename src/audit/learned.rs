//! What a reader learns of entries without knowing the others: sums and lists that are put together
//! afterwards, in whatever order.

use counterfoil_verify::EntryLeaf;

use crate::ids::Seq;

use super::figures::Figures;
use super::repeats::{self, Repeats};
use super::runs::{self, Runs};

/// See the module.
pub(super) struct Learned {
    pub(super) repeats: repeats::Part,
    pub(super) runs: runs::Part,
    pub(super) figures: Figures,
    last: Seq,
}

/// What readers learn by.
pub(super) struct Learning {
    repeats: repeats::Part,
    runs: runs::Part,
}

impl Learning {
    pub(super) fn new(repeats: &Repeats, runs: &Runs) -> Learning {
        Learning { repeats: repeats.part(), runs: runs.part() }
    }

    /// Nothing learned yet.
    pub(super) fn begin(&self) -> Learned {
        let (repeats, runs) = (self.repeats.clone(), self.runs.clone());
        Learned { repeats, runs, figures: Figures::default(), last: Seq::MIN }
    }
}

impl Learned {
    /// Meets an entry; in order of their places, but for a few.
    pub(super) fn meet(&mut self, row: &EntryLeaf<'_>) {
        if row.seq < self.last {
            self.runs.rewind();
        }
        self.last = row.seq;
        self.repeats.add(row.source, row.source_ref);
        self.runs.add(row);
        self.figures.add(row);
    }
}
