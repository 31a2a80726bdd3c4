//! What keys read: noted in memory as it is answered, and written once a minute, one event for each key.
//!
//! A program may read thousands of accounts a minute, and no answer waits for the record of it. Each event
//! counts the reads by kind, answered or not, and lists the accounts and records they showed by our own
//! numbers, [`LISTED_MAX`] at most; reads of others are counted as not listed. What cannot be written is kept
//! and written with the next minute; where that fails for [`UNWRITTEN_MAX`], keys read nothing any more. A
//! process that is killed loses what it noted since the last minute; one that is asked to leave writes it.
//!
//! Not here: what an officer looks at: each view is an event of its own, and the page waits for it (`web`).

mod counts;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::clock::{MINUTE, Moment};
use crate::ids::Seq;
use crate::trail::{ActError, Log, NewEvent};

pub use counts::{Counts, LINES_MAX, ReadBy, about_customers, counts};

/// The kind of the event.
pub const READ: &str = "key.read";
/// Accounts and records listed in one event.
pub const LISTED_MAX: usize = 500;
/// Addresses listed in one event.
const ADDRESSES_MAX: usize = 20;
/// Keys told apart; those beyond share one event, which names none.
const KEYS_MAX: usize = 4_096;
/// Events written in one transaction.
const AT_ONCE: usize = 20;
/// For how long reads may go on whose record cannot be written, microseconds.
pub const UNWRITTEN_MAX: i64 = 10 * MINUTE;

/// What a read showed, by our own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An account.
    Account(Seq),
    /// A record.
    Record(Seq),
}

/// One read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What was asked for, by the stable name of its route.
    pub kind: &'static str,
    /// Whether it was told.
    pub answered: bool,
    /// What the answer showed.
    pub subjects: Vec<Subject>,
    /// Whence.
    pub ip: Option<String>,
}

/// Reads of one key that are in no event yet.
#[derive(Debug)]
struct Pending {
    from: Moment,
    to: Moment,
    /// Answered and not, by kind.
    kinds: BTreeMap<&'static str, (u64, u64)>,
    subjects: BTreeMap<Subject, u64>,
    unlisted: u64,
    ips: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Notes {
    /// By key; `None`: those beyond the bound.
    keys: BTreeMap<Option<Seq>, Pending>,
    /// Since when they cannot be written.
    failing: Option<Moment>,
}

/// The reads of this process that are in no event yet.
#[derive(Debug, Default)]
pub(super) struct Reads {
    notes: Mutex<Notes>,
}

impl Reads {
    /// Notes a read; never waits for a database.
    pub(super) fn note(&self, now: Moment, key: Seq, read: Read) {
        let mut notes = self.lock();
        let apart = notes.keys.len() < KEYS_MAX || notes.keys.contains_key(&Some(key));
        notes.keys.entry(apart.then_some(key)).or_insert_with(|| Pending::new(now)).add(now, read);
    }

    /// Whether reads go on for too long that cannot be recorded.
    pub(super) fn overdue(&self, now: Moment) -> bool {
        self.lock().failing.is_some_and(|since| now.0 - since.0 > UNWRITTEN_MAX)
    }

    /// Writes an event for each key that has read; what cannot be written is kept.
    pub(super) fn write(&self, log: &Log, now: Moment) -> Result<(), ActError> {
        let mut left = std::mem::take(&mut self.lock().keys);
        while !left.is_empty() {
            let some: Vec<Option<Seq>> = left.keys().take(AT_ONCE).copied().collect();
            let events = some.iter().filter_map(|key| Some(left.get(key)?.event(*key))).collect();
            if let Err(error) = log.append_all(events) {
                self.put_back(now, left);
                return Err(error);
            }
            some.iter().for_each(|key| drop(left.remove(key)));
        }
        self.lock().failing = None;
        Ok(())
    }

    fn put_back(&self, now: Moment, left: BTreeMap<Option<Seq>, Pending>) {
        let mut notes = self.lock();
        notes.failing.get_or_insert(now);
        for (key, pending) in left {
            match notes.keys.get_mut(&key) {
                Some(newer) => newer.merge(pending),
                None => drop(notes.keys.insert(key, pending)),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn new(now: Moment) -> Pending {
        Pending { from: now, to: now, kinds: BTreeMap::new(), subjects: BTreeMap::new(), unlisted: 0, ips: BTreeMap::new() }
    }

    fn add(&mut self, now: Moment, read: Read) {
        self.to = self.to.max(now);
        let (answered, not) = self.kinds.entry(read.kind).or_default();
        *if read.answered { answered } else { not } += 1;
        read.subjects.into_iter().for_each(|subject| self.list(subject, 1));
        if let Some(ip) = read.ip {
            self.seen_at(ip, 1);
        }
    }

    fn list(&mut self, subject: Subject, n: u64) {
        if self.subjects.len() < LISTED_MAX || self.subjects.contains_key(&subject) {
            *self.subjects.entry(subject).or_default() += n;
        } else {
            self.unlisted += n;
        }
    }

    /// Those beyond the bound share one count.
    fn seen_at(&mut self, ip: String, n: u64) {
        let apart = self.ips.len() < ADDRESSES_MAX || self.ips.contains_key(&ip);
        *self.ips.entry(if apart { ip } else { "others".to_owned() }).or_default() += n;
    }

    fn merge(&mut self, other: Pending) {
        (self.from, self.to) = (self.from.min(other.from), self.to.max(other.to));
        for (kind, (answered, not)) in other.kinds {
            let sums = self.kinds.entry(kind).or_default();
            *sums = (sums.0 + answered, sums.1 + not);
        }
        other.subjects.into_iter().for_each(|(subject, n)| self.list(subject, n));
        self.unlisted += other.unlisted;
        other.ips.into_iter().for_each(|(ip, n)| self.seen_at(ip, n));
    }

    /// Numbers of ours and counts in public; whence in private.
    fn event(&self, key: Option<Seq>) -> NewEvent {
        let of = |wanted: fn(&Subject) -> Option<Seq>| -> Vec<Value> {
            self.subjects.iter().filter_map(|(subject, n)| Some(json!([wanted(subject)?, n]))).collect()
        };
        let kinds: BTreeMap<_, _> = self.kinds.iter().map(|(kind, (done, not))| (kind, json!([done, not]))).collect();
        let counted: u64 = self.kinds.values().map(|(answered, not)| answered + not).sum();
        let body = json!({
            "key": key, "from": self.from.to_string(), "to": self.to.to_string(), "counted": counted, "kinds": kinds,
            "accounts": of(|subject| match subject { Subject::Account(id) => Some(*id), Subject::Record(_) => None }),
            "records": of(|subject| match subject { Subject::Record(id) => Some(*id), Subject::Account(_) => None }),
            "unlisted": self.unlisted,
        });
        NewEvent::with_private(READ, body, json!({ "ips": self.ips }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trail::testing::Bench;

    fn read(kind: &'static str, answered: bool, subject: Option<Subject>) -> Read {
        Read { kind, answered, subjects: subject.into_iter().collect(), ip: Some("192.0.2.7".to_owned()) }
    }

    #[test]
    fn a_minute_s_reads_are_one_event_for_each_key_with_nothing_personal_in_public() {
        let (bench, reads) = (Bench::new(), Reads::default());
        for _ in 0..3 {
            reads.note(bench.clock.now(), 7, read("account", true, Some(Subject::Account(12))));
        }
        reads.note(bench.clock.now(), 7, read("record", true, Some(Subject::Record(13))));
        reads.note(bench.clock.now(), 7, read("entry", false, None));
        reads.note(bench.clock.now(), 8, read("tile", true, None));
        assert_eq!(bench.events(READ).len(), 0, "no read waits for it");
        reads.write(&bench.log, bench.clock.now()).unwrap();
        reads.write(&bench.log, bench.clock.now()).unwrap();
        let events = bench.events(READ);
        assert_eq!(events.len(), 2);
        let (_, body, private) = &events[0];
        assert_eq!((&body["key"], &body["counted"], &body["unlisted"]), (&json!(7), &json!(5), &json!(0)));
        assert_eq!(body["kinds"], json!({ "account": [3, 0], "record": [1, 0], "entry": [0, 1] }));
        assert_eq!((&body["accounts"], &body["records"]), (&json!([[12, 3]]), &json!([[13, 1]])));
        assert!(!body.to_string().contains("192.0.2.7"));
        assert_eq!(private.as_ref().unwrap()["ips"], json!({ "192.0.2.7": 5 }));
    }

    #[test]
    fn the_list_is_bounded_and_says_what_it_leaves_out() {
        let (bench, reads) = (Bench::new(), Reads::default());
        for n in 0..(LISTED_MAX as i64 + 100) {
            let ip = Some(format!("2001:db8:ffff:ffff:ffff:ffff:ffff:{n:x}"));
            let subjects = vec![Subject::Account(i64::MAX - n)];
            reads.note(bench.clock.now(), i64::MAX, Read { kind: "account", answered: true, subjects, ip });
        }
        reads.write(&bench.log, bench.clock.now()).unwrap();
        let (_, body, private) = bench.events(READ).remove(0);
        assert_eq!(body["accounts"].as_array().unwrap().len(), LISTED_MAX);
        assert_eq!((&body["counted"], &body["unlisted"]), (&json!(600), &json!(100)));
        let ips = private.unwrap()["ips"].clone();
        assert_eq!((ips.as_object().unwrap().len(), &ips["others"]), (ADDRESSES_MAX + 1, &json!(580)));
    }

    #[test]
    fn what_cannot_be_written_is_kept_and_after_a_while_nothing_more_is_read() {
        let (bench, reads) = (Bench::new(), Reads::default());
        let now = bench.clock.now();
        reads.note(now, 7, read("account", true, Some(Subject::Account(12))));
        let nowhere = Log::new(std::sync::Arc::new(crate::trail::testing::Nowhere));
        assert!(reads.write(&nowhere, now).is_err());
        reads.note(now.plus(MINUTE), 7, read("account", true, Some(Subject::Account(12))));
        assert!(!reads.overdue(now.plus(UNWRITTEN_MAX)));
        assert!(reads.overdue(now.plus(UNWRITTEN_MAX + 1)));
        reads.write(&bench.log, now.plus(2 * MINUTE)).unwrap();
        assert!(!reads.overdue(now.plus(2 * UNWRITTEN_MAX)));
        let (_, body, _) = bench.events(READ).remove(0);
        assert_eq!((&body["counted"], &body["accounts"]), (&json!(2), &json!([[12, 2]])));
        assert_eq!((&body["from"], &body["to"]), (&json!(now.to_string()), &json!(now.plus(MINUTE).to_string())));
    }
}
