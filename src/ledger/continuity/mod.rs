//! Balance continuity: does every entry begin where an earlier one ended?
//!
//! An account's entries form chains ([`chains`]): an entry joins after the chain whose end is its
//! balance before, and before the chain whose start is its balance after, where time permits;
//! entries of one instant may come in either order ([`trails`]). Every chain but the first is one
//! break, named at its first entry. Beside it: arithmetic, the sender's numbering ([`numbering`])
//! and the drift of tolerated roundings.
//!
//! Pure: no database, no clock. What it proves is coherence, not truth.

mod chains;
mod numbering;
#[cfg(test)]
mod tests;
mod trails;

use serde::{Deserialize, Serialize};

pub use chains::{CHAINS_MAX, Chains, GROUP_MAX, Leg};
use numbering::Numbering;

use crate::config::Mode;
use crate::ids::Seq;

use super::{BreakKind, NewEntry, Status};

/// A break that was found, in minor units of the account's currency (or numbers, for `sequence`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// The entry it is named at.
    pub seq: Seq,
    /// What does not hold.
    pub kind: BreakKind,
    /// What should have been there.
    pub expected: Option<i64>,
    /// What is there.
    pub found: Option<i64>,
}

impl Break {
    /// found − expected, where both are known and the difference fits.
    pub fn difference(&self) -> Option<i64> {
        self.found?.checked_sub(self.expected?)
    }
}

impl Serialize for BreakKind {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i16(self.code())
    }
}

impl<'de> Deserialize<'de> for BreakKind {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<BreakKind, D::Error> {
        let code = i16::deserialize(from)?;
        BreakKind::from_code(code).ok_or_else(|| serde::de::Error::custom("unknown kind of break"))
    }
}

/// What one entry changed in its account's breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Breaks that are open now and were not.
    pub opened: Vec<Break>,
    /// Breaks this entry closed: the entry each was named at, and its kind.
    pub healed: Vec<(Seq, BreakKind)>,
    /// Chain breaks no longer matched, because the account has too many.
    pub frozen: Vec<Seq>,
}

impl Changes {
    /// Nothing opened, healed or frozen.
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.healed.is_empty() && self.frozen.is_empty()
    }
}

/// How strict the check of one account is, minor units of its currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strictness {
    /// What is checked.
    pub mode: Mode,
    /// Largest rounding that is no break.
    pub tolerance: i64,
    /// Largest sum of roundings per business date.
    pub tolerance_per_day: i64,
}

/// What continuity remembers of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountContinuity {
    chains: Chains,
    numbering: Numbering,
    drift_date: i32,
    drift: i64,
}

impl AccountContinuity {
    /// Places `entry`, which got the place `seq`; answers what that changed.
    pub fn add(&mut self, seq: Seq, entry: &NewEntry, business_date: i32, how: Strictness) -> Changes {
        let mut changes = Changes::default();
        if entry.status == Status::Attempted || how.mode == Mode::None {
            return changes;
        }
        if let Some(number) = entry.account_seq {
            self.numbering.add(seq, number, &mut changes);
        }
        if how.mode == Mode::Sequenced || how.mode == Mode::Daily {
            return changes;
        }
        let Some(leg) = self.leg(seq, entry) else {
            self.chains.shift(entry.signed());
            return changes;
        };
        let off = self.arithmetic(seq, entry, how.tolerance, &mut changes);
        let rounded = off.saturating_add(self.chains.add(leg, how.tolerance, &mut changes));
        self.add_drift(seq, rounded, business_date, how, &mut changes);
        changes
    }

    /// The balance at the end of the account's latest chain, if entries carry balances.
    pub fn balance(&self) -> Option<i64> {
        self.chains.latest_end()
    }

    /// How many chains stand apart; one when all is well.
    pub fn chain_count(&self) -> usize {
        self.chains.count()
    }

    fn leg(&self, seq: Seq, entry: &NewEntry) -> Option<Leg> {
        let after = entry.balance_after?;
        // A balance before that does not fit 63 bits cannot be right; arithmetic reports it.
        let derived = after.checked_sub(entry.signed()).unwrap_or(after);
        let before = entry.balance_before.unwrap_or(derived);
        let moved = entry.balance_before.is_none().then(|| entry.signed());
        Some(Leg { seq, at: entry.booked_at.0, order: entry.account_seq, before, after, moved })
    }

    /// Reports before ± amount ≠ after; answers a rounding within the tolerance.
    fn arithmetic(&self, seq: Seq, entry: &NewEntry, tolerance: i64, changes: &mut Changes) -> i64 {
        let (Some(before), Some(after)) = (entry.balance_before, entry.balance_after) else { return 0 };
        let expected = before.checked_add(entry.signed());
        let off = expected.map_or(i64::MAX, |e| e.abs_diff(after).try_into().unwrap_or(i64::MAX));
        if off > tolerance {
            changes.opened.push(Break { seq, kind: BreakKind::Arithmetic, expected, found: Some(after) });
            return 0;
        }
        off
    }

    fn add_drift(&mut self, seq: Seq, rounded: i64, business_date: i32, how: Strictness, changes: &mut Changes) {
        if rounded == 0 {
            return;
        }
        if self.drift_date != business_date {
            (self.drift_date, self.drift) = (business_date, 0);
        }
        let before = self.drift;
        self.drift = self.drift.saturating_add(rounded);
        if before <= how.tolerance_per_day && self.drift > how.tolerance_per_day {
            let (expected, found) = (Some(how.tolerance_per_day), Some(self.drift));
            changes.opened.push(Break { seq, kind: BreakKind::RoundingDrift, expected, found });
        }
    }
}
