//! Refused rows per day, source and code: the sums of the events that tell of them.
//!
//! A flood is counted row by row and told when its minute is over; until then the table may count
//! more than the log tells, on that day and from that source only.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::MINUTE;
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::intake::SINGLY_MAX;

use super::super::event::Event;
use super::super::findings::Findings;
use super::store::RefusalRow;
use super::{extra, missing, same, store};

/// Day and source.
type Day = (i32, Seq);

#[derive(Default)]
pub(super) struct Refusals {
    /// Rows told, and the newest event that told of them.
    told: BTreeMap<(i32, Seq, String), (i64, Seq)>,
    /// The minute each delivery is in, the events in it, and its day.
    minutes: HashMap<Seq, (i64, u32, Day)>,
    untold: BTreeSet<Day>,
}

impl Refusals {
    pub(super) fn meet(&mut self, event: &Event) {
        let Some(date) = event.day("date") else { return };
        let (source, delivery) = (event.number("source"), event.number("delivery"));
        for (code, rows) in event.body["codes"].as_object().into_iter().flatten() {
            let told = self.told.entry((date, source, code.clone())).or_default();
            *told = (told.0 + rows.as_i64().unwrap_or(0), event.seq);
        }
        if event.body["counted_only"] == true {
            if self.minutes.get(&delivery).is_some_and(|(minute, ..)| *minute == event.number("minute")) {
                self.minutes.remove(&delivery);
            }
            return;
        }
        let minute = event.at.div_euclid(MINUTE);
        let now = self.minutes.entry(delivery).or_insert((minute, 0, (date, source)));
        if now.0 != minute {
            if now.1 >= SINGLY_MAX {
                self.untold.insert(now.2);
            }
            *now = (minute, 0, (date, source));
        }
        now.1 += 1;
    }

    /// The counts that the log tells; a flood that is not told yet may count more.
    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        let row = |((business_date, source, code), (rows, _)): ((i32, Seq, String), (i64, Seq))| RefusalRow {
            business_date,
            source,
            code,
            rows,
        };
        bulk::append(conn, &self.told.into_iter().map(row).collect::<Vec<_>>())
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        let running = self.minutes.values().filter(|(_, events, _)| *events >= SINGLY_MAX).map(|(.., day)| *day);
        self.untold.extend(running);
        for row in store::refusals(conn)? {
            let Some((rows, seq)) = self.told.remove(&(row.business_date, row.source, row.code.clone())) else {
                if !self.untold.contains(&(row.business_date, row.source)) {
                    extra("day_refusals", None, findings);
                }
                continue;
            };
            let flood = self.untold.contains(&(row.business_date, row.source)) && row.rows > rows;
            let expected = RefusalRow { rows: if flood { row.rows } else { rows }, ..row.clone() };
            same("day_refusals", seq, &row, &expected, findings);
        }
        self.told.values().for_each(|(_, seq)| missing("day_refusals", *seq, findings));
        Ok(())
    }
}
