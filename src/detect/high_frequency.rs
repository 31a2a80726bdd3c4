//! Many entries of one account in a rolling window. No cooldown.
//!
//! An entry is a hit when the window that ends at it holds `count` or more, which is so exactly
//! when its (`count` − 1)th predecessor is younger than the window. A late entry can push the
//! entries after it over the line: those are hits too, marked late.

use serde_json::json;

use crate::clock::{Moment, SECOND};
use crate::ids::Seq;

use super::examples::Example;
use super::{Case, Check, Evidence, Hit, Outcome, Placed, Recent, Rule, Severity, examples};

pub(super) struct HighFrequency;

struct Count {
    window_seconds: i64,
    count: usize,
}

/// Counts above this would need more history than is kept per account.
const COUNT_MAX: usize = 100;
/// Entries listed as evidence of one hit, unless the line itself is higher.
const LISTED_MAX: usize = 50;
const WINDOW_SECONDS_MAX: i64 = 7 * 86_400;

impl Rule for HighFrequency {
    fn code(&self) -> &'static str {
        "high-frequency"
    }
    fn title(&self) -> &'static str {
        "High-frequency activity"
    }
    fn family(&self) -> &'static str {
        "velocity"
    }
    fn typology(&self) -> &'static str {
        "Rapid movements on one account"
    }
    fn source(&self) -> &'static str {
        "FFIEC BSA/AML manual; Nacha fraud-monitoring rules 2026 (velocity)"
    }
    fn grouping(&self) -> &'static str {
        "account"
    }
    fn severity(&self) -> Severity {
        Severity::Medium
    }
    fn defaults(&self) -> serde_json::Value {
        json!({ "window_seconds": 3600, "count": 6 })
    }
    fn compile(&self, parameters: &serde_json::Value) -> Result<Box<dyn Check>, String> {
        let read: Parameters = serde_json::from_value(parameters.clone()).map_err(|e| format!("high-frequency: {e}"))?;
        if !(2..=COUNT_MAX).contains(&read.count) {
            return Err(format!("high-frequency: count must be 2 to {COUNT_MAX}"));
        }
        if !(1..=WINDOW_SECONDS_MAX).contains(&read.window_seconds) {
            return Err(format!("high-frequency: window_seconds must be 1 to {WINDOW_SECONDS_MAX}"));
        }
        Ok(Box::new(Count { window_seconds: read.window_seconds, count: read.count }))
    }
    fn loosens(&self, before: &serde_json::Value, after: &serde_json::Value) -> bool {
        let read = |value: &serde_json::Value| serde_json::from_value::<Parameters>(value.clone());
        match (read(before), read(after)) {
            (Ok(before), Ok(after)) => after.count > before.count || after.window_seconds < before.window_seconds,
            _ => true,
        }
    }
    fn examples(&self) -> &'static [Example] {
        examples::HIGH_FREQUENCY
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    window_seconds: i64,
    count: usize,
}

impl Count {
    fn window_text(&self) -> String {
        match self.window_seconds {
            s if s % 3600 == 0 => format!("{} min", s / 60),
            s if s % 60 == 0 => format!("{} min", s / 60),
            s => format!("{s} s"),
        }
    }

    /// The usual case: whether a newest entry at `at` has enough of the `earlier` ones in its window.
    fn fills(&self, earlier: &[Placed], at: i64) -> bool {
        let start = (earlier.len() + 1).checked_sub(self.count);
        start.is_some_and(|start| earlier[start].at >= at - self.window_seconds * SECOND)
    }

    /// The first entry of the window that ends at `list[i]`, if that window holds enough.
    fn crossed(&self, list: &[Placed], i: usize) -> Option<usize> {
        let start = (i + 1).checked_sub(self.count)?;
        (list[start].at >= list[i].at - self.window()).then_some(start)
    }

    /// The entries of the window that ends at `list[i]`, the newest of them listed; where older ones
    /// may have been forgotten, so many *or more*.
    fn hit(&self, list: &[Placed], i: usize, start: usize, seen: (bool, bool)) -> Hit {
        let (forgot, late) = seen;
        let from = list[i].at - self.window();
        let first = (0..=start).find(|k| list[*k].at >= from).unwrap_or(start);
        let count = i + 1 - first;
        let listed = first.max((i + 1).saturating_sub(LISTED_MAX.max(self.count)));
        let entries: Vec<i64> = list[listed..=i].iter().map(|p| p.seq).collect();
        let evidence = Evidence {
            observed: if first == 0 && forgot { format!("{count} or more") } else { count.to_string() },
            threshold: self.count.to_string(),
            window: Some(self.window_text()),
            entries,
        };
        Hit { seq: list[i].seq, late, evidence }
    }
}

impl Check for Count {
    fn text(&self) -> String {
        format!("{} or more booked entries on one account within {}.", self.count, self.window_text())
    }

    fn check(&self, case: &Case<'_>) -> Outcome {
        if case.entry.amount == 0 {
            return Outcome::NotApplicable;
        }
        let at = case.entry.booked_at;
        if self.lacks(case.recent, at, case.seq) {
            return Outcome::InsufficientHistory;
        }
        let place = case.recent.place(at, case.seq);
        let earlier = case.recent.placed();
        if place == earlier.len() && !self.fills(earlier, at.0) {
            return Outcome::Clear;
        }
        let mut list = earlier.to_vec();
        list.insert(place, Placed { at: at.0, seq: case.seq });
        let mut hits = Vec::new();
        for i in place..list.len().min(place + self.count) {
            let Some(start) = self.crossed(&list, i) else { continue };
            // Without the new entry the same window reached one further back.
            let was_hit = i > place && start > 0 && list[start - 1].at >= list[i].at - self.window();
            if !was_hit {
                hits.push(self.hit(&list, i, start, (case.recent.forgot(), i > place)));
            }
        }
        if hits.is_empty() { Outcome::Clear } else { Outcome::Hits(hits) }
    }

    fn explain(&self, evidence: &Evidence) -> String {
        let window = evidence.window.as_deref().unwrap_or_default();
        format!(
            "{} entries on this account within {window}; the line is {} or more within {window}.",
            evidence.observed, evidence.threshold
        )
    }

    fn reach(&self) -> usize {
        2 * self.count
    }

    fn window(&self) -> i64 {
        self.window_seconds * SECOND
    }

    fn lacks(&self, recent: &Recent, at: Moment, seq: Seq) -> bool {
        !recent.reaches(at, seq, self.count - 1, at.0.saturating_sub(self.window()))
    }
}
