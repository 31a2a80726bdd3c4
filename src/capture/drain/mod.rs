//! Draining: rows of the queue into the log, then out of the queue.

mod balance;
mod emptied;
mod hidden;
mod row;

use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

use crate::access::keys;
use crate::app::App;
use crate::clock::{MINUTE, SECOND};
use crate::config::{Capture, CapturedTable, Reason};
use crate::db::Outside;
use crate::ids::Seq;
use crate::intake::{Delivery, DeliveryKind, Refused, Row as EntryRow, RowResult, Submission};
use crate::ledger::Refusal;
use crate::records::{ChangeResult, Row as ChangeRow, Sender};

use super::bank::store::{self, Queued, Rejected};
use super::bank::{forget, note, note_failure};
use super::install::store::{captured, installation};
use super::{CaptureError, connect, refused};
use hidden::hidden;
use row::{Made, made, reference};

pub use balance::{Balance, moved};
pub use row::{UNKNOWN, subject};

/// Batches of one turn: whoever wants to stop waits for no more.
const BATCHES: usize = 20;
/// How far the bank's clock may be ahead: less than what the log takes.
const AHEAD: i64 = 4 * MINUTE;
/// Characters of a refusal that are kept in the bank's database.
const DETAIL_MAX: usize = 500;

/// Drains the tables of one capture.
pub struct Drainer {
    settings: Capture,
    book: String,
    held: Mutex<Option<Held>>,
}

/// A connection, and the source that the log knows the capture by.
struct Held {
    bank: Outside,
    source: Seq,
}

/// A batch on its way.
struct Batch<'a> {
    app: &'a App,
    settings: &'a Capture,
    installation: String,
    sender: Sender,
}

impl Drainer {
    /// Of these settings of a book.
    pub fn new(book: &str, settings: &Capture) -> Drainer {
        Drainer { settings: settings.clone(), book: book.to_owned(), held: Mutex::new(None) }
    }

    /// Drains what waits, in bounded batches.
    ///
    /// # Errors
    /// When the bank's database or the log fails; what was not taken waits there.
    pub fn turn(&self, app: &App) -> Result<(), CaptureError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.drain(app, &mut held);
        if done.is_err() {
            // What state it is in is not known: the next turn begins with another.
            *held = None;
            note_failure(&self.book, &self.settings, app.clock.now());
        }
        done
    }

    fn drain(&self, app: &App, held: &mut Option<Held>) -> Result<(), CaptureError> {
        let Held { bank, source } = match held {
            Some(held) => held,
            None => held.insert(self.begin(app)?),
        };
        let name = &self.settings.name;
        let Some((installation, _)) = installation(bank)? else {
            return refused(format!("[[capture]] {name}: nothing is captured there yet; `capture add` makes what is needed"));
        };
        let ahead = store::now(bank)? - app.clock.now().0;
        if ahead > AHEAD {
            return refused(format!("[[capture]] {name}: the clock there is {} s ahead of ours: set it", ahead / SECOND));
        }
        let origin = Some(format!("capture {}", self.settings.name));
        let sender = Sender { source: *source, key: None, origin };
        let batch = Batch { app, settings: &self.settings, installation, sender };
        let (tables, waits) = batch.tables(bank)?;
        for _ in 0..BATCHES {
            if !bank.transaction("BEGIN", |bank| batch.run(bank, &tables))? {
                break;
            }
        }
        note(&self.book, &self.settings, &store::tables(bank)?, waits.is_some());
        waits.map_or(Ok(()), refused)
    }

    fn begin(&self, app: &App) -> Result<Held, CaptureError> {
        let name = self.settings.source().to_owned();
        let bank = connect(&self.settings)?;
        Ok(Held { bank, source: app.log().act(move |tx| keys::ensure_source(tx, &name))? })
    }
}

impl Drop for Drainer {
    fn drop(&mut self) {
        forget(&self.book, &self.settings);
    }
}

impl Batch<'_> {
    /// The tables that can be drained, and why the first of the others cannot.
    fn tables(&self, bank: &mut Outside) -> Result<(Vec<&str>, Option<String>), CaptureError> {
        let kinds = self.app.record_kinds();
        let seals = |table: &CapturedTable| !table.sensitive.is_empty() || !kinds.known(&table.kind).sensitive.is_empty();
        let mut unsealed = None;
        if self.settings.table.iter().any(seals) {
            let status = self.app.db.read(|conn| self.app.sealing(conn))?;
            unsealed = (!status.is_ready()).then(|| format!("tables with sensitive columns wait: {}", status.text()));
        }
        let all = captured(bank)?;
        let (mut free, mut waits) = (Vec::new(), None);
        for table in &self.settings.table {
            let why = match &unsealed {
                Some(why) if seals(table) => Some(why.clone()),
                _ => hidden(bank, table, &all)?,
            };
            match why {
                None => free.push(table.table.as_str()),
                Some(why) => waits = waits.or(Some(format!("[[capture]] {}: {why}", self.settings.name))),
            }
        }
        Ok((free, waits))
    }

    /// One batch; answers whether there may be more.
    fn run(&self, bank: &mut Outside, tables: &[&str]) -> Result<bool, CaptureError> {
        // Whoever compares holds the turn; what is drained twice would be recorded once all the same.
        if !store::take_turn(bank)? {
            return Ok(false);
        }
        // Lost commits are drained again, and known again.
        bank.execute("SET LOCAL synchronous_commit = off")?;
        let rows = store::read(bank, tables)?;
        if rows.is_empty() {
            return Ok(false);
        }
        self.still_named(bank, &rows)?;
        let mut rejected = Vec::new();
        let mut rest = &rows[..];
        while let Some(first) = rest.first() {
            // What empties a table comes after all before it and before all after it.
            let alone = first.action == "TRUNCATE";
            let next = if alone { 1 } else { rest.iter().position(|row| row.action == "TRUNCATE").unwrap_or(rest.len()) };
            let (some, later) = rest.split_at(next);
            match alone {
                true => rejected.extend(self.emptied(first)?),
                false => rejected.extend(self.record(some)?),
            }
            rest = later;
        }
        if !rejected.is_empty() {
            store::reject(bank, &rejected)?;
        }
        store::delete(bank, &rows.iter().map(|row| row.id).collect::<Vec<_>>())?;
        Ok(true)
    }

    /// A command on a table that rows come after is visible once they are: so it is looked again when they were read.
    fn still_named(&self, bank: &mut Outside, rows: &[Queued]) -> Result<(), CaptureError> {
        let all = captured(bank)?;
        for table in self.settings.table.iter().filter(|table| rows.iter().any(|row| row.table == table.table)) {
            if let Some(why) = hidden(bank, table, &all)? {
                return refused(format!("[[capture]] {}: {why}", self.settings.name));
            }
        }
        Ok(())
    }

    fn table(&self, row: &Queued) -> Option<&CapturedTable> {
        self.settings.table.iter().find(|table| table.table == row.table)
    }

    fn reason_required(&self, table: &CapturedTable) -> bool {
        self.app.record_kinds().known(&table.kind).reason == Reason::Required
    }

    /// Records rows in their order; answers those that were refused.
    fn record(&self, rows: &[Queued]) -> Result<Vec<Rejected>, CaptureError> {
        let (mut entries, mut changes) = (Vec::new(), Vec::new());
        for row in rows {
            let Some(table) = self.table(row) else { continue };
            let line = row.id.unsigned_abs();
            match made(row, table, &reference(&self.installation, row), self.reason_required(table)) {
                Ok(Made { entry, changes: made }) => {
                    entries.extend(entry.map(|draft| {
                        let bytes = Vec::new();
                        let entry = draft.check().map_err(|refusal| Refused { refusal, bytes });
                        EntryRow { line, entry, with_next: false }
                    }));
                    changes.extend(made.iter().map(|json| self.app.read_change(line, json.as_bytes())));
                }
                Err(refusal) => changes.push(self.app.refuse_change(line, refusal, &[])),
            }
        }
        let mut rejected = self.entries(entries)?;
        rejected.extend(self.changes(changes)?);
        // A row is refused once, whatever it became.
        rejected.sort_by_key(|row| row.id);
        rejected.dedup_by_key(|row| row.id);
        Ok(rejected)
    }

    fn entries(&self, rows: Vec<EntryRow>) -> Result<Vec<Rejected>, CaptureError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        let (send, receive) = sync_channel(1);
        let delivery = Delivery { kind: DeliveryKind::Command, api_key: None, origin: self.sender.origin.clone() };
        let reply = Box::new(move |results| drop(send.send(results)));
        let submission = Submission { source: self.source(), delivery, rows, atomic: false, history: false, reply };
        let stopped = |e: String| CaptureError::Refused(format!("the log did not take a batch: {e}"));
        let intake = self.app.intake().map_err(|by| stopped(by.to_string()))?;
        intake.submit_wait(submission).map_err(|e| stopped(e.to_string()))?;
        let results = receive.recv().map_err(|e| stopped(e.to_string()))?.map_err(|e| stopped(e.to_string()))?;
        let refusals = lines.into_iter().zip(results).filter_map(|(line, result)| match result {
            RowResult::Rejected(refusal) => Some((line, refusal)),
            RowResult::Recorded(_) | RowResult::Duplicate(_) => None,
        });
        kept(refusals)
    }

    fn changes(&self, rows: Vec<ChangeRow>) -> Result<Vec<Rejected>, CaptureError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        let results = self.app.record_changes(&self.sender, rows, false)?;
        let refusals = lines.into_iter().zip(results).filter_map(|(line, result)| match result {
            ChangeResult::Rejected(refusal) => Some((line, refusal)),
            ChangeResult::Recorded(_) | ChangeResult::Duplicate(_) | ChangeResult::Unchanged(_) => None,
        });
        kept(refusals)
    }

    fn source(&self) -> Seq {
        self.sender.source
    }
}

/// What goes to the refused rows; what is refused only for now stays in the queue.
fn kept(refusals: impl Iterator<Item = (u64, Refusal)>) -> Result<Vec<Rejected>, CaptureError> {
    let mut rejected = Vec::new();
    for (line, refusal) in refusals {
        if refusal.status == 503 {
            return refused(format!("the log does not take captured rows for now: {}", refusal.detail));
        }
        let detail = refusal.detail.chars().take(DETAIL_MAX).collect();
        rejected.push(Rejected { id: i64::try_from(line).unwrap_or(i64::MAX), code: refusal.code.to_owned(), detail });
    }
    Ok(rejected)
}

#[cfg(test)]
mod tests;
