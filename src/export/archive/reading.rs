//! Rows of archives for people: those that were asked for, as CSV or NDJSON, whatever tables an archive has.

use std::io::Write;

use chrono::NaiveDate;
use counterfoil_verify::archive::{Cell as Archived, Row, Table};

use crate::clock::{DAY, day_number};

use super::super::ExportError;
use super::super::cells::Cell;
use super::super::writer::{Format, Table as Writer};

/// Which rows; what is `None` does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Entries of this account.
    pub account: Option<String>,
    /// Changes of the record of this type and id.
    pub record: Option<(String, String)>,
    /// Events of this kind, entries of this kind.
    pub kind: Option<String>,
    /// From this day on: of entries the business date, of the others the day (UTC) they were recorded on.
    pub from: Option<NaiveDate>,
    /// Up to this day, included.
    pub to: Option<NaiveDate>,
}

/// Writes rows of one table.
pub struct Reading<'a> {
    table: Table,
    wanted: &'a Wanted,
    out: Writer<'a>,
}

impl<'a> Reading<'a> {
    /// Begins, in CSV with the header.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(table: Table, wanted: &'a Wanted, format: Format, out: &'a mut dyn Write) -> Result<Reading<'a>, ExportError> {
        let columns = table.columns().iter().map(|column| column.name).collect();
        Ok(Reading { table, wanted, out: Writer::begin(format, columns, out)? })
    }

    /// Writes a row if it was asked for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn row(&mut self, row: &Row) -> Result<(), ExportError> {
        if row.table != self.table || !self.is_wanted(row) {
            return Ok(());
        }
        self.out.row(row.cells.iter().map(cell).collect())
    }

    /// Ends; answers how many rows were written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<u64, ExportError> {
        self.out.finish()
    }

    fn is_wanted(&self, row: &Row) -> bool {
        let Wanted { account, record, kind, from, to } = self.wanted;
        let at = |name: &str| row.table.columns().iter().position(|column| column.name == name).and_then(|at| row.cells.get(at));
        let is = |name: &str, wanted: &String| matches!(at(name), Some(Archived::Text(text)) if text == wanted);
        let day = match (at("business_date"), at("recorded_at")) {
            (Some(Archived::Date(day)), _) => Some(*day),
            (_, Some(Archived::Time(at))) => Some(at.div_euclid(DAY)),
            _ => None,
        };
        let day_is = |test: &dyn Fn(i64) -> bool| day.is_some_and(test);
        account.as_ref().is_none_or(|account| is("account", account))
            && record.as_ref().is_none_or(|(kind, id)| is("type", kind) && is("id", id))
            && kind.as_ref().is_none_or(|kind| is("kind", kind))
            && from.is_none_or(|from| day_is(&|day| day >= i64::from(day_number(from))))
            && to.is_none_or(|to| day_is(&|day| day <= i64::from(day_number(to))))
    }
}

/// Texts are guarded, what we made of numbers, times and dates is not.
fn cell(cell: &Archived) -> Cell {
    match cell {
        Archived::Null => Cell::Null,
        Archived::Int(number) => Cell::Int(*number),
        Archived::Text(text) => Cell::Text(text.clone()),
        Archived::Money(..) | Archived::Time(_) | Archived::Date(_) => Cell::plain(cell.json().as_str()),
    }
}
