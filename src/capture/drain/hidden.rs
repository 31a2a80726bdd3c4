//! What of a row must not go out in the clear. Pure.
//!
//! The trigger that queued a row left out what was to be left out, and wrote beside the rest what the columns to be sealed
//! were called then. A row from before the newest `capture add` may have columns that are hidden only since; they are known
//! by every name that they had. One whose name nobody noted may be any of them: such a row is not taken.

use std::collections::BTreeSet;

use crate::config::CapturedTable;
use crate::ledger::Refusal;

use super::super::install::store::Captured;
use super::super::install::{Hidden, How};
use super::super::names::{Columns, path};

/// Columns of a row, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hides {
    out: BTreeSet<String>,
    sealed: BTreeSet<String>,
    /// Every name that is known, where the row may have others.
    known: Option<BTreeSet<String>>,
    /// Names of columns that an `add` has seen, where any other is sealed until one has.
    declared: Option<BTreeSet<String>>,
}

impl Hides {
    /// Of a row of the queue with this number, whose trigger wrote which columns to seal.
    pub fn of_queued(settings: &CapturedTable, captured: &Captured, id: i64, sealed: &[String]) -> Hides {
        let mut hides = Hides::of_names(settings, &captured.hides());
        hides.sealed.extend(sealed.iter().cloned());
        if !captured.hides().is_empty() && !captured.names.is_empty() {
            hides.declared = Some(captured.names.keys().filter(|name| !captured.new.contains(*name)).cloned().collect());
        }
        if id < captured.since && !captured.hides().is_empty() {
            let former = |how: How| {
                let numbers: BTreeSet<i16> = captured.hidden.iter().filter(|is| is.how == how).map(|is| is.number).collect();
                captured.names.iter().filter(move |(_, of)| !of.is_disjoint(&numbers)).map(|(name, _)| name.clone())
            };
            hides.out.extend(former(How::Excluded));
            hides.sealed.extend(former(How::Sealed));
            hides.known = Some(captured.names.keys().cloned().collect());
        }
        hides
    }

    /// Of a row that is read from the table, whose columns are called so now.
    pub fn of_names(settings: &CapturedTable, hidden: &[Hidden]) -> Hides {
        let named = |how: How| hidden.iter().filter(move |is| is.how == how).map(|is| is.name.clone());
        Hides {
            out: settings.exclude.iter().cloned().chain(named(How::Excluded)).collect(),
            sealed: settings.sensitive.iter().cloned().chain(named(How::Sealed)).collect(),
            known: None,
            declared: None,
        }
    }

    /// A row without what never leaves.
    ///
    /// # Errors
    /// When it has a column of which nobody knows whether it may.
    pub fn without(&self, mut row: Columns) -> Result<Columns, Refusal> {
        row.retain(|column, _| !self.out.contains(column));
        let unknown = row.keys().find(|column| self.known.as_ref().is_some_and(|known| !known.contains(*column)));
        if let Some(column) = unknown.filter(|column| !self.sealed.contains(*column)) {
            let detail = format!(
                "the row has a column {column}, which no `capture add` saw under that name: it may be one that must not go out in the \
                 clear; `capture reconcile --record` records the row as it is now"
            );
            return Err(Refusal::whole("column_unknown", detail));
        }
        Ok(row)
    }

    /// Whether nothing is hidden.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty() && self.sealed.is_empty()
    }

    /// Whether a column's values are sealed.
    pub fn seals(&self, column: &str) -> bool {
        self.sealed.contains(column)
    }

    /// The same for these rows: what of them nobody declared is sealed.
    pub fn sealing_new<'a>(&self, rows: impl Iterator<Item = &'a Columns>) -> Hides {
        let mut hides = self.clone();
        let new = |column: &&String| self.declared.as_ref().is_some_and(|declared| !declared.contains(*column));
        hides.sealed.extend(rows.flat_map(|row| row.keys()).filter(new).cloned());
        hides
    }

    /// The paths that are sealed.
    pub fn paths(&self) -> Vec<String> {
        self.sealed.iter().map(|column| path(column)).collect()
    }
}
