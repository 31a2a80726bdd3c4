//! Comparing a captured table with what the log says of it: what was changed while no trigger looked.
//!
//! Whoever compares holds the turn, so that nothing is drained meanwhile, and reads the table in one snapshot
//! as a stream. Rows of which a change waits in that snapshot are passed over: they are about to be recorded.

mod ours;
mod record;
mod store;

use std::collections::HashSet;
use std::fmt;

use serde_json::{Value, json};

use crate::app::{Leader, Request};
use crate::clock::Clock;
use crate::config::{Capture, CapturedTable};
use crate::db::Outside;
use crate::ids::Seq;
use crate::ledger::Refusal;

use super::bank::store::hold_turn;
use super::install::store::{Captured, Table, installation, table};
use super::names::{columns, key_values, record_id};
use super::{CaptureError, connect, install, refused};
use ours::{Ours, REASON, Unlike};

/// Records of the log looked up in the table at once.
const RECORDS: i64 = 500;

/// One comparison.
pub struct Reconcile<'a> {
    /// Whoever writes the log.
    pub leader: &'a Leader,
    /// The capture.
    pub settings: &'a Capture,
    /// Its table.
    pub table: &'a CapturedTable,
    /// Whether what differs is recorded.
    pub record: bool,
}

/// What differs of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The log does not have it.
    Unrecorded {
        /// The record's id.
        id: String,
    },
    /// The log has other values.
    Differs {
        /// The record's id.
        id: String,
        /// Where.
        paths: Vec<String>,
    },
    /// The log has another balance.
    Balance {
        /// The record's id.
        id: String,
        /// Ours, if there is one.
        ours: Option<String>,
        /// The table's.
        theirs: String,
    },
    /// The log has it and the table does not.
    Gone {
        /// The record's id.
        id: String,
    },
    /// The row cannot be read as a record or a balance.
    Unreadable {
        /// The record's id.
        id: String,
        /// Why.
        detail: String,
    },
}

impl Difference {
    fn unreadable(id: &str, refusal: &Refusal) -> Difference {
        Difference::Unreadable { id: id.to_owned(), detail: refusal.detail.clone() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Unrecorded { id } => write!(f, "{id}: the log does not have it"),
            Difference::Differs { id, paths } => write!(f, "{id}: differs at {}", paths.join(" ")),
            Difference::Balance { id, ours: None, theirs } => write!(f, "{id}: balance {theirs}, the log has none"),
            Difference::Balance { id, ours: Some(ours), theirs } => write!(f, "{id}: balance {theirs}, the log has {ours}"),
            Difference::Gone { id } => write!(f, "{id}: is gone, the log has it"),
            Difference::Unreadable { id, detail } => write!(f, "{id}: cannot be compared: {detail}"),
        }
    }
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Rows of the table that were compared.
    pub rows: u64,
    /// Rows passed over, because changes of them wait.
    pub waiting: u64,
    /// Differences.
    pub differing: u64,
    /// Of these, recorded now.
    pub recorded: u64,
    /// Refused rows that need nobody any more, because the table was recorded as it is.
    pub settled: i64,
    /// Whether it was looked for records that the table does not have.
    pub both_ways: bool,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { rows, waiting, differing, recorded, settled, both_ways } = self;
        write!(
            f,
            "{rows} rows compared, {waiting} passed over, {differing} differences, {recorded} recorded, {settled} refused rows settled"
        )?;
        if !both_ways {
            write!(f, "; several tables have this type, so nothing is said of rows that are gone")?;
        }
        Ok(())
    }
}

/// A comparison under way.
struct Run<'a> {
    of: &'a Reconcile<'a>,
    ours: Ours,
    captured: Captured,
    table: Table,
    /// Of whom changes wait.
    pending: HashSet<String>,
    installation: String,
    /// What tells this run's references from those of others.
    run: String,
    count: u64,
    found: Found,
}

impl Reconcile<'_> {
    /// Compares, telling each difference.
    ///
    /// # Errors
    /// When either database fails; what was recorded stays.
    pub fn run(&self, tell: &mut dyn FnMut(&Difference)) -> Result<Found, CaptureError> {
        let mut bank = connect(self.settings)?;
        let captured = install::captured(&mut bank, &self.table.table)?;
        let Some(there) = table(&mut bank, captured.relation)? else {
            return refused(format!("the table {} is gone", captured.name));
        };
        let ours = Ours::open(self.leader.config(), self.leader.db(), self.settings.source())?;
        if self.record && ours.source().is_none() {
            return refused("nothing came from this capture yet: put it into the settings and start `serve` first");
        }
        let installation = installation(&mut bank)?.map(|(id, _)| id).unwrap_or_default();
        let run = hex::encode(Clock::system().random::<6>());
        let both_ways = self.settings.table.iter().filter(|table| table.kind == self.table.kind).count() == 1;
        let found = Found { both_ways, ..Found::default() };
        let pending = HashSet::new();
        let mut run = Run { of: self, ours, captured, table: there, pending, installation, run, count: 0, found };
        hold_turn(&mut bank)?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let last = bank.transaction(begin, |bank| run.compare(bank, tell))?;
        if self.record && run.found.recorded == run.found.differing {
            run.found.settled = store::settle(&mut bank, run.captured.id, last)?;
        }
        run.note()?;
        Ok(run.found)
    }
}

impl Run<'_> {
    /// Answers the highest number of a row that was refused before.
    fn compare(&mut self, bank: &mut Outside, tell: &mut dyn FnMut(&Difference)) -> Result<i64, CaptureError> {
        self.look_at_queue(bank)?;
        let last = store::last_refused(bank, self.captured.id)?;
        store::open(bank, &self.table, &self.captured)?;
        loop {
            let some = store::next(bank)?;
            if some.is_empty() {
                break;
            }
            let mut rows = Vec::with_capacity(some.len());
            for json in some {
                let unread = || CaptureError::Refused(format!("a row of {} cannot be read", self.table.name));
                let row = columns(&json).ok_or_else(unread)?;
                let id = record_id(&self.captured.key_columns, &row).ok_or_else(unread)?;
                if self.pending.contains(&id) {
                    self.found.waiting += 1;
                } else {
                    rows.push((id, row));
                }
            }
            self.found.rows += rows.len() as u64;
            let unlike = self.ours.compare(self.of.table, &rows)?;
            self.take(unlike, tell)?;
        }
        if self.found.both_ways {
            self.gone(bank, tell)?;
        }
        Ok(last)
    }

    fn look_at_queue(&mut self, bank: &mut Outside) -> Result<(), CaptureError> {
        let waiting = store::waiting(bank, self.captured.id)?;
        if waiting.len() as i64 > store::WAITING_MAX || waiting.iter().any(|(action, ..)| action == "TRUNCATE") {
            return refused(format!("too much of {} waits in the queue: let `serve` drain it, then compare", self.table.name));
        }
        for json in waiting.into_iter().filter(|(action, ..)| action != "DDL").flat_map(|(_, old, new)| [old, new]).flatten() {
            let id = columns(&json).and_then(|row| record_id(&self.captured.key_columns, &row));
            self.pending.extend(id);
        }
        Ok(())
    }

    /// Records that the table does not have.
    fn gone(&mut self, bank: &mut Outside, tell: &mut dyn FnMut(&Difference)) -> Result<(), CaptureError> {
        let mut after: Seq = -1;
        loop {
            let (ids, last) = self.ours.records_after(&self.of.table.kind, after, RECORDS)?;
            let Some(last) = last else { return Ok(()) };
            after = last;
            let ids: Vec<String> = ids.into_iter().filter(|id| !self.pending.contains(id)).collect();
            // An id that is no key of this table cannot be in it.
            let keys: Vec<Vec<String>> = ids.iter().filter_map(|id| key_values(&self.captured.key_columns, id)).collect();
            if keys.len() != ids.len() {
                return refused(format!("records of type {} are not named as those of {}", self.of.table.kind, self.table.name));
            }
            let there: HashSet<usize> = store::existing(bank, &self.table, &keys)?.into_iter().collect();
            let gone = ids.into_iter().enumerate().filter(|(at, _)| !there.contains(at)).map(|(_, id)| self.without(id));
            let gone: Vec<Unlike> = gone.collect();
            self.take(gone, tell)?;
        }
    }

    fn without(&self, id: String) -> Unlike {
        let change =
            json!({ "type": self.of.table.kind, "id": id, "action": "delete", "actor": super::drain::UNKNOWN, "reason": REASON });
        Unlike { differences: vec![Difference::Gone { id }], change: Some(change), ..Unlike::default() }
    }

    /// Tells what differs, and records it if that is wanted.
    fn take(&mut self, unlike: Vec<Unlike>, tell: &mut dyn FnMut(&Difference)) -> Result<(), CaptureError> {
        for difference in unlike.iter().flat_map(|unlike| &unlike.differences) {
            tell(difference);
            self.found.differing += 1;
        }
        if self.of.record { self.record(unlike) } else { Ok(()) }
    }

    fn note(&self) -> Result<(), CaptureError> {
        let Found { rows, waiting, differing, recorded, settled, .. } = &self.found;
        let body: Value = json!({
            "capture": self.of.settings.name, "table": self.captured.name, "rows": rows, "passed_over": waiting,
            "differing": differing, "recorded": recorded, "settled": settled,
        });
        Ok(self.of.leader.perform(Request::NoteCapture { removed: false, body }).map(drop)?)
    }
}
