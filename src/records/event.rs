//! What the log says of a change: in public that a record changed, when, how often and by which source;
//! in private who did it and why, which fields, and what did not fit. The values are beside it, field by
//! field, and the public part commits to each of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Moment;
use crate::detect::Evidence;
use crate::ids::Seq;
use crate::trail::NewEvent;

use super::change::Who;
use super::json::Json;

/// The kind of the event that a change is.
pub const CHANGED: &str = "record.changed";
/// The kind of the event that a record begins with.
pub const DEFINED: &str = "record.defined";
/// The kind of the event about changes that were not taken.
pub const REFUSED: &str = "changes.refused";

/// Fields of a mismatch that are told, at most.
const MISMATCHES_TOLD: usize = 20;
/// Characters of a value that are told of a mismatch.
const TOLD_MAX: usize = 200;

/// The public part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Public {
    /// The record.
    pub record: Seq,
    /// The number of the change on the record, from 1.
    pub version: i64,
    /// The change before.
    pub previous: Option<Seq>,
    /// Who sent it.
    pub source: Seq,
    /// With which key.
    pub key: Option<Seq>,
    /// The sender's id of it.
    pub source_ref: Option<String>,
    /// `create update delete`
    pub action: String,
    /// `critical normal debug`
    pub class: String,
    /// When, as the sender says.
    pub at: String,
    /// The latest of that along the record.
    pub effective_at: String,
    /// The bank's date at recording.
    pub date: String,
    /// The commitment to each field that differs.
    pub fields: Vec<String>,
    /// Which of them are sealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<usize>,
    /// Card numbers that were masked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub masked: u32,
    /// In how many fields `before` is not our last state.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mismatches: u32,
    /// The change whose state it restores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<Seq>,
    /// The proposal by which two officers restored it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Seq>,
    /// The rule set it was judged by; none before there were rules on changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Seq>,
    /// What its rules said, unless that is *clear*.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<RuleOutcome>,
}

/// What one rule said of the change; of a hit that is counted by actor `about` is the first change that the actor made.
pub type RuleOutcome = crate::detect::RuleOutcome<Evidence>;

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The private part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Private {
    /// Who changed it, and whence.
    pub who: Who,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whom the record is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// From which address or file it came to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Which fields, in the order of their commitments.
    pub paths: Vec<String>,
    /// Keyed digests of sealed fields, before and after, in the order of [`Public::sealed`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<(Option<String>, Option<String>)>,
    /// Where `before` is not our last state: path, what we have, what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<Told>,
    /// By which the same content is known again: a salt and a digest.
    pub content: String,
}

impl Public {
    /// Reads the body of an event; `None` if it is none of ours.
    pub fn read(body: &str) -> Option<Public> {
        serde_json::from_str(body).ok()
    }

    /// When the sender says it was.
    pub fn changed_at(&self) -> Option<Moment> {
        Moment::parse(&self.at).ok()
    }

    /// The latest of that along the record.
    pub fn effective_at(&self) -> Option<Moment> {
        Moment::parse(&self.effective_at).ok()
    }
}

impl Private {
    /// Reads the private part of an event; `None` if it is none of ours.
    pub fn read(body: &str) -> Option<Private> {
        serde_json::from_str(body).ok()
    }
}

/// The event.
pub fn changed(public: &Public, private: &Private) -> NewEvent {
    let value = |part: Result<Value, serde_json::Error>| part.unwrap_or_default();
    NewEvent::with_private(CHANGED, value(serde_json::to_value(public)), value(serde_json::to_value(private)))
}

/// Where a change did not find what we had: path, what we have, what was sent.
pub type Told = (String, Option<String>, Option<String>);

/// Whether it is about a sealed value: of that no sender is told, else it could hold guesses against it.
pub fn is_of_sealed((path, expected, found): &Told) -> bool {
    !path.is_empty() && expected.is_none() && found.is_none()
}

/// What is told of mismatches: the first of them, with the beginnings of their values.
pub fn told(mismatches: &[(String, Option<Json>, Option<Json>)]) -> Vec<Told> {
    let short = |value: &Option<Json>| value.as_ref().map(|value| value.as_str().chars().take(TOLD_MAX).collect());
    let told = mismatches.iter().map(|(path, expected, found)| (path.clone(), short(expected), short(found)));
    // Sealed ones last: how many others are told does not depend on them.
    let (mut told, sealed): (Vec<Told>, Vec<Told>) = told.partition(|found| !is_of_sealed(found));
    told.extend(sealed);
    told.truncate(MISMATCHES_TOLD);
    told
}

/// Leaves out what is told of mismatches, the last first, until the private part has at most `max` bytes; whether
/// it has then.
pub fn fit(private: &mut Private, max: usize) -> bool {
    let size = |private: &Private| serde_json::to_string(private).map_or(usize::MAX, |text| text.len());
    let mut left = size(private);
    while left > max {
        let Some(found) = private.mismatches.pop() else { return false };
        let freed = serde_json::to_string(&found).map_or(0, |text| text.len());
        left = if private.mismatches.is_empty() { size(private) } else { left.saturating_sub(freed + 1) };
    }
    true
}
