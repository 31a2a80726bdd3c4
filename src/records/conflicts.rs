//! Sending other content under a reference that is known: the conflict itself tells that the content was
//! another, so that whoever knows all of a change but a sealed value could try one value after another. After
//! some conflicts a repetition of that reference by that key is refused for a while, whatever it holds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::{HOUR, Moment};
use crate::ids::Seq;
use crate::ledger::Refusal;

/// Conflicts of one key on one reference within an hour of the first, before nothing is compared any more.
const CONFLICTS_MAX: u32 = 10;
/// References that are counted at once; of more the one that began first is forgotten.
const COUNTED_MAX: usize = 10_000;

/// A key and the change that has the reference.
type Guess = (Seq, Seq);

/// Since when, and how many.
#[derive(Clone, Copy, Debug)]
struct Count {
    since: Moment,
    conflicts: u32,
}

/// Conflicts of the last hour, by this process.
#[derive(Debug, Default)]
pub struct Conflicts {
    counts: Mutex<HashMap<Guess, Count>>,
}

impl Count {
    fn is_over(&self, now: Moment) -> bool {
        now.0 - self.since.0 >= HOUR
    }
}

impl Conflicts {
    /// The refusal of a reference on which a key had too many conflicts.
    pub fn exhausted(&self, guess: Guess, now: Moment) -> Option<Refusal> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&guess).filter(|count| !count.is_over(now) && count.conflicts >= CONFLICTS_MAX)?;
        let detail = format!(
            "the reference was sent {CONFLICTS_MAX} times with other content than {} has; until {} it is not compared",
            guess.1,
            Moment(count.since.0 + HOUR)
        );
        let field = Some("source_ref".to_owned());
        Some(Refusal { status: 429, code: "too_many_conflicts", field, detail, first: Some(guess.1) })
    }

    /// Counts a conflict.
    pub fn count(&self, guess: Guess, now: Moment) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTED_MAX && !counts.contains_key(&guess) {
            counts.retain(|_, count| !count.is_over(now));
            let first = counts.iter().min_by_key(|(_, count)| count.since.0).map(|(guess, _)| *guess);
            if let Some(first) = first.filter(|_| counts.len() >= COUNTED_MAX) {
                counts.remove(&first);
            }
        }
        let fresh = Count { since: now, conflicts: 0 };
        let count = counts.entry(guess).or_insert(fresh);
        if count.is_over(now) {
            *count = fresh;
        }
        count.conflicts += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_ten_conflicts_within_an_hour_nothing_is_compared_until_the_hour_is_over() {
        let conflicts = Conflicts::default();
        let refused = |guess: Guess, at: i64| conflicts.exhausted(guess, Moment(at)).map(|refusal| refusal.status);
        for n in 0..CONFLICTS_MAX {
            assert_eq!(refused((1, 7), i64::from(n)), None, "{n}");
            conflicts.count((1, 7), Moment(i64::from(n)));
        }
        assert_eq!(refused((1, 7), HOUR - 1), Some(429));
        assert_eq!((refused((1, 8), 10), refused((2, 7), 10)), (None, None), "another reference, another key");
        assert_eq!(refused((1, 7), HOUR), None);
        conflicts.count((1, 7), Moment(HOUR));
        assert_eq!(refused((1, 7), HOUR + 1), None, "counted anew");
    }

    #[test]
    fn so_many_references_are_counted_and_not_more() {
        let conflicts = Conflicts::default();
        for n in 0..COUNTED_MAX as i64 + 5 {
            conflicts.count((1, n), Moment(n));
        }
        let counts = conflicts.counts.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(counts.len() == COUNTED_MAX && !counts.contains_key(&(1, 4)) && counts.contains_key(&(1, 5)));
    }
}
