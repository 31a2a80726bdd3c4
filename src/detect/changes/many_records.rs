//! Many records changed by one actor in a rolling window. No cooldown: hits join one alert.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::SECOND;
use crate::ids::Seq;

use super::super::{Check, Evidence, Looks, Outcome, Rule, Severity};
use super::examples::{ChangeExample, PLAIN, Told};
use super::{ChangeCase, Earlier, Except, LookBack, loosened, read, window_text};

const CODE: &str = "many-records";
const COUNT_MAX: usize = 1_000;
const WINDOW_SECONDS_MAX: i64 = 7 * 86_400;
/// Earlier changes that are looked at for each record of the line: one record may change several times.
const READ_PER_RECORD: usize = 4;
/// Changes listed as evidence of one hit.
const LISTED_MAX: usize = 50;

pub struct ManyRecords;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    count: usize,
    window_seconds: i64,
    #[serde(default)]
    except: Except,
}

impl Rule for ManyRecords {
    fn code(&self) -> &'static str {
        CODE
    }
    fn title(&self) -> &'static str {
        "Many records changed by one actor"
    }
    fn family(&self) -> &'static str {
        "change"
    }
    fn typology(&self) -> &'static str {
        "Mass changes by a misused or broken account"
    }
    fn source(&self) -> &'static str {
        "ISO/IEC 27002 8.16, monitoring activities"
    }
    fn grouping(&self) -> &'static str {
        "actor"
    }
    fn severity(&self) -> Severity {
        Severity::Medium
    }
    fn looks(&self) -> Looks {
        Looks::Changes
    }
    fn defaults(&self) -> Value {
        json!({ "count": 50, "window_seconds": 3600, "except": ["system"] })
    }
    fn compile(&self, parameters: &Value) -> Result<Box<dyn Check>, String> {
        let read: Parameters = read(CODE, parameters)?;
        if !(2..=COUNT_MAX).contains(&read.count) {
            return Err(format!("{CODE}: count must be 2 to {COUNT_MAX}"));
        }
        if !(1..=WINDOW_SECONDS_MAX).contains(&read.window_seconds) {
            return Err(format!("{CODE}: window_seconds must be 1 to {WINDOW_SECONDS_MAX}"));
        }
        let except = read.except.checked().map_err(|e| format!("{CODE}: {e}"))?;
        Ok(Box::new(Parameters { except, ..read }))
    }
    fn loosens(&self, before: &Value, after: &Value) -> bool {
        loosened(before, after, |one: &Parameters, two| {
            two.count > one.count || two.window_seconds < one.window_seconds || one.except.grows(&two.except)
        })
    }
    fn change_examples(&self) -> &'static [ChangeExample] {
        EXAMPLES
    }
}

impl Check for Parameters {
    fn text(&self) -> String {
        let (window, except) = (window_text(self.window_seconds), self.except.text());
        format!("Changes of {} or more records by one actor within {window}{except}.", self.count)
    }

    fn check_change(&self, case: &ChangeCase<'_>) -> Outcome {
        let Some(actor) = case.actor.filter(|actor| !self.except.has(actor.kind)) else { return Outcome::NotApplicable };
        let since = case.at.0.saturating_sub(self.window_seconds * SECOND);
        let near = |earlier: &&Earlier| (since..=case.at.0).contains(&earlier.at.0);
        let inside: Vec<&Earlier> = actor.past.changes.iter().filter(near).collect();
        let records: BTreeSet<Seq> = inside.iter().map(|earlier| earlier.record).chain([case.record]).collect();
        if records.len() < self.count {
            return if actor.past.cut { Outcome::InsufficientHistory } else { Outcome::Clear };
        }
        let more = if actor.past.cut { " or more" } else { "" };
        let mut listed: Vec<Seq> = inside.iter().take(LISTED_MAX - 1).map(|earlier| earlier.seq).chain([case.seq]).collect();
        listed.sort_unstable();
        let window = window_text(self.window_seconds);
        case.hit(format!("{}{more}", records.len()), self.count.to_string(), Some(window), listed)
    }

    fn explain(&self, evidence: &Evidence) -> String {
        let window = evidence.window.as_deref().unwrap_or_default();
        let (observed, threshold) = (&evidence.observed, &evidence.threshold);
        format!("One actor changed {observed} records within {window}; the line is {threshold} or more.")
    }

    fn looks_back(&self) -> Option<LookBack> {
        let (fewest, most) = (self.count - 1, self.count * READ_PER_RECORD);
        Some(LookBack { fewest, most, window: self.window_seconds * SECOND })
    }

    fn is_of_actor(&self) -> bool {
        true
    }
}

const fn of(record: &'static str, at: &'static str) -> Told {
    Told { record, at, ..PLAIN }
}

/// Fifty records at ten o'clock.
const FIFTY: [Told; 50] = {
    const NAMES: [&str; 50] = [
        "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20",
        "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32", "33", "34", "35", "36", "37", "38", "39", "40",
        "41", "42", "43", "44", "45", "46", "47", "48", "49", "50",
    ];
    let mut told = [of("01", "2026-03-02T10:00:00Z"); 50];
    let mut at = 0;
    while at < 50 {
        told[at] = of(NAMES[at], "2026-03-02T10:00:00Z");
        at += 1;
    }
    told
};

/// The same with the last one changed.
const fn fifty(last: Told) -> [Told; 50] {
    let mut told = FIFTY;
    told[49] = last;
    told
}

static EXAMPLES: &[ChangeExample] = &[
    ChangeExample { name: "fifty records within the hour fire at the fiftieth", zone: "UTC", changes: &FIFTY, hits: &[49] },
    ChangeExample {
        name: "forty-nine are one below the line: a record that changes again counts once",
        zone: "UTC",
        changes: &fifty(of("01", "2026-03-02T10:00:00Z")),
        hits: &[],
    },
    ChangeExample {
        name: "the window is closed at its old edge: exactly one hour apart still counts",
        zone: "UTC",
        changes: &fifty(of("50", "2026-03-02T11:00:00Z")),
        hits: &[49],
    },
    ChangeExample {
        name: "a microsecond more does not",
        zone: "UTC",
        changes: &fifty(of("50", "2026-03-02T11:00:00.000001Z")),
        hits: &[],
    },
    ChangeExample {
        name: "another actor's changes do not count",
        zone: "UTC",
        changes: &fifty(Told { actor: Some(("bob", Some("staff"))), ..of("50", "2026-03-02T10:00:00Z") }),
        hits: &[],
    },
    ChangeExample {
        name: "a machine may",
        zone: "UTC",
        changes: &fifty(Told { actor: Some(("ann", Some("system"))), ..of("50", "2026-03-02T10:00:00Z") }),
        hits: &[],
    },
];
