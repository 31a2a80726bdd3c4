//! Any order of arrival: what is open at the end is what the entries themselves leave open.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::clock::MINUTE;
use crate::ledger::NewEntry;

use super::tests::{entry, open_looking_back};

/// An unbroken history: signed amounts, each so many minutes after the one before.
fn history(steps: &[(i64, i64)]) -> Vec<NewEntry> {
    let (mut balance, mut at) = (0, 0);
    let mut entries = Vec::new();
    for (signed, minutes) in steps {
        at += minutes * MINUTE;
        entries.push(entry(at, *signed, Some(balance), Some(balance + signed)));
        balance += signed;
    }
    entries
}

/// Few amounts, so that balances come back again and again and runs net to zero; instants that many
/// share, or none.
fn steps(most: usize, same: i64) -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((prop_oneof![Just(0_i64), -3_i64..=3, Just(1), Just(-1)], 0..same), 1..most)
}

fn shuffled(entries: &[NewEntry], seed: u64) -> Vec<NewEntry> {
    let mut entries = entries.to_vec();
    let mut state = seed | 1;
    for i in (1..entries.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        entries.swap(i, (state % (i as u64 + 1)) as usize);
    }
    entries
}

/// The fewest chains, by trying every order that the booking times permit.
fn fewest(entries: &[NewEntry]) -> usize {
    fn go(left: &mut Vec<&NewEntry>, ends: &mut BTreeMap<i64, usize>) -> usize {
        let Some(now) = left.iter().map(|e| e.booked_at).min() else { return 0 };
        let mut best = usize::MAX;
        for i in 0..left.len() {
            if left[i].booked_at != now {
                continue;
            }
            let next = left.remove(i);
            let (before, after) = (next.balance_before.unwrap(), next.balance_after.unwrap());
            let follows = ends.get(&before).is_some_and(|n| *n > 0);
            if follows {
                *ends.entry(before).or_default() -= 1;
            }
            *ends.entry(after).or_default() += 1;
            best = best.min(usize::from(!follows) + go(left, ends));
            *ends.entry(after).or_default() -= 1;
            if follows {
                *ends.entry(before).or_default() += 1;
            }
            left.insert(i, next);
        }
        best
    }
    go(&mut entries.iter().collect(), &mut BTreeMap::new())
}

proptest! {
    #[test]
    fn a_consistent_history_ends_without_a_break_whatever_the_order_of_arrival(steps in steps(40, 3), seed in any::<u64>()) {
        prop_assert_eq!(open_looking_back(&shuffled(&history(&steps), seed)), Vec::<i64>::new());
    }

    #[test]
    fn what_stays_open_is_what_the_entries_leave_open(
        steps in steps(8, 2), seed in any::<u64>(), gone in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        changed in prop::option::of((any::<prop::sample::Index>(), -2_i64..=2)),
    ) {
        let mut entries = history(&steps);
        for index in gone {
            if entries.len() > 1 {
                entries.remove(index.index(entries.len()));
            }
        }
        if let Some((index, by)) = changed {
            let at = index.index(entries.len());
            let after = entries[at].balance_after.unwrap() + by;
            let before = entries[at].balance_before.unwrap();
            entries[at] = entry(entries[at].booked_at.0, after - before, Some(before), Some(after));
        }
        let open = open_looking_back(&shuffled(&entries, seed));
        prop_assert_eq!(open.len(), fewest(&entries) - 1, "{:?}", entries);
    }

    #[test]
    fn a_missing_entry_leaves_one_break_whatever_the_order_of_arrival(
        amounts in prop::collection::vec(prop_oneof![Just(1_i64), Just(-1), -50_i64..50], 3..30), pick in any::<prop::sample::Index>(), seed in any::<u64>(),
    ) {
        let steps: Vec<(i64, i64)> = amounts.iter().map(|amount| (*amount, 1)).collect();
        let mut entries = history(&steps);
        let gone = entries.remove(1 + pick.index(entries.len() - 2));
        let open = open_looking_back(&shuffled(&entries, seed));
        prop_assert_eq!(open.len(), usize::from(gone.amount != 0));
    }
}

#[test]
fn a_late_run_that_nets_to_zero_heals_inside_a_chain_that_was_joined_without_it() {
    let all = history(&[(100, 1), (50, 1), (-50, 1), (20, 1)]);
    for order in [[0, 3, 1, 2], [0, 3, 2, 1], [3, 0, 2, 1], [3, 2, 1, 0]] {
        let arrived: Vec<NewEntry> = order.iter().map(|i: &usize| all[*i].clone()).collect();
        assert_eq!(open_looking_back(&arrived), Vec::<i64>::new(), "{order:?}");
    }
    // Half of the run leaves a break, at the entry it does not lead to; and so does a run that could
    // not have been there.
    assert_eq!(open_looking_back(&[all[0].clone(), all[3].clone(), all[1].clone()]), [1]);
    let elsewhere = entry(2 * MINUTE, 0, Some(70), Some(70));
    assert_eq!(open_looking_back(&[all[0].clone(), all[3].clone(), elsewhere]), [2]);
}

#[test]
fn days_that_each_end_where_they_began_are_turned_together_in_every_order_of_arrival() {
    let all = history(&[(-1, 0), (1, 0), (-1, 1), (1, 0), (0, 0), (0, 1)]);
    let mut order: Vec<usize> = (0..all.len()).collect();
    // Heap's algorithm.
    let mut counts = vec![0; order.len()];
    let mut i = 0;
    while i < order.len() {
        if counts[i] < i {
            order.swap(if i % 2 == 0 { 0 } else { counts[i] }, i);
            let arrived: Vec<NewEntry> = order.iter().map(|at| all[*at].clone()).collect();
            assert_eq!(open_looking_back(&arrived), Vec::<i64>::new(), "{order:?}");
            counts[i] += 1;
            i = 0;
        } else {
            counts[i] = 0;
            i += 1;
        }
    }
}

#[test]
fn on_a_busy_account_what_comes_late_is_placed_as_far_back_as_a_look_back_reaches() {
    let steps: Vec<(i64, i64)> = (0..9_000).map(|i| (if i % 2 == 0 { 5 } else { -4 }, 1)).collect();
    let mut entries = history(&steps);
    let run: Vec<NewEntry> = [(7, 0), (-7, 1)]
        .iter()
        .map(|(signed, later)| {
            let at = entries[8_000].booked_at.0 + 1 + later;
            let before = entries[8_000].balance_after.unwrap() + if *later == 0 { 0 } else { 7 };
            entry(at, *signed, Some(before), Some(before + signed))
        })
        .collect();
    entries.extend(run);
    assert_eq!(open_looking_back(&entries), Vec::<i64>::new());
}
