//! A bound on events that anyone can cause: the first of a minute and address singly, the rest counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::clock::{MINUTE, Moment};
use crate::trail::{ActError, ActTx, Log, NewEvent};

use super::throttle::network;

/// Events of one minute and address that are written one by one.
pub const SINGLY: u64 = 20;
/// Events of one minute that are written one by one, whatever they come from.
const SINGLY_IN_ALL: u64 = 500;
/// Addresses told apart within a minute; those beyond share one count.
const ADDRESSES_MAX: usize = 10_000;
/// Addresses named in the event that counts.
const NAMED_MAX: usize = 50;

/// Counts the events of one kind, minute by minute.
#[derive(Debug)]
pub(super) struct Flood {
    kind: &'static str,
    minute: Mutex<Minute>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Minute {
    start: i64,
    singly: u64,
    seen: BTreeMap<String, u64>,
    counted: BTreeMap<String, u64>,
}

/// Events of a past minute that were counted and are in no event yet, by the address they came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// When that minute began.
    pub minute: Moment,
    by_address: BTreeMap<String, u64>,
}

/// What to do with one more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// Write it as an event of its own.
    pub singly: bool,
    /// Write this as well: the rest of an earlier minute.
    pub earlier: Option<Counted>,
}

impl Counted {
    /// How many there were beyond those written singly.
    pub(super) fn count(&self) -> u64 {
        self.by_address.values().sum()
    }

    /// The event that counts them: how many in public, from where in private.
    fn event(&self, kind: &'static str) -> NewEvent {
        let body = json!({ "counted": self.count(), "addresses": self.by_address.len(), "minute": self.minute.to_string() });
        let mut addresses: Vec<(&String, &u64)> = self.by_address.iter().collect();
        addresses.sort_by_key(|(address, n)| (std::cmp::Reverse(**n), *address));
        addresses.truncate(NAMED_MAX);
        NewEvent::with_private(kind, body, json!({ "addresses": addresses }))
    }
}

impl Flood {
    /// Of events of this kind.
    pub(super) fn new(kind: &'static str) -> Flood {
        Flood { kind, minute: Mutex::default() }
    }

    /// Notes one more from `ip` at `now`.
    pub(super) fn note(&self, now: Moment, ip: Option<&str>) -> Noted {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = minute.roll(now);
        Noted { singly: minute.note(network(ip)), earlier }
    }

    /// Counts one more from `ip`, which is not written singly: it is in what is left to be written.
    pub(super) fn count(&self, now: Moment, ip: Option<&str>) {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.counted.is_empty() {
            minute.start = now.0 - now.0.rem_euclid(MINUTE);
        }
        add(&mut minute.counted, network(ip), 1);
    }

    /// What a minute before `now` has left to be written.
    pub(super) fn overdue(&self, now: Moment) -> Option<Counted> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner).roll(now)
    }

    /// What is left to be written, though its minute may not be over.
    pub(super) fn rest(&self) -> Option<Counted> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes what an earlier minute left, then `event`.
    pub(super) fn write(&self, log: &Log, earlier: Option<Counted>, event: Option<NewEvent>) -> Result<(), ActError> {
        let counted = earlier.as_ref().map(|counted| counted.event(self.kind));
        let written = log.append_all(counted.into_iter().chain(event).collect());
        if let (Err(_), Some(earlier)) = (&written, earlier) {
            self.put_back(earlier);
        }
        written.map(drop)
    }

    /// The same, then does what goes `with` them, in one act.
    pub(super) fn write_with(
        &self,
        log: &Log,
        earlier: Option<Counted>,
        event: Option<NewEvent>,
        with: impl FnOnce(&mut ActTx<'_>) -> Result<(), ActError> + Send + 'static,
    ) -> Result<(), ActError> {
        let counted = earlier.as_ref().map(|counted| counted.event(self.kind));
        let written = log.act(move |tx| {
            for event in counted.into_iter().chain(event) {
                tx.append(event)?;
            }
            with(tx)
        });
        if let (Err(_), Some(earlier)) = (&written, earlier) {
            self.put_back(earlier);
        }
        written
    }

    /// What could not be written is counted with the present minute.
    fn put_back(&self, counted: Counted) {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        for (address, n) in counted.by_address {
            add(&mut minute.counted, address, n);
        }
    }
}

/// Adds to the count of an address, or to that of all the others.
fn add(counts: &mut BTreeMap<String, u64>, address: String, n: u64) -> u64 {
    let apart = counts.len() < ADDRESSES_MAX || counts.contains_key(&address);
    let count = counts.entry(if apart { address } else { String::new() }).or_default();
    *count = count.saturating_add(n);
    *count
}

impl Minute {
    /// Notes one from `address`; answers whether it is written singly.
    fn note(&mut self, address: String) -> bool {
        let singly = add(&mut self.seen, address.clone(), 1) <= SINGLY && self.singly < SINGLY_IN_ALL;
        if singly {
            self.singly += 1;
        } else {
            add(&mut self.counted, address, 1);
        }
        singly
    }

    /// Begins the minute of `now` if it is another one, whichever way the clock went.
    fn roll(&mut self, now: Moment) -> Option<Counted> {
        let start = now.0 - now.0.rem_euclid(MINUTE);
        if start == self.start {
            return None;
        }
        let counted = self.take();
        *self = Minute { start, ..Minute::default() };
        counted
    }

    fn take(&mut self) -> Option<Counted> {
        let by_address = std::mem::take(&mut self.counted);
        (!by_address.is_empty()).then_some(Counted { minute: Moment(self.start), by_address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Moment {
        Moment(second * 1_000_000)
    }

    #[test]
    fn the_first_twenty_of_a_minute_and_address_stand_alone_and_none_is_lost() {
        let flood = Flood::new("access.denied");
        let singly = |ip| (0..50).filter(|_| flood.note(at(3), Some(ip)).singly).count();
        assert_eq!(singly("192.0.2.7"), 20);
        assert_eq!(singly("192.0.2.8"), 20, "one address's flood hides no other address");
        assert_eq!(flood.overdue(at(59)), None, "the minute is not over");
        let noted = flood.note(at(60), None);
        let earlier = noted.earlier.as_ref().map(|c| (c.minute, c.count(), c.by_address.len()));
        assert_eq!((noted.singly, earlier), (true, Some((at(0), 60, 2))));
        assert_eq!(flood.note(at(61), None).earlier, None);
    }

    #[test]
    fn many_addresses_together_are_bounded_too() {
        let flood = Flood::new("access.denied");
        let singly = (0..20_000).filter(|n| flood.note(at(3), Some(&format!("net {n}"))).singly).count();
        assert_eq!(singly as u64, SINGLY_IN_ALL);
        let counted = flood.rest().map(|c| (c.count(), c.by_address.len(), c.event("access.denied")));
        let (count, addresses, event) = counted.unwrap_or((0, 0, NewEvent::public("", json!({}))));
        assert_eq!((count, addresses <= ADDRESSES_MAX + 1), (19_500, true));
        assert_eq!(event.private.and_then(|p| p["addresses"].as_array().map(Vec::len)), Some(NAMED_MAX));
    }

    #[test]
    fn what_is_only_counted_is_left_to_be_written_at_any_time() {
        let flood = Flood::new("access.redirected");
        (0..30).for_each(|n| flood.count(at(50 + n), Some("192.0.2.7")));
        assert_eq!(flood.rest().map(|c| (c.minute, c.count())), Some((at(0), 30)));
        assert_eq!(flood.rest(), None);
        flood.count(at(130), None);
        assert_eq!(flood.rest().map(|c| (c.minute, c.count())), Some((at(120), 1)));
    }

    #[test]
    fn what_could_not_be_written_is_counted_on() {
        let flood = Flood::new("access.denied");
        let left = Counted { minute: Moment(0), by_address: BTreeMap::from([("192.0.2.7".to_owned(), 30)]) };
        flood.note(Moment(MINUTE), None);
        flood.put_back(left);
        assert_eq!(flood.overdue(Moment(2 * MINUTE)).map(|c| c.count()), Some(30));
        assert_eq!(flood.overdue(Moment(3 * MINUTE)), None);
    }
}
