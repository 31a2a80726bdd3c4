//! A bound on events that anyone can cause: the first of a minute singly, the rest counted.

use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::clock::{MINUTE, Moment};
use crate::trail::{ActError, ActTx, Log, NewEvent};

/// Events of one minute that are written one by one.
pub const SINGLY: u64 = 20;

/// Counts the events of one kind, minute by minute.
#[derive(Debug)]
pub(super) struct Flood {
    kind: &'static str,
    minute: Mutex<Minute>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Minute {
    start: i64,
    seen: u64,
    counted: u64,
}

/// Events of a past minute that were counted and are in no event yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// When that minute began.
    pub minute: Moment,
    /// How many there were beyond those written singly.
    pub count: u64,
}

/// What to do with one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// Write it as an event of its own.
    pub singly: bool,
    /// Write this as well: the rest of an earlier minute.
    pub earlier: Option<Counted>,
}

impl Flood {
    /// Of events of this kind.
    pub(super) fn new(kind: &'static str) -> Flood {
        Flood { kind, minute: Mutex::default() }
    }

    /// Notes one more at `now`.
    pub(super) fn note(&self, now: Moment) -> Noted {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = minute.roll(now);
        minute.seen += 1;
        let singly = minute.seen <= SINGLY;
        if !singly {
            minute.counted += 1;
        }
        Noted { singly, earlier }
    }

    /// What a minute before `now` has left to be written.
    pub(super) fn overdue(&self, now: Moment) -> Option<Counted> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner).roll(now)
    }

    /// What is left to be written, though its minute may not be over.
    pub(super) fn rest(&self) -> Option<Counted> {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = Counted { minute: Moment(minute.start), count: std::mem::take(&mut minute.counted) };
        (counted.count > 0).then_some(counted)
    }

    /// Writes what an earlier minute left, then `event`, then does what goes `with` them, in one act.
    pub(super) fn write(
        &self,
        log: &Log,
        earlier: Option<Counted>,
        event: Option<NewEvent>,
        with: impl FnOnce(&mut ActTx<'_>) -> Result<(), ActError> + Send + 'static,
    ) -> Result<(), ActError> {
        let kind = self.kind;
        let counted = earlier.map(|c| NewEvent::public(kind, json!({ "counted": c.count, "minute": c.minute.to_string() })));
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
        minute.counted = minute.counted.saturating_add(counted.count);
    }
}

impl Minute {
    /// Begins the minute of `now` if it is another one, whichever way the clock went.
    fn roll(&mut self, now: Moment) -> Option<Counted> {
        let start = now.0 - now.0.rem_euclid(MINUTE);
        if start == self.start {
            return None;
        }
        let counted = Counted { minute: Moment(self.start), count: self.counted };
        *self = Minute { start, seen: 0, counted: 0 };
        (counted.count > 0).then_some(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_twenty_of_a_minute_stand_alone_and_none_is_lost() {
        let flood = Flood::new("access.denied");
        let at = |second: i64| Moment(second * 1_000_000);
        let singly = (0..50).filter(|_| flood.note(at(3)).singly).count();
        assert_eq!(singly, 20);
        assert_eq!(flood.overdue(at(59)), None, "the minute is not over");
        let noted = flood.note(at(60));
        assert!(noted.singly);
        assert_eq!(noted.earlier, Some(Counted { minute: at(0), count: 30 }));
        assert_eq!(flood.note(at(61)).earlier, None);
    }

    #[test]
    fn what_could_not_be_written_is_counted_on() {
        let flood = Flood::new("access.denied");
        let left = Counted { minute: Moment(0), count: 30 };
        flood.note(Moment(MINUTE));
        flood.put_back(left);
        assert_eq!(flood.overdue(Moment(2 * MINUTE)).map(|c| c.count), Some(30));
        assert_eq!(flood.overdue(Moment(3 * MINUTE)), None);
    }
}
