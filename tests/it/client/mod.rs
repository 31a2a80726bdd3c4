//! `counterfoil-client` against the real server.

mod guarded;
mod house;
mod leading;
mod outbox;
mod sending;
mod spooled;
mod tree;

pub use house::{Place, items};
