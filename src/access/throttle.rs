//! How long the next attempt to sign in must wait: after five wrong passwords ever longer, after
//! ten for half an hour.

use crate::clock::{MINUTE, Moment, SECOND};

/// Wrong passwords after which each further attempt must wait.
const SLOW_AFTER: i32 = 5;
/// The first wait; each further one is twice as long, microseconds.
const SLOW_FIRST: i64 = 5 * SECOND;
/// Wrong passwords after which the account waits for [`LOCK`].
const LOCK_AFTER: i32 = 10;
/// Microseconds.
const LOCK: i64 = 30 * MINUTE;

/// Failures and waiting time after one more wrong password at `now`.
pub(super) fn after_failure(failures: i32, now: Moment) -> (i32, Option<Moment>) {
    let failures = failures.saturating_add(1);
    let wait = match failures {
        n if n >= LOCK_AFTER => Some(LOCK),
        n if n >= SLOW_AFTER => Some(SLOW_FIRST << (n - SLOW_AFTER)),
        _ => None,
    };
    (failures, wait.map(|wait| now.plus(wait)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_and_ends_in_a_lock() {
        let waits: Vec<Option<i64>> = (0..11).map(|n| after_failure(n, Moment(0)).1.map(|m| m.0 / SECOND)).collect();
        let expected = [None, None, None, None, Some(5), Some(10), Some(20), Some(40), Some(80), Some(1800), Some(1800)];
        assert_eq!(waits, expected);
        assert_eq!(after_failure(i32::MAX, Moment(0)).0, i32::MAX);
    }
}
