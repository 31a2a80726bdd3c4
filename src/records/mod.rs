//! Every other change: customers, prices, limits, permissions, whatever a bank keeps besides balances.
//!
//! A change is an event of the one log. In public it says that a record changed, in how many fields and
//! when; in private who did it, why, and in which fields; the values lie beside it, one by one, so that
//! each can go without the others, and the event commits to each.
//!
//! Invariants: only what differs is kept; what differs from nothing is not recorded; a `before` that is
//! not our last state is a break, and recorded; a value is in one place only; no number goes through a float.
//!
//! Not here: how changes arrive (`web`, `cli`), who may see them (`web`), the rules on them (`detect`), their
//! alerts (`alerts`).

mod actor;
mod change;
mod conflicts;
mod content;
mod decide;
mod document;
pub mod event;
pub mod explain;
mod fields;
pub mod history;
mod json;
mod judge;
mod keyed;
mod kinds;
mod receipt;
mod record;
mod refused;
mod restore;
mod reveal;
mod state;
pub mod store;
mod subject;

pub use actor::actor_key;
pub use change::{Action, Content, Listed, NewChange, Who, class_code, class_from_code, class_text, parse_class};
pub use decide::{Held, State};
pub use document::{Document, check_path, is_at_or_below};
pub use fields::{open, row_commitment};
pub use json::{Decimal, Json};
pub use judge::ReceiptHit;
pub use kinds::{CAPTURED_TABLE, Kinds};
pub use receipt::{ChangeReceipt, ChangeResult, Row, Sender};
pub use record::{OPEN, Recorder};
pub use restore::{AtSource, Restoration, opened};
pub use reveal::{RevealRecord, Revealed};
pub use state::{Axis, SNAPSHOT_EVERY, TORN, apply, at_version, in_force, newest, snapshot_body};
