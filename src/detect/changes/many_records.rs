//! Many records changed by one actor in a rolling window. No cooldown: hits join one alert.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::SECOND;
use crate::ids::Seq;

use super::super::{Check, Evidence, Hit, Looks, Outcome, Rule, Severity};
use super::examples::{ChangeExample, PLAIN, Told};
use super::{ChangeCase, Earlier, Except, LookBack, loosened, read, window_text};

const CODE: &str = "many-records";
const COUNT_MAX: usize = 1_000;
const WINDOW_SECONDS_MAX: i64 = 7 * 86_400;
/// Changes that are looked at on either side for each record of the line: one record may change several times.
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
        let window = Window::of(case, &actor.past.changes, self.window_seconds * SECOND, self.count);
        if window.records < self.count {
            return if actor.past.cut { Outcome::InsufficientHistory } else { Outcome::Clear };
        }
        let more = if actor.past.cut { " or more" } else { "" };
        let others = window.changes.iter().rev().map(|change| change.seq).filter(|seq| *seq != case.seq);
        let mut entries: Vec<Seq> = others.take(LISTED_MAX - 1).chain([case.seq]).collect();
        entries.sort_unstable();
        let evidence = Evidence {
            observed: format!("{}{more}", window.records),
            threshold: self.count.to_string(),
            window: Some(window_text(self.window_seconds)),
            entries,
        };
        Outcome::Hits(vec![Hit { seq: case.seq, late: window.late, evidence }])
    }

    fn explain(&self, evidence: &Evidence) -> String {
        let window = evidence.window.as_deref().unwrap_or_default();
        let (observed, threshold) = (&evidence.observed, &evidence.threshold);
        format!("One actor changed {observed} records within {window}; the line is {threshold} or more.")
    }

    fn looks_back(&self) -> Option<LookBack> {
        Some(LookBack { most: self.count * READ_PER_RECORD, window: self.window_seconds * SECOND })
    }

    fn is_of_actor(&self) -> bool {
        true
    }
}

/// A window of an actor's changes that holds the one in question.
struct Window {
    /// In order of time.
    changes: Vec<Earlier>,
    /// Records they are of.
    records: usize,
    /// Whether it ends later than the change in question, which then came late.
    late: bool,
}

impl Window {
    /// The window that ends at the change, if it has the records of a hit; else, as changes arrive in any order, of
    /// those that end later and still hold it the fullest.
    fn of(case: &ChangeCase<'_>, near: &[Earlier], length: i64, count: usize) -> Window {
        let own = Earlier { seq: case.seq, record: case.record, at: case.at };
        let mut all: Vec<Earlier> = near.iter().copied().chain([own]).collect();
        all.sort_by_key(|change| (change.at.0, change.seq));
        let at = all.iter().position(|change| *change == own).unwrap_or_default();
        let mut times: HashMap<Seq, usize> = HashMap::new();
        let (mut start, mut best) = (0, (0, 0, at));
        for (end, last) in all.iter().enumerate() {
            *times.entry(last.record).or_default() += 1;
            while all[start].at.0 < last.at.0.saturating_sub(length) {
                let left = times.entry(all[start].record).or_default();
                *left -= 1;
                if *left == 0 {
                    times.remove(&all[start].record);
                }
                start += 1;
            }
            if start > at || (end > at && best.0 >= count && best.2 == at) {
                break;
            }
            if end >= at && times.len() > best.0 {
                best = (times.len(), start, end);
            }
        }
        let (records, start, end) = best;
        Window { changes: all[start..=end].to_vec(), records, late: end != at }
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

/// The same a minute apart, the newest first: over 49 minutes.
const BACKWARDS: [Told; 50] = {
    const TIMES: [&str; 50] = [
        "2026-03-02T10:49:00Z",
        "2026-03-02T10:48:00Z",
        "2026-03-02T10:47:00Z",
        "2026-03-02T10:46:00Z",
        "2026-03-02T10:45:00Z",
        "2026-03-02T10:44:00Z",
        "2026-03-02T10:43:00Z",
        "2026-03-02T10:42:00Z",
        "2026-03-02T10:41:00Z",
        "2026-03-02T10:40:00Z",
        "2026-03-02T10:39:00Z",
        "2026-03-02T10:38:00Z",
        "2026-03-02T10:37:00Z",
        "2026-03-02T10:36:00Z",
        "2026-03-02T10:35:00Z",
        "2026-03-02T10:34:00Z",
        "2026-03-02T10:33:00Z",
        "2026-03-02T10:32:00Z",
        "2026-03-02T10:31:00Z",
        "2026-03-02T10:30:00Z",
        "2026-03-02T10:29:00Z",
        "2026-03-02T10:28:00Z",
        "2026-03-02T10:27:00Z",
        "2026-03-02T10:26:00Z",
        "2026-03-02T10:25:00Z",
        "2026-03-02T10:24:00Z",
        "2026-03-02T10:23:00Z",
        "2026-03-02T10:22:00Z",
        "2026-03-02T10:21:00Z",
        "2026-03-02T10:20:00Z",
        "2026-03-02T10:19:00Z",
        "2026-03-02T10:18:00Z",
        "2026-03-02T10:17:00Z",
        "2026-03-02T10:16:00Z",
        "2026-03-02T10:15:00Z",
        "2026-03-02T10:14:00Z",
        "2026-03-02T10:13:00Z",
        "2026-03-02T10:12:00Z",
        "2026-03-02T10:11:00Z",
        "2026-03-02T10:10:00Z",
        "2026-03-02T10:09:00Z",
        "2026-03-02T10:08:00Z",
        "2026-03-02T10:07:00Z",
        "2026-03-02T10:06:00Z",
        "2026-03-02T10:05:00Z",
        "2026-03-02T10:04:00Z",
        "2026-03-02T10:03:00Z",
        "2026-03-02T10:02:00Z",
        "2026-03-02T10:01:00Z",
        "2026-03-02T10:00:00Z",
    ];
    let mut told = FIFTY;
    let mut at = 0;
    while at < 50 {
        told[at].at = TIMES[at];
        at += 1;
    }
    told
};

/// The same with the first one changed, which is the newest.
const fn backwards(first: &'static str) -> [Told; 50] {
    let mut told = BACKWARDS;
    told[0].at = first;
    told
}

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
        name: "the newest first, they fire at the oldest, which comes last",
        zone: "UTC",
        changes: &BACKWARDS,
        hits: &[49],
    },
    ChangeExample {
        name: "the newest an hour after the oldest, which comes last: they still fire",
        zone: "UTC",
        changes: &backwards("2026-03-02T11:00:00Z"),
        hits: &[49],
    },
    ChangeExample {
        name: "a microsecond later than that they do not, in no order",
        zone: "UTC",
        changes: &backwards("2026-03-02T11:00:00.000001Z"),
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
