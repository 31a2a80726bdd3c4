//! Cells of a table to read, and their JSON: written in one way only.

use serde_json::Value;

use super::names::{date, money, time};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A whole number.
    Int,
    /// A text.
    Text,
    /// Minor units of the currency in column `currency`.
    Money,
    /// An instant in microseconds since 1970, UTC.
    Time,
    /// A date in days since 1970-01-01.
    Date,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// None.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Minor units, and how many decimals the currency has.
    Money(i64, u32),
    /// Microseconds since 1970.
    Time(i64),
    /// Days since 1970-01-01.
    Date(i64),
}

impl Cell {
    pub(super) fn int(value: Option<impl Into<i64>>) -> Self {
        value.map_or(Self::Null, |v| Self::Int(v.into()))
    }

    pub(super) fn text(value: Option<impl Into<String>>) -> Self {
        value.map_or(Self::Null, |v| Self::Text(v.into()))
    }

    pub(super) fn date(value: Option<impl Into<i64>>) -> Self {
        value.map_or(Self::Null, |v| Self::Date(v.into()))
    }

    /// As JSON: money, times and dates as text.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::from(*number),
            Self::Text(text) => Value::from(text.as_str()),
            Self::Money(minor, decimals) => Value::from(money(*minor, *decimals)),
            Self::Time(micros) => Value::from(time(*micros)),
            Self::Date(days) => Value::from(date(*days)),
        }
    }
}

/// The line of a row, with its end: an object with every column, in order.
#[must_use]
pub fn line(columns: &[Column], cells: &[Cell]) -> String {
    let mut out = String::from("{");
    for (column, cell) in columns.iter().zip(cells) {
        if out.len() > 1 {
            out.push(',');
        }
        out.push('"');
        out.push_str(column.name);
        out.push_str("\":");
        out.push_str(&cell.json().to_string());
    }
    out.push_str("}\n");
    out
}
