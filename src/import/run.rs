//! One import: a file through a bounded pipeline into the log, resumable.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use crate::clock::Moment;
use crate::db::{Db, DbResult};
use crate::ids::Seq;
use crate::intake::{Rehearsal, RowResult};

use super::batches::{ReadBatch, read_batches};
use super::rejects::Rejects;
use super::store::{self, RUNNING, RunRow};
use super::tally::Tally;
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

/// What importing the file now would come to; records nothing. `stored` opens what is in the log,
/// once the file can be read at all.
pub fn dry_run(
    request: &ImportRequest,
    stored: impl FnOnce() -> DbResult<Rehearsal>,
    progress: &dyn Progress,
) -> Result<Summary, ImportError> {
    let file = SourceFile::open(&request.path)?;
    let mut tally = Tally::default();
    let rows = Rows::open(&file, request.format, request.profile.as_ref(), progress)?;
    let mut rehearsal = stored()?;
    let mut rejects = Rejects::new(&request.path, None);
    std::thread::scope(|scope| {
        let (batches, ahead) = mpsc::sync_channel(READ_AHEAD);
        scope.spawn(move || read_batches(rows, &batches));
        for batch in ahead {
            let mut batch = batch?;
            let results = rehearsal.record(std::mem::take(&mut batch.rows), request.history)?;
            tally.batch(&batch, &results, &mut HashSet::new(), &mut rejects)?;
        }
        Ok::<_, ImportError>(())
    })?;
    if !file.is_unchanged() {
        return Err(ImportError::Changed);
    }
    Ok(with_list(tally.summary(rehearsal.open_breaks(), false), rejects))
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
        going.record(ahead, leader, db, &mut rejects)
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
    /// Of an interrupted run: what it counted lies before this place.
    noted_to: Seq,
    /// What this process counted as recorded while some of it may have been recorded before.
    settled: HashSet<Seq>,
    batches: usize,
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
        let (started_at, from, noted_to, tally) = match &noted {
            Some(run) => {
                let started = Moment(run.started_at);
                let noted_to = db.read(|conn| store::noted_to(conn, begun.source, &origin, started, run.recorded))?;
                (started, 0, noted_to, Tally::resume(run))
            }
            None => (Moment(begun.now), begun.size, Seq::MAX, Tally::default()),
        };
        Ok(Going {
            request,
            digest,
            origin,
            begun,
            started_at,
            from,
            resumed: noted.is_some(),
            noted_to,
            settled: HashSet::new(),
            batches: 0,
            tally,
        })
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
        db: &Db,
        rejects: &mut Rejects,
    ) -> Result<(), ImportError> {
        let mut waiting: VecDeque<(Ticket, ReadBatch)> = VecDeque::with_capacity(IN_FLIGHT);
        for batch in ahead {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    // What was read before the damage is worth noting.
                    self.settle(&mut waiting, 0, leader, db, rejects)?;
                    return Err(error);
                }
            };
            self.settle(&mut waiting, IN_FLIGHT - 1, leader, db, rejects)?;
            waiting.push_back(self.submit(batch, leader)?);
        }
        self.settle(&mut waiting, 0, leader, db, rejects)
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
        db: &Db,
        rejects: &mut Rejects,
    ) -> Result<(), ImportError> {
        while waiting.len() > left
            && let Some((ticket, batch)) = waiting.pop_front()
        {
            let results = ticket.recv().map_err(|_| ImportError::Stopped("the log gave no answer".into()))?;
            let results = results.map_err(|e| ImportError::Stopped(e.to_string()))?;
            let unnoted = self.unnoted(&results, db)?;
            self.tally.batch(&batch, &results, &mut { unnoted }, rejects)?;
            leader.note(self.row())?;
        }
        Ok(())
    }

    /// Of the entries that come back as duplicates, those that this run recorded itself before it
    /// was interrupted, without coming to note it.
    fn unnoted(&mut self, results: &[RowResult], db: &Db) -> Result<HashSet<Seq>, ImportError> {
        self.batches += 1;
        // No more than these were on their way when the run was interrupted.
        if !self.resumed || self.batches > IN_FLIGHT + 1 {
            self.settled.clear();
            return Ok(HashSet::new());
        }
        self.settled.extend(results.iter().filter_map(|result| match result {
            RowResult::Recorded(receipt) => Some(receipt.seq),
            _ => None,
        }));
        let again = results.iter().filter_map(|result| match result {
            RowResult::Duplicate(receipt) if receipt.seq >= self.noted_to => Some(receipt.seq),
            _ => None,
        });
        let again: HashSet<Seq> = again.filter(|seq| !self.settled.contains(seq)).collect();
        if again.is_empty() {
            return Ok(again);
        }
        let seqs: Vec<Seq> = again.into_iter().collect();
        let (source, since) = (self.begun.source, self.started_at);
        let ours = db.read(|conn| store::recorded_from(conn, source, &self.origin, since, &seqs))?;
        self.settled.extend(&ours);
        Ok(ours.into_iter().collect())
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
