//! Draining: rows of the queue into the log, then out of the queue.

mod balance;
mod emptied;
mod hidden;
mod row;

use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::access::keys;
use crate::app::App;
use crate::clock::{MINUTE, SECOND};
use crate::config::{Capture, CapturedTable, Reason};
use crate::db::Outside;
use crate::ids::Seq;
use crate::intake::{Delivery, DeliveryKind, Refused, Row as EntryRow, RowResult, Submission};
use crate::ledger::Refusal;
use crate::records::{ChangeResult, Kinds, Row as ChangeRow, Sender};

use super::bank::store::{self, Queued, Rejected};
use super::bank::{forget, note, note_failure, was_tried};
use super::install::store::{Captured, Owner, captured_now, claim, installation, table};
use super::names::column_of;
use super::restore::{self, Restoring};
use super::{CaptureError, connect, install, refused};
use row::{Made, made, reference};

pub use balance::{Balance, moved};
pub use hidden::Hides;
pub use row::{UNKNOWN, subject};

/// Batches of one turn: whoever wants to stop waits for no more.
const BATCHES: usize = 20;
/// How far the bank's clock may be ahead: less than what the log takes.
const AHEAD: i64 = 4 * MINUTE;
/// How long what was approved rests after it could not be brought back.
const RESTORE_AGAIN: Duration = Duration::from_secs(15);
/// Characters of a refusal that are kept in the bank's database.
const DETAIL_MAX: usize = 500;

/// Drains the tables of one capture.
pub struct Drainer {
    settings: Capture,
    book: String,
    held: Mutex<Option<Held>>,
    /// When what was approved and could not be brought back is tried again.
    again: Mutex<Option<Instant>>,
}

/// A connection, the source that the log knows the capture by, and whose the rows are that are drained.
struct Held {
    bank: Outside,
    source: Seq,
    owner: Owner,
}

/// A batch on its way.
struct Batch<'a> {
    app: &'a App,
    settings: &'a Capture,
    installation: String,
    /// Of what is made in the bank's database.
    version: i32,
    sender: Sender,
    owner: Owner,
}

impl Drainer {
    /// Of these settings of a book.
    pub fn new(book: &str, settings: &Capture) -> Drainer {
        Drainer { settings: settings.clone(), book: book.to_owned(), held: Mutex::new(None), again: Mutex::new(None) }
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
        let Held { bank, source, owner } = match held {
            Some(held) => held,
            None => held.insert(self.begin(app)?),
        };
        let name = &self.settings.name;
        let Some((installation, version)) = installation(bank)? else {
            return refused(format!("[[capture]] {name}: nothing is captured there yet; `capture add` makes what is needed"));
        };
        let ahead = store::now(bank)? - app.clock.now().0;
        if ahead > AHEAD {
            return refused(format!("[[capture]] {name}: the clock there is {} s ahead of ours: set it", ahead / SECOND));
        }
        let origin = Some(format!("capture {}", self.settings.name));
        let sender = Sender { source: *source, key: None, origin };
        let batch = Batch { app, settings: &self.settings, installation, version, sender, owner: owner.clone() };
        let (tables, waits) = batch.tables(bank)?;
        for _ in 0..BATCHES {
            if !bank.transaction("BEGIN", |bank| batch.run(bank, &tables))? {
                break;
            }
        }
        let restored = if version < 2 { Ok(()) } else { self.restore(app, bank, owner) };
        let why = waits.clone().or(restored.err());
        note(&self.book, &self.settings, &store::tables(bank)?, why.as_deref());
        waits.map_or(Ok(()), refused)
    }

    /// Brings back what was approved; what fails holds up nobody who is drained.
    fn restore(&self, app: &App, bank: &mut Outside, owner: &Owner) -> Result<(), String> {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        if again.is_some_and(|at| Instant::now() < at) {
            return Err("what was approved could not be brought back in the bank's table: it is tried again".to_owned());
        }
        *again = None;
        Restoring { app, settings: &self.settings, owner }.turn(bank).map_err(|error| {
            *again = Some(Instant::now() + RESTORE_AGAIN);
            tracing::warn!(capture = self.settings.name, %error, "what was approved could not be brought back");
            "what was approved could not be brought back in the bank's table: it is tried again".to_owned()
        })
    }

    fn begin(&self, app: &App) -> Result<Held, CaptureError> {
        let name = self.settings.source().to_owned();
        let bank = connect(&self.settings)?;
        let owner = Owner { source: name.clone(), log: app.origin()? };
        Ok(Held { bank, source: app.log().act(move |tx| keys::ensure_source(tx, &name))?, owner })
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
        let all = captured_now(bank)?;
        let seals = |table: &CapturedTable| {
            let captured = all.iter().find(|captured| captured.name == table.table);
            let sealed = |of: &Captured| !of.new.is_empty() || of.hides().iter().any(|is| is.how == install::How::Sealed);
            let triggers = captured.is_some_and(sealed);
            triggers || !table.sensitive.is_empty() || !kinds.known(&table.kind).sensitive.is_empty()
        };
        let mut unsealed = None;
        if self.settings.table.iter().any(seals) {
            let status = self.app.db.read(|conn| self.app.sealing(conn))?;
            unsealed = (!status.is_ready()).then(|| format!("tables with sensitive columns wait: {}", status.text()));
        }
        let (mut free, mut waits) = (Vec::new(), None);
        for table in &self.settings.table {
            let why = match &unsealed {
                Some(why) if seals(table) => Some(why.clone()),
                _ => self.held_back(bank, table, &all)?,
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
        let rows = store::read(bank, tables, self.version)?;
        if rows.is_empty() {
            return Ok(false);
        }
        let all = self.still_free(bank, &rows)?;
        let mut rejected = Vec::new();
        let mut rest = &rows[..];
        while let Some(first) = rest.first() {
            // What empties a table comes after all before it and before all after it.
            let alone = first.action == "TRUNCATE";
            let next = if alone { 1 } else { rest.iter().position(|row| row.action == "TRUNCATE").unwrap_or(rest.len()) };
            let (some, later) = rest.split_at(next);
            match alone {
                true => rejected.extend(self.emptied(first, &all)?),
                false => rejected.extend(self.record(bank, some, &all)?),
            }
            rest = later;
        }
        if !rejected.is_empty() {
            store::reject(bank, &rejected)?;
        }
        store::delete(bank, &rows.iter().map(|row| row.id).collect::<Vec<_>>())?;
        Ok(true)
    }

    /// What is captured there, as of after these rows were read: a command on a table, and a new `capture add`, that rows
    /// come after is visible once they are.
    fn still_free(&self, bank: &mut Outside, rows: &[Queued]) -> Result<Vec<Captured>, CaptureError> {
        let all = captured_now(bank)?;
        for table in self.settings.table.iter().filter(|table| rows.iter().any(|row| row.table == table.table)) {
            if let Some(why) = self.held_back(bank, table, &all)? {
                return refused(format!("[[capture]] {}: {why}", self.settings.name));
            }
        }
        Ok(all)
    }

    /// Why a table is not drained: something of it could go out in the clear, or its rows are another's.
    fn held_back(&self, bank: &mut Outside, settings: &CapturedTable, all: &[Captured]) -> Result<Option<String>, CaptureError> {
        let Some(captured) = all.iter().find(|captured| captured.name == settings.table) else { return Ok(None) };
        let of_type = sealed_by_type(self.app.record_kinds(), settings);
        if !(of_type.is_empty() && settings.exclude.is_empty() && settings.sensitive.is_empty() && captured.hides().is_empty()) {
            let there = table(bank, captured.relation)?;
            if let Some(why) = install::exposed(settings, &of_type, captured, there.as_ref()) {
                return Ok(Some(why));
            }
        }
        if self.version < 2 {
            return Ok(None);
        }
        let owner = match &captured.drained_as {
            Some(owner) => Some(owner.clone()),
            None => {
                if let Some(first) = self.untried(settings) {
                    let why = format!("{} waits until [[capture]] {first}, which names it too, was tried", settings.table);
                    return Ok(Some(why));
                }
                claim(bank, captured.id, &self.owner)?;
                super::install::store::captured(bank)?
                    .into_iter()
                    .find(|row| row.id == captured.id)
                    .and_then(|row| row.drained_as)
            }
        };
        let other = owner.filter(|owner| *owner != self.owner);
        Ok(other.map(|owner| another(settings, &owner, &self.owner, &self.app.config.capture)))
    }

    /// An earlier section that names a table too, and that may lead to the same database: of two, the first has it.
    fn untried(&self, settings: &CapturedTable) -> Option<&str> {
        let config = &self.app.config;
        let earlier = config.capture.iter().take_while(|other| other.name != self.settings.name);
        let names = |other: &&Capture| other.table.iter().any(|table| table.table == settings.table);
        earlier.filter(names).find(|other| !was_tried(config.book_name(), other)).map(|other| other.name.as_str())
    }

    fn table(&self, row: &Queued) -> Option<&CapturedTable> {
        self.settings.table.iter().find(|table| table.table == row.table)
    }

    fn reason_required(&self, table: &CapturedTable) -> bool {
        self.app.record_kinds().known(&table.kind).reason == Reason::Required
    }

    /// Records rows in their order; answers those that were refused.
    fn record(&self, bank: &mut Outside, rows: &[Queued], all: &[Captured]) -> Result<Vec<Rejected>, CaptureError> {
        let (mut entries, mut changes) = (Vec::new(), Vec::new());
        for row in rows {
            let Some(table) = self.table(row) else { continue };
            let line = row.id.unsigned_abs();
            let hides = hides(row, table, all);
            match made(row, (table, &hides), &reference(&self.installation, row), self.reason_required(table)) {
                Ok(Made { entry, changes: made }) => {
                    entries.extend(entry.map(|draft| {
                        let bytes = Vec::new();
                        let entry = draft.check().map_err(|refusal| Refused { refusal, bytes });
                        EntryRow { line, entry, with_next: false }
                    }));
                    let made = made.iter().map(|json| whole(self.app.read_change(line, json.as_bytes())));
                    changes.extend(self.named(bank, row, made.collect())?);
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

    /// Changes of a row, with the version that they restore where two officers decided it.
    fn named(&self, bank: &mut Outside, row: &Queued, mut changes: Vec<ChangeRow>) -> Result<Vec<ChangeRow>, CaptureError> {
        if self.version < 2 || row.action == "DDL" || !restore::store::is_session(&row.session) {
            return Ok(changes);
        }
        let Some((proposal, mark)) = restore::restored_by(bank, self.app, &self.owner, row.txid)? else { return Ok(changes) };
        for change in changes.iter_mut().filter_map(|row| row.change.as_mut().ok()).filter(|change| change.id == mark.record) {
            (change.restores, change.proposal) = (Some(mark.change), Some(proposal));
        }
        Ok(changes)
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

/// What of a row must not go out in the clear.
fn hides(row: &Queued, settings: &CapturedTable, all: &[Captured]) -> Hides {
    match all.iter().find(|captured| captured.name == settings.table) {
        Some(captured) => Hides::of_queued(settings, captured, row.id, row.sealed.as_deref().unwrap_or_default()),
        None => Hides::of_names(settings, &[]),
    }
}

/// The columns that the type of a table's records seals.
pub fn sealed_by_type(kinds: &Kinds, settings: &CapturedTable) -> Vec<String> {
    kinds.known(&settings.kind).sensitive.iter().map(|path| column_of(path)).collect()
}

/// That the rows of a table are another source's, naming the section that has them if it is one of these.
pub fn another(settings: &CapturedTable, owner: &Owner, we: &Owner, sections: &[Capture]) -> String {
    let section = sections.iter().find(|section| section.source() == owner.source).filter(|_| owner.log == we.log);
    let (by, instead) = match section {
        Some(section) => (
            format!("by [[capture]] {}, whose url leads to the same database", section.name),
            "take the table out of one of the two sections".to_owned(),
        ),
        None => (
            format!("for source {} of the log {}", owner.source, owner.log),
            "take the table out of the settings here, or, if nobody drains it there any more, run `capture add` with --hand-over"
                .to_owned(),
        ),
    };
    format!("{} waits: its rows are drained {by}: one queue has one source; {instead}", settings.table)
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

/// A row has every column of its table, empty ones too.
fn whole(mut row: ChangeRow) -> ChangeRow {
    if let Ok(change) = &mut row.change {
        change.whole_row = true;
    }
    row
}

#[cfg(test)]
mod tests;
