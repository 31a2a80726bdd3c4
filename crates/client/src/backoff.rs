//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait, about.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait of our own.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest wait that a server may ask for.
const ASKED_MAX: Duration = Duration::from_secs(300);

/// Ever longer waits, each up to a quarter longer or shorter by chance, so that many senders do not come back at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure; never shorter than the server asks for.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let base = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let mut chance = [128_u8; 1];
        // Without chance it is the middle.
        let _ = getrandom::fill(&mut chance);
        let wait = base * 3 / 4 + base / 2 * u32::from(chance[0]) / 255;
        wait.max(asked.unwrap_or_default().min(ASKED_MAX))
    }

    /// Something was taken.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_respect_what_the_server_asks() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next(None)).collect();
        assert!(waits[0] <= Duration::from_millis(250) && waits[0] >= Duration::from_millis(150));
        assert!(waits.windows(2).take(6).all(|pair| pair[1] > pair[0]), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST * 5 / 4) && waits[39] >= LONGEST * 3 / 4);
        assert_eq!(backoff.next(Some(Duration::from_secs(120))), Duration::from_secs(120));
        assert_eq!(backoff.next(Some(Duration::from_secs(86_400))), ASKED_MAX, "no server stops us for a day");
        backoff.reset();
        assert!(backoff.next(None) < Duration::from_secs(1));
    }
}
