//! The log: what is appended, how leaves are sealed, and the small handle through which any room
//! appends.
//!
//! Invariants: `seq` is gap-free over entries and events together; a row and its leaf hash are
//! written in one transaction; `recorded_at` never decreases; the log state is changed by
//! compare-and-swap on (epoch, size), so two writers can never fork the log.
//!
//! Not here: the engine behind [`Log`] (`intake` supplies it), what an event means (the room that
//! appends it), leaf and tree formats (`crates/verify`).

mod act;
pub mod anchor;
pub mod anchor_age;
pub mod attempts;
mod blind;
pub mod contradicted;
mod event;
pub mod filed;
mod filing;
pub mod generations;
pub mod kept;
pub mod keys;
pub mod recovery;
pub mod refusing;
pub mod returned;
pub mod rotations;
pub mod sealing;
mod signer;
mod signing;
pub mod store;
mod tail;
#[cfg(test)]
pub(crate) mod testing;
pub mod tree;
pub mod witnessed;

pub use act::{Act, ActError, ActTx, Acts, Changed, Log, Side};
pub use blind::{Blind, Recorded};
pub use event::NewEvent;
pub use signer::Signer;
pub use tail::Tail;
