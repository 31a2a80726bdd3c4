//! What does not hold together, bounded and sorted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ids::Seq;

use super::tables::EXEMPT;
use super::{LEVELS, Level, Outcome};

/// Findings listed per level, kind and table; the rest is counted.
const LISTED_MAX: u64 = 1_000;

/// One thing that does not hold together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `L0` to `L6`.
    pub level: &'static str,
    /// Stable, for programs.
    pub kind: &'static str,
    /// The table to look at.
    pub table: &'static str,
    /// The place in the log, where there is one.
    pub seq: Option<Seq>,
    /// For people; nothing personal.
    pub detail: String,
}

/// What is looked at beside the findings: how much, and what has to be said of it.
#[derive(Debug, Default)]
struct Covered {
    things: u64,
    note: Option<String>,
}

/// The number in a level's name, which is its place in [`LEVELS`].
fn number(level: &str) -> usize {
    usize::from(level.as_bytes()[1] - b'0')
}

/// Collects findings, and how much was looked at.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    counts: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    covered: [Covered; LEVELS.len()],
}

impl Findings {
    /// Whether nothing was found so far.
    pub(super) fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    /// Notes that `count` things of a level were looked at.
    pub(super) fn checked(&mut self, level: &'static str, count: usize) {
        self.covered[number(level)].things += count as u64;
    }

    /// Says something of a level that its count does not say.
    pub(super) fn note(&mut self, level: &'static str, text: impl Into<String>) {
        let note = &mut self.covered[number(level)].note;
        let text = text.into();
        *note = Some(note.take().map_or_else(|| text.clone(), |before| format!("{before}; {text}")));
    }

    /// Adds what another part of the verification found and looked at.
    pub(super) fn merge(&mut self, other: Findings) {
        for finding in other.list {
            let listed = self.counts.entry((finding.level, finding.kind, finding.table)).or_default();
            *listed += 1;
            if *listed <= LISTED_MAX {
                self.list.push(finding);
            }
        }
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count - count.min(LISTED_MAX);
        }
        for (covered, more) in self.covered.iter_mut().zip(other.covered) {
            covered.things += more.things;
            if let Some(text) = more.note {
                covered.note = Some(covered.note.take().map_or_else(|| text.clone(), |before| format!("{before}; {text}")));
            }
        }
    }

    /// Adds one finding.
    pub(super) fn add(
        &mut self,
        (level, kind): (&'static str, &'static str),
        table: &'static str,
        seq: impl Into<Option<Seq>>,
        detail: impl Into<String>,
    ) {
        let count = self.counts.entry((level, kind, table)).or_default();
        *count += 1;
        if *count <= LISTED_MAX {
            self.list.push(Finding { level, kind, table, seq: seq.into(), detail: detail.into() });
        }
    }

    /// Adds the same finding for every place from `from` to before `to`.
    pub(super) fn add_range(
        &mut self,
        what: (&'static str, &'static str),
        table: &'static str,
        (from, to): (Seq, Seq),
        detail: &str,
    ) {
        let listed = (from..to).take(LISTED_MAX as usize);
        listed.for_each(|seq| self.add(what, table, seq, detail));
        let rest = (to - from).max(0) as u64;
        if rest > LISTED_MAX {
            *self.counts.entry((what.0, what.1, table)).or_default() += rest - LISTED_MAX;
        }
    }

    /// The outcome for a log of `size` leaves and this root: sorted by level, table and place, with a
    /// line for what was only counted.
    pub(super) fn outcome(mut self, size: Seq, root: &[u8]) -> Outcome {
        let found = self.counts.values().sum();
        for ((level, kind, table), count) in &self.counts {
            if *count > LISTED_MAX {
                let detail = format!("and {} more of this kind", count - LISTED_MAX);
                self.list.push(Finding { level, kind, table, seq: None, detail });
            }
        }
        // What could not be tried comes after what is in its way.
        self.list.sort_by_key(|f| (f.kind.ends_with("_unproven"), f.level, f.table, f.seq.is_none(), f.seq, f.kind));
        let level = |(&(level, name), covered): (&(&'static str, &'static str), Covered)| {
            let ok = !self.list.iter().any(|f| f.level == level);
            Level { level, name, checked: covered.things, ok, note: covered.note }
        };
        let levels = LEVELS.iter().zip(self.covered).map(level).collect();
        Outcome { ok: self.list.is_empty(), size, root: hex::encode(root), levels, found, findings: self.list, exempt: EXEMPT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::L2;

    #[test]
    fn what_is_not_listed_is_counted() {
        let mut findings = Findings::default();
        findings.add_range((L2, "leaf_missing"), "entries", (5, 2_505), "gone");
        findings.add((L2, "leaf_missing"), "entries", 2, "gone");
        let mut both = Findings::default();
        both.add_range((L2, "leaf_missing"), "entries", (0, 2), "gone");
        both.merge(std::mem::take(&mut findings));
        assert_eq!(both.list.len(), 1_000);
        let again = both.outcome(0, &[]);
        assert_eq!((again.findings.len(), again.found), (1_001, 2_503));
        findings.add_range((L2, "leaf_missing"), "entries", (5, 2_505), "gone");
        findings.add((L2, "leaf_missing"), "entries", 2, "gone");
        let outcome = findings.outcome(0, &[]);
        assert_eq!(outcome.findings.len(), 1_001);
        assert_eq!(outcome.findings[0].seq, Some(5));
        assert_eq!(outcome.findings[1_000].detail, "and 1501 more of this kind");
        assert_eq!(outcome.found, 2_501);
        assert!(!outcome.ok && !outcome.levels[2].ok && outcome.levels[3].ok);
    }
}
