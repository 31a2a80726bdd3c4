//! How an account's chains are kept.
//!
//! Nearly every account has one chain, whose latest instant has one entry. That is one piece of memory within the
//! account's other state, and the next entry in order finds its place there without a search. Every other account
//! keeps its [`Chains`] as a whole. The same chains are always kept the same way.

use serde::{Deserialize, Serialize};

use super::Changes;
use super::anew::Looked;
use super::chains::{Chain, Chains, Leg, is_newer, is_same_instant};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kept {
    /// No entry yet.
    #[default]
    Nothing,
    One(One),
    Whole(Box<Chains>),
}

/// One chain, whose latest instant has one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct One {
    first: Leg,
    /// What there was before the latest instant.
    before: Option<End>,
    /// The entry of the latest instant, with which the chain ends.
    last: Leg,
    guessed: bool,
}

/// Where the chain ended before its latest instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    at: i64,
    order: Option<i64>,
    balance: i64,
}

impl Kept {
    /// As [`Chains::add`].
    pub(super) fn add(&mut self, leg: Leg, tolerance: i64, past: Option<Looked<'_>>, changes: &mut Changes) -> i64 {
        match self {
            Kept::Nothing => {
                *self = Kept::One(One { first: leg, before: None, last: leg, guessed: false });
                return 0;
            }
            Kept::One(one) => {
                if let Some(rounded) = one.append(&leg, tolerance) {
                    return rounded;
                }
            }
            Kept::Whole(_) => {}
        }
        self.as_whole(|chains| chains.add(leg, tolerance, past, changes))
    }

    /// As [`Chains::wants_past`].
    pub(super) fn wants_past(&self, leg: &Leg, tolerance: i64) -> bool {
        match self {
            Kept::Nothing => false,
            Kept::One(one) => one.may_want_past(leg) && one.whole().wants_past(leg, tolerance),
            Kept::Whole(chains) => chains.wants_past(leg, tolerance),
        }
    }

    /// As [`Chains::shift`].
    pub(super) fn shift(&mut self, signed: i64) {
        if *self != Kept::Nothing {
            self.as_whole(|chains| chains.shift(signed));
        }
    }

    /// Where the latest chain ends.
    pub(super) fn latest_end(&self) -> Option<i64> {
        match self {
            Kept::Nothing => None,
            Kept::One(one) => Some(one.last.after),
            Kept::Whole(chains) => chains.latest_end(),
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Kept::Nothing => 0,
            Kept::One(_) => 1,
            Kept::Whole(chains) => chains.count(),
        }
    }

    /// Reads the ends of what [`Kept::add`] usually touches.
    pub(super) fn touch(&self) -> i64 {
        match self {
            Kept::Nothing => 0,
            Kept::One(one) => one.first.seq ^ one.last.after,
            Kept::Whole(chains) => chains.touch(),
        }
    }

    /// Has something done with the chains as a whole.
    fn as_whole<T>(&mut self, act: impl FnOnce(&mut Chains) -> T) -> T {
        let mut chains = match std::mem::take(self) {
            Kept::Nothing => Box::default(),
            Kept::One(one) => Box::new(one.whole()),
            Kept::Whole(chains) => chains,
        };
        let answer = act(&mut chains);
        *self = One::of(&chains).map_or(Kept::Whole(chains), Kept::One);
        answer
    }
}

impl One {
    /// These chains, if they are one whose latest instant has one entry.
    fn of(chains: &Chains) -> Option<One> {
        let ([chain], [last]) = (chains.all(), chains.group.as_slice()) else { return None };
        let end = |chain: &Chain| End { at: chain.last_at, order: chain.last_order, balance: chain.end };
        let before = chains.base.first().map(end);
        let one = One { first: chain.first, before, last: *last, guessed: chains.is_guessed() };
        (one.whole() == *chains).then_some(one)
    }

    fn whole(&self) -> Chains {
        let of = |end: End| Chain { first: self.first, last_at: end.at, last_order: end.order, end: end.balance };
        Chains::of_one(self.before.map(of), self.first, self.last, self.guessed)
    }

    /// Appends an entry that is newer and follows; answers the rounding that was tolerated.
    fn append(&mut self, leg: &Leg, tolerance: i64) -> Option<i64> {
        let last = self.last;
        let rounded = i64::try_from(last.after.abs_diff(leg.before)).ok().filter(|off| *off <= tolerance)?;
        if (rounded == 0 && is_same_instant(leg, &last)) || !is_newer(leg, &last) {
            return None;
        }
        self.before = Some(End { at: last.at, order: last.order, balance: last.after });
        self.last = *leg;
        Some(rounded)
    }

    /// Whether the chains as a whole must be asked: the entry comes late, or does not follow where chains were
    /// joined by their ends alone.
    fn may_want_past(&self, leg: &Leg) -> bool {
        let late = !is_newer(leg, &self.last) && !is_same_instant(leg, &self.last);
        late || (self.guessed && self.last.after != leg.before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Few instants, balances and numbers, so that entries meet in every way there is.
    fn leg() -> impl Strategy<Value = Leg> {
        let order = prop_oneof![6 => Just(None), 1 => (0_i64..9).prop_map(Some)];
        (0_i64..6, order, -2_i64..=2, -2_i64..=2, any::<bool>()).prop_map(|(at, order, before, after, derived)| Leg {
            seq: 0,
            at,
            order,
            before,
            after,
            moved: derived.then_some(after - before),
        })
    }

    proptest! {
        #[test]
        fn chains_are_the_same_however_they_are_kept(legs in prop::collection::vec((leg(), any::<bool>(), 0..40), 1..40), tolerance in 0_i64..2) {
            let (mut kept, mut chains) = (Kept::Nothing, Chains::default());
            for (seq, (leg, follows, shifts)) in (0..).zip(legs) {
                // Most entries go on from the one before, as they do.
                let last = kept.latest_end().filter(|_| follows).map(|end| Leg { before: end, after: end + leg.after, at: seq, ..leg });
                let leg = Leg { seq, ..last.unwrap_or(leg) };
                if shifts == 0 {
                    kept.shift(1);
                    chains.shift(1);
                }
                let (mut by_kept, mut by_chains) = (Changes::default(), Changes::default());
                prop_assert_eq!(kept.wants_past(&leg, tolerance), chains.wants_past(&leg, tolerance));
                let off = (kept.add(leg, tolerance, None, &mut by_kept), chains.add(leg, tolerance, None, &mut by_chains));
                prop_assert_eq!((off.0, by_kept), (off.1, by_chains));
                prop_assert_eq!((kept.count(), kept.latest_end()), (chains.count(), chains.latest_end()));
                match &kept {
                    Kept::Nothing => prop_assert!(false, "an entry was lost"),
                    Kept::One(one) => prop_assert_eq!(&one.whole(), &chains),
                    Kept::Whole(whole) => prop_assert!(**whole == chains && One::of(whole).is_none()),
                }
            }
        }
    }
}
