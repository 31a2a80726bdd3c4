//! The daily compliance report: its figures, its frozen versions, its formats.
//!
//! A report is computed from one unchanging state of the database ([`compute`]), as of a place in
//! the log: only entries up to `seq_to` count. [`preview`] shows it without storing; [`make`]
//! freezes it as a version. Version 1 of a date takes the log's range after the last first
//! version, so that first versions cover the log without gaps; later versions are made only when
//! the figures of the date have changed, and say what changed. Stored rows never change: that a
//! version is superseded follows from there being a newer one.
//!
//! Money is a decimal text of one currency; nothing is summed across currencies. What is not
//! known is `null`, never zero.
//!
//! Not here: the frame of the site around a report's page (`web`), the mail that goes out about it (`notify`), the clock that starts the night's run (`jobs`).

mod activity;
pub mod by_user;
mod changes;
mod closing;
mod completeness;
mod context;
mod figures;
pub mod formats;
mod nightly;
mod operations;
pub mod page;
mod report;
mod rows;
mod signals;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verdict;
mod versions;

pub use crate::detect::due::{due_date, is_past_due};
pub use activity::{Activity, Cell, CurrencyDay, Sums, day_figures};
pub use changes::{Change, changes};
pub use closing::close_days;
pub use context::Context;
pub use figures::{Span, compute};
pub use nightly::{Due, due_dates, last_night, run_nightly, stored_between};
pub use report::{
    Access, Alerts, Continuity, Integrity, Notifications, Recovered, Report, Restates, RollForward, SettingsChange,
    SeverityCounts, Status, Totals, Window,
};
pub use rows::{
    BreakItem, Cash, DatedEntry, HighFrequency, HighValue, Hour, KindSums, RuleCounts, Signature, Source, SourceState, SourceSums,
};
use verdict::before_the_book;
pub use versions::{Head, Made, Stored, between, current_before, list, load, make, preview, versions};

/// Rows that any list of a report holds at most; the total beside the list counts all.
pub const LIST_MAX: usize = 1_000;

/// Cash of an account and side on one date above this many units of the currency is listed.
pub const CASH_UNITS: i64 = 10_000;

/// What the cash list means, for whoever prints it.
pub const CASH_NOTE: &str = "Sums per account, side and currency; a customer with several accounts can exceed the line without \
    being listed, so this is a lower bound.";
