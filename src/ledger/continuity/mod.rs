//! Balance continuity: does every entry begin where an earlier one ended?
//!
//! An account's entries form chains ([`chains`]): an entry joins after the chain whose end is its
//! balance before, and before the chain whose start is its balance after, where time permits;
//! entries of one instant may come in either order ([`trails`]). Every chain but the first is one
//! break, named at its first entry. Beside it: arithmetic, the sender's numbering ([`numbering`])
//! and the drift of tolerated roundings.
//!
//! Pure: no database, no clock. What it proves is coherence, not truth.

mod anew;
#[cfg(test)]
mod anew_tests;
mod chains;
mod course;
#[cfg(test)]
mod course_tests;
mod kept;
mod loops;
mod numbering;
#[cfg(test)]
mod tests;
mod trails;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use chains::{CHAINS_MAX, Chains, GROUP_MAX, Leg};
pub use course::{Instant, Proof, Standing, course, standing};
use numbering::Numbering;

use crate::clock::Moment;
use crate::config::{Mode, Source};
use crate::ids::Seq;
use crate::money::{Currency, Money, MoneyError};

use super::{BreakKind, Horizon, Movement, Past, Status};
use anew::{Looked, leg_of};
use kept::Kept;

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

impl Strictness {
    /// As the settings of a source say, for entries in `currency`; a source without settings is
    /// checked entry by entry and tolerates nothing.
    ///
    /// # Errors
    /// When a tolerance is not an amount that its currency can have.
    pub fn of(source: Option<&Source>, currency: Currency) -> Result<Strictness, MoneyError> {
        let Some(source) = source else { return Ok(Strictness::default()) };
        let stated = |table: &BTreeMap<String, String>| {
            let text = table.get(currency.code());
            text.map(|text| Money::parse_amount(text, currency).map(Money::minor)).transpose()
        };
        let tolerance = stated(&source.tolerance)?.unwrap_or(0);
        let per_day = stated(&source.tolerance_per_day)?;
        let tolerance_per_day = per_day.unwrap_or(tolerance.saturating_mul(TOLERANCES_PER_DAY));
        Ok(Strictness { mode: source.continuity, tolerance, tolerance_per_day })
    }
}

/// The cap of roundings per account and business date, in tolerances, unless the source states one.
const TOLERANCES_PER_DAY: i64 = 100;

/// What continuity remembers of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountContinuity {
    chains: Kept,
    numbering: Numbering,
    drift_date: i32,
    drift: i64,
    horizon: Horizon,
}

impl AccountContinuity {
    /// Places an entry; answers what that changed. With a look-back at the account's earlier entries where
    /// [`AccountContinuity::wants_past`] asks for one: without it what comes late may stand apart although it belongs
    /// between two others.
    pub fn add(&mut self, entry: &Movement, business_date: i32, how: Strictness, past: Option<&Past>) -> Changes {
        let mut changes = Changes::default();
        if entry.status == Status::Attempted {
            return changes;
        }
        let looked = past.map(|past| {
            let booked = past.entries.iter().filter(|entry| entry.status == Status::Booked).count();
            Looked { past, complete_after: self.horizon.complete_after(booked) }
        });
        self.horizon.add(Moment(entry.booked_at));
        if how.mode == Mode::None {
            return changes;
        }
        if let Some(number) = entry.account_seq {
            self.numbering.add(entry.seq, number, &mut changes);
        }
        if how.mode == Mode::Sequenced || how.mode == Mode::Daily {
            return changes;
        }
        let Some(leg) = leg_of(entry) else {
            self.chains.shift(entry.signed());
            return changes;
        };
        let off = self.arithmetic(entry, how.tolerance, &mut changes);
        let rounded = off.saturating_add(self.chains.add(leg, how.tolerance, looked, &mut changes));
        self.add_drift(entry.seq, rounded, business_date, how, &mut changes);
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

    /// Reads what placing the next entry in order takes, so that it is near then.
    pub fn touch(&self) -> i64 {
        self.chains.touch() ^ i64::from(self.drift_date) ^ self.horizon.touch()
    }

    /// Whether placing `entry` rightly takes a look back at the account's earlier entries.
    pub fn wants_past(&self, entry: &Movement, how: Strictness) -> bool {
        let checked = !matches!(how.mode, Mode::None | Mode::Sequenced | Mode::Daily);
        let leg = leg_of(entry).filter(|_| checked && entry.status == Status::Booked);
        leg.is_some_and(|leg| self.chains.wants_past(&leg, how.tolerance))
    }

    /// Reports before ± amount ≠ after; answers a rounding within the tolerance.
    fn arithmetic(&self, entry: &Movement, tolerance: i64, changes: &mut Changes) -> i64 {
        let (Some(before), Some(after)) = (entry.balance_before, entry.balance_after) else { return 0 };
        let expected = before.checked_add(entry.signed());
        let off = expected.map_or(i64::MAX, |e| e.abs_diff(after).try_into().unwrap_or(i64::MAX));
        if off > tolerance {
            changes.opened.push(Break { seq: entry.seq, kind: BreakKind::Arithmetic, expected, found: Some(after) });
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
