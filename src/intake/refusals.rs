//! Rows that were not taken: events that keep the bytes, bounded, and figures of the day.
//!
//! The first [`SINGLY_MAX`] a minute and delivery are events of their own; a flood beyond that is
//! counted and told in one event when the minute is over.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::clock::{MINUTE, Moment, day_date};
use crate::db::DbResult;
use crate::ids::Seq;
use crate::ledger::{Refusal, cards};
use crate::trail::NewEvent;

use super::dictionary::Growing;
use super::queue::TurnedAway;

/// Refusal events a minute and delivery before a flood is only counted.
pub const SINGLY_MAX: u32 = 20;
/// Rows whose bytes one event keeps.
const ROWS_KEPT: usize = 20;
/// Bytes kept of a row.
const BYTES_KEPT: usize = 1_024;

/// A refused row, for the event.
pub(super) struct RefusedRow<'a> {
    pub line: u64,
    pub refusal: &'a Refusal,
    pub bytes: &'a [u8],
}

#[derive(Default)]
pub(super) struct Refusals {
    minutes: HashMap<Seq, Minute>,
}

#[derive(Default)]
struct Minute {
    minute: i64,
    source: Seq,
    /// The local date, as a day number: offsets are whole minutes, so a minute has one.
    today: i32,
    events: u32,
    counted: BTreeMap<&'static str, u64>,
}

impl Refusals {
    /// Tells of the refused rows of one submission.
    pub fn tell(
        &mut self,
        to: &mut Growing<'_>,
        source: Seq,
        delivery: Seq,
        today: i32,
        rows: &[RefusedRow<'_>],
    ) -> DbResult<()> {
        let now = to.tail.recorded_at();
        self.tell_floods(to, now)?;
        let minute = self.minutes.entry(delivery).or_default();
        if minute.minute != now.0.div_euclid(MINUTE) {
            *minute = Minute { minute: now.0.div_euclid(MINUTE), source, today, ..Minute::default() };
        }
        minute.events += 1;
        let mut codes: BTreeMap<&'static str, u64> = BTreeMap::new();
        for row in rows {
            *codes.entry(row.refusal.code).or_default() += 1;
        }
        if minute.events > SINGLY_MAX {
            codes.into_iter().for_each(|(code, n)| *minute.counted.entry(code).or_default() += n);
            return Ok(());
        }
        let date = day_date(today).to_string();
        let body = json!({ "source": source, "delivery": delivery, "date": date, "rows": rows.len(), "codes": codes });
        let kept: Vec<Value> = rows.iter().take(ROWS_KEPT).map(describe).collect();
        to.append(&NewEvent::with_private("entries.refused", body, json!({ "rows": kept })))?;
        Ok(())
    }

    /// Tells of floods whose minute is over.
    pub fn tell_floods(&mut self, to: &mut Growing<'_>, now: Moment) -> DbResult<()> {
        let this_minute = now.0.div_euclid(MINUTE);
        let over: Vec<Seq> = self.minutes.iter().filter(|(_, m)| m.minute < this_minute).map(|(d, _)| *d).collect();
        for delivery in over {
            let Some(minute) = self.minutes.remove(&delivery) else { continue };
            if minute.counted.is_empty() {
                continue;
            }
            let rows: u64 = minute.counted.values().sum();
            let body = json!({
                "source": minute.source, "delivery": delivery, "date": day_date(minute.today).to_string(), "rows": rows,
                "codes": minute.counted, "counted_only": true, "minute": minute.minute,
            });
            to.append(&NewEvent::public("entries.refused", body))?;
        }
        Ok(())
    }

    /// Whether a flood still has to be told.
    pub fn owes(&self) -> bool {
        self.minutes.values().any(|m| !m.counted.is_empty())
    }
}

/// Tells that the queue was full, and how many were sent away meanwhile.
pub(super) fn tell_turned_away(to: &mut Growing<'_>, episode: &TurnedAway) -> DbResult<()> {
    let TurnedAway { from, to: until, requests, entries } = *episode;
    let body = json!({ "from": from.to_string(), "to": until.to_string(), "requests": requests, "entries": entries });
    to.append(&NewEvent::public("queue.full", body))?;
    Ok(())
}

fn describe(row: &RefusedRow<'_>) -> Value {
    let text = cards::mask(&String::from_utf8_lossy(&row.bytes[..row.bytes.len().min(BYTES_KEPT)])).0;
    json!({
        "line": row.line, "code": row.refusal.code, "field": row.refusal.field, "first_seq": row.refusal.first, "row": text
    })
}
