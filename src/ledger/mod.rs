//! What a balance change is: the entry, its account, its chain, its business date.
//!
//! Invariants: an account has one currency; amounts are zero or more and `direction` says which
//! way they go; the business date is decided once, when the entry is recorded; an entry that is
//! readable but wrong is still an entry (the trail records reality), one that cannot be read is a
//! [`Refusal`].
//!
//! Not here: how an entry gets its place in the log (`intake`), which rules look at it (`detect`).

mod business_date;
pub mod cards;
mod codes;
pub mod continuity;
mod draft;
mod entry;
pub mod feeds;
pub(crate) mod fields;
pub mod heads;
pub mod history;
pub mod leaves;
pub mod lookup;
pub mod order;
mod past;
mod private;
pub mod quick;
mod refusal;
pub mod reversals;
pub mod store;

pub use business_date::{BusinessCalendar, SKIPPED_MINUTES_MAX};
pub use codes::{ActorKind, BREAK_EXPLAINED, BreakKind, BreakState, Channel, Direction, Instrument, Kind, Status};
pub use draft::{Draft, FIELDS};
pub use entry::{Context, FLAG_DATE_STATED, NewEntry, Parts};
pub use past::{Horizon, LookBacks, Movement, PAST_MAX, Past};
pub use refusal::Refusal;
