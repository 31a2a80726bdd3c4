//! Two tables held against each other, row by row and column by column, with both values.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::db::bulk::{BulkRow, Value};
use crate::ids::Seq;
use crate::intake::Met;
use crate::trail::store::LogState;

use super::{LEFT_OUT, Replayed};

/// Differences listed per table; the rest is counted.
const LISTED_MAX: u64 = 100;
/// Characters of a value that are shown.
const SHOWN_MAX: usize = 200;

/// A value that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row's key.
    pub key: String,
    /// Its place in the log, where it has one.
    pub seq: Option<Seq>,
    /// The column; empty when the row is on one side only.
    pub column: String,
    /// As it is in the live database.
    pub live: String,
    /// As the replay gives it.
    pub replayed: String,
}

/// How much of a table was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableCompared {
    /// The table.
    pub table: &'static str,
    /// Rows of the replay.
    pub rows: u64,
    /// Values that differ, and rows on one side only.
    pub differences: u64,
}

/// Collects what differs.
#[derive(Default)]
pub(super) struct Comparison {
    tables: BTreeMap<&'static str, (u64, u64)>,
    differences: Vec<Difference>,
    /// Events whose private part is gone.
    pub(super) expired: BTreeSet<Seq>,
}

/// What a table's rows are known by.
pub(super) struct Of<'a, R> {
    pub(super) table: &'static str,
    /// What is unique, the place first where there is one.
    pub(super) key: fn(&R) -> (i64, String),
    /// Whether the first part of the key is a place in the log.
    pub(super) placed: bool,
    /// Columns of the live row that cannot be derived again.
    pub(super) left_out: &'a dyn Fn(&R, &R, &str) -> bool,
    /// Rows that need not be on both sides.
    pub(super) one_sided: &'a dyn Fn(&R) -> bool,
}

impl Comparison {
    /// Notes one difference.
    pub(super) fn differ(&mut self, table: &'static str, key: &str, seq: Option<Seq>, column: &str, live: &str, replayed: &str) {
        let (_, found) = self.tables.entry(table).or_default();
        *found += 1;
        if *found <= LISTED_MAX {
            let (key, column) = (key.to_owned(), column.to_owned());
            self.differences.push(Difference { table, key, seq, column, live: shown(live), replayed: shown(replayed) });
        }
    }

    /// Compares the rows of both sides, whatever their order.
    pub(super) fn rows<R: BulkRow>(&mut self, of: &Of<'_, R>, live: Vec<R>, replayed: Vec<R>) {
        self.tables.entry(of.table).or_default().0 += replayed.len() as u64;
        let keyed = |rows: Vec<R>| rows.into_iter().map(|row| ((of.key)(&row), row)).collect::<BTreeMap<_, _>>();
        let mut replayed = keyed(replayed);
        for (key, row) in keyed(live) {
            let (name, seq) = (shown_key(&key), of.placed.then_some(key.0));
            let Some(other) = replayed.remove(&key) else {
                if !(of.one_sided)(&row) {
                    self.differ(of.table, &name, seq, "", &text(&row), "no such row");
                }
                continue;
            };
            for column in row.differing(&other) {
                if !(of.left_out)(&row, &other, column) {
                    let (one, two) = (value(&row, column), value(&other, column));
                    self.differ(of.table, &name, seq, column, &one, &two);
                }
            }
        }
        for (key, row) in replayed.into_iter().filter(|(_, row)| !(of.one_sided)(row)) {
            self.differ(of.table, &shown_key(&key), of.placed.then_some(key.0), "", "no such row", &text(&row));
        }
    }

    /// Compares rows that each have a place in the log.
    pub(super) fn placed<R: BulkRow>(
        &mut self,
        table: &'static str,
        (live, replayed): (Vec<R>, Vec<R>),
        key: fn(&R) -> (i64, String),
        left_out: &dyn Fn(&R, &R, &str) -> bool,
    ) {
        self.rows(&Of { table, key, placed: true, left_out, one_sided: &|_| false }, live, replayed);
    }

    pub(super) fn outcome(self, state: &LogState, exported: Seq, met: Met, root: &[u8]) -> Replayed {
        let table = |(table, (rows, differences)): (&'static str, (u64, u64))| TableCompared { table, rows, differences };
        let tables: Vec<TableCompared> = self.tables.into_iter().map(table).collect();
        let found = tables.iter().map(|table| table.differences).sum();
        Replayed {
            ok: found == 0,
            size: state.size,
            exported,
            root: hex::encode(root),
            entries: met.entries,
            made: met.made,
            taken: met.taken,
            commits: met.commits,
            not_rederivable: met.expired,
            tables,
            found,
            differences: self.differences,
            left_out: LEFT_OUT,
        }
    }
}

fn shown_key((first, rest): &(i64, String)) -> String {
    match rest.is_empty() {
        true => first.to_string(),
        false => format!("{first} {rest}"),
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The names of a table's columns, in order.
fn columns<R: BulkRow>() -> impl Iterator<Item = &'static str> {
    let list = R::INSERT.split_once('(').map_or("", |(_, rest)| rest.trim_end().trim_end_matches(')'));
    list.split(", ")
}

fn printed(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_owned(),
        Value::Bytes(bytes) => hex::encode(bytes),
    }
}

fn value<R: BulkRow>(row: &R, column: &str) -> String {
    let mut values = Vec::new();
    row.values(&mut values);
    let at = columns::<R>().position(|name| name == column);
    at.and_then(|at| values.get(at)).map_or_else(String::new, |value| printed(*value))
}

/// A whole row, in the order of its columns.
fn text<R: BulkRow>(row: &R) -> String {
    let mut values = Vec::new();
    row.values(&mut values);
    let named = columns::<R>().zip(values).map(|(name, value)| format!("{name}={}", printed(value)));
    named.collect::<Vec<_>>().join(" ")
}
