//! Solving an account anew from its entries: what an entry that comes late may have to go between.
//!
//! In the order of time the fewest chains are found instant by instant ([`super::trails`]), so the
//! chains of an account are what its entries give in that order, whatever the order of arrival.

use crate::ledger::{Movement, Past, Status};

use super::chains::{Chain, Chains, GROUP_MAX, Leg};

/// A look-back: entries, and the instant after which they are all there are.
#[derive(Clone, Copy)]
pub(super) struct Looked<'a> {
    pub past: &'a Past,
    pub complete_after: Option<i64>,
}

impl Looked<'_> {
    /// The legs of the time that is known whole; `None` when some entry carries no balance.
    fn legs(&self) -> Option<Vec<Leg>> {
        let booked = self.past.entries.iter().filter(|entry| entry.status == Status::Booked);
        let known = booked.filter(|entry| self.complete_after.is_none_or(|after| entry.booked_at > after));
        known.map(leg_of).collect()
    }
}

/// An entry as continuity sees it; `None` when it carries no balance.
pub(super) fn leg_of(entry: &Movement) -> Option<Leg> {
    let after = entry.balance_after?;
    // A balance before that does not fit 63 bits cannot be right; arithmetic reports it.
    let derived = after.checked_sub(entry.signed()).unwrap_or(after);
    let before = entry.balance_before.unwrap_or(derived);
    let moved = entry.balance_before.is_none().then(|| entry.signed());
    Some(Leg { seq: entry.seq, at: entry.booked_at, order: entry.account_seq, before, after, moved })
}

impl Chains {
    /// The chains of the past and `leg`, in the order of time; `None` when too little is known.
    pub(super) fn anew(&self, leg: &Leg, looked: Looked<'_>, tolerance: i64) -> Option<Chains> {
        let mut legs = looked.legs()?;
        let start = match looked.complete_after {
            None => Chains::default(),
            Some(after) => self.beginning(&legs, leg, after, tolerance)?,
        };
        legs.push(*leg);
        Some(start.followed_by(legs, tolerance))
    }

    /// The one chain that the time before `after` left behind: where it ended is where what is known
    /// since then must go on to give the chains that there are.
    fn beginning(&self, legs: &[Leg], leg: &Leg, after: i64, tolerance: i64) -> Option<Chains> {
        let first = self.first()?;
        let apart = self.all().iter().filter(|chain| chain.first.seq != first.first.seq);
        let sequenced = legs.iter().chain([leg]).any(|leg| leg.order.is_some());
        if sequenced || leg.at <= after || first.first.at > after || apart.clone().any(|chain| chain.first.at <= after) {
            return None;
        }
        let earliest = legs.iter().map(|leg| leg.at).min()?;
        let ends = legs.iter().filter(|leg| leg.at == earliest).map(|leg| leg.before);
        let starts = ends.map(|end| Chains::of(Chain { first: first.first, last_at: after, last_order: None, end }));
        starts
            .map(|start| (start.clone(), start.followed_by(legs.to_vec(), tolerance)))
            .find(|(_, chains)| chains.all().len() == self.all().len())
            .map(|(start, _)| start)
    }

    /// These chains, and then the legs instant by instant.
    fn followed_by(mut self, mut legs: Vec<Leg>, tolerance: i64) -> Chains {
        // The sender's numbers win over the time where every entry has one.
        let numbered = legs.iter().all(|leg| leg.order.is_some());
        let key = |leg: &Leg| (leg.order.filter(|_| numbered), leg.at);
        legs.sort_by_key(|leg| (key(leg), leg.order, leg.seq));
        for instant in legs.chunk_by(|a, b| key(a) == key(b) && (a.order == b.order || a.order.is_none() || b.order.is_none())) {
            for group in instant.chunks(GROUP_MAX) {
                self.instant(group.to_vec(), tolerance);
            }
        }
        self
    }
}
