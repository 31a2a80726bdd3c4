//! Examples of rules on changes: stories that document them and that must pass.

use std::collections::HashMap;

use chrono_tz::Tz;

use crate::clock::Moment;
use crate::config::{Bank, Class};
use crate::ledger::BusinessCalendar;

use super::super::{Check, Outcome};
use super::{Actor, ChangeCase, Earlier, Field, Past};

/// A change of an example.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The record it is of.
    pub record: &'static str,
    /// When.
    pub at: &'static str,
    /// Its fields: before and after, as JSON.
    pub fields: &'static [(Option<&'static str>, Option<&'static str>)],
    /// Whether a field is sensitive.
    pub sensitive: bool,
    /// How long it is kept.
    pub class: Class,
    /// Whether it says why.
    pub reasoned: bool,
    /// Who, and of which kind.
    pub actor: Option<(&'static str, Option<&'static str>)>,
    /// Whether the record is about the actor.
    pub own: bool,
}

/// A plain change: by a member of staff, within the day, with a reason.
pub const PLAIN: Told = Told {
    record: "P-1",
    at: "2026-03-02T10:00:00Z",
    fields: &[],
    sensitive: false,
    class: Class::Normal,
    reasoned: true,
    actor: Some(("ann", Some("staff"))),
    own: false,
};

/// A story of changes, and which of them are hits.
pub struct ChangeExample {
    /// What it shows.
    pub name: &'static str,
    /// The bank's time zone.
    pub zone: &'static str,
    /// In order of arrival, all of type `price`.
    pub changes: &'static [Told],
    /// The numbers of those that are hits, from 0.
    pub hits: &'static [i64],
}

/// Runs an example; answers the numbers of the hits.
///
/// # Errors
/// When the example cannot be read or the rule fails.
pub fn run(check: &dyn Check, example: &ChangeExample) -> Result<Vec<i64>, String> {
    let zone: Tz = example.zone.parse().map_err(|_| format!("no time zone {}", example.zone))?;
    let calendar = BusinessCalendar::new(&Bank { time_zone: zone, ..Bank::default() });
    let mut records: HashMap<&str, i64> = HashMap::new();
    let mut pasts: HashMap<&str, Past> = HashMap::new();
    let mut found = Vec::new();
    for (seq, told) in (0..).zip(example.changes) {
        let next = -1 - records.len() as i64;
        let record = *records.entry(told.record).or_insert(next);
        let at = Moment::parse(told.at).map_err(|e| e.to_string())?;
        let fields: Vec<Field<'_>> = told.fields.iter().map(|(old, new)| Field { old: *old, new: *new }).collect();
        let past = told.actor.map(|(name, _)| pasts.entry(name).or_default().clone()).unwrap_or_default();
        let actor = told.actor.map(|(_, kind)| Actor { kind, own: told.own, past: &past });
        let case = ChangeCase {
            seq,
            record,
            kind: "price",
            at,
            fields: &fields,
            sensitive: told.sensitive,
            class: told.class,
            reasoned: told.reasoned,
            actor,
            calendar: &calendar,
        };
        match check.check_change(&case) {
            Outcome::Hits(hits) => found.extend(hits.iter().map(|hit| hit.seq)),
            Outcome::Error(error) => return Err(error),
            _ => {}
        }
        if let Some((name, _)) = told.actor {
            pasts.entry(name).or_default().changes.insert(0, Earlier { seq, record, at });
        }
    }
    Ok(found)
}
