//! Tables of the bank's own PostgreSQL, captured by triggers: its database is another one of the same cluster.

mod draining;
mod entries;
mod house;
mod installing;
mod load;
mod reconciling;

pub use house::Core;
