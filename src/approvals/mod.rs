//! Two pairs of eyes, for whoever needs them.
//!
//! A room that does something grave has it proposed here ([`submit`]) and does it only once an officer
//! other than whoever proposed it has approved ([`decide`]) and the quarantine of its kind is over
//! ([`ready`]); in the act that does it, it says so ([`carried_out`]). This room knows nothing of what is
//! done: [`Kind`] has words, roles and times, and what is above dispatches by it.
//!
//! Invariants: whoever submits cannot approve, in code and by triggers of both databases; what the
//! command line submits without a user, who could be any officer, needs two officers; of one kind there
//! is one open proposal for each thing; a proposal ends by itself after [`KEPT`]; every submission,
//! decision and end is an event, and so is every attempt that is refused; reasons and comments are
//! private; the table is a projection.
//!
//! Not here: carrying out (`app` and the rooms below it that know how), pages and commands.

mod decide;
mod kinds;
mod proposal;
mod queue;
pub mod store;
mod submit;
#[cfg(test)]
mod tests;

pub use decide::{Deciding, Decision, carried_out, decide, expire_due, stopped};
pub use kinds::Kind;
pub use proposal::{Proposal, State, Word};
pub use queue::{PAGE_MAX, find, list, ready, waiting_for, waits_for};
pub use submit::{KEPT, Submission, TEXT_CHARS, checked_text, submit, submit_in};
