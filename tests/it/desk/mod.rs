//! The officer's desk: what one proposes there and another approves, from the pages and from the shell.

mod by_user;
mod explaining;
mod house;
mod restoring;
mod revealing;
mod reversing;
mod telling;
mod travelling;

pub use house::{approve, ending, officer, page, proposal_of, send, state};
