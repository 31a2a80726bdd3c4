//! A report in the formats that need no page: JSON, text for a terminal, CSV.

mod csv;
mod text;

use crate::db::{DbError, DbResult};

use super::Report;

pub use csv::csv;
pub(super) use csv::{guarded, quoted};
pub use text::text;

/// The contract's JSON, indented, with a line end. What is stored and hashed is this text.
pub fn json(report: &Report) -> DbResult<String> {
    let text = serde_json::to_string_pretty(report);
    text.map(|text| text + "\n").map_err(|e| DbError::Corrupt(format!("the report cannot be written as JSON: {e}")))
}

#[cfg(test)]
mod tests;
