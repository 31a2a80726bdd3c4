//! What rules on changes of records see: one change, and the actor's bounded past.
//!
//! The outcome of such a rule stands in the public part of the change for ever, so its evidence holds
//! proportions, counts and times of day, and never a value, a path, an id or a name.

mod after_hours;
pub mod examples;
mod large_change;
mod many_records;
mod no_reason;
mod own_record;

use chrono::NaiveTime;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::Moment;
use crate::config::Class;
use crate::ids::Seq;
use crate::ledger::BusinessCalendar;
use crate::money::decimal::Decimal;

pub(super) use after_hours::AfterHours;
pub(super) use large_change::LargeChange;
pub(super) use many_records::ManyRecords;
pub(super) use no_reason::NoReason;
pub(super) use own_record::OwnRecord;

pub use examples::ChangeExample;

use super::{Evidence, Hit, Outcome};

/// A field before and after, as JSON texts; `None`: nothing, or a value that is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// What was there.
    pub old: Option<&'a str>,
    /// What is there now.
    pub new: Option<&'a str>,
}

/// Another change of the same actor, recorded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its place.
    pub seq: Seq,
    /// The record.
    pub record: Seq,
    /// When, as the sender says.
    pub at: Moment,
}

/// What an actor changed near in time and was recorded before, as far as the rules look: earlier and later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// In any order.
    pub changes: Vec<Earlier>,
    /// Whether more may lie in the window than was read.
    pub cut: bool,
}

/// Who changed it.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// `customer staff system`, if the sender says.
    pub kind: Option<&'a str>,
    /// Whether the record is about this actor.
    pub own: bool,
    /// What the actor changed before.
    pub past: &'a Past,
}

/// One change: the whole world of a rule on changes.
pub struct ChangeCase<'a> {
    /// Its place in the log.
    pub seq: Seq,
    /// The record.
    pub record: Seq,
    /// The record's type.
    pub kind: &'a str,
    /// When, as the sender says.
    pub at: Moment,
    /// The fields that differ.
    pub fields: &'a [Field<'a>],
    /// Whether one of them is sensitive.
    pub sensitive: bool,
    /// How long its values are kept.
    pub class: Class,
    /// Whether it says why.
    pub reasoned: bool,
    /// Who, if the sender says.
    pub actor: Option<Actor<'a>>,
    /// The bank's days and its clock.
    pub calendar: &'a BusinessCalendar,
}

/// How far a rule looks, before a change and after it, at what its actor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookBack {
    /// Changes that are read on either side, at most.
    pub most: usize,
    /// Microseconds.
    pub window: i64,
}

impl ChangeCase<'_> {
    /// A hit on this change; `entries` are the changes behind it.
    fn hit(&self, observed: String, threshold: String, window: Option<String>, entries: Vec<Seq>) -> Outcome {
        let evidence = Evidence { observed, threshold, window, entries };
        Outcome::Hits(vec![Hit { seq: self.seq, late: false, evidence }])
    }
}

/// The number that a value is: a JSON number, or a text that is a decimal with a point, as amounts are
/// written. Other digits in a text are a name, not a number.
fn number(json: &str) -> Option<Decimal> {
    if let Ok(number) = Decimal::parse(json) {
        return Some(number);
    }
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    Decimal::parse(text).ok().filter(|_| text.contains('.'))
}

/// Types of records that a rule is for; none named: all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
struct Types(Vec<String>);

impl Types {
    fn have(&self, kind: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|name| name == kind)
    }

    /// Whether some type is in these and not in `after`.
    fn lose(&self, after: &Types) -> bool {
        match (self.0.is_empty(), after.0.is_empty()) {
            (_, true) => false,
            (true, false) => true,
            (false, false) => self.0.iter().any(|name| !after.have(name)),
        }
    }

    /// ` of type price or fee`
    fn text(&self) -> String {
        match self.0.as_slice() {
            [] => String::new(),
            names => format!(" of type {}", names.join(" or ")),
        }
    }
}

/// Kinds of actors that a rule leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
struct Except(Vec<String>);

impl Except {
    fn checked(self) -> Result<Except, String> {
        let unknown = self.0.iter().find(|kind| !["customer", "staff", "system"].contains(&kind.as_str()));
        match unknown {
            Some(kind) => Err(format!("except: `{kind}` is not customer, staff or system")),
            None => Ok(self),
        }
    }

    fn has(&self, kind: Option<&str>) -> bool {
        kind.is_some_and(|kind| self.0.iter().any(|name| name == kind))
    }

    fn grows(&self, after: &Except) -> bool {
        after.0.iter().any(|kind| !self.has(Some(kind)))
    }

    /// `, but for system`
    fn text(&self) -> String {
        match self.0.as_slice() {
            [] => String::new(),
            kinds => format!(", but for actors of kind {}", kinds.join(" or ")),
        }
    }
}

/// Reads the parameters of the rule `code`.
fn read<P: DeserializeOwned>(code: &str, parameters: &serde_json::Value) -> Result<P, String> {
    serde_json::from_value(parameters.clone()).map_err(|e| format!("{code}: {e}"))
}

/// `08:00`
fn clock_time(code: &str, text: &str) -> Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| format!("{code}: `{text}` is not a time of day such as 08:00"))
}

/// `90 s`, `60 min`
fn window_text(seconds: i64) -> String {
    if seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

/// Whether `worse` holds of two sets of parameters; what cannot be read counts as worse.
fn loosened<P: DeserializeOwned>(before: &serde_json::Value, after: &serde_json::Value, worse: impl Fn(&P, &P) -> bool) -> bool {
    let both = (serde_json::from_value(before.clone()), serde_json::from_value(after.clone()));
    match both {
        (Ok(before), Ok(after)) => worse(&before, &after),
        _ => true,
    }
}
