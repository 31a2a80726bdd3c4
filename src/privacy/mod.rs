//! Privacy: what is stored of a subject, when it may be erased, and how it is.
//!
//! This room holds the only code that removes private values: value, salt and what is indexed of
//! them go together, at the places that an event `parts.erased` of the same transaction commits to;
//! triggers let nothing else through. Leaves stay, so that every proof does.
//!
//! Invariants: nothing is erased that a hold, an open alert, an open break or the statutory minimum
//! keeps, and whoever asks is not told which; an erasure was submitted by one and approved by
//! another; the register beside the keys names every place that was erased, so that an older copy of
//! the database does not bring anything back. Values of changes go when their time is over, without an
//! approval, and only then.
//!
//! Not here: sealing (`trail::sealing`), approval itself (`approvals`), what a leaf commits to
//! (`crates/verify`).

mod blockers;
mod erase;
mod holds;
mod listed;
mod ranges;
pub mod register;
mod request;
pub mod retention;
mod scope;
pub mod store;
mod subject;
#[cfg(test)]
mod tests;

pub use blockers::{Blocker, NOT_ERASABLE, blockers};
pub use erase::{Cause, Erasure, erase};
pub use holds::{Hold, PlaceHold, Range, ReleaseHold, holds, release};
pub use listed::{Done, ERASURES_MAX, Waiting, done, done_newest, holds_in_force, waiting};
pub use ranges::Ranges;
pub use request::{EraseSubject, carry_out, is_stored};
pub use scope::Holdings;
pub use store::hold_on;
pub use subject::{Scope, Subject};
