//! What the tests need from outside the product: a throwaway PostgreSQL, an
//! SMTP server that misbehaves on request, a headless browser, and the built
//! program itself.
//!
//! Nothing here skips a test. What is missing on the machine makes the test
//! fail with a message that names the package and the script that installs it.
#![allow(dead_code, reason = "helpers are written for the whole suite, not for one caller each")]

pub mod browser;
pub mod cluster;
pub mod mail;
pub mod program;
pub mod python;
pub mod reaper;
pub mod rsyslog;
pub mod smtp;
pub mod tls;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// How every "missing on this machine" message ends.
const INSTALL: &str = "run `scripts/setup`, which lists what is missing and installs it";

/// How many rounds a randomised or repeated test does: `COUNTERFOIL_ROUNDS`
/// when it is set (`.ci/long` sets it), otherwise `default`.
pub fn rounds(default: u32) -> u32 {
    match std::env::var("COUNTERFOIL_ROUNDS") {
        Ok(text) => text.trim().parse().unwrap_or_else(|_| panic!("COUNTERFOIL_ROUNDS is {text:?}, not a whole number")),
        Err(_) => default,
    }
}

/// A TCP port on 127.0.0.1 that nobody listens on.
///
/// Asking the kernel for port 0 would give one from the ephemeral range, which
/// any outgoing connection of a test running beside this one may take before
/// the server is up. So the ports come from below that range, each process
/// starting elsewhere.
pub fn free_port() -> u16 {
    const FIRST: u16 = 18_000;
    const COUNT: u16 = 14_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Process ids are near each other: the factor spreads them over the range.
    let start = (std::process::id().wrapping_mul(613) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free TCP port between {FIRST} and {}", FIRST + COUNT);
}
