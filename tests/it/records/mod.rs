//! Records besides balances: recorded, refused, broken, sealed, and held against the log.

mod erased;
mod expired;
mod guessing;
mod house;
mod judged;
mod recording;
mod restoring;
mod sealed;

pub use house::{change, record_as};
pub use restoring::proposed;
