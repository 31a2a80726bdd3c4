//! Hits become alerts, and alerts are decided.
//!
//! A hit joins an open alert of the same rule and account whose first hit lies within 24 hours;
//! never a closed one: a new alert then names it. A break that stayed open for its grace raises an
//! alert of rule [`CONTINUITY`], one per account. Opening and closing are events in the log; the
//! tables here follow from them and from the entries' outcomes.
//!
//! Invariants: an alert is closed once, by someone who may, with a disposition and a comment; what
//! it says was written down when it was opened and never changes; severity only rises.
//!
//! Not here: when a hit is found and which alert it joins (`intake`), mail (`notify`), who someone
//! is (`access`).

pub mod again;
mod alert;
pub mod breaks;
pub mod changes;
mod cursor;
mod disposition;
pub mod explain;
pub mod grace;
mod opening;
pub mod queue;
mod sentences;
pub mod store;
#[cfg(test)]
mod testing;
pub mod then;

pub use alert::{About, Account, Alert, Decision, Explanation, State, What};
pub use breaks::{BreakFilter, ContinuityBreak};
pub use cursor::{Cursor, Order};
pub use disposition::{COMMENT_CHARS, Disposition, check_comment, close};
pub use opening::{NewAlert, OpeningEntry, References};
pub use queue::{AlertCounts, AlertDetail, AlertFilter, AlertPage, HitLine};
pub use sentences::break_sentence;

/// How far from an alert's first hit a later one may be booked and still join it, microseconds.
pub const JOIN_WITHIN: i64 = crate::clock::DAY;

/// What a break that stayed open raises; not a rule of the registry, because it looks at chains.
pub const CONTINUITY: &str = "continuity";
