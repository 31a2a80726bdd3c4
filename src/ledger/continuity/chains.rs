//! An account's chains, and how an entry joins them.
//!
//! `base` are the chains before the latest instant, `group` the entries of that instant, `chains`
//! what [`trails::solve`] makes of both. A newer entry closes the group; one of the same instant is
//! solved with it, in whatever order leaves the fewest chains; a late one joins `base`.

use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::ledger::BreakKind;

use super::{Break, Changes, trails};

/// Open chains per account; beyond it the oldest is frozen, visibly.
pub const CHAINS_MAX: usize = 64;
/// Entries of one instant that are solved together; beyond it the instant is cut in two.
pub const GROUP_MAX: usize = 256;

/// An entry as continuity sees it; minor units, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Its place in the log.
    pub seq: Seq,
    /// When it was booked.
    pub at: i64,
    /// The sender's own number on the account.
    pub order: Option<i64>,
    /// The balance it begins at, stated or derived.
    pub before: i64,
    /// The balance it ends at.
    pub after: i64,
    /// The signed amount, when the balance before was derived from it.
    pub moved: Option<i64>,
}

/// Entries that follow one another without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chain {
    pub first: Leg,
    pub last_at: i64,
    pub last_order: Option<i64>,
    pub end: i64,
}

impl Chain {
    pub fn of(leg: Leg) -> Chain {
        Chain { first: leg, last_at: leg.at, last_order: leg.order, end: leg.after }
    }

    pub fn append(&mut self, leg: &Leg) {
        (self.last_at, self.last_order, self.end) = (leg.at, leg.order, leg.after);
    }

    fn permits_after(&self, leg: &Leg) -> bool {
        not_after(self.last_at, self.last_order, leg.at, leg.order)
    }

    fn permits_before(&self, leg: &Leg) -> bool {
        not_after(leg.at, leg.order, self.first.at, self.first.order)
    }
}

/// Whether something at (`at`, `order`) may come before something else; the sender's order wins.
fn not_after(at: i64, order: Option<i64>, other_at: i64, other_order: Option<i64>) -> bool {
    match (order, other_order) {
        (Some(order), Some(other)) if order != other => order < other,
        _ => at <= other_at,
    }
}

/// The chains of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chains {
    base: Vec<Chain>,
    group: Vec<Leg>,
    chains: Vec<Chain>,
    /// The account's first instant, when its entries are a closed loop: as long as the next instant
    /// grows, it may have to be turned to end elsewhere.
    first_loop: Vec<Leg>,
}

impl Chains {
    /// Places a leg; answers the rounding that was tolerated where it joined.
    pub(super) fn add(&mut self, leg: Leg, tolerance: i64, changes: &mut Changes) -> i64 {
        if let Some(rounded) = self.append_in_order(&leg, tolerance) {
            return rounded;
        }
        let before = self.broken();
        match self.place(&leg) {
            Place::Newer => {
                self.first_loop.clear();
                if self.base.is_empty() && self.chains.iter().any(|c| c.first.before == c.end) {
                    self.first_loop.clone_from(&self.group);
                }
                self.base.clone_from(&self.chains);
                self.group.clear();
                self.group.push(leg);
            }
            Place::SameInstant => self.group.push(leg),
            Place::Late => self.insert_late(leg, tolerance),
        }
        self.chains = trails::solve(&self.base, &self.group, tolerance);
        self.turn_first_loop(tolerance);
        self.freeze(changes);
        self.report(&before, changes);
        0
    }

    /// Moves the latest end by an entry that carries no balances.
    pub(super) fn shift(&mut self, signed: i64) {
        if let Some(latest) = self.latest().copied() {
            let moved = |chain: &mut Chain| {
                if chain.first.seq == latest.first.seq {
                    chain.end = chain.end.saturating_add(signed);
                }
            };
            self.chains.iter_mut().for_each(moved);
            self.base.clone_from(&self.chains);
            self.group.clear();
        }
    }

    pub(super) fn latest_end(&self) -> Option<i64> {
        self.latest().map(|chain| chain.end)
    }

    pub(super) fn count(&self) -> usize {
        self.chains.len()
    }

    fn latest(&self) -> Option<&Chain> {
        self.chains.iter().max_by_key(|chain| (chain.last_order, chain.last_at, chain.first.seq))
    }

    /// An instant that ends where it began has no order of its own when nothing came before it: it
    /// is turned to end where an entry of the next instant begins, if that leaves fewer chains.
    fn turn_first_loop(&mut self, tolerance: i64) {
        if self.first_loop.is_empty() || self.chains.len() < 2 {
            return;
        }
        for leg in &self.group {
            let base = trails::solve_towards(&[], &self.first_loop, tolerance, Some(leg.before));
            let chains = trails::solve(&base, &self.group, tolerance);
            if chains.len() < self.chains.len() {
                (self.base, self.chains) = (base, chains);
                return;
            }
        }
    }

    /// The usual case, without any search: one chain, and the entry follows its end.
    fn append_in_order(&mut self, leg: &Leg, tolerance: i64) -> Option<i64> {
        if self.chains.is_empty() && self.group.is_empty() {
            self.group.push(*leg);
            self.chains.push(Chain::of(*leg));
            return Some(0);
        }
        if self.base.is_empty() && self.group.len() > 1 {
            return None;
        }
        let [only] = self.chains.as_mut_slice() else { return None };
        let rounded = i64::try_from(only.end.abs_diff(leg.before)).ok().filter(|off| *off <= tolerance)?;
        if !self.group.last().is_some_and(|last| is_newer(leg, last)) {
            return None;
        }
        self.first_loop.clear();
        self.base.clear();
        self.base.push(*only);
        only.append(leg);
        self.group.clear();
        self.group.push(*leg);
        Some(rounded)
    }

    fn place(&self, leg: &Leg) -> Place {
        let Some(last) = self.group.last() else {
            return if self.chains.iter().all(|c| c.permits_after(leg)) { Place::Newer } else { Place::Late };
        };
        let same_instant = leg.at == last.at && (leg.order.is_none() || last.order.is_none());
        if is_newer(leg, last) || (same_instant && self.group.len() >= GROUP_MAX) {
            Place::Newer
        } else if same_instant {
            Place::SameInstant
        } else {
            Place::Late
        }
    }

    /// Joins a late leg to the chains before the latest instant, or lets it stand alone if that
    /// leaves fewer chains.
    fn insert_late(&mut self, leg: Leg, tolerance: i64) {
        let fits = |a: i64, b: i64| a.abs_diff(b) <= tolerance.unsigned_abs();
        let closest = |diff: u64, chain: &Chain| (diff, chain.first.at, chain.first.seq);
        let ends = self.base.iter().enumerate().filter(|(_, c)| fits(c.end, leg.before) && c.permits_after(&leg));
        let before = ends.min_by_key(|(_, c)| closest(c.end.abs_diff(leg.before), c)).map(|(i, _)| i);
        let starts = self.base.iter().enumerate();
        let starts = starts.filter(|(i, c)| Some(*i) != before && fits(c.first.before, leg.after) && c.permits_before(&leg));
        let after = starts.min_by_key(|(_, c)| closest(c.first.before.abs_diff(leg.after), c)).map(|(i, _)| i);

        let mut alone = self.base.clone();
        alone.push(Chain::of(leg));
        let mut joined = self.base.clone();
        match (before, after) {
            (None, None) => {
                self.base = alone;
                return;
            }
            (Some(i), None) => joined[i].append(&leg),
            (None, Some(j)) => joined[j].first = leg,
            (Some(i), Some(j)) => {
                let tail = joined[j];
                (joined[i].last_at, joined[i].last_order, joined[i].end) = (tail.last_at, tail.last_order, tail.end);
                joined.remove(j);
            }
        }
        let count = |base: &[Chain]| trails::solve(base, &self.group, tolerance).len();
        self.base = if count(&joined) <= count(&alone) { joined } else { alone };
    }

    /// The breaks: every chain but the first, by booking time and then by place in the log.
    fn broken(&self) -> Vec<Break> {
        let Some(first) = self.chains.iter().min_by_key(|c| (c.first.order, c.first.at, c.first.seq)) else { return Vec::new() };
        let others = self.chains.iter().filter(|c| c.first.seq != first.first.seq);
        others.map(|chain| self.describe(chain)).collect()
    }

    fn describe(&self, chain: &Chain) -> Break {
        let earlier = self.chains.iter().filter(|c| c.first.seq != chain.first.seq);
        let previous = earlier.max_by_key(|c| (c.permits_after(&chain.first), c.last_order, c.last_at, c.first.seq));
        let end = previous.map(|c| c.end);
        let (expected, found) = match chain.first.moved {
            None => (end, chain.first.before),
            Some(moved) => (end.and_then(|e| e.checked_add(moved)), chain.first.after),
        };
        Break { seq: chain.first.seq, kind: BreakKind::Chain, expected, found: Some(found) }
    }

    fn freeze(&mut self, changes: &mut Changes) {
        while self.chains.len() > CHAINS_MAX {
            let Some(first) = self.chains.iter().map(|c| (c.first.at, c.first.seq)).min() else { return };
            let others = self.chains.iter().filter(|c| (c.first.at, c.first.seq) != first);
            let Some(oldest) = others.min_by_key(|c| (c.last_at, c.first.seq)).map(|c| c.first.seq) else { return };
            self.chains.retain(|c| c.first.seq != oldest);
            self.base.clone_from(&self.chains);
            self.group.clear();
            changes.frozen.push(oldest);
        }
    }

    fn report(&self, before: &[Break], changes: &mut Changes) {
        let after = self.broken();
        let named = |list: &[Break], seq: Seq| list.iter().any(|b| b.seq == seq);
        for gone in before.iter().filter(|b| !named(&after, b.seq) && !changes.frozen.contains(&b.seq)) {
            changes.healed.push((gone.seq, BreakKind::Chain));
        }
        changes.opened.extend(after.iter().filter(|b| !named(before, b.seq)));
    }
}

enum Place {
    Newer,
    SameInstant,
    Late,
}

fn is_newer(leg: &Leg, last: &Leg) -> bool {
    match (last.order, leg.order) {
        (Some(last), Some(order)) if order != last => order > last,
        _ => leg.at > last.at,
    }
}
