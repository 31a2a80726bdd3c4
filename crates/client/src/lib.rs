//! Sends balance changes and changes of any other record to a Counterfoil server.
//!
//! - [`Client`] is blocking: what it sends is in the log when it returns. [`AsyncClient`] is the same for tasks of any
//!   runtime.
//! - [`Spooling`] never waits for the server: what it takes is synced to a spool on this machine and sent from there in
//!   its order, however long the server is away. Nothing is dropped: a spool that is full is an error to the caller, and
//!   what the server refuses for good is kept with its reason.
//! - [`Guard`] watches a value while it is changed and records what differs, with who, whence and why;
//!   [`Audited`] says which record a value is.
//! - [`Row`] and [`Client::deliver`] are for outbox tables: see `examples/diesel_outbox.rs`.
//!
//! Sending again is always safe: the server knows each `source_ref` for ever and records it once. Money is exact decimal
//! text, never a float.
//!
//! ```
//! use counterfoil_client::{Client, Guard, Record, Who};
//!
//! # #[derive(serde::Serialize)] struct Customer { name: String, limit: u32 }
//! # fn change(client: &Client, customer: &mut Customer) -> Result<(), counterfoil_client::Error> {
//! let mut guard = Guard::of(client, Record::new("customer", "C-1001"), customer)?.by(Who::actor("john_doe")).because("by letter");
//! guard.limit = 250;
//! guard.finish()?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod asynchronous;
mod audited;
mod backoff;
mod change;
mod client;
mod deliver;
mod document;
mod entry;
mod error;
mod guard;
mod money;
mod recorder;
mod row;
pub mod spool;
mod spooling;
mod time;
mod transport;
mod who;

pub use answer::{Break, Hit, Outcome, Problem, Receipt};
pub use asynchronous::{Async, AsyncClient};
pub use audited::Audited;
pub use change::{Action, Change, Class, Record};
/// What the derive writes refers to.
#[cfg(feature = "derive")]
#[doc(hidden)]
pub mod derived {
    pub use serde_json::{Map, to_value};
}

#[cfg(feature = "derive")]
pub use counterfoil_client_derive::Audited;

pub use client::{Builder, Client};
pub use deliver::Delivered;
pub use document::{Document, Field, Unfit};
pub use entry::{Channel, Direction, Entry, Instrument, Kind, Status};
pub use error::Error;
pub use guard::Guard;
pub use money::{Amount, Balance, NotDecimal};
pub use recorder::{Lost, OnLost, Recorded, Recorder};
pub use row::{ROW_MAX, Row, RowKind};
pub use spool::{Limits, Spool, SpoolError};
pub use spooling::{Spooling, Standing};
pub use time::{fresh_ref, rfc3339};
pub use transport::{Response, Transport};
pub use who::{ActorKind, Who};
