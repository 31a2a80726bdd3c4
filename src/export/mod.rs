//! Tables on their way out: entries, changes, events, breaks, hits and alerts as CSV or NDJSON; and the log
//! itself for the stand-alone verifiers.
//!
//! Streams in slices by `seq`, up to the log's size at the start, so that memory is bounded and an
//! export is of one moment. Dates are inclusive: business dates, except for changes and events,
//! which are chosen by the UTC date they were recorded on.
//!
//! Invariants: money is decimal text of its currency, whole numbers are numbers, times are
//! RFC 3339 in UTC; in CSV no text cell can run as a formula ([`cells`]).
//!
//! Not here: who may export and the event that says so (`export.made`, written by the caller).

pub mod archive;
pub mod cells;
mod changes;
mod entries;
mod events;
mod findings;
mod log;
mod names;
mod store;
mod writer;

pub use log::{LogExport, LogFiles, log};
pub use writer::Format;

use std::io::{self, Write};

use chrono::NaiveDate;

use crate::db::{Db, DbError};

use writer::Table;

/// What to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Entries with their private parts.
    Entries,
    /// Changes of records, field by field.
    Changes,
    /// Events.
    Events,
    /// Breaks of continuity.
    Breaks,
    /// Rule matches.
    Hits,
    /// Alerts.
    Alerts,
}

impl What {
    /// From its name.
    pub fn parse(text: &str) -> Option<What> {
        Some(match text {
            "entries" => What::Entries,
            "changes" => What::Changes,
            "events" => What::Events,
            "breaks" => What::Breaks,
            "hits" => What::Hits,
            "alerts" => What::Alerts,
            _ => return None,
        })
    }
}

/// An export.
#[derive(Clone, Copy, Debug)]
pub struct ExportRequest {
    /// Of what.
    pub what: What,
    /// The first date; without it, from the beginning.
    pub from: Option<NaiveDate>,
    /// The last date; without it, to the end.
    pub to: Option<NaiveDate>,
    /// As what.
    pub format: Format,
    /// Whether events show their private parts, those that were not erased.
    pub private: bool,
}

/// The export stopped; what was written so far is not the whole.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The file or pipe.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
    /// Not a range that can be archived.
    #[error("{0}")]
    Range(String),
    /// Dates the wrong way round.
    #[error("--to: {}", crate::clock::backwards(.0, .1))]
    Dates(NaiveDate, NaiveDate),
}

/// Writes the export; answers how many rows it has.
pub fn run(request: &ExportRequest, db: &Db, out: &mut dyn Write) -> Result<u64, ExportError> {
    if let (Some(from), Some(to)) = (request.from, request.to)
        && from > to
    {
        return Err(ExportError::Dates(from, to));
    }
    let mut table = Table::begin(request.format, columns(request), out)?;
    match request.what {
        What::Entries => entries::export(request, db, &mut table)?,
        What::Changes => changes::export(request, db, &mut table)?,
        What::Events => events::export(request, db, &mut table)?,
        What::Breaks => findings::breaks(request, db, &mut table)?,
        What::Hits => findings::hits(request, db, &mut table)?,
        What::Alerts => findings::alerts(request, db, &mut table)?,
    }
    table.finish()
}

/// The columns of an export, in order.
pub fn columns(request: &ExportRequest) -> Vec<&'static str> {
    match request.what {
        What::Entries => entries::columns(),
        What::Changes => changes::COLUMNS.to_vec(),
        What::Events if request.private => [events::COLUMNS, &["private"]].concat(),
        What::Events => events::COLUMNS.to_vec(),
        What::Breaks => findings::BREAKS.to_vec(),
        What::Hits => findings::HITS.to_vec(),
        What::Alerts => findings::ALERTS.to_vec(),
    }
}

/// A range of stored day numbers, inclusive.
fn days(request: &ExportRequest) -> (i32, i32) {
    let day = |date: Option<NaiveDate>, otherwise| date.map_or(otherwise, crate::clock::day_number);
    (day(request.from, i32::MIN), day(request.to, i32::MAX))
}

#[cfg(test)]
mod tests;
