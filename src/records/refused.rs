//! Changes that were not taken: an event that keeps the bytes, bounded; a flood is counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::clock::{MINUTE, Moment};
use crate::ids::Seq;
use crate::ledger::{Refusal, cards};
use crate::trail::NewEvent;

use super::event::REFUSED;

/// Events a minute and source before a flood is only counted.
const SINGLY_MAX: u32 = 20;
/// Rows whose bytes one event keeps.
const ROWS_KEPT: usize = 20;
/// Characters kept of a row.
const CHARS_KEPT: usize = 1_024;
/// What is kept of a row where something may be sensitive.
const LEFT_OUT: &str = "(sensitive: not kept)";

/// A change that was not taken.
pub struct RefusedRow<'a> {
    /// Its line or number.
    pub line: u64,
    /// Why.
    pub refusal: &'a Refusal,
    /// As it was sent.
    pub bytes: &'a [u8],
}

#[derive(Debug, Default)]
struct Minute {
    minute: i64,
    events: u32,
    counted: BTreeMap<&'static str, u64>,
}

/// Counts, minute by minute.
#[derive(Debug, Default)]
pub struct Refusals {
    minutes: Mutex<BTreeMap<Seq, Minute>>,
}

impl Refusals {
    /// The events that the refused rows of one submission come to; `keep`: whether their bytes may be kept.
    pub fn events(&self, now: Moment, source: Seq, date: &str, rows: &[RefusedRow<'_>], keep: bool) -> Vec<NewEvent> {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let this = now.0.div_euclid(MINUTE);
        let mut events = told(&mut minutes, this, date);
        if rows.is_empty() {
            return events;
        }
        let mut codes: BTreeMap<&'static str, u64> = BTreeMap::new();
        rows.iter().for_each(|row| *codes.entry(row.refusal.code).or_default() += 1);
        let minute = minutes.entry(source).or_default();
        (minute.minute, minute.events) = (this, minute.events + 1);
        if minute.events > SINGLY_MAX {
            codes.into_iter().for_each(|(code, n)| *minute.counted.entry(code).or_default() += n);
            return events;
        }
        let body = json!({ "source": source, "date": date, "rows": rows.len(), "codes": codes });
        let kept: Vec<Value> = rows.iter().take(ROWS_KEPT).map(|row| describe(row, keep)).collect();
        events.push(NewEvent::with_private(REFUSED, body, json!({ "rows": kept })));
        events
    }
}

/// Floods whose minute is over.
fn told(minutes: &mut BTreeMap<Seq, Minute>, this: i64, date: &str) -> Vec<NewEvent> {
    let over: Vec<Seq> = minutes.iter().filter(|(_, minute)| minute.minute < this).map(|(source, _)| *source).collect();
    let over = over.into_iter().filter_map(|source| Some((source, minutes.remove(&source)?)));
    over.filter(|(_, minute)| !minute.counted.is_empty())
        .map(|(source, minute)| {
            let rows: u64 = minute.counted.values().sum();
            let body = json!({ "source": source, "date": date, "rows": rows, "codes": minute.counted, "counted_only": true });
            NewEvent::public(REFUSED, body)
        })
        .collect()
}

fn describe(row: &RefusedRow<'_>, keep: bool) -> Value {
    // Masked before it is cut: a part of a card number is none.
    let masked = || cards::mask(&String::from_utf8_lossy(row.bytes)).0;
    let text: String = if keep { masked().chars().take(CHARS_KEPT).collect() } else { LEFT_OUT.to_owned() };
    json!({ "line": row.line, "code": row.refusal.code, "field": row.refusal.field, "first_seq": row.refusal.first, "row": text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_told_when_its_minute_is_over() {
        let refusals = Refusals::default();
        let refusal = Refusal::unreadable("no");
        let row = || [RefusedRow { line: 1, refusal: &refusal, bytes: b"card 4111111111111111" }];
        let told = |now: i64, rows: &[RefusedRow<'_>]| refusals.events(Moment(now), 7, "2026-11-22", rows, true);
        let events: Vec<NewEvent> = (0..30).flat_map(|_| told(0, &row())).collect();
        assert_eq!(events.len(), SINGLY_MAX as usize);
        let kept = events[0].private.as_ref().map(|private| private["rows"][0]["row"].clone());
        assert_eq!(kept, Some("card 411111******1111".into()));
        let later = told(MINUTE, &[]);
        assert_eq!((later.len(), &later[0].body["codes"]["unreadable"]), (1, &10.into()));
        assert!(told(2 * MINUTE, &[]).is_empty());
        let hidden = refusals.events(Moment(3 * MINUTE), 7, "2026-11-22", &row(), false);
        assert_eq!(hidden[0].private.as_ref().map(|private| private["rows"][0]["row"].clone()), Some(LEFT_OUT.into()));
    }
}
