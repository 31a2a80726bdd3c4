//! Mistakes that tests plant, to show that they would be found. None in the program.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// Receipts leave before the commit.
    AnswersFirst,
    /// A commit that failed is taken for made without looking.
    TakesForMade,
}

/// Whether it was planted.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn planted(_: Bug) -> bool {
    false
}

#[cfg(test)]
pub(super) use planting::{plant, planted};

#[cfg(test)]
mod planting {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a mistake on this thread, or takes it back.
    pub(in super::super) fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether it was planted.
    pub(in super::super) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}
