//! A file's rows in batches, read ahead on a thread of their own.

use std::sync::mpsc::SyncSender;

use crate::intake::Row;

use super::{ImportError, Read, ReadRow, Rows};

/// Rows in one batch.
const BATCH_ROWS: usize = 5_000;

/// A batch with what is needed to tell of each row afterwards.
pub(super) struct ReadBatch {
    pub rows: Vec<Row>,
    pub about: Vec<AboutRow>,
    pub read: u64,
    pub skipped: u64,
}

pub(super) struct AboutRow {
    pub line: u64,
    pub raw: Vec<u8>,
    /// How many of the batch's rows it is.
    pub legs: usize,
}

/// On its own thread: reads until the end, an error, or nobody listens any more.
pub(super) fn read_batches(mut rows: Rows<'_>, batches: &SyncSender<Result<ReadBatch, ImportError>>) {
    loop {
        let batch = next_batch(&mut rows);
        let last = batch.as_ref().map_or(true, |batch| batch.read < BATCH_ROWS as u64);
        if batches.send(batch).is_err() || last {
            return;
        }
    }
}

fn next_batch(rows: &mut Rows<'_>) -> Result<ReadBatch, ImportError> {
    let mut batch =
        ReadBatch { rows: Vec::with_capacity(BATCH_ROWS), about: Vec::with_capacity(BATCH_ROWS), read: 0, skipped: 0 };
    while batch.read < BATCH_ROWS as u64 {
        let Some(row) = rows.next().transpose()? else { break };
        batch.read += 1;
        batch.push(row);
    }
    Ok(batch)
}

impl ReadBatch {
    fn push(&mut self, row: ReadRow) {
        let line = row.line;
        let legs = match row.read {
            Read::Skipped => {
                self.skipped += 1;
                return;
            }
            Read::Refused(refused) => {
                self.rows.push(Row { line, entry: Err(refused), with_next: false });
                1
            }
            Read::Entries(entries) => {
                let legs = entries.len();
                let numbered = entries.into_iter().enumerate();
                self.rows.extend(numbered.map(|(i, entry)| Row { line, entry: Ok(entry), with_next: i + 1 < legs }));
                legs
            }
        };
        self.about.push(AboutRow { line, raw: row.raw, legs });
    }
}
