//! A table to read, line by line, held against the rows that the leaves give.

use serde_json::Value;

use crate::check::{Level, Report};

use super::Store;
use super::cells::{Cell, line};
use super::lines::{Lines, Place};
use super::rows::{Row, Table};

/// The lines of the tables.
pub(super) struct Tables<'s> {
    tables: Vec<(Table, Lines<'s>)>,
}

impl<'s> Tables<'s> {
    /// Those of an archive that has them as NDJSON.
    pub(super) fn open(store: &'s dyn Store, there: bool) -> Self {
        let tables = Table::ALL.into_iter().filter(|_| there);
        Self { tables: tables.map(|table| (table, Lines::new(store, vec![table.path("ndjson")]))).collect() }
    }

    /// Holds the next line of its table against a row.
    pub(super) fn row(&mut self, row: &Row, report: &mut Report) -> Result<(), String> {
        let Some((table, lines)) = self.tables.iter_mut().find(|(table, _)| *table == row.table) else { return Ok(()) };
        report.note(Level::L4, 1);
        let Some(Cell::Int(seq)) = row.cells.first() else { return Ok(()) };
        let (seq, right) = (seq.unsigned_abs(), line(table.columns(), &row.cells));
        while let Some((place, text)) = lines.peek()? {
            if *text == right.trim_end_matches('\n') {
                lines.skip();
                return Ok(());
            }
            let said: Option<Value> = serde_json::from_str(text).ok();
            match said.as_ref().and_then(|said| said.get("seq")?.as_u64()) {
                Some(other) if other < seq => {
                    added(place, report);
                    lines.skip();
                }
                Some(other) if other > seq => break,
                _ => {
                    let which = differing(*table, said.as_ref(), &right);
                    report.add_one_of_many(
                        Level::L4,
                        "table_row_changed",
                        seq,
                        format!("{place} is not what leaf {seq} gives: {which}"),
                    );
                    lines.skip();
                    return Ok(());
                }
            }
        }
        report.add_one_of_many(
            Level::L4,
            "table_row_missing",
            seq,
            format!("{}: the row of leaf {seq} is missing", table.path("ndjson")),
        );
        Ok(())
    }

    /// Says which lines are left over.
    pub(super) fn finish(mut self, report: &mut Report) -> Result<(), String> {
        for (_, lines) in &mut self.tables {
            while let Some((place, _)) = lines.next()? {
                added(&place, report);
            }
        }
        Ok(())
    }
}

fn added(place: &Place, report: &mut Report) {
    report.add_one_of_many(Level::L4, "table_row_added", None, format!("{place} is a row that no leaf gives"));
}

/// Which columns differ, by their names.
fn differing(table: Table, said: Option<&Value>, right: &str) -> String {
    let right: Value = serde_json::from_str(right).unwrap_or_default();
    let Some(said) = said else { return "it cannot be read".to_owned() };
    let names: Vec<&str> = table.columns().iter().map(|c| c.name).filter(|name| said.get(name) != right.get(name)).collect();
    if names.is_empty() { "it is written in another way".to_owned() } else { names.join(", ") }
}
