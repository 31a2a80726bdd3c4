//! Files become entries: CSV and NDJSON in the words of the contract, and any bank's own CSV
//! through a mapping profile.
//!
//! A file is read as a stream on a thread of its own and handed over in batches; at most four
//! are on their way, so memory is bounded whatever the file's size. How far a run has come is
//! kept in `import_runs` under a digest of file, source and profile: an interrupted run goes on
//! where it stopped, and a finished one, run again, finds duplicates.
//!
//! Invariants: money goes from the file's text to minor units without ever being a float; a row
//! is taken whole or refused whole, with its line, field and reason; no file, however broken,
//! makes a panic; nothing that a data set knows as truth (a label) is ever imported.
//!
//! Not here: what an entry must look like (`ledger`), its place in the log (`intake`), the
//! progress bar (`cli`).

mod batches;
mod csv;
mod error;
mod leader;
mod lines;
mod ndjson;
pub mod profile;
mod rejects;
mod rows;
mod run;
mod source;
mod store;
mod tally;

pub use error::ImportError;
pub use leader::{Batch, Begun, Finish, Leader, Local, Ticket, begin, end};
pub use profile::{Profile, ProfileError};
pub use rows::{Format, Read, ReadRow, Rows};
pub use run::{ImportRequest, dry_run, run};
pub use source::{Progress, SourceFile};
pub use store::{RunRow, save as note};
pub use tally::Summary;

#[cfg(test)]
mod tests;

/// Bytes of a refused row that are kept, here and in the log.
const ROW_BYTES_KEPT: usize = 2_048;
