//! An account's day: its balance before the first booked entry and after the last, and its cash.
//!
//! First and last go by `booked_at`, then the sender's own order, then `seq`. Entries of one
//! instant may have come in either order: where they have no order of the sender's, the balance
//! that only begins (or only ends) an entry among them is the one at the edge.

use std::collections::BTreeMap;

use crate::ids::Seq;
use crate::ledger::Direction;

use super::DayEntry;

/// Sums of cash on one side of one account, minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CashSums {
    pub entries: i64,
    pub total: i128,
    pub largest: i64,
}

/// One account's booked entries of a date.
#[derive(Clone, Debug)]
pub(crate) struct AccountDay {
    pub currency: String,
    pub credits: i128,
    pub debits: i128,
    pub checked: bool,
    /// Cash in and cash out; most accounts have none.
    pub cash: Option<Box<[CashSums; 2]>>,
    first: Option<Edge>,
    last: Option<Edge>,
}

impl AccountDay {
    pub(crate) fn new(currency: &str) -> AccountDay {
        AccountDay { currency: currency.to_owned(), credits: 0, debits: 0, checked: false, cash: None, first: None, last: None }
    }

    /// Adds a booked entry.
    pub(super) fn add(&mut self, entry: &DayEntry, direction: Direction, checked: bool) {
        self.checked |= checked;
        match direction {
            Direction::Credit => self.credits += i128::from(entry.amount),
            Direction::Debit => self.debits += i128::from(entry.amount),
        }
        let leg = Leg::of(entry, direction);
        place(&mut self.first, leg, |at, edge| at < edge);
        place(&mut self.last, leg, |at, edge| at > edge);
    }

    /// Adds to cash in (credits) or cash out (debits).
    pub(super) fn add_cash(&mut self, direction: Direction, amount: i64) {
        let sides = self.cash.get_or_insert_default();
        let side = &mut sides[usize::from(direction == Direction::Debit)];
        side.entries += 1;
        side.total += i128::from(amount);
        side.largest = side.largest.max(amount);
    }

    /// Balances before the first and after the last entry; `None` unless both are known.
    pub(crate) fn balances(&self) -> Option<(i64, i64)> {
        Some((self.first.as_ref()?.opening()?, self.last.as_ref()?.closing()?))
    }
}

/// Puts `leg` at the edge if it lies further out, beside what is there if at the same instant.
fn place(edge: &mut Option<Edge>, leg: Leg, further: impl Fn(i64, i64) -> bool) {
    match edge {
        Some(there) if there.at == leg.at => there.add(leg),
        Some(there) if !further(leg.at, there.at) => {}
        _ => *edge = Some(Edge::new(leg)),
    }
}

#[derive(Clone, Copy, Debug)]
struct Leg {
    at: i64,
    order: Option<i64>,
    seq: Seq,
    /// Balances before and after, if the entry carries any.
    balances: Option<(i64, i64)>,
}

impl Leg {
    fn of(entry: &DayEntry, direction: Direction) -> Leg {
        let balances = entry.balance_after.and_then(|after| {
            let before = entry.balance_before.or_else(|| after.checked_sub(direction.signed(entry.amount)))?;
            Some((before, after))
        });
        Leg { at: entry.booked_at, order: entry.account_seq, seq: entry.seq, balances }
    }
}

/// The entries of the first or the last instant.
#[derive(Clone, Debug)]
struct Edge {
    at: i64,
    /// The first and the last of them by the sender's order, then `seq`.
    outer: (Leg, Leg),
    known: bool,
    ordered: bool,
    /// Beginnings less ends per balance, zeros left out; only where there are several entries.
    net: Option<BTreeMap<i64, i32>>,
}

impl Edge {
    fn new(leg: Leg) -> Edge {
        Edge { at: leg.at, outer: (leg, leg), known: leg.balances.is_some(), ordered: leg.order.is_some(), net: None }
    }

    fn add(&mut self, leg: Leg) {
        if self.net.is_none() {
            let mut net = BTreeMap::new();
            count(&mut net, self.outer.0.balances);
            self.net = Some(net);
        }
        if let Some(net) = &mut self.net {
            count(net, leg.balances);
        }
        self.known &= leg.balances.is_some();
        self.ordered &= leg.order.is_some();
        let key = |leg: &Leg| (leg.order.unwrap_or(i64::MIN), leg.seq);
        if key(&leg) < key(&self.outer.0) {
            self.outer.0 = leg;
        }
        if key(&leg) > key(&self.outer.1) {
            self.outer.1 = leg;
        }
    }

    fn opening(&self) -> Option<i64> {
        let by_place = self.outer.0.balances?.0;
        self.known.then(|| self.only(1).unwrap_or(by_place))
    }

    fn closing(&self) -> Option<i64> {
        let by_place = self.outer.1.balances?.1;
        self.known.then(|| self.only(-1).unwrap_or(by_place))
    }

    /// The one balance that begins (1) or ends (-1) an entry without ending or beginning another.
    fn only(&self, sign: i32) -> Option<i64> {
        let net = self.net.as_ref().filter(|net| !self.ordered && net.len() == 2)?;
        let mut found = net.iter().filter(|(_, n)| **n == sign).map(|(balance, _)| *balance);
        found.next()
    }
}

fn count(net: &mut BTreeMap<i64, i32>, balances: Option<(i64, i64)>) {
    let Some((before, after)) = balances else { return };
    for (balance, by) in [(before, 1), (after, -1)] {
        let n = net.entry(balance).or_default();
        *n += by;
        if *n == 0 {
            net.remove(&balance);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `(booked_at, account_seq, before, after)` in order of `seq`.
    fn day(entries: &[(i64, Option<i64>, i64, i64)]) -> Option<(i64, i64)> {
        let mut account = AccountDay::new("USD");
        for (seq, (at, order, before, after)) in entries.iter().enumerate() {
            let leg = Leg { at: *at, order: *order, seq: seq as i64, balances: Some((*before, *after)) };
            place(&mut account.first, leg, |at, edge| at < edge);
            place(&mut account.last, leg, |at, edge| at > edge);
        }
        account.balances()
    }

    #[test]
    fn first_and_last_go_by_when_they_were_booked() {
        assert_eq!(day(&[(2, None, 90, 70), (1, None, 100, 90), (3, None, 70, 75)]), Some((100, 75)));
        assert_eq!(day(&[(1, None, 100, 90)]), Some((100, 90)));
        assert_eq!(day(&[]), None);
    }

    #[test]
    fn entries_of_one_instant_may_have_come_in_any_order() {
        assert_eq!(day(&[(1, None, 90, 80), (1, None, 100, 90)]), Some((100, 80)));
        assert_eq!(day(&[(1, None, 80, 70), (1, None, 100, 90), (1, None, 90, 80)]), Some((100, 70)));
        // a circle has no edge: by place
        assert_eq!(day(&[(1, None, 100, 90), (1, None, 90, 100)]), Some((100, 100)));
        // two pieces that do not join: by place
        assert_eq!(day(&[(1, None, 100, 90), (1, None, 50, 40)]), Some((100, 40)));
        // the sender's own order wins
        assert_eq!(day(&[(1, Some(2), 90, 100), (1, Some(1), 100, 90)]), Some((100, 100)));
        assert_eq!(day(&[(1, Some(2), 50, 60), (1, Some(1), 70, 80)]), Some((70, 60)));
    }
}
