//! When a mail leaves: grouping and retries, as pure functions of times.

use crate::clock::{HOUR, MINUTE, Moment};

/// What follows the first mail of a group within this many microseconds makes one mail.
pub const GROUP_WINDOW: i64 = 5 * MINUTE;

/// Waits between tries, microseconds; with [`jittered`] they add up to less than 24 hours.
const WAITS: [i64; 9] = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 4 * HOUR, 4 * HOUR, 4 * HOUR, 4 * HOUR];

/// No mail that waits is put off for longer than this.
pub const WAIT_MAX: i64 = 4 * HOUR;

/// A mail is tried this often at most, whatever `mail.attempts` says: 24 hours are over then.
pub const TRIES_MAX: u32 = WAITS.len() as u32 + 1;

/// The group of a recipient and kind, opened by its first mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// When the group ends: until then, what follows is held.
    pub until: Moment,
    /// The gravest severity that has left in the group, as stored.
    pub severity: i16,
}

/// What waits for a recipient and kind and is in no mail yet: one row or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The gravest severity among it, as stored.
    pub severity: i16,
    /// When the newest of it was owed.
    pub newest: Moment,
}

/// What becomes of what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It leaves now as one mail; the group is this from now on.
    Leave(Group),
    /// It is held until then.
    Hold(Moment),
}

/// Decides on what waits. The first mail of a group leaves at once; what follows within
/// [`GROUP_WINDOW`] is held and leaves as one mail when the group ends, except that something graver
/// than all that has left takes everything waiting with it at once.
pub fn decide(now: Moment, group: Option<Group>, waiting: Waiting) -> Decision {
    let opened = Group { until: now.plus(GROUP_WINDOW), severity: waiting.severity };
    match group {
        None => Decision::Leave(opened),
        // The clock went back by more than a group lasts: a hold must not outlive its window.
        Some(group) if group.until > now.plus(GROUP_WINDOW) => Decision::Leave(opened),
        Some(group) if now < group.until && waiting.severity > group.severity => {
            Decision::Leave(Group { severity: waiting.severity, ..group })
        }
        Some(group) if now < group.until => Decision::Hold(group.until),
        // Only what the group held back: its last mail, which opens no new group.
        Some(group) if waiting.newest < group.until => Decision::Leave(group),
        Some(_) => Decision::Leave(opened),
    }
}

/// The wait before the next try after `tries` failed ones, microseconds; `None`: the mail is dead.
/// `limit` is `mail.attempts`; `chance` is random and spreads retries over a tenth of the wait.
pub fn next_wait(tries: u32, limit: u32, chance: u16) -> Option<i64> {
    if tries >= limit.max(1) {
        return None;
    }
    let wait = WAITS.get(tries.checked_sub(1)? as usize)?;
    Some(jittered(*wait, chance))
}

fn jittered(wait: i64, chance: u16) -> i64 {
    wait - wait / 10 * i64::from(chance) / i64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::{DAY, SECOND};

    const LOW: i16 = 1;
    const MEDIUM: i16 = 2;
    const HIGH: i16 = 3;
    const CRITICAL: i16 = 4;

    fn at(seconds: i64) -> Moment {
        Moment(1_000 * DAY).plus(seconds * SECOND)
    }

    /// Plays alerts (second, severity) and answers mails (second, alerts in it), looking every second.
    fn play(alerts: &[(i64, i16)], until: i64) -> Vec<(i64, usize)> {
        let (mut group, mut mails, mut waiting) = (None, Vec::new(), Vec::<(i64, i16)>::new());
        for second in 0..=until {
            waiting.extend(alerts.iter().filter(|(when, _)| *when == second));
            let Some(newest) = waiting.iter().map(|(when, _)| *when).max() else { continue };
            let severity = waiting.iter().map(|(_, severity)| *severity).max().unwrap();
            if let Decision::Leave(after) = decide(at(second), group, Waiting { severity, newest: at(newest) }) {
                mails.push((second, waiting.len()));
                (group, waiting) = (Some(after), Vec::new());
            }
        }
        mails
    }

    #[test]
    fn a_group_is_its_first_mail_and_one_that_follows_it() {
        type Case<'a> = (&'a str, &'a [(i64, i16)], &'a [(i64, usize)]);
        let cases: &[Case<'_>] = &[
            ("alone, at once", &[(3, LOW)], &[(3, 1)]),
            ("together, one mail", &[(3, LOW), (3, HIGH)], &[(3, 2)]),
            ("what follows is held and makes one mail", &[(0, HIGH), (1, HIGH), (120, LOW), (299, HIGH)], &[(0, 1), (300, 3)]),
            ("graver leaves at once, with everything waiting", &[(0, LOW), (10, LOW), (20, HIGH)], &[(0, 1), (20, 2)]),
            ("equal is not graver", &[(0, HIGH), (20, HIGH)], &[(0, 1), (300, 1)]),
            (
                "graver twice",
                &[(0, LOW), (5, MEDIUM), (6, HIGH), (7, CRITICAL), (8, CRITICAL)],
                &[(0, 1), (5, 1), (6, 1), (7, 1), (300, 1)],
            ),
            ("graver does not lengthen the group", &[(0, LOW), (250, HIGH), (260, LOW)], &[(0, 1), (250, 1), (300, 1)]),
            ("after a quiet group a new one opens at once", &[(0, HIGH), (400, LOW), (401, LOW)], &[(0, 1), (400, 1), (700, 1)]),
            (
                "after the mail that ended a group a new one opens at once",
                &[(0, LOW), (5, LOW), (301, LOW)],
                &[(0, 1), (300, 1), (301, 1)],
            ),
            ("on the end of the group", &[(0, LOW), (300, LOW), (310, LOW)], &[(0, 1), (300, 1), (600, 1)]),
        ];
        for (name, alerts, mails) in cases {
            assert_eq!(&play(alerts, 1_000), mails, "{name}");
        }
    }

    #[test]
    fn what_a_stopped_program_left_waiting_leaves_as_one_mail() {
        let group = Group { until: at(300), severity: HIGH };
        let left = decide(at(9_000), Some(group), Waiting { severity: LOW, newest: at(299) });
        assert_eq!(left, Decision::Leave(group));
        let mixed = decide(at(9_000), Some(group), Waiting { severity: LOW, newest: at(8_999) });
        assert_eq!(mixed, Decision::Leave(Group { until: at(9_300), severity: LOW }));
    }

    #[test]
    fn a_clock_that_went_back_holds_nothing_for_long() {
        let group = Group { until: at(90_000), severity: CRITICAL };
        let decision = decide(at(0), Some(group), Waiting { severity: LOW, newest: at(0) });
        assert_eq!(decision, Decision::Leave(Group { until: at(300), severity: LOW }));
    }

    #[test]
    fn tries_lie_further_and_further_apart_and_end_within_a_day() {
        let waits: Vec<i64> = (1..).map_while(|tries| next_wait(tries, u32::MAX, 0)).collect();
        let hour = |count| count * HOUR;
        assert_eq!(waits[..5], [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, hour(4)]);
        assert!(waits.iter().sum::<i64>() < DAY);
        assert_eq!(waits.len() as u32 + 1, TRIES_MAX);
    }

    #[test]
    fn a_wait_is_shortened_by_a_tenth_at_most() {
        assert_eq!(next_wait(4, 12, 0), Some(HOUR));
        assert_eq!(next_wait(4, 12, u16::MAX), Some(HOUR - HOUR / 10));
        assert!((HOUR - HOUR / 10..=HOUR).contains(&next_wait(4, 12, 31_000).unwrap()));
    }

    #[test]
    fn the_limit_of_tries_is_kept() {
        assert!(next_wait(2, 3, 0).is_some());
        assert_eq!(next_wait(3, 3, 0), None);
        assert_eq!(next_wait(1, 0, 0), None);
        assert_eq!(next_wait(TRIES_MAX, 99, 0), None);
    }
}
