//! Day figures and day ranges: kept at ingest, so that report and log cannot differ.

use diesel::prelude::*;

use crate::clock::HOUR;
use crate::db::bulk::Value;
use crate::db::schema::day_figures;
use crate::db::standing::{self, Standing, array};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::{Direction, NewEntry};
use crate::money::Currency;
use crate::on_conn;

use super::maps::{At, Current};

/// Figures kept in memory; beyond it those not in the open batch are read again when needed.
const KEPT_MAX: usize = 200_000;
/// A range of a date ends when this many other places lie between its entries.
const GAP_MAX: i64 = 10_000;
/// Figures in one statement.
const AT_ONCE: usize = 1_000;

/// What entries are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FigureKey {
    pub business_date: i32,
    pub source: Seq,
    pub currency: Currency,
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
    figures: Current<FigureKey, Figure>,
    ranges: Current<i32, Range>,
    /// Ranges that ended since changes were last taken.
    ended: Vec<(i32, Range)>,
}

/// What a batch changed.
#[derive(Default)]
pub(super) struct Changed {
    figures: Vec<(FigureKey, Figure)>,
    ranges: Vec<(i32, Range)>,
}

impl FigureKey {
    pub fn of(source: Seq, entry: &NewEntry, business_date: i32) -> FigureKey {
        FigureKey {
            business_date,
            source,
            currency: entry.currency,
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
    /// Where the present value is kept, read on a miss; good until [`Figures::trim`].
    pub fn at(&mut self, conn: &mut Conn, key: FigureKey) -> DbResult<At> {
        self.figures.at(key, || read(conn, key))
    }

    /// The present value.
    pub fn get(&self, at: At) -> Figure {
        self.figures.get(at)
    }

    /// Sets the present value.
    pub fn set(&mut self, at: At, figure: Figure) {
        self.figures.set(at, figure);
    }

    /// Counts the entry at `seq` in a range of its date.
    pub fn extend_range(&mut self, business_date: i32, seq: Seq) -> DbResult<()> {
        let fresh = Range { first_seq: seq, last_seq: seq, entries: 0 };
        let at = self.ranges.at::<DbError>(business_date, || Ok(fresh))?;
        let mut range = self.ranges.get(at);
        if seq - range.last_seq > GAP_MAX {
            self.ended.push((business_date, range));
            range = fresh;
        }
        self.ranges.set(at, Range { last_seq: seq, entries: range.entries + 1, ..range });
        Ok(())
    }

    /// What changed since this was last asked.
    pub fn take_changed(&mut self) -> Changed {
        let mut ranges = std::mem::take(&mut self.ended);
        ranges.extend(self.ranges.take_changed());
        Changed { figures: self.figures.take_changed(), ranges }
    }

    /// Lets go of what is committed, if there is too much.
    pub fn trim(&mut self) {
        self.figures.trim(KEPT_MAX);
        self.ranges.trim(KEPT_MAX);
    }
}

/// The stored value.
fn read(conn: &mut Conn, key: FigureKey) -> DbResult<Figure> {
    let id = (key.business_date, key.source, key.currency.code(), key.kind, key.status, key.hour);
    let columns = (day_figures::entries, day_figures::credits, day_figures::debits);
    let found: Option<(i64, i64, i64)> = on_conn!(conn, |c| day_figures::table.find(id).select(columns).first(c).optional())?;
    let (entries, credits, debits) = found.unwrap_or_default();
    Ok(Figure { entries, credits, debits })
}

impl Changed {
    /// Stores values as they are after a batch.
    pub fn store(&self, conn: &mut Conn) -> DbResult<()> {
        store_figures(conn, &self.figures)?;
        self.ranges.iter().try_for_each(|(date, range)| store_range(conn, *date, *range))
    }
}

/// Many in one statement where each costs a round trip.
fn store_figures(conn: &mut Conn, figures: &[(FigureKey, Figure)]) -> DbResult<()> {
    match conn {
        Conn::Postgres(_) if figures.len() > 1 => figures.chunks(AT_ONCE).try_for_each(|some| store_many(conn, some)),
        conn => figures.iter().try_for_each(|(key, figure)| store_figure(conn, key, *figure)),
    }
}

fn store_figure(conn: &mut Conn, key: &FigureKey, figure: Figure) -> DbResult<()> {
    let (date, kind, status) = (key.business_date.into(), key.kind.into(), key.status.into());
    let row = [Value::Int(date), Value::Int(key.source), Value::Text(key.currency.code()), Value::Int(kind), Value::Int(status)];
    let figures = [key.hour, figure.entries, figure.credits, figure.debits].map(Value::Int);
    standing::run::<StoreFigure>(conn, &[&row[..], &figures].concat()).map(drop)
}

struct StoreFigure;

impl Standing for StoreFigure {
    const SQL: &'static str = "INSERT INTO day_figures (business_date, source, currency, kind, status, hour, entries, credits, debits) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (business_date, source, currency, kind, status, hour) \
        DO UPDATE SET entries = excluded.entries, credits = excluded.credits, debits = excluded.debits";
}

/// The same, many at once on PostgreSQL.
struct StoreFigures;

impl Standing for StoreFigures {
    const SQL: &'static str = "INSERT INTO day_figures (business_date, source, kind, status, hour, entries, credits, debits, currency) \
        SELECT * FROM unnest(?::text::integer[], ?::text::bigint[], ?::text::smallint[], ?::text::smallint[], ?::text::bigint[], \
        ?::text::bigint[], ?::text::bigint[], ?::text::bigint[], ?::text::text[]) \
        ON CONFLICT (business_date, source, currency, kind, status, hour) \
        DO UPDATE SET entries = excluded.entries, credits = excluded.credits, debits = excluded.debits";
}

fn store_many(conn: &mut Conn, figures: &[(FigureKey, Figure)]) -> DbResult<()> {
    let column = |of: fn(&FigureKey, &Figure) -> i64| array(figures.iter().map(|(key, figure)| of(key, figure)));
    let columns = [
        column(|key, _| key.business_date.into()),
        column(|key, _| key.source),
        column(|key, _| key.kind.into()),
        column(|key, _| key.status.into()),
        column(|key, _| key.hour),
        column(|_, figure| figure.entries),
        column(|_, figure| figure.credits),
        column(|_, figure| figure.debits),
        array(figures.iter().map(|(key, _)| key.currency.code())),
    ];
    standing::run::<StoreFigures>(conn, &columns.each_ref().map(|text| Value::Text(text))).map(drop)
}

fn store_range(conn: &mut Conn, date: i32, range: Range) -> DbResult<()> {
    let row = [date.into(), range.first_seq, range.last_seq, range.entries].map(Value::Int);
    standing::run::<StoreRange>(conn, &row).map(drop)
}

struct StoreRange;

impl Standing for StoreRange {
    const SQL: &'static str = "INSERT INTO day_ranges (business_date, first_seq, last_seq, entries) VALUES (?, ?, ?, ?) \
        ON CONFLICT (business_date, first_seq) DO UPDATE SET last_seq = excluded.last_seq, entries = excluded.entries";
}
