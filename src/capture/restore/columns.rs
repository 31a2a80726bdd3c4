//! Which columns of a row are read, and which are written with what. Pure.

use std::collections::BTreeSet;

use crate::ledger::cards::is_masked;
use crate::records::{AtSource, Document, is_at_or_below};

use super::super::install::store::Table;
use super::super::install::{Hidden, How};
use super::super::names::{column_of, path};

/// What is read and written of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// Columns that are compared: all but those that never leave.
    pub read: Vec<String>,
    /// Columns that are written.
    pub write: Vec<String>,
    /// Their values, as an object.
    pub values: String,
}

impl Writing {
    /// Of a restoration. A column that the old version did not have stays as it is; so does what is left out, what the
    /// database makes by itself, and a balance, which is in entries.
    ///
    /// # Errors
    /// Why it cannot be done, for people.
    pub fn of(what: &AtSource, table: &Table, but: (&[Hidden], &[String], Option<&str>)) -> Result<Writing, String> {
        let (hidden, generated, balance) = but;
        let excluded = |name: &String| hidden.iter().any(|is| is.how == How::Excluded && is.name == *name);
        let read: Vec<String> = table.columns.keys().filter(|name| !excluded(name)).cloned().collect();
        let differing: BTreeSet<String> = match what.now.exists {
            true => what.found.difference.iter().map(|found| column_of(&found.path)).collect(),
            false => what.document.0.keys().map(|path| column_of(path)).collect(),
        };
        let was = |name: &String| what.document.0.keys().any(|at| is_at_or_below(at, &path(name)));
        let made = |name: &String| generated.contains(name) || Some(name.as_str()) == balance;
        let mut write = Vec::new();
        for name in differing.into_iter().filter(|name| was(name) && !made(name)) {
            if !read.contains(&name) {
                return Err(format!("the table has no column {name} any more, or it is excluded: nothing was changed"));
            }
            if what.now.exists && table.key.contains(&name) {
                return Err(format!("column {name} names the row: nothing was changed"));
            }
            write.push(name);
        }
        let part = |at: &String| write.contains(&column_of(at));
        let part: Document =
            Document(what.document.0.iter().filter(|(at, _)| part(at)).map(|(at, v)| (at.clone(), v.clone())).collect());
        if let Some((at, _)) = part.0.iter().find(|(_, value)| is_masked(value.as_str())) {
            return Err(format!("the log has the card number in column {} masked only: nothing was changed", column_of(at)));
        }
        if write.is_empty() {
            return Err("none of the columns that differ can be written: nothing was changed".to_owned());
        }
        Ok(Writing { read, write, values: part.to_json() })
    }
}
