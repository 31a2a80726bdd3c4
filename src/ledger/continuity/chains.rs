//! An account's chains, and how an entry joins them.
//!
//! `base` are the chains before the latest instant, `group` the entries of that instant, `chains`
//! what [`trails::solve`] makes of both. A newer entry closes the group; one of the same instant is
//! solved with it, in whatever order leaves the fewest chains; a late one joins `base`, or, where it
//! stands apart from what memory holds, is placed among all entries ([`super::anew`]).

use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::ledger::BreakKind;

use super::anew::Looked;
use super::{Break, Changes, trails};

/// Open chains per account; beyond it the oldest is frozen, visibly.
pub const CHAINS_MAX: usize = 64;
/// Entries of one instant that are solved together; beyond it the instant is cut in two.
pub const GROUP_MAX: usize = 1_024;

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

    pub fn permits_after(&self, leg: &Leg) -> bool {
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
    pub(super) base: Vec<Chain>,
    pub(super) group: Vec<Leg>,
    pub(super) chains: Vec<Chain>,
    /// Chains of `base` that ended each of their instants where they began: each may still be turned
    /// to begin and end elsewhere. Their legs, instant by instant.
    pub(super) loops: Vec<Vec<Vec<Leg>>>,
    /// Those that the latest instant made.
    pub(super) fresh: Vec<Vec<Leg>>,
    /// Some of the past is no longer matched: what stands apart cannot be solved anew.
    partial: bool,
    /// An entry that came late was joined by the ends of chains alone: loops may be turned wrongly.
    guessed: bool,
}

impl Chains {
    /// Places a leg, with what is known of the `past` where memory does not suffice
    /// ([`Chains::wants_past`]); answers the rounding that was tolerated where it joined.
    pub(super) fn add(&mut self, leg: Leg, tolerance: i64, past: Option<Looked<'_>>, changes: &mut Changes) -> i64 {
        if let Some(rounded) = self.append_in_order(&leg, tolerance) {
            return rounded;
        }
        let before = self.broken();
        let anew = past.and_then(|past| self.anew(&leg, past, tolerance));
        match anew {
            Some(anew) => *self = anew,
            None => self.insert(leg, tolerance),
        }
        self.freeze(changes);
        self.report(&before, changes);
        0
    }

    /// Reads the ends of what [`Chains::add`] usually touches.
    pub(super) fn touch(&self) -> i64 {
        let chain = |chain: Option<&Chain>| chain.map_or(0, |c| c.first.seq ^ c.end);
        chain(self.base.last()) ^ chain(self.chains.first()) ^ self.group.last().map_or(0, |leg| leg.at ^ leg.after)
    }

    /// Whether placing this leg rightly takes the entries it may have to go between.
    pub(super) fn wants_past(&self, leg: &Leg, tolerance: i64) -> bool {
        let late = matches!(self.place(leg), Place::Late);
        let follows = matches!(self.chains.as_slice(), [only] if only.end == leg.before);
        if self.partial || !(late || (self.guessed && !follows)) {
            return false;
        }
        let mut tried = self.clone();
        tried.insert(*leg, tolerance);
        tried.chains.len() > 1
    }

    /// Places a leg by what memory holds.
    fn insert(&mut self, leg: Leg, tolerance: i64) {
        match self.place(&leg) {
            Place::Newer => self.next_instant(vec![leg], tolerance),
            Place::SameInstant => self.group.push(leg),
            Place::Late => {
                self.insert_late(leg, tolerance);
                self.guessed = true;
            }
        }
        self.solve(tolerance);
    }

    /// One chain that nothing is known of but its two ends.
    pub(super) fn of(chain: Chain) -> Chains {
        Chains { chains: vec![chain], ..Chains::default() }
    }

    /// One chain, from `first` on, whose latest instant has one entry, `last`; `before` it, what there was earlier.
    pub(super) fn of_one(before: Option<Chain>, first: Leg, last: Leg, guessed: bool) -> Chains {
        let chain = Chain { first, last_at: last.at, last_order: last.order, end: last.after };
        let base = before.into_iter().collect();
        Chains { base, group: vec![last], chains: vec![chain], guessed, ..Chains::default() }
    }

    /// Whether chains were joined by their ends alone.
    pub(super) fn is_guessed(&self) -> bool {
        self.guessed
    }

    /// Every chain.
    pub(super) fn all(&self) -> &[Chain] {
        &self.chains
    }

    /// Entries of one instant, later than all before.
    pub(super) fn instant(&mut self, group: Vec<Leg>, tolerance: i64) {
        self.next_instant(group, tolerance);
        self.solve(tolerance);
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
            self.cut();
            self.partial = true;
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

    /// Nothing of what there is will be ordered anew.
    fn cut(&mut self) {
        self.base.clone_from(&self.chains);
        self.group.clear();
        self.loops.clear();
        self.fresh.clear();
    }

    /// The usual case, without any search: one chain, and the entry follows its end.
    fn append_in_order(&mut self, leg: &Leg, tolerance: i64) -> Option<i64> {
        if !self.loops.is_empty() || !self.fresh.is_empty() {
            return None;
        }
        let [only] = self.chains.as_mut_slice() else { return None };
        let rounded = i64::try_from(only.end.abs_diff(leg.before)).ok().filter(|off| *off <= tolerance)?;
        let last = self.group.last()?;
        if is_same_instant(leg, last) && rounded == 0 && self.group.len() < GROUP_MAX {
            // A loop that nothing precedes may have to be turned: that is for the search.
            if self.base.is_empty() && leg.after == only.first.before {
                return None;
            }
            only.append(leg);
            self.group.push(*leg);
            return Some(0);
        }
        if !is_newer(leg, last) {
            return None;
        }
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
        let same_instant = is_same_instant(leg, last);
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
        let count = |base: &[Chain]| trails::solve(base, &self.group, tolerance).chains.len();
        self.base = if count(&joined) <= count(&alone) { joined } else { alone };
    }

    /// The chain that is no break.
    pub(super) fn first(&self) -> Option<&Chain> {
        self.chains.iter().min_by_key(|c| (c.first.order, c.first.at, c.first.seq))
    }

    /// The breaks: every chain but the first, by booking time and then by place in the log.
    fn broken(&self) -> Vec<Break> {
        let Some(first) = self.first() else { return Vec::new() };
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
            self.cut();
            self.partial = true;
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

pub(super) fn is_same_instant(leg: &Leg, last: &Leg) -> bool {
    leg.at == last.at && (leg.order.is_none() || last.order.is_none())
}

pub(super) fn is_newer(leg: &Leg, last: &Leg) -> bool {
    match (last.order, leg.order) {
        (Some(last), Some(order)) if order != last => order > last,
        _ => leg.at > last.at,
    }
}
