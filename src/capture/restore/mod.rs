//! Going back in the bank's own table: what two officers decided about a captured record is done there, in one transaction.
//!
//! The row is locked and compared with the state that was decided upon, column by column; if it is another, nothing is
//! done and the proposal ends. So it does when the bank's own rules, its triggers too, refuse it for good; what passes by itself
//! is tried again. Only columns that differ are written, by a role that is not the one that drains. The same
//! transaction notes the proposal, so that it is done once, whenever either side is killed; what the trigger then reports
//! comes through the queue like any change, and is recorded as the one that restores the old version.
//!
//! Not here: what going back means, and who may decide it (`records`, `approvals`).

mod columns;
mod offer;
mod refusal;
pub mod store;

use serde_json::json;

use crate::app::App;
use crate::approvals::{self, Kind, Proposal, State};
use crate::config::{Capture, CapturedTable};
use crate::db::{DbError, Outside};
use crate::ids::Seq;
use crate::records::{AtSource, NewChange, history};
use crate::trail::ActError;

use super::drain::{Hides, UNKNOWN, sealed_by_type};
use super::install::present;
use super::install::store::{Captured, Owner, Table, captured, table};
use super::reconcile::with_after;
use super::{CaptureError, connect_to};
use columns::Writing;
use refusal::Refusal;
use store::Mark;

pub use offer::{Offer, offer};

/// Changes of a record looked through for the one that came back.
const LOOKED_AT: i64 = 200;
/// Refusals of our own after which it is tried again.
const WAITS: &[&str] = &["cannot_be_opened"];

/// What carries out the approved proposals of one capture.
pub struct Restoring<'a> {
    /// The log.
    pub app: &'a App,
    /// The capture.
    pub settings: &'a Capture,
    /// Whose the rows are.
    pub owner: &'a Owner,
}

/// How an attempt in the bank's database ended.
enum Tried {
    /// It is done there, now or before.
    Done,
    /// A change of the row is on its way: later.
    Later,
}

/// Why it was not done.
enum Halt {
    /// It cannot be done: the proposal ends.
    Ended(String),
    /// It could not be done now.
    Failed(CaptureError),
}

impl From<DbError> for Halt {
    fn from(error: DbError) -> Halt {
        Halt::Failed(error.into())
    }
}

impl From<CaptureError> for Halt {
    fn from(error: CaptureError) -> Halt {
        Halt::Failed(error)
    }
}

impl Restoring<'_> {
    /// Carries out what is approved for this capture, as far as it can be now.
    ///
    /// # Errors
    /// When either database fails; it is done later, once.
    pub fn turn(&self, bank: &mut Outside) -> Result<(), CaptureError> {
        if self.settings.restore_url.is_empty() {
            return Ok(());
        }
        let now = self.app.clock.now();
        let ready = self.app.db.read(|conn| approvals::ready(conn, now))?;
        let ours = |proposal: &&Proposal| proposal.facts["at_source"] == self.settings.name.as_str();
        for proposal in ready.iter().filter(|proposal| proposal.kind == Kind::RestoreRecord).filter(ours) {
            self.one(bank, proposal)?;
        }
        Ok(())
    }

    fn one(&self, bank: &mut Outside, proposal: &Proposal) -> Result<(), CaptureError> {
        if let Some(mark) = store::mark_of(bank, &self.key(proposal.id))? {
            return self.finish(bank, proposal, &mark);
        }
        let done = self.worked_out(bank, proposal).and_then(|job| job.map_or(Ok(Tried::Later), |job| job.run(bank)));
        match done {
            Ok(Tried::Done | Tried::Later) => Ok(()),
            Err(Halt::Ended(why)) => self.ended(proposal, why),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    /// What names a proposal in the bank's database.
    fn key(&self, proposal: Seq) -> String {
        format!("{} {proposal}", self.owner.log)
    }

    fn ended(&self, proposal: &Proposal, why: String) -> Result<(), CaptureError> {
        let id = proposal.id;
        Ok(self.app.log().act(move |tx| approvals::stopped(tx, id, Kind::RestoreRecord, &why).map(drop))?)
    }

    /// It was done there: notes it, once what came back is recorded.
    fn finish(&self, bank: &mut Outside, proposal: &Proposal, mark: &Mark) -> Result<(), CaptureError> {
        if store::is_queued(bank, mark.txid)? {
            return Ok(());
        }
        let number = |field: &str| proposal.facts[field].as_i64().unwrap_or(-1);
        let (versions, _) = self.app.db.read(|conn| history::page(conn, number("record"), None, LOOKED_AT))?;
        let back = versions.iter().rfind(|version| version.proposal == Some(proposal.id));
        let Some(seq) = back.map(|version| version.change.seq) else {
            let why = "the row was brought back in the bank's table, but what its trigger reported was not recorded: see `counterfoil capture \
                list`, then run `counterfoil capture reconcile --record`";
            return self.ended(proposal, why.to_owned());
        };
        let (id, outcome) = (proposal.id, json!({ "event": seq, "at_source": self.settings.name }));
        Ok(self.app.log().act(move |tx| approvals::carried_out(tx, id, Kind::RestoreRecord, &outcome).map(drop))?)
    }

    /// What is to be done; `None`: not now.
    fn worked_out(&self, bank: &mut Outside, proposal: &Proposal) -> Result<Option<Job<'_>>, Halt> {
        let ended = |why: &str| Err(Halt::Ended(why.to_owned()));
        let recorder = self.app.recorder();
        let what = match self.app.db.read(|conn| recorder.at_source(conn, &self.owner.log, proposal)) {
            Ok(what) => what,
            Err(ActError::Refused { code, detail, .. }) if WAITS.contains(&code) => {
                tracing::warn!(proposal = proposal.id, code, detail, "what was approved could not be carried out");
                return Ok(None);
            }
            Err(ActError::Refused { detail, .. }) => return Err(Halt::Ended(detail)),
            Err(error) => return Err(Halt::Failed(error.into())),
        };
        let offered = offer(&self.app.config, self.settings.source(), &what.found.record.kind, what.then.exists);
        let Some(Offer::May(settings)) = offered.filter(|offer| offer.capture() == Some(&self.settings.name)) else {
            return ended("the settings say no longer that this may be done in the bank's table: nothing was changed");
        };
        let all = captured(bank)?;
        let Some(captured) = all.into_iter().find(|captured| captured.name == settings.table.table) else {
            return ended("the table is captured no longer: nothing was changed");
        };
        let Some(there) = table(bank, captured.relation)? else {
            return ended("the table is gone");
        };
        let generated = store::generated(bank, there.oid)?;
        let table = settings.table.clone();
        Ok(Some(Job {
            of: self,
            key: self.key(proposal.id),
            reason: proposal.reason.clone(),
            what,
            table,
            captured,
            there,
            generated,
        }))
    }
}

/// One restoration, worked out.
struct Job<'a> {
    of: &'a Restoring<'a>,
    key: String,
    reason: Option<String>,
    what: AtSource,
    table: CapturedTable,
    captured: Captured,
    there: Table,
    generated: Vec<String>,
}

impl Job<'_> {
    fn run(&self, bank: &mut Outside) -> Result<Tried, Halt> {
        let hidden = present(&self.captured, &self.there);
        let balance = self.table.entries.as_ref().map(|map| map.balance.as_str());
        let writing = Writing::of(&self.what, &self.there, (&hidden, &self.generated, balance)).map_err(Halt::Ended)?;
        let record = self.what.found.record.reference.as_str();
        let Some(key) = super::names::key_values(&self.captured.key_columns, record) else {
            return Err(Halt::Ended("the record's id is no key of the table any more: nothing was changed".into()));
        };
        let settings = self.of.settings;
        let mut theirs = connect_to(settings, &settings.restore_url, &settings.restore_password_file)?;
        // The bank's own triggers run in it, and find what they name as in any session of that role.
        theirs.execute("RESET search_path")?;
        let mark = Mark { change: self.what.found.target.seq, capture: self.captured.id, record: record.to_owned(), txid: 0 };
        theirs
            .transaction("BEGIN", |theirs| {
                if !store::mark(theirs, &self.key, &mark)? {
                    return Ok(Tried::Done);
                }
                store::say(theirs, self.what.actor.as_deref(), self.reason.as_deref(), &store::session(&self.key))?;
                let hides = Hides::of_names(&self.table, &hidden);
                let row =
                    store::lock(theirs, &self.there, &writing.read, &key)?.map_err(|refusal| self.refused(&refusal, &hides))?;
                if !self.is_as_decided(row.as_deref(), &hides)? {
                    let waits = store::waits(bank, self.captured.id, &self.captured.key_columns, &key)?;
                    // What was noted goes with the transaction.
                    return Err(if waits { Halt::Ended(String::new()) } else { differs() });
                }
                let written = match row {
                    Some(_) => store::update(theirs, &self.there, (&writing.write, &writing.values), &key)?,
                    None => store::insert(theirs, &self.there, &writing.write, &writing.values)?,
                };
                let written = written.map_err(|refusal| self.refused(&refusal, &hides))?;
                if written == 1 { Ok(Tried::Done) } else { Err(differs()) }
            })
            .or_else(|halt| match halt {
                Halt::Ended(why) if why.is_empty() => Ok(Tried::Later),
                other => Err(other),
            })
    }

    /// What the bank's database refused: for good, or for now.
    fn refused(&self, refusal: &Refusal, hides: &Hides) -> Halt {
        if refusal.is_temporary() {
            let why = format!("the bank's database cannot do it now (SQLSTATE {}): it is tried again", refusal.state);
            return Halt::Failed(CaptureError::Refused(why));
        }
        let hides = !hides.is_empty() || !sealed_by_type(self.of.app.record_kinds(), &self.table).is_empty();
        Halt::Ended(format!("the bank's database refused it ({}): nothing was changed", refusal.for_people(hides)))
    }

    /// Whether the row is what the log has as its newest state.
    fn is_as_decided(&self, row: Option<&str>, hides: &Hides) -> Result<bool, Halt> {
        let Some(row) = row else { return Ok(!self.what.now.exists) };
        if !self.what.now.exists {
            return Ok(false);
        }
        let unread = || Halt::Ended("the row cannot be read: nothing was changed".to_owned());
        let columns = super::names::columns(row).ok_or_else(unread)?;
        let mut columns = hides.without(columns).map_err(|refusal| Halt::Ended(refusal.detail))?;
        if let Some(map) = &self.table.entries {
            columns.remove(&map.balance);
        }
        let members: Vec<String> =
            columns.iter().map(|(name, value)| format!("{}:{}", serde_json::Value::from(name.as_str()), value.get())).collect();
        let change = json!({
            "source_ref": "compared", "type": self.table.kind, "id": self.what.found.record.reference, "action": "update",
            "actor": UNKNOWN, "reason": UNKNOWN, "sensitive": hides.paths(),
        });
        let app = self.of.app;
        let after = format!("{{{}}}", members.join(","));
        let read = NewChange::read(with_after(&change, Some(&after)).as_bytes(), app.record_kinds());
        let read = read.map_err(|refusal| Halt::Ended(refusal.detail))?;
        let record = self.what.found.record.id;
        let paths = app.recorder().differing((&app.clock, &self.of.owner.log), record, &self.what.now, &read)?;
        Ok(paths.is_empty())
    }
}

fn differs() -> Halt {
    Halt::Ended(
        "the row in the bank's table is not what was decided upon: it was changed meanwhile, or without being recorded (see `counterfoil \
         capture reconcile`); nothing was changed"
            .to_owned(),
    )
}

/// Of rows of one transaction in the queue: the proposal that made them, if two officers decided it, and what is noted of it.
///
/// # Errors
/// When either database fails.
pub fn restored_by(bank: &mut Outside, app: &App, owner: &Owner, txid: i64) -> Result<Option<(Seq, Mark)>, CaptureError> {
    for (key, mark) in store::marks_in(bank, txid)? {
        let Some(id) = key.strip_prefix(&format!("{} ", owner.log)).and_then(|id| id.parse::<Seq>().ok()) else { continue };
        let decided = app.db.read(|conn| approvals::find(conn, id))?.is_some_and(|proposal| {
            proposal.kind == Kind::RestoreRecord
                && matches!(proposal.state, State::Approved | State::CarriedOut)
                && proposal.facts["change"] == mark.change
        });
        if decided {
            return Ok(Some((id, mark)));
        }
    }
    Ok(None)
}
