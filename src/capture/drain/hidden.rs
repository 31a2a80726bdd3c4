//! Columns that must not go out in the clear: a table whose settings name one that it does not have is not drained.
//!
//! A column is left out or sealed by its name. Whoever renames it would let its values out with the next change; so the rows
//! wait in the bank's database until the settings name it anew.

use crate::config::CapturedTable;
use crate::db::Outside;

use super::super::CaptureError;
use super::super::install::store::{Captured, table};

/// Why a table waits: a column that is to be left out or sealed is not found under its name.
///
/// # Errors
/// When the bank's database does not answer.
pub fn hidden(bank: &mut Outside, settings: &CapturedTable, all: &[Captured]) -> Result<Option<String>, CaptureError> {
    if settings.exclude.is_empty() && settings.sensitive.is_empty() {
        return Ok(None);
    }
    let Some(captured) = all.iter().find(|captured| captured.name == settings.table) else { return Ok(None) };
    let Some(there) = table(bank, captured.relation)? else { return Ok(None) };
    let gone = settings.exclude.iter().chain(&settings.sensitive).find(|column| !there.columns.contains_key(*column));
    Ok(gone.map(|column| {
        format!(
            "{} waits: it has no column {column}, whose values must not go out in the clear; if it was renamed, run `capture add` \
             with its new name and put that into the settings, else take it out of them",
            settings.table
        )
    }))
}
