//! The course of a balance, held against every order there could have been.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::ledger::{Direction, Movement, Status};

use super::{Instant, Proof, course};

fn moved(seq: i64, at: i64, (before, after): (i64, i64)) -> Movement {
    Movement {
        seq,
        booked_at: at,
        account_seq: None,
        amount: (after - before).abs(),
        direction: if after < before { Direction::Debit } else { Direction::Credit },
        balance_before: Some(before),
        balance_after: Some(after),
        status: Status::Booked,
    }
}

/// Every balance that each instant can end with, when all entries follow one another without a break.
fn ends(instants: &[Vec<Movement>]) -> Vec<BTreeSet<i64>> {
    let mut found = vec![BTreeSet::new(); instants.len()];
    let mut so_far = Vec::new();
    try_all(instants, &mut vec![Vec::new(); instants.len()], None, &mut so_far, &mut found);
    found
}

fn try_all(
    instants: &[Vec<Movement>],
    used: &mut Vec<Vec<i64>>,
    balance: Option<i64>,
    so_far: &mut Vec<i64>,
    found: &mut Vec<BTreeSet<i64>>,
) {
    let Some(instant) = instants.get(so_far.len()) else {
        so_far.iter().zip(found).for_each(|(end, found)| {
            found.insert(*end);
        });
        return;
    };
    let i = so_far.len();
    if used[i].len() == instant.len() {
        so_far.push(balance.unwrap());
        try_all(instants, used, balance, so_far, found);
        so_far.pop();
        return;
    }
    for entry in instant {
        if !used[i].contains(&entry.seq) && balance.is_none_or(|balance| entry.balance_before == Some(balance)) {
            used[i].push(entry.seq);
            try_all(instants, used, entry.balance_after, so_far, found);
            used[i].pop();
        }
    }
}

/// Histories without a break, of few balances, so that they often come back to one; instants of up
/// to four entries; then the order of arrival.
fn histories() -> impl Strategy<Value = Vec<Movement>> {
    let steps = prop::collection::vec((0_i64..4, prop::bool::weighted(0.4)), 1..10);
    (steps, 0_i64..4, any::<u64>()).prop_map(|(steps, start, seed)| {
        let (mut at, mut same, mut balance) = (0, 0, start);
        let mut entries = Vec::new();
        for (to, next) in steps {
            if next || same == 4 {
                (at, same) = (at + 1, 0);
            }
            entries.push(moved(0, at, (balance, to)));
            (balance, same) = (to, same + 1);
        }
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|i| (seed ^ (*i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9));
        (0..).zip(&order).for_each(|(seq, i)| entries[*i].seq = seq);
        entries
    })
}

fn instants(entries: &[Movement]) -> Vec<Vec<Movement>> {
    entries.chunk_by(|a, b| a.booked_at == b.booked_at).map(<[Movement]>::to_vec).collect()
}

fn follow_one_another(course: &[Instant]) -> bool {
    let all: Vec<&Movement> = course.iter().flat_map(|instant| &instant.entries).collect();
    all.windows(2).all(|pair| pair[0].balance_after == pair[1].balance_before)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_can_be_only_one_way_is_that_way_and_proven_and_nothing_else_is(entries in histories()) {
        let truth = ends(&instants(&entries));
        let found = course(&entries);
        prop_assert_eq!(found.len(), truth.len());
        prop_assert!(follow_one_another(&found), "{:?}", found);
        for (instant, possible) in found.iter().zip(&truth) {
            prop_assert!(possible.contains(&instant.end.unwrap()), "{:?} of {:?}", instant, possible);
            prop_assert_eq!(instant.proof == Proof::Proven, possible.len() == 1, "{:?} of {:?}", instant, possible);
            prop_assert_eq!(instant.entries.last().unwrap().balance_after, instant.end);
            prop_assert_eq!(instant.entries.first().unwrap().balance_before, instant.begin);
        }
    }

    #[test]
    fn the_senders_numbers_leave_nothing_open(entries in histories()) {
        let numbered: Vec<Movement> =
            (1..).zip(&entries).map(|(n, entry)| Movement { account_seq: Some(n), ..*entry }).collect();
        let found = course(&numbered);
        prop_assert!(found.iter().all(|instant| instant.proof == Proof::Proven));
        let order: Vec<i64> = found.iter().flat_map(|instant| &instant.entries).map(|entry| entry.seq).collect();
        prop_assert_eq!(order, entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
    }
}

#[test]
fn a_payment_and_its_refund_of_one_day_end_where_the_day_before_did() {
    let day = [(950, 1_000), (1_000, 950), (980, 1_000), (1_000, 980)];
    let mut entries = vec![moved(0, 9, (0, 1_000))];
    entries.extend((1..).zip(day).map(|(seq, pair)| moved(seq, 10, pair)));
    let found = course(&entries);
    assert_eq!((found[1].begin, found[1].end, found[1].proof), (Some(1_000), Some(1_000), Proof::Proven));
    // Alone, all of its balances could be the first but two share every circle.
    assert_eq!(course(&entries[1..])[0].proof, Proof::Undecided);
}

#[test]
fn what_does_not_fit_goes_on_where_it_is_nearest_and_says_so() {
    // Rounded by a few units: 500 → 411, 409 → 300.
    let rounded = [moved(0, 1, (409, 300)), moved(1, 1, (500, 411))];
    let found = course(&rounded);
    assert_eq!((found[0].begin, found[0].end, found[0].proof), (Some(500), Some(300), Proof::Broken));
    // What goes on from the instant before comes first.
    let apart = [moved(0, 0, (0, 100)), moved(1, 1, (90, 40)), moved(2, 1, (100, 60))];
    let found = course(&apart);
    assert_eq!((found[1].begin, found[1].end), (Some(100), Some(40)));
    let silent = Movement { balance_before: None, balance_after: None, ..moved(3, 1, (0, 5)) };
    let found = course(&[apart[1], silent]);
    assert_eq!((found[0].end, found[0].proof), (None, Proof::Unstated));
}

#[test]
fn an_instant_of_more_entries_than_are_put_in_order_is_not_proven() {
    let many: Vec<Movement> = (0..1_500).map(|n| moved(n, 1, (n, n + 1))).collect();
    let found = course(&many);
    assert_eq!((found.len(), found[0].entries.len(), found[0].proof), (1, super::GROUP_MAX, Proof::Undecided));
    assert_eq!(found[0].end, Some(1_500));
}
