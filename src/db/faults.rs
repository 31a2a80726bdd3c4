//! Where a commit can fail: before it begins, between any two of its statements, at its end, and
//! after it, when the database has it and nobody was told. Only tests make it fail.

/// A step of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Before the transaction.
    Begin,
    /// Before rows are appended to one table.
    Statement,
    /// Everything is written and nothing committed.
    Commit,
    /// It is committed; the answer is on its way.
    Committed,
}

/// Passes a step.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn step(_: Step) -> super::DbResult<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use planned::{plan, step, steps};

#[cfg(test)]
mod planned {
    use std::cell::Cell;

    use super::Step;
    use crate::db::{DbError, DbResult};

    thread_local! {
        /// How many steps still pass on this thread; the next fails.
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
        static PASSED: Cell<u32> = const { Cell::new(0) };
    }

    /// Lets the step after `left` others fail on this thread, once; `None`: none.
    pub(crate) fn plan(left: Option<u32>) {
        LEFT.set(left);
        PASSED.set(0);
    }

    /// How many steps were passed since the last plan.
    pub(crate) fn steps() -> u32 {
        PASSED.get()
    }

    /// Passes a step, or fails at it.
    pub(crate) fn step(step: Step) -> DbResult<()> {
        PASSED.set(PASSED.get() + 1);
        match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                Err(DbError::Connect(format!("a fault was planned at {step:?}")))
            }
            left => {
                LEFT.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }
}
