//! Taking a capture away.

use std::time::{Duration, Instant};

use crate::db::Outside;

use super::store::{self, Captured};
use super::{CaptureError, definition, refused};

/// How long the table is held while the last rows of the queue are drained.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Waiting rows that are counted.
const COUNTED: i64 = 1_000_000;

/// What was taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Rows that waited, and rows that had been refused; both are gone.
    pub discarded: (i64, i64),
    /// Whether it was the last one, and the schema went with it.
    pub last: bool,
}

/// Takes the triggers of a table away, and the schema with the last of them. Rows that wait are drained first
/// by whoever serves; meanwhile nobody writes to the table.
///
/// # Errors
/// When rows are left and `discard` is not wanted: then nothing is taken away.
pub fn remove(
    bank: &mut Outside,
    captured: &Captured,
    discard: bool,
    note: impl FnOnce(&Removed, &str) -> Result<(), CaptureError>,
) -> Result<Removed, CaptureError> {
    bank.transaction("BEGIN", |bank| {
        let table = store::table(bank, captured.relation)?.map(|table| table.name);
        // First, or what is dropped next would be a command on a captured table, and wait in the queue itself.
        bank.execute(&format!("DELETE FROM counterfoil_capture.captured WHERE id = {}", captured.id))?;
        bank.execute(&definition::without(table.as_deref(), captured.id))?;
        let began = Instant::now();
        let discarded = loop {
            match store::waiting(bank, captured.id, COUNTED)? {
                (0, rejected) => break (0, rejected),
                left if discard || began.elapsed() > DRAIN_WITHIN => break left,
                _ => std::thread::sleep(LOOK_EVERY),
            }
        };
        if discarded != (0, 0) && !discard {
            let (waiting, rejected) = discarded;
            return refused(format!(
                "{waiting} rows of {} wait and {rejected} were refused: let `serve` drain them and run `capture reconcile --record`, \
                 or lose them with --discard; nothing was taken away",
                captured.name
            ));
        }
        let id = captured.id;
        bank.execute(&format!(
            "DELETE FROM counterfoil_capture.queue WHERE capture = {id}; DELETE FROM counterfoil_capture.rejected WHERE capture = {id}"
        ))?;
        let last = store::captured(bank)?.is_empty();
        if last {
            bank.execute(
                "DROP EVENT TRIGGER IF EXISTS counterfoil_capture_ddl; DROP EVENT TRIGGER IF EXISTS counterfoil_capture_dropped; \
                 DROP SCHEMA counterfoil_capture CASCADE",
            )?;
        }
        let removed = Removed { discarded, last };
        note(&removed, &captured.name)?;
        Ok(removed)
    })
}
