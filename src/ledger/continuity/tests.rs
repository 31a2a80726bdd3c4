//! Properties: what order must not matter, and what must always be seen.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use crate::clock::{DAY, MINUTE, Moment};
use crate::ledger::{Context, Direction, Kind, NewEntry, Parts, Status};
use crate::money::Currency;

use super::*;

pub(super) fn entry(at: i64, signed: i64, before: Option<i64>, after: Option<i64>) -> NewEntry {
    NewEntry {
        source_ref: String::new(),
        account: "1".into(),
        currency: Currency::parse("USD").unwrap(),
        kind: Kind::Transfer,
        direction: if signed < 0 { Direction::Debit } else { Direction::Credit },
        amount: signed.abs(),
        balance_before: before,
        balance_after: after,
        booked_at: Moment(at),
        value_date: None,
        business_date: None,
        transaction_ref: None,
        account_seq: None,
        context: Context::default(),
        channel: None,
        instrument: None,
        reverses: None,
        status: Status::Booked,
        parts: Parts::default(),
    }
}

/// The breaks still open after all entries arrived in this order.
fn open_after(entries: &[NewEntry], tolerance: i64) -> Vec<Seq> {
    let how = Strictness { mode: Mode::PerEntry, tolerance, tolerance_per_day: i64::MAX };
    let mut account = AccountContinuity::default();
    let mut open = Vec::new();
    for (seq, entry) in (0..).zip(entries) {
        let changes = account.add(&Movement::of(seq, entry), 0, how, None);
        open.retain(|seq| !changes.healed.iter().any(|(healed, _)| healed == seq));
        open.extend(changes.opened.iter().map(|b| b.seq));
    }
    open
}

/// The breaks still open when entries that come late are placed with a look-back, as live.
pub(super) fn open_looking_back(entries: &[NewEntry]) -> Vec<Seq> {
    let how = Strictness { mode: Mode::PerEntry, tolerance: 0, tolerance_per_day: i64::MAX };
    let (mut account, mut past) = (AccountContinuity::default(), Past::default());
    let mut open = Vec::new();
    for (seq, entry) in (0..).zip(entries) {
        let wanted = account.wants_past(&Movement::of(seq, entry), how);
        let changes = account.add(&Movement::of(seq, entry), 0, how, wanted.then_some(&past));
        open.retain(|seq| !changes.healed.iter().any(|(healed, _)| healed == seq));
        open.extend(changes.opened.iter().filter(|b| b.kind == BreakKind::Chain).map(|b| b.seq));
        past.entries.push(Movement::of(seq, entry));
        let over = past.entries.len().saturating_sub(crate::ledger::PAST_MAX);
        past.entries.drain(..over);
        assert_eq!(open.len() + 1, account.chain_count());
    }
    open
}

/// An unbroken history: `steps` are signed amounts with the day each was booked on.
fn history(start: i64, steps: &[(i64, i64)], gap: i64) -> Vec<NewEntry> {
    let mut balance = start;
    let mut day = 0;
    let mut entries = Vec::new();
    for (i, (signed, days)) in (0..).zip(steps) {
        day += days;
        entries.push(entry(day * DAY + i * gap, *signed, Some(balance), Some(balance + signed)));
        balance += signed;
    }
    entries
}

fn steps() -> impl Strategy<Value = Vec<(i64, i64)>> {
    // Few distinct amounts, so that balances come back and loops must be spliced.
    prop::collection::vec((prop_oneof![-5_i64..=5, -1000_i64..1000], 0_i64..2), 1..40)
}

proptest! {
    #[test]
    fn within_a_day_the_order_of_arrival_does_not_matter(steps in steps(), seed in any::<u64>()) {
        let mut entries = history(0, &steps, 0);
        let mut state = seed | 1;
        let mut random = move || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state };
        for i in (1..entries.len()).rev() {
            let j = (random() % (i as u64 + 1)) as usize;
            if entries[i].booked_at == entries[j].booked_at {
                entries.swap(i, j);
            }
        }
        prop_assert_eq!(open_after(&entries, 0), Vec::<Seq>::new());
    }

    #[test]
    fn an_entry_that_comes_late_leaves_no_break(amounts in prop::collection::vec(1_i64..1000, 3..30), pick in any::<prop::sample::Index>(), by in 1_usize..5) {
        let steps: Vec<(i64, i64)> = amounts.iter().map(|a| (*a, 0)).collect();
        let mut entries = history(0, &steps, MINUTE);
        let from = pick.index(entries.len());
        let late = entries.remove(from);
        entries.insert((from + by).min(entries.len()), late);
        prop_assert_eq!(open_after(&entries, 0), Vec::<Seq>::new());
    }

    #[test]
    fn a_missing_entry_is_named_at_the_next(amounts in prop::collection::vec(1_i64..1000, 3..30), pick in any::<prop::sample::Index>()) {
        let steps: Vec<(i64, i64)> = amounts.iter().map(|a| (*a, 0)).collect();
        let mut entries = history(0, &steps, MINUTE);
        let gone = 1 + pick.index(entries.len() - 2);
        entries.remove(gone);
        prop_assert_eq!(open_after(&entries, 0), vec![gone as Seq]);
    }

    #[test]
    fn roundings_within_the_tolerance_are_no_break(amounts in prop::collection::vec(20_i64..1000, 2..30), off in prop::collection::vec(-2_i64..=2, 30)) {
        let mut balance = 0;
        let mut entries = Vec::new();
        for (i, amount) in (0..).zip(&amounts) {
            balance += amount;
            entries.push(entry(i * MINUTE, *amount, None, Some(balance + off[i as usize])));
        }
        prop_assert_eq!(open_after(&entries, 4), Vec::<Seq>::new());
    }
}

#[test]
fn the_same_movement_under_a_new_reference_is_one_break_at_the_copy() {
    let original = entry(0, 50, Some(100), Some(150));
    let next = entry(MINUTE, 20, Some(150), Some(170));
    assert_eq!(open_after(&[original.clone(), original.clone(), next.clone()], 0), vec![1]);
    assert_eq!(open_after(&[original.clone(), next, original], 0), vec![2]);
}

#[test]
fn a_gap_in_the_sender_s_numbering_is_a_break_until_it_is_filled() {
    let numbered = |n: i64| NewEntry { account_seq: Some(n), ..entry(n, 1, None, None) };
    assert_eq!(open_after(&[numbered(1), numbered(4)], 0), vec![1]);
    assert_eq!(open_after(&[numbered(1), numbered(4), numbered(2)], 0), vec![1]);
    assert_eq!(open_after(&[numbered(1), numbered(4), numbered(2), numbered(3)], 0), Vec::<Seq>::new());
    assert_eq!(open_after(&[numbered(1), numbered(1)], 0), vec![1]);
}

#[test]
fn an_attempt_moves_nothing() {
    let attempt = NewEntry { status: Status::Attempted, ..entry(MINUTE, 500, Some(7), Some(9)) };
    assert_eq!(
        open_after(&[entry(0, 50, Some(100), Some(150)), attempt, entry(2 * MINUTE, 1, Some(150), Some(151))], 0),
        Vec::<Seq>::new()
    );
}

#[test]
fn chains_that_stand_apart_are_bounded_and_the_oldest_is_frozen() {
    let how = Strictness { mode: Mode::PerEntry, ..Strictness::default() };
    let mut account = AccountContinuity::default();
    let mut frozen = 0;
    for i in 0..(CHAINS_MAX as i64 + 10) {
        let apart = entry(i * MINUTE, 1, Some(i * 1000), Some(i * 1000 + 1));
        frozen += account.add(&Movement::of(i, &apart), 0, how, None).frozen.len();
    }
    assert_eq!((account.chain_count(), frozen), (CHAINS_MAX, 10));
}
