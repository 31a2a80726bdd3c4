//! The two stages run on one thread, step by step, in an order and with faults that a seed decides.
#![allow(clippy::unwrap_used)]

mod client;
mod simulation;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that follow from a seed alone (splitmix64).
#[derive(Clone)]
pub struct Dice(Arc<AtomicU64>);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Arc::new(AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    pub fn roll(&self, sides: u64) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    pub fn one_in(&self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}
