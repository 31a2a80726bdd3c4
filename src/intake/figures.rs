//! Day figures and day ranges: kept at ingest, so that report and log cannot differ.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::clock::HOUR;
use crate::db::schema::{day_figures, day_ranges};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::{Direction, NewEntry};
use crate::on_conn;

/// Figures kept in memory; beyond it those not in the open batch are read again when needed.
const KEPT_MAX: usize = 200_000;
/// A range of a date ends when this many other places lie between its entries.
const GAP_MAX: i64 = 10_000;

/// What entries are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FigureKey {
    pub business_date: i32,
    pub source: Seq,
    pub currency: &'static str,
    pub kind: i16,
    pub status: i16,
    /// Whole hours since 1970 UTC of `booked_at`.
    pub hour: i64,
}

/// Count and sums, minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figure {
    pub entries: i64,
    pub credits: i64,
    pub debits: i64,
}

/// Places between which entries of a date lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub first_seq: Seq,
    pub last_seq: Seq,
    pub entries: i64,
}

/// The current values, absolute, as the next commit will store them.
#[derive(Default)]
pub(super) struct Figures {
    kept: HashMap<FigureKey, Figure>,
    ranges: HashMap<i32, Range>,
}

impl FigureKey {
    pub fn of(source: Seq, entry: &NewEntry, business_date: i32) -> FigureKey {
        FigureKey {
            business_date,
            source,
            currency: entry.currency.code(),
            kind: entry.kind.code(),
            status: entry.status.code(),
            hour: entry.booked_at.0.div_euclid(HOUR),
        }
    }
}

impl Figure {
    /// With one more entry; `None` if a sum would not fit.
    pub fn with(self, direction: Direction, amount: i64) -> Option<Figure> {
        let entries = self.entries + 1;
        Some(match direction {
            Direction::Credit => Figure { entries, credits: self.credits.checked_add(amount)?, ..self },
            Direction::Debit => Figure { entries, debits: self.debits.checked_add(amount)?, ..self },
        })
    }
}

impl Figures {
    /// The present value, read on a miss.
    pub fn get(&mut self, conn: &mut Conn, key: FigureKey) -> DbResult<Figure> {
        if let Some(figure) = self.kept.get(&key) {
            return Ok(*figure);
        }
        let id = (key.business_date, key.source, key.currency, key.kind, key.status, key.hour);
        let columns = (day_figures::entries, day_figures::credits, day_figures::debits);
        let found: Option<(i64, i64, i64)> = on_conn!(conn, |c| day_figures::table.find(id).select(columns).first(c).optional())?;
        let (entries, credits, debits) = found.unwrap_or_default();
        let figure = Figure { entries, credits, debits };
        self.kept.insert(key, figure);
        Ok(figure)
    }

    /// Sets the present value.
    pub fn set(&mut self, key: FigureKey, figure: Figure) {
        self.kept.insert(key, figure);
    }

    /// Counts the entry at `seq` in a range of its date; answers the range.
    pub fn extend_range(&mut self, business_date: i32, seq: Seq) -> Range {
        let fresh = Range { first_seq: seq, last_seq: seq, entries: 0 };
        let range = self.ranges.entry(business_date).or_insert(fresh);
        if seq - range.last_seq > GAP_MAX {
            *range = fresh;
        }
        range.last_seq = seq;
        range.entries += 1;
        *range
    }

    /// Lets go of what is committed, if there is too much.
    pub fn trim(&mut self) {
        if self.kept.len() > KEPT_MAX {
            self.kept.clear();
        }
        if self.ranges.len() > KEPT_MAX {
            self.ranges.clear();
        }
    }
}

/// Stores values as they are after a batch.
pub(super) fn store(conn: &mut Conn, figures: &HashMap<FigureKey, Figure>, ranges: &HashMap<(i32, Seq), Range>) -> DbResult<()> {
    for (key, figure) in figures {
        let columns = (
            day_figures::entries.eq(figure.entries),
            day_figures::credits.eq(figure.credits),
            day_figures::debits.eq(figure.debits),
        );
        let row = (
            day_figures::business_date.eq(key.business_date),
            day_figures::source.eq(key.source),
            day_figures::currency.eq(key.currency),
            day_figures::kind.eq(key.kind),
            day_figures::status.eq(key.status),
            day_figures::hour.eq(key.hour),
            columns,
        );
        let id = (
            day_figures::business_date,
            day_figures::source,
            day_figures::currency,
            day_figures::kind,
            day_figures::status,
            day_figures::hour,
        );
        on_conn!(conn, |c| diesel::insert_into(day_figures::table)
            .values(row)
            .on_conflict(id)
            .do_update()
            .set(columns)
            .execute(c))?;
    }
    for ((date, first_seq), range) in ranges {
        let columns = (day_ranges::last_seq.eq(range.last_seq), day_ranges::entries.eq(range.entries));
        let row = (day_ranges::business_date.eq(date), day_ranges::first_seq.eq(first_seq), columns);
        let id = (day_ranges::business_date, day_ranges::first_seq);
        on_conn!(conn, |c| diesel::insert_into(day_ranges::table)
            .values(row)
            .on_conflict(id)
            .do_update()
            .set(columns)
            .execute(c))?;
    }
    Ok(())
}
