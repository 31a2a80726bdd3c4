//! Tables of the bank's own PostgreSQL, captured by triggers: its database is another one of the same cluster.

mod draining;
mod entries;
mod hiding;
mod house;
mod installing;
mod load;
mod owners;
mod reconciling;
mod restoring;
mod sealed;

pub use house::Core;
