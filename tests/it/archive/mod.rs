//! Archives of closed ranges: made, verified alone, tampered with, killed half-way, read again.

mod erased;
mod house;
mod killed;
mod nightly;
mod restored;
mod tampered;
mod verified;
