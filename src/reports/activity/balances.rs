//! An account's day: its balance before the first booked entry and after the last, and its cash.
//!
//! First and last go by `booked_at`, and among entries of one instant by the course that their
//! numbers and balances ask for ([`course`]). Where the instant does not show by itself how it
//! begins or ends, what the log knew of those around it decides, as for a balance anywhere else;
//! what stays undecided is not known.

use crate::db::DbResult;
use crate::ledger::continuity::{GROUP_MAX, Instant, Proof, course};
use crate::ledger::{Direction, Movement, Status};

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
    /// The entries of the first instant.
    first: Vec<Movement>,
    /// Those of the last, where it is another.
    last: Vec<Movement>,
    balances: Option<(i64, i64)>,
}

impl AccountDay {
    pub(crate) fn new(currency: &str) -> AccountDay {
        AccountDay {
            currency: currency.to_owned(),
            credits: 0,
            debits: 0,
            checked: false,
            cash: None,
            first: Vec::new(),
            last: Vec::new(),
            balances: None,
        }
    }

    /// Adds a booked entry.
    pub(super) fn add(&mut self, entry: &DayEntry, direction: Direction, checked: bool) {
        self.checked |= checked;
        match direction {
            Direction::Credit => self.credits += i128::from(entry.amount),
            Direction::Debit => self.debits += i128::from(entry.amount),
        }
        self.place(past(entry, direction));
    }

    fn place(&mut self, entry: Movement) {
        let (first, last) = (instant(&self.first), instant(&self.last));
        if first.is_none_or(|first| entry.booked_at == first) {
            put(&mut self.first, entry);
        } else if first.is_some_and(|first| entry.booked_at < first) {
            if self.last.is_empty() {
                std::mem::swap(&mut self.first, &mut self.last);
            }
            self.first.clear();
            put(&mut self.first, entry);
        } else if last.is_none_or(|last| entry.booked_at >= last) {
            if last != Some(entry.booked_at) {
                self.last.clear();
            }
            put(&mut self.last, entry);
        }
    }

    /// Adds to cash in (credits) or cash out (debits).
    pub(super) fn add_cash(&mut self, direction: Direction, amount: i64) {
        let sides = self.cash.get_or_insert_default();
        let side = &mut sides[usize::from(direction == Direction::Debit)];
        side.entries += 1;
        side.total += i128::from(amount);
        side.largest = side.largest.max(amount);
    }

    /// After the last entry: looks for the balances at the edges of the day; `ask` for what the log
    /// knew of the entries of an instant.
    pub(super) fn settle(&mut self, mut ask: impl FnMut(i64) -> DbResult<Vec<Instant>>) -> DbResult<()> {
        let (first, last) = (std::mem::take(&mut self.first), std::mem::take(&mut self.last));
        let opening = edge(&first, &mut ask)?;
        let closing = if last.is_empty() { None } else { Some(edge(&last, &mut ask)?) };
        let begin = opening.first().and_then(|instant| known(instant, instant.begin));
        let end = closing.as_ref().unwrap_or(&opening).last().and_then(|instant| known(instant, instant.end));
        self.balances = begin.zip(end);
        Ok(())
    }

    /// Balances before the first and after the last entry; `None` unless both are known.
    pub(crate) fn balances(&self) -> Option<(i64, i64)> {
        self.balances
    }
}

fn instant(entries: &[Movement]) -> Option<i64> {
    entries.first().map(|entry| entry.booked_at)
}

/// One more than are put in order shows that there are more; most instants have one.
fn put(entries: &mut Vec<Movement>, entry: Movement) {
    if entries.is_empty() {
        entries.reserve_exact(1);
    }
    if entries.len() > GROUP_MAX {
        entries.remove(0);
    }
    entries.push(entry);
}

/// The course of an instant at the edge of the day.
fn edge(entries: &[Movement], ask: &mut impl FnMut(i64) -> DbResult<Vec<Instant>>) -> DbResult<Vec<Instant>> {
    let own = course(entries);
    let open = |instant: &Instant| matches!(instant.proof, Proof::Broken | Proof::Undecided);
    let Some(at) = instant(entries).filter(|_| own.iter().any(open)) else { return Ok(own) };
    let asked = ask(at)?;
    // Entries of that instant may be of another date.
    let places = |course: &[Instant]| -> Vec<i64> {
        let mut places: Vec<i64> = course.iter().flat_map(|instant| &instant.entries).map(|entry| entry.seq).collect();
        places.sort_unstable();
        places
    };
    Ok(if places(&asked) == places(&own) { asked } else { own })
}

/// A balance that one instant begins or ends at. One of entries that do not fit together is taken as
/// it is: in whatever order, the day then does not roll forward.
fn known(instant: &Instant, balance: Option<i64>) -> Option<i64> {
    balance.filter(|_| matches!(instant.proof, Proof::Proven | Proof::Broken))
}

fn past(entry: &DayEntry, direction: Direction) -> Movement {
    Movement {
        seq: entry.seq,
        booked_at: entry.booked_at,
        account_seq: entry.account_seq,
        amount: entry.amount,
        direction,
        balance_before: entry.balance_before,
        balance_after: entry.balance_after,
        status: Status::Booked,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(seq: i64, (at, order, before, after): (i64, Option<i64>, i64, i64)) -> Movement {
        let direction = if after < before { Direction::Debit } else { Direction::Credit };
        Movement {
            seq,
            booked_at: at,
            account_seq: order,
            amount: (after - before).abs(),
            direction,
            balance_before: Some(before),
            balance_after: Some(after),
            status: Status::Booked,
        }
    }

    /// `(booked_at, account_seq, before, after)` in order of `seq`; `earlier` ones are of another date.
    fn after(earlier: &[(i64, Option<i64>, i64, i64)], entries: &[(i64, Option<i64>, i64, i64)]) -> Option<(i64, i64)> {
        let all: Vec<Movement> = (0..).zip(earlier.iter().chain(entries)).map(|(seq, e)| entry(seq, *e)).collect();
        let mut account = AccountDay::new("USD");
        all[earlier.len()..].iter().for_each(|entry| account.place(*entry));
        account.settle(|at| Ok(course(&all).into_iter().filter(|i| i.at == at).collect())).unwrap();
        account.balances()
    }

    fn day(entries: &[(i64, Option<i64>, i64, i64)]) -> Option<(i64, i64)> {
        after(&[], entries)
    }

    #[test]
    fn first_and_last_go_by_when_they_were_booked() {
        assert_eq!(day(&[(2, None, 90, 70), (1, None, 100, 90), (3, None, 70, 75)]), Some((100, 75)));
        assert_eq!(day(&[(3, None, 70, 75), (2, None, 90, 70), (1, None, 100, 90)]), Some((100, 75)));
        assert_eq!(day(&[(1, None, 100, 90)]), Some((100, 90)));
        assert_eq!(day(&[]), None);
    }

    #[test]
    fn entries_of_one_instant_may_have_come_in_any_order() {
        assert_eq!(day(&[(1, None, 90, 80), (1, None, 100, 90)]), Some((100, 80)));
        assert_eq!(day(&[(1, None, 80, 70), (1, None, 100, 90), (1, None, 90, 80)]), Some((100, 70)));
        // two pieces that do not join: nearest
        assert_eq!(day(&[(1, None, 100, 90), (1, None, 50, 40)]), Some((100, 40)));
        // the sender's own order wins
        assert_eq!(day(&[(1, Some(2), 90, 100), (1, Some(1), 100, 90)]), Some((100, 100)));
        assert_eq!(day(&[(1, Some(2), 50, 60), (1, Some(1), 70, 80)]), Some((70, 60)));
    }

    #[test]
    fn a_circle_begins_where_the_days_around_it_say_or_nowhere() {
        let circle = [(5, None, 950, 1_000), (5, None, 1_000, 950), (5, None, 980, 1_000), (5, None, 1_000, 980)];
        assert_eq!(day(&circle), None, "nothing says at which balance");
        assert_eq!(after(&[(4, None, 0, 1_000)], &circle), Some((1_000, 1_000)));
        assert_eq!(after(&[(6, None, 980, 0)], &circle), Some((980, 980)));
        // Circles of two instants share one balance only.
        let both = [(1, None, 950, 1_000), (1, None, 1_000, 950), (2, None, 980, 1_000), (2, None, 1_000, 980)];
        assert_eq!(day(&both), Some((1_000, 1_000)));
    }
}
