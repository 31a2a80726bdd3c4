//! Archives of closed ranges: made, verified alone, tampered with, killed half-way, read again.

mod erased;
pub mod house;
mod killed;
mod nightly;
mod read;
mod restored;
mod shell;
mod tampered;
mod verified;
