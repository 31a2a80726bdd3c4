//! One import: a file through a bounded pipeline into the log, resumable.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use crate::clock::Moment;
use crate::db::Db;
use crate::ids::Seq;
use crate::intake::RowResult;

use super::batches::{ReadBatch, read_batches};
use super::rejects::Rejects;
use super::store::{self, RUNNING, RunRow};
use super::tally::{RowOutcome, Tally};
use super::{Batch, Begun, Finish, Format, ImportError, Leader, Profile, Progress, Read, Rows, SourceFile, Summary, Ticket};

/// Batches submitted and not answered.
const IN_FLIGHT: usize = 4;
/// Batches read ahead of the ones in flight.
const READ_AHEAD: usize = 2;

/// What to import.
pub struct ImportRequest {
    /// The file.
    pub path: PathBuf,
    /// The source's name; made when unknown.
    pub source: String,
    /// How the file is written.
    pub format: Format,
    /// The mapping, for a layout that is not the contract's.
    pub profile: Option<Profile>,
    /// Entries of the past: alerts are raised, and one summary is mailed instead of each.
    pub history: bool,
    /// Who gets the summary of a history (`mail.alerts_to`).
    pub mail_to: Vec<String>,
}

/// Reads and checks the whole file and records nothing.
pub fn dry_run(request: &ImportRequest, progress: &dyn Progress) -> Result<Summary, ImportError> {
    let file = SourceFile::open(&request.path)?;
    let mut tally = Tally::default();
    let rows = Rows::open(&file, request.format, request.profile.as_ref(), progress)?;
    let mut rejects = Rejects::new(&request.path, None);
    for row in rows {
        let row = row?;
        tally.rows += 1;
        match row.read {
            Read::Entries(_) => {}
            Read::Skipped => tally.skipped += 1,
            Read::Refused(refused) => {
                tally.rejected += 1;
                rejects.add(row.line, &refused.refusal, &row.raw);
            }
        }
    }
    if !file.is_unchanged() {
        return Err(ImportError::Changed);
    }
    Ok(with_list(tally.summary(0, false), rejects))
}

/// Imports the file; goes on where an interrupted run of the same file, source and profile stopped.
pub fn run(request: &ImportRequest, leader: &dyn Leader, db: &Db, progress: &dyn Progress) -> Result<Summary, ImportError> {
    let file = SourceFile::open(&request.path)?;
    let profile = request.profile.as_ref();
    // A file that cannot be read at all leaves no trace in the log.
    drop(Rows::open(&file, request.format, profile, &())?);
    let digest = file.digest(&[&request.source, profile.map_or("", Profile::text)], progress)?;
    let origin = format!("{} sha256:{}", file.name(), &digest[..16]);
    let begun = leader.begin(&request.source, &digest)?;
    let noted = db.read(|conn| store::run(conn, &digest))?.filter(|run| run.state == RUNNING);
    let mut going = Going::new(begun, noted, &digest, request, origin, db)?;
    let mut rows = Rows::open(&file, request.format, profile, progress)?;
    let skipped_to = going.pass_over(&mut rows)?;
    let mut rejects = Rejects::new(&request.path, going.resumed.then_some(skipped_to));
    leader.note(going.row())?;
    std::thread::scope(|scope| {
        let (batches, ahead) = mpsc::sync_channel(READ_AHEAD);
        scope.spawn(move || read_batches(rows, &batches));
        going.record(ahead, leader, &mut rejects)
    })?;
    if !file.is_unchanged() {
        return Err(ImportError::Changed);
    }
    going.finish(leader, db, rejects)
}

/// A run while it goes on.
struct Going<'a> {
    request: &'a ImportRequest,
    digest: &'a str,
    origin: String,
    begun: Begun,
    started_at: Moment,
    /// Nothing of this run lies before this place.
    from: Seq,
    resumed: bool,
    tally: Tally,
}

impl<'a> Going<'a> {
    fn new(
        begun: Begun,
        noted: Option<RunRow>,
        digest: &'a str,
        request: &'a ImportRequest,
        origin: String,
        db: &Db,
    ) -> Result<Going<'a>, ImportError> {
        let (started_at, from, tally) = match &noted {
            Some(run) => {
                let started = Moment(run.started_at);
                let standing = db.read(|conn| store::standing(conn, begun.source, &origin, started))?;
                (started, 0, Tally::resume(run, standing))
            }
            None => (Moment(begun.now), begun.size, Tally::default()),
        };
        Ok(Going { request, digest, origin, begun, started_at, from, resumed: noted.is_some(), tally })
    }

    /// Passes over the rows that are done; answers the last one's line.
    fn pass_over(&mut self, rows: &mut Rows<'_>) -> Result<u64, ImportError> {
        let mut line = 0;
        for _ in 0..self.tally.rows {
            let Some(row) = rows.next().transpose()? else { break };
            line = row.line;
            self.tally.skipped += u64::from(matches!(row.read, Read::Skipped));
        }
        Ok(line)
    }

    /// Hands batches over, at most [`IN_FLIGHT`] at a time, and counts the answers in order.
    fn record(
        &mut self,
        ahead: Receiver<Result<ReadBatch, ImportError>>,
        leader: &dyn Leader,
        rejects: &mut Rejects,
    ) -> Result<(), ImportError> {
        let mut waiting: VecDeque<(Ticket, ReadBatch)> = VecDeque::with_capacity(IN_FLIGHT);
        for batch in ahead {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    // What was read before the damage is worth noting.
                    self.settle(&mut waiting, 0, leader, rejects)?;
                    return Err(error);
                }
            };
            self.settle(&mut waiting, IN_FLIGHT - 1, leader, rejects)?;
            waiting.push_back(self.submit(batch, leader)?);
        }
        self.settle(&mut waiting, 0, leader, rejects)
    }

    fn submit(&self, mut batch: ReadBatch, leader: &dyn Leader) -> Result<(Ticket, ReadBatch), ImportError> {
        let rows = std::mem::take(&mut batch.rows);
        let (source, origin, history) = (self.begun.source, self.origin.clone(), self.request.history);
        Ok((leader.submit(Batch { source, origin, history, rows })?, batch))
    }

    /// Waits until at most `left` batches are unanswered.
    fn settle(
        &mut self,
        waiting: &mut VecDeque<(Ticket, ReadBatch)>,
        left: usize,
        leader: &dyn Leader,
        rejects: &mut Rejects,
    ) -> Result<(), ImportError> {
        while waiting.len() > left
            && let Some((ticket, batch)) = waiting.pop_front()
        {
            let results = ticket.recv().map_err(|_| ImportError::Stopped("the log gave no answer".into()))?;
            let results = results.map_err(|e| ImportError::Stopped(e.to_string()))?;
            self.count(&batch, &results, rejects)?;
            leader.note(self.row())?;
        }
        Ok(())
    }

    fn count(&mut self, batch: &ReadBatch, mut results: &[RowResult], rejects: &mut Rejects) -> Result<(), ImportError> {
        for about in &batch.about {
            let Some((of_row, rest)) = results.split_at_checked(about.legs) else {
                return Err(ImportError::Stopped("the log answered fewer rows than it was given".into()));
            };
            results = rest;
            if let RowOutcome::Rejected(refusal) = self.tally.row(of_row) {
                rejects.add(about.line, refusal, &about.raw);
            }
        }
        self.tally.rows += batch.read;
        self.tally.skipped += batch.skipped;
        Ok(())
    }

    /// The run as it stands.
    fn row(&self) -> RunRow {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        RunRow {
            digest: self.digest.to_owned(),
            source: self.request.source.clone(),
            rows_done: count(self.tally.rows),
            recorded: count(self.tally.recorded),
            duplicates: count(self.tally.duplicates),
            rejected: count(self.tally.rejected),
            hits: count(self.tally.hits),
            state: RUNNING.into(),
            started_at: self.started_at.0,
            updated_at: self.begun.now,
        }
    }

    fn finish(self, leader: &dyn Leader, db: &Db, rejects: Rejects) -> Result<Summary, ImportError> {
        let breaks = db.read(|conn| store::open_breaks(conn, self.begun.source, &self.origin, self.from, self.started_at))?;
        let summary = self.tally.summary(breaks, self.resumed);
        let mail_to = if self.request.history { self.request.mail_to.clone() } else { Vec::new() };
        let file = self.request.path.file_name().map(|name| name.to_string_lossy().into_owned());
        leader.finish(Finish {
            run: self.row(),
            source: self.begun.source,
            history: self.request.history,
            skipped: summary.skipped,
            breaks,
            file: file.unwrap_or_default(),
            profile: self.request.profile.as_ref().map(|profile| profile.name().to_owned()),
            mail_to,
        })?;
        Ok(with_list(summary, rejects))
    }
}

fn with_list(mut summary: Summary, rejects: Rejects) -> Summary {
    (summary.rejects_file, summary.rejects_error) = rejects.finish();
    summary
}
