//! What a run has come to: pure bookkeeping.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;

use crate::ids::Seq;
use crate::intake::{Receipt, RowResult};
use crate::ledger::Refusal;

use super::ImportError;
use super::batches::ReadBatch;
use super::rejects::Rejects;
use super::store::RunRow;

/// The last line of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows of the file.
    pub read: u64,
    /// Entries now in the log because of this file.
    pub recorded: u64,
    /// Entries that were in the log before.
    pub duplicates: u64,
    /// Rows that were refused.
    pub rejected: u64,
    /// Hits decided with the entries recorded.
    pub hits: u64,
    /// Breaks that these entries opened and that are still open.
    pub breaks: u64,
    /// Rows that a rule of the profile left out.
    #[serde(skip)]
    pub skipped: u64,
    /// Texts in which card numbers were masked, of the entries that this run recorded.
    #[serde(skip)]
    pub masked: u64,
    /// Whether an interrupted run was taken up again.
    #[serde(skip)]
    pub resumed: bool,
    /// Where the refused rows are listed, if there are any and a place could be written to.
    #[serde(skip)]
    pub rejects_file: Option<PathBuf>,
    /// Why they are not listed, if they are not.
    #[serde(skip)]
    pub rejects_error: Option<String>,
}

/// What one row of the file became.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RowOutcome<'r> {
    Taken,
    Rejected(&'r Refusal),
}

/// The counts of a run while it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub rows: u64,
    pub recorded: u64,
    pub duplicates: u64,
    pub rejected: u64,
    pub hits: u64,
    pub skipped: u64,
    pub masked: u64,
}

impl Tally {
    /// Takes up an interrupted run where its notes end.
    pub fn resume(noted: &RunRow) -> Tally {
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Tally {
            rows: count(noted.rows_done),
            recorded: count(noted.recorded),
            duplicates: count(noted.duplicates),
            rejected: count(noted.rejected),
            hits: count(noted.hits),
            skipped: 0,
            masked: 0,
        }
    }

    /// Counts the entries of one row; they were recorded together or not at all. `unnoted` are
    /// places of entries that the interrupted run recorded and did not come to note: they come back
    /// as duplicates, once each, and are this run's.
    pub fn row<'r>(&mut self, results: &'r [RowResult], unnoted: &mut HashSet<Seq>) -> RowOutcome<'r> {
        for result in results {
            match result {
                RowResult::Recorded(receipt) => self.recorded(receipt),
                RowResult::Duplicate(receipt) if unnoted.remove(&receipt.seq) => self.recorded(receipt),
                RowResult::Duplicate(_) => self.duplicates += 1,
                RowResult::Rejected(_) => {}
            }
        }
        let refusals = results.iter().filter_map(|result| match result {
            RowResult::Rejected(refusal) => Some(refusal),
            _ => None,
        });
        // Of two legs the one that is at fault says more than the one that went with it.
        match refusals.min_by_key(|refusal| refusal.field.is_none()) {
            Some(refusal) => {
                self.rejected += 1;
                RowOutcome::Rejected(refusal)
            }
            None => RowOutcome::Taken,
        }
    }

    /// Counts the answers to a batch, in its order, and lists its refused rows.
    pub fn batch(
        &mut self,
        batch: &ReadBatch,
        mut results: &[RowResult],
        unnoted: &mut HashSet<Seq>,
        rejects: &mut Rejects,
    ) -> Result<(), ImportError> {
        for about in &batch.about {
            let Some((of_row, rest)) = results.split_at_checked(about.legs) else {
                return Err(ImportError::Stopped("the log answered fewer rows than it was given".into()));
            };
            results = rest;
            if let RowOutcome::Rejected(refusal) = self.row(of_row, unnoted) {
                rejects.add(about.line, refusal, &about.raw);
            }
        }
        self.rows += batch.read;
        self.skipped += batch.skipped;
        Ok(())
    }

    fn recorded(&mut self, receipt: &Receipt) {
        self.recorded += 1;
        self.hits += receipt.hits.len() as u64;
        self.masked += u64::from(receipt.masked);
    }

    /// As the last line.
    pub fn summary(&self, breaks: u64, resumed: bool) -> Summary {
        Summary {
            read: self.rows,
            recorded: self.recorded,
            duplicates: self.duplicates,
            rejected: self.rejected,
            hits: self.hits,
            breaks,
            skipped: self.skipped,
            masked: self.masked,
            resumed,
            ..Summary::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{ReceiptHit, Told};

    fn receipt(seq: Seq, hits: usize) -> Receipt {
        let hit = ReceiptHit { rule: "high-value".into(), severity: "high".into(), alert: None };
        Receipt { seq, leaf: [0; 32], position: 1, hits: vec![hit; hits], breaks: Vec::new(), told: Told::All, masked: 0 }
    }

    fn run(rows_done: i64, recorded: i64, duplicates: i64) -> RunRow {
        RunRow {
            digest: "d".into(),
            source: "core".into(),
            rows_done,
            recorded,
            duplicates,
            rejected: 1,
            hits: 2,
            state: "running".into(),
            started_at: 0,
            updated_at: 0,
        }
    }

    #[test]
    fn rows_are_counted_once_and_entries_each() {
        let (mut tally, mut none) = (Tally::default(), HashSet::new());
        let taken = [RowResult::Recorded(receipt(1, 2)), RowResult::Recorded(receipt(2, 0))];
        assert_eq!(tally.row(&taken, &mut none), RowOutcome::Taken);
        let refusal = Refusal::field("currency_mismatch", "currency", "no");
        let companion = Refusal::whole("atomic", "the other leg was refused");
        let results = [RowResult::Rejected(companion), RowResult::Rejected(refusal.clone())];
        assert_eq!(tally.row(&results, &mut none), RowOutcome::Rejected(&refusal));
        tally.row(&[RowResult::Duplicate(receipt(1, 3))], &mut none);
        assert_eq!((tally.recorded, tally.duplicates, tally.rejected, tally.hits), (2, 1, 1, 2));
    }

    #[test]
    fn what_was_recorded_but_not_noted_before_an_interruption_is_no_duplicate() {
        // Noted: 10,000 rows with 9,990 recorded, 9 duplicates, 1 rejected. Of the next rows two were
        // committed, the note was not.
        let mut tally = Tally::resume(&run(10_000, 9_990, 9));
        let mut unnoted: HashSet<Seq> = [501, 502].into();
        for seq in [501, 77, 502, 501] {
            tally.row(&[RowResult::Duplicate(receipt(seq, 1))], &mut unnoted);
        }
        tally.row(&[RowResult::Recorded(receipt(503, 1))], &mut unnoted);
        assert_eq!((tally.rows, tally.recorded, tally.duplicates, tally.hits), (10_000, 9_993, 11, 5));
    }

    #[test]
    fn the_last_line_is_the_contract_s() {
        let text = serde_json::to_string(&Summary { read: 3, skipped: 1, ..Summary::default() }).unwrap_or_default();
        assert_eq!(text, r#"{"read":3,"recorded":0,"duplicates":0,"rejected":0,"hits":0,"breaks":0}"#);
    }
}
