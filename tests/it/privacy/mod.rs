//! Private parts: what an erasure takes, what it leaves, and that nothing else gets at them.

mod cards;
mod desk;
mod erasure;
pub mod house;
mod outsiders;
mod pages;
mod records;
mod register;
mod request;
mod sealing;

pub use house::{ACCOUNT, CANARIES, erased, everything, fill};
pub use sealing::ready_to_seal;
