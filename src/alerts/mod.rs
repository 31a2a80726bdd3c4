//! Hits become alerts, and alerts are decided.
//!
//! A hit joins an open alert of the same rule and account whose first hit lies within 24 hours;
//! never a closed one: a new alert then names it. Opening and closing are events in the log; the
//! tables here follow from them and from the entries' outcomes.

pub mod store;

/// How far from an alert's first hit a later one may be booked and still join it, microseconds.
pub const JOIN_WITHIN: i64 = crate::clock::DAY;

/// What a break that stayed open raises; not a rule of the registry, because it looks at chains.
pub const CONTINUITY: &str = "continuity";
