//! A sensitive field changed outside business hours, by the bank's clock and calendar.

use chrono::{NaiveTime, TimeZone};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::ledger::BusinessCalendar;

use super::super::due::is_business_day;
use super::super::{Check, Evidence, Looks, Outcome, Rule, Severity};
use super::examples::{ChangeExample, PLAIN, Told};
use super::{ChangeCase, Except, Types, clock_time, loosened, read};

const CODE: &str = "after-hours";

pub struct AfterHours;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    from: String,
    to: String,
    #[serde(default)]
    types: Types,
    #[serde(default)]
    except: Except,
}

struct Hours {
    from: NaiveTime,
    to: NaiveTime,
    types: Types,
    except: Except,
}

impl Rule for AfterHours {
    fn code(&self) -> &'static str {
        CODE
    }
    fn title(&self) -> &'static str {
        "Sensitive change outside business hours"
    }
    fn family(&self) -> &'static str {
        "change"
    }
    fn typology(&self) -> &'static str {
        "Misuse of access when nobody looks"
    }
    fn source(&self) -> &'static str {
        "PCI DSS 4.0 requirement 10; ISO/IEC 27002 8.15"
    }
    fn grouping(&self) -> &'static str {
        "record"
    }
    fn severity(&self) -> Severity {
        Severity::High
    }
    fn looks(&self) -> Looks {
        Looks::Changes
    }
    fn knows_sealed_values(&self) -> bool {
        true
    }
    fn defaults(&self) -> Value {
        json!({ "from": "07:00", "to": "19:00", "except": ["customer", "system"] })
    }
    fn compile(&self, parameters: &Value) -> Result<Box<dyn Check>, String> {
        let read: Parameters = read(CODE, parameters)?;
        let (from, to) = (clock_time(CODE, &read.from)?, clock_time(CODE, &read.to)?);
        if from == to {
            return Err(format!("{CODE}: from and to must differ"));
        }
        let except = read.except.checked().map_err(|e| format!("{CODE}: {e}"))?;
        Ok(Box::new(Hours { from, to, types: read.types, except }))
    }
    fn loosens(&self, before: &Value, after: &Value) -> bool {
        loosened(before, after, |one: &Parameters, two| {
            one.types.lose(&two.types) || one.except.grows(&two.except) || longer(one, two)
        })
    }
    fn change_examples(&self) -> &'static [ChangeExample] {
        EXAMPLES
    }
}

/// Whether some minute is within the hours `after` and was not before.
fn longer(before: &Parameters, after: &Parameters) -> bool {
    let hours = |of: &Parameters| Some((clock_time(CODE, &of.from).ok()?, clock_time(CODE, &of.to).ok()?));
    let (Some(before), Some(after)) = (hours(before), hours(after)) else { return true };
    let mut minutes = (0..1_440).filter_map(|minute| NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0));
    minutes.any(|time| within(after, time) && !within(before, time))
}

/// Whether a time of day lies in the hours, which may go over midnight.
fn within((from, to): (NaiveTime, NaiveTime), time: NaiveTime) -> bool {
    if from < to { from <= time && time < to } else { time >= from || time < to }
}

/// The bank's wall clock at an instant: of the hour that comes twice, either is that hour.
fn wall_clock(calendar: &BusinessCalendar, at: Moment) -> NaiveTime {
    calendar.zone().from_utc_datetime(&at.utc().naive_utc()).time()
}

impl Check for Hours {
    fn text(&self) -> String {
        let (types, except) = (self.types.text(), self.except.text());
        let hours = self.hours();
        format!("A sensitive field of a record{types} that changes outside {hours} on business days{except}.")
    }

    fn check_change(&self, case: &ChangeCase<'_>) -> Outcome {
        if !self.types.have(case.kind) || case.actor.is_some_and(|actor| self.except.has(actor.kind)) {
            return Outcome::NotApplicable;
        }
        if !case.sensitive {
            return Outcome::Clear;
        }
        let time = wall_clock(case.calendar, case.at);
        let working = is_business_day(case.calendar, case.calendar.local_date(case.at));
        if working && within((self.from, self.to), time) {
            return Outcome::Clear;
        }
        let day = if working { "" } else { " on a day off" };
        case.hit(format!("{}{day}", time.format("%H:%M:%S")), self.hours(), None, vec![case.seq])
    }

    fn explain(&self, evidence: &Evidence) -> String {
        let (observed, hours) = (&evidence.observed, &evidence.threshold);
        format!("A sensitive field changed at {observed}, bank time; business hours are {hours} on business days.")
    }
}

impl Hours {
    fn hours(&self) -> String {
        format!("{} to {}", self.from.format("%H:%M"), self.to.format("%H:%M"))
    }
}

const fn at(at: &'static str) -> Told {
    Told { at, sensitive: true, ..PLAIN }
}

static EXAMPLES: &[ChangeExample] = &[
    ChangeExample {
        name: "a sensitive field at three in the morning fires",
        zone: "UTC",
        changes: &[at("2026-03-02T03:00:00Z")],
        hits: &[0],
    },
    ChangeExample {
        name: "the opening instant is within, the closing one is not",
        zone: "UTC",
        changes: &[
            at("2026-03-02T06:59:59.999999Z"),
            at("2026-03-02T07:00:00Z"),
            at("2026-03-02T18:59:59.999999Z"),
            at("2026-03-02T19:00:00Z"),
        ],
        hits: &[0, 3],
    },
    ChangeExample {
        name: "a field that is not sensitive is silent at any hour",
        zone: "UTC",
        changes: &[Told { at: "2026-03-02T03:00:00Z", ..PLAIN }],
        hits: &[],
    },
    ChangeExample {
        name: "the bank's clock counts, not the sender's",
        zone: "America/New_York",
        changes: &[at("2026-03-02T13:00:00+09:00"), at("2026-03-02T15:00:00Z")],
        hits: &[0],
    },
    ChangeExample {
        name: "the morning after the clocks went forward, seven is seven",
        zone: "Europe/Berlin",
        changes: &[at("2026-03-29T04:59:59Z"), at("2026-03-29T05:00:00Z"), at("2026-03-28T05:00:00Z")],
        hits: &[0, 2],
    },
    ChangeExample {
        name: "in the hour that comes twice when the clocks go back, both fire",
        zone: "Europe/Berlin",
        changes: &[at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"), at("2026-10-25T06:00:00Z")],
        hits: &[0, 1],
    },
    ChangeExample {
        name: "customers and machines work at night; an actor of no stated kind counts",
        zone: "UTC",
        changes: &[
            Told { actor: Some(("eve", Some("customer"))), ..at("2026-03-02T03:00:00Z") },
            Told { actor: Some(("batch", Some("system"))), ..at("2026-03-02T03:00:00Z") },
            Told { actor: Some(("ann", None)), ..at("2026-03-02T03:00:00Z") },
            Told { actor: None, ..at("2026-03-02T03:00:00Z") },
        ],
        hits: &[2, 3],
    },
];
