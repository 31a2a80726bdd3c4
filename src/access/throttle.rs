//! How long the next attempt to sign in must wait, by where it comes from and for whom.
//!
//! Wrong passwords count against the address *and* the account they were tried on: five in a row
//! make that pair wait, ever longer, ten make it wait half an hour. Nobody can lock an officer out
//! from elsewhere. Besides, an address has a budget of wrong passwords over all accounts; a pair
//! that has signed in before is not held to it, so that a neighbour behind the same address cannot
//! use it up. An attempt counts when it begins, so that many at once gain nothing, and is given back
//! when it succeeds. All of it is in memory, bounded, and over when the process ends.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use crate::clock::{MINUTE, Moment, SECOND};

use super::digest;

/// Wrong passwords of a pair after which each further attempt must wait.
const SLOW_AFTER: u32 = 5;
/// The first wait; each further one is twice as long, microseconds.
const SLOW_FIRST: i64 = 5 * SECOND;
/// Wrong passwords of a pair after which it waits for [`LOCK`].
const LOCK_AFTER: u32 = 10;
/// Microseconds.
const LOCK: i64 = 30 * MINUTE;
/// Wrong passwords that one address may try on all accounts together within [`BUDGET_TIME`].
const BUDGET: u32 = 50;
/// Microseconds.
const BUDGET_TIME: i64 = 30 * MINUTE;
/// Pairs, and addresses, remembered at most; the one not heard of for longest is forgotten first.
const REMEMBERED_MAX: usize = 20_000;

/// One attempt's place: the network it comes from and the account it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    network: String,
    account: [u8; 32],
}

impl Place {
    /// Of an attempt on this address of an account (known or not) from this IP address.
    pub(super) fn new(email: &str, ip: Option<&str>) -> Place {
        Place { network: network(ip), account: digest(email.as_bytes()) }
    }
}

/// What one customer of a network shares: an IPv4 address, or the first 64 bits of an IPv6 one.
pub(super) fn network(ip: Option<&str>) -> String {
    let Some(text) = ip else { return String::new() };
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => Ipv6Addr::from(u128::from(ip) >> 64 << 64).to_string(),
        _ => text.to_owned(),
    }
}

#[derive(Clone, Debug, Default)]
struct Pair {
    /// Attempts since the last right password.
    failures: u32,
    until: Moment,
    heard: Moment,
    /// It has signed in before.
    familiar: bool,
    /// What recognised the password then: with another password everything begins anew.
    credential: Option<[u8; 32]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    since: Moment,
    failures: u32,
    heard: Moment,
}

#[derive(Debug, Default)]
struct Known {
    pairs: HashMap<Place, Pair>,
    budgets: HashMap<String, Budget>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    known: Mutex<Known>,
}

impl Throttle {
    /// Begins an attempt at `now`; `false` if this place must wait. `credential` is the account's,
    /// if there is such an account.
    pub(super) fn enter(&self, place: &Place, credential: Option<&str>, now: Moment) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { pairs, budgets } = &mut *known;
        let credential = credential.map(|text| digest(text.as_bytes()));
        let pair = remembered(pairs, place, now, |pair| pair.heard);
        if pair.credential != credential {
            *pair = Pair { credential, ..Pair::default() };
        }
        pair.heard = now;
        let budget = remembered(budgets, &place.network, now, |budget| budget.heard);
        budget.heard = now;
        if now.0.saturating_sub(budget.since.0) >= BUDGET_TIME {
            *budget = Budget { since: now, failures: 0, heard: now };
        }
        if now < pair.until || (!pair.familiar && budget.failures >= BUDGET) {
            return false;
        }
        pair.failures = pair.failures.saturating_add(1);
        pair.until = now.plus(wait(pair.failures));
        if !pair.familiar {
            budget.failures += 1;
        }
        true
    }

    /// The attempt succeeded: it is given back, and with it those before it.
    pub(super) fn succeeded(&self, place: &Place) {
        self.give_back(place, true);
    }

    /// The attempt was not looked at: it is given back, and nothing else is.
    pub(super) fn undo(&self, place: &Place) {
        self.give_back(place, false);
    }

    fn give_back(&self, place: &Place, succeeded: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pair) = known.pairs.get_mut(place) else { return };
        let was_familiar = pair.familiar;
        pair.until = Moment::default();
        pair.failures = if succeeded { 0 } else { pair.failures.saturating_sub(1) };
        pair.familiar |= succeeded;
        if let Some(budget) = known.budgets.get_mut(&place.network).filter(|_| !was_familiar) {
            budget.failures = budget.failures.saturating_sub(1);
        }
    }
}

/// How long a pair waits after this many wrong passwords, microseconds.
pub(super) fn wait(failures: u32) -> i64 {
    match failures {
        n if n >= LOCK_AFTER => LOCK,
        n if n >= SLOW_AFTER => SLOW_FIRST << (n - SLOW_AFTER),
        _ => 0,
    }
}

/// The entry of `key`, making room for it.
fn remembered<'a, K: Clone + Eq + Hash, V: Default>(
    all: &'a mut HashMap<K, V>,
    key: &K,
    now: Moment,
    heard: impl Fn(&V) -> Moment,
) -> &'a mut V {
    if all.len() >= REMEMBERED_MAX && !all.contains_key(key) {
        // Half an hour without an attempt leaves nothing to remember; else the older half goes.
        all.retain(|_, value| now.0.saturating_sub(heard(value).0) < LOCK);
        if all.len() >= REMEMBERED_MAX {
            let mut times: Vec<i64> = all.values().map(|value| heard(value).0).collect();
            let (_, middle, _) = times.select_nth_unstable(REMEMBERED_MAX / 2);
            let middle = *middle;
            all.retain(|_, value| heard(value).0 > middle);
        }
    }
    all.entry(key.clone()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Option<&str> = Some("192.0.2.7");

    fn place(email: &str, ip: &str) -> Place {
        Place::new(email, Some(ip))
    }

    #[test]
    fn waiting_grows_and_ends_in_half_an_hour() {
        let waits: Vec<i64> = (0..12).map(|n| wait(n) / SECOND).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 5, 10, 20, 40, 80, 1800, 1800]);
    }

    #[test]
    fn nobody_is_made_to_wait_for_what_others_tried_elsewhere() {
        let throttle = Throttle::default();
        for n in 0..200 {
            throttle.enter(&place("ada", &format!("198.51.100.{}", n % 4)), Some("c"), Moment(n));
        }
        assert!(throttle.enter(&Place::new("ada", HOME), Some("c"), Moment(200)));
    }

    #[test]
    fn an_address_has_a_budget_that_a_familiar_pair_does_not_need() {
        let throttle = Throttle::default();
        let ada = Place::new("ada", HOME);
        assert!(throttle.enter(&ada, Some("c"), Moment(0)));
        throttle.succeeded(&ada);
        let tried = (0..500).filter(|n| throttle.enter(&place(&format!("guess {n}"), "192.0.2.7"), None, Moment(*n))).count();
        assert_eq!(tried, BUDGET as usize);
        assert!(throttle.enter(&ada, Some("c"), Moment(501)));
        assert!(!throttle.enter(&Place::new("bob", HOME), Some("b"), Moment(501)));
        assert!(throttle.enter(&Place::new("bob", HOME), Some("b"), Moment(BUDGET_TIME + 1)));
    }

    #[test]
    fn another_password_begins_anew_and_what_was_not_looked_at_does_not_count() {
        let throttle = Throttle::default();
        let ada = Place::new("ada", HOME);
        let tried = (0..20).filter(|_| throttle.enter(&ada, Some("old"), Moment(0))).count();
        assert_eq!(tried, 5, "many at once get no further than one after the other");
        assert!(throttle.enter(&ada, Some("new"), Moment(0)));
        for _ in 0..20 {
            throttle.undo(&ada);
            assert!(throttle.enter(&ada, Some("new"), Moment(0)));
        }
    }

    #[test]
    fn networks_are_what_one_customer_has() {
        assert_eq!(network(Some("2001:db8:1:2:3:4:5:6")), network(Some("2001:db8:1:2::9")));
        assert_ne!(network(Some("2001:db8:1:2::1")), network(Some("2001:db8:1:3::1")));
        assert_ne!(network(Some("192.0.2.7")), network(None));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..(REMEMBERED_MAX as i64 + 10) {
            throttle.enter(&place("ada", &format!("net {n}")), None, Moment(n));
        }
        let known = throttle.known.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(known.pairs.len() <= REMEMBERED_MAX && known.budgets.len() <= REMEMBERED_MAX);
        assert!(known.pairs.contains_key(&place("ada", &format!("net {}", REMEMBERED_MAX + 9))));
    }
}
