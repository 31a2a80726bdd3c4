//! Comparing a captured table with what the log says of it: what was changed while no trigger looked.
//!
//! Whoever compares holds the turn, so that nothing is drained meanwhile, and reads the table in one snapshot
//! as a stream. Rows of which a change waits in that snapshot are passed over: they are about to be recorded.

mod difference;
mod ours;
mod record;
mod refused;
mod store;

use std::collections::HashSet;
use std::fmt;

use serde_json::{Value, json};

use crate::app::{Leader, Request};
use crate::clock::Clock;
use crate::config::{Capture, CapturedTable};
use crate::db::Outside;
use crate::ids::Seq;
use crate::records::Kinds;

use super::bank::store::hold_turn;
use super::drain::{Hides, another, sealed_by_type};
use super::install::store::{Captured, Owner, Table, installation, table};
use super::install::{How, exposed, present};
use super::names::{columns, key_values, record_id};
use super::{CaptureError, connect, install, refused};
use ours::{Ours, REASON, Unlike};
use refused::Refused;

pub use difference::Difference;
pub use ours::with_after;

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
    /// Refused rows that need nobody any more, because their records were recorded as they are.
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
    refused: Refused,
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
        let config = self.leader.config();
        let ours = Ours::open(config, self.leader.db(), self.settings.source())?;
        self.is_ours(&captured, &ours)?;
        let of_type = sealed_by_type(&Kinds::new(&config.records), self.table);
        if let Some(why) = exposed(self.table, &of_type, &captured, Some(&there)) {
            return refused(why);
        }
        if self.record && ours.source().is_none() {
            return refused("nothing came from this capture yet: put it into the settings and start `serve` first");
        }
        let installation = installation(&mut bank)?.map(|(id, _)| id).unwrap_or_default();
        let run = hex::encode(Clock::system().random::<6>());
        let both_ways = self.settings.table.iter().filter(|table| table.kind == self.table.kind).count() == 1;
        let found = Found { both_ways, ..Found::default() };
        let (pending, refused) = (HashSet::new(), Refused::default());
        let mut run = Run { of: self, ours, captured, table: there, pending, refused, installation, run, count: 0, found };
        hold_turn(&mut bank)?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        bank.transaction(begin, |bank| run.compare(bank, tell))?;
        if self.record {
            let clean = run.found.recorded == run.found.differing;
            let settled = run.refused.settled(run.found.both_ways, clean);
            run.found.settled = store::settle(&mut bank, &settled)?;
        }
        run.note()?;
        Ok(run.found)
    }

    /// What is recorded of a table from here must belong to the source that has its rows.
    fn is_ours(&self, captured: &Captured, ours: &Ours) -> Result<(), CaptureError> {
        let we = Owner { log: ours.origin().to_owned(), source: self.settings.source().to_owned() };
        match &captured.drained_as {
            Some(owner) if *owner != we => refused(another(self.table, owner, &we, &self.leader.config().capture)),
            _ => Ok(()),
        }
    }
}

impl Run<'_> {
    fn compare(&mut self, bank: &mut Outside, tell: &mut dyn FnMut(&Difference)) -> Result<(), CaptureError> {
        self.look_at_queue(bank)?;
        self.refused = Refused::read(bank, self.captured.id, &self.captured.key_columns)?;
        let hides = self.open(bank)?;
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
                    self.refused.note(&id, false);
                } else {
                    self.refused.note(&id, true);
                    rows.push((id, row));
                }
            }
            self.found.rows += rows.len() as u64;
            let unlike = self.ours.compare((self.of.table, &hides), &rows)?;
            self.take(unlike, tell)?;
        }
        if self.found.both_ways {
            self.gone(bank, tell)?;
        }
        Ok(())
    }

    /// Begins to read the table without what never leaves; answers what of its rows is hidden.
    fn open(&self, bank: &mut Outside) -> Result<Hides, CaptureError> {
        let changed = || refused(format!("{} was altered just now: compare again", self.table.name));
        let there = table(bank, self.captured.relation)?;
        let Some(there) = there.filter(|there| there.numbers == self.table.numbers && there.name == self.table.name) else {
            return changed();
        };
        let hidden = present(&self.captured, &there);
        let out = |number: &i16| hidden.iter().any(|is| is.how == How::Excluded && is.number == *number);
        let columns: Vec<&String> = there.numbers.iter().filter(|(_, number)| !out(number)).map(|(name, _)| name).collect();
        let unreadable = store::unreadable(bank, &there, &columns)?;
        if !unreadable.is_empty() {
            let (name, which) = (&there.name, unreadable.join(", "));
            return refused(format!(
                "this role may not read {which} of {name}: run `capture add` again as the owner of the table, with --drain-as and its \
                 other options; for a column that must never leave, with --exclude"
            ));
        }
        store::open(bank, &there, &columns)?;
        // From here on nobody can change them.
        if !store::called(bank, &there, &hidden)? {
            return changed();
        }
        Ok(Hides::of_names(self.of.table, &hidden))
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
        Unlike { id: id.clone(), differences: vec![Difference::Gone { id }], change: Some(change), ..Unlike::default() }
    }

    /// Tells what differs, and records it if that is wanted.
    fn take(&mut self, unlike: Vec<Unlike>, tell: &mut dyn FnMut(&Difference)) -> Result<(), CaptureError> {
        for difference in unlike.iter().flat_map(|unlike| &unlike.differences) {
            tell(difference);
            self.found.differing += 1;
        }
        let differing: Vec<String> = unlike.iter().map(|unlike| unlike.id.clone()).collect();
        let taken = if self.of.record { self.record(unlike)? } else { HashSet::new() };
        for id in differing {
            self.refused.note(&id, taken.contains(&id));
        }
        Ok(())
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
