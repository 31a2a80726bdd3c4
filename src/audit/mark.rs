//! How far a log was verified, kept beside the keys: what a resumed run goes on from.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use counterfoil_verify::Hash;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::config::Config;
use crate::db::{Address, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::kept;
use crate::trail::keys::KeyFolder;
use crate::trail::store as trail;

use super::findings::{Finding, Findings};
use super::tables::COMPARED;
use super::{L2, LEVELS, Outcome};

/// How often a run that goes on notes how far it has come.
const ALONG_EVERY: Duration = Duration::from_secs(10);

/// How far a whole run has come without a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The log's name.
    pub origin: String,
    /// Leaves that were hashed again.
    pub size: Seq,
    /// The root over them.
    pub root: Hash,
}

impl Reached {
    /// Remembers it, unless more is remembered already.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn keep(&self, db: &Db, config: &Config, at: Moment) -> DbResult<()> {
        let before = Mark::read(config, db.address()).unwrap_or_default();
        let further = before.as_ref().is_some_and(|before| before.origin == self.origin && before.size >= self.size);
        if further {
            return Ok(());
        }
        let unsettled = before.and_then(|before| before.unsettled);
        let (origin, root, interrupted) = (self.origin.clone(), hex::encode(self.root), Some(at.to_string()));
        Mark { origin, size: self.size, root, interrupted, unsettled }.keep(config, db.address())
    }
}

/// How far a log was verified, kept beside the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The log's name.
    pub origin: String,
    /// Leaves that were hashed again.
    pub size: Seq,
    /// The root over them, in hex.
    pub root: String,
    /// When the whole run began that came so far and was interrupted; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
    /// What a whole run has found since; only a clean whole run takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Unsettled>,
}

/// What a whole run found that came after the last clean one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// When it began, RFC 3339.
    pub at: String,
    /// Leaves there were.
    pub size: Seq,
    /// How many findings.
    pub found: u64,
    /// The first of them.
    pub findings: Vec<Before>,
}

/// A finding of a run before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // as in `Finding`
pub struct Before {
    pub level: String,
    pub kind: String,
    pub table: String,
    pub seq: Option<Seq>,
    pub detail: String,
}

/// Findings that are remembered; the rest is counted.
const REMEMBERED_MAX: usize = 100;

impl Unsettled {
    fn of(outcome: &Outcome, at: Moment) -> Unsettled {
        let before = |found: &Finding| Before {
            level: found.level.to_owned(),
            kind: found.kind.to_owned(),
            table: found.table.to_owned(),
            seq: found.seq,
            detail: found.detail.clone(),
        };
        let findings = outcome.findings.iter().take(REMEMBERED_MAX).map(before).collect();
        Unsettled { at: at.to_string(), size: outcome.size, found: outcome.found, findings }
    }

    /// Says it again.
    pub(super) fn repeat(&self, findings: &mut Findings) {
        for Before { level, kind, table, seq, detail } in &self.findings {
            let level = LEVELS.iter().map(|(level, _)| *level).find(|known| known == level).unwrap_or(L2);
            let table = COMPARED.iter().map(|(table, ..)| *table).find(|known| known == table).unwrap_or("log_state");
            let text = format!("{kind}: {detail} (found by the whole run of {}; only a clean whole run settles it)", self.at);
            findings.add((level, FOUND_BEFORE), table, *seq, text);
        }
        let more = self.found.saturating_sub(self.findings.len() as u64);
        if more > 0 {
            let text = format!("and {more} more, found by the whole run of {}", self.at);
            findings.add((L2, FOUND_BEFORE), "log_state", None, text);
        }
    }
}

/// The kind of a finding that an earlier run made.
const FOUND_BEFORE: &str = "found_before";

impl Mark {
    /// What is to be remembered after an outcome: a clean one is the next to go on from; what a whole run found
    /// stands beside the last clean one; else all stays as it is.
    fn after(outcome: &Outcome, whole: bool, origin: &str, at: Moment, before: Option<Mark>) -> Option<Mark> {
        if outcome.ok {
            // A resumed run looks at nothing that an interrupted one left out.
            let interrupted = before.filter(|_| !whole).and_then(|before| before.interrupted);
            let (origin, root) = (origin.to_owned(), outcome.root.clone());
            return (outcome.size > 0).then_some(Mark { origin, size: outcome.size, root, interrupted, unsettled: None });
        }
        let unsettled = Some(Unsettled::of(outcome, at));
        before.filter(|_| whole).map(|before| Mark { interrupted: None, unsettled, ..before })
    }

    /// Lets the next resumed run go on after this outcome of a run that began at `at`: outside the database, where
    /// whoever writes that cannot change it.
    ///
    /// # Errors
    /// When the database or the file cannot be read or written.
    pub fn remember(db: &Db, config: &Config, outcome: &Outcome, whole: bool, at: Moment) -> DbResult<()> {
        let origin = db.read(trail::state)?.map(|state| state.origin).unwrap_or_default();
        let before = match Mark::read(config, db.address()) {
            // One that cannot be read is not gone on from, and a clean run replaces it.
            Err(_) if outcome.ok => None,
            before => before?,
        };
        Mark::after(outcome, whole, &origin, at, before).map_or(Ok(()), |mark| mark.keep(config, db.address()))
    }

    /// Lets the next resumed run go on where a whole run that began at `at` has come to, should it be interrupted: to be
    /// called as it goes, and writing now and then. What was found before stays beside it.
    pub fn along<'a>(db: &'a Db, config: &'a Config, at: Moment) -> impl Fn(&Reached) + 'a {
        let last = Cell::new(Instant::now());
        move |reached| {
            if last.get().elapsed() >= ALONG_EVERY {
                last.set(Instant::now());
                if let Err(error) = reached.keep(db, config, at) {
                    tracing::warn!(%error, "an interrupted verification will not be able to go on from here");
                }
            }
        }
    }

    /// The file it is kept in.
    pub fn path(config: &Config, address: &Address) -> PathBuf {
        let name = kept::file_name(&address.name());
        KeyFolder::of(config, address).dir().join(format!("{name}.verified"))
    }

    /// What was remembered of a database, if anything.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(config: &Config, address: &Address) -> DbResult<Option<Mark>> {
        let path = Mark::path(config, address);
        let unfit = |e: &dyn std::fmt::Display| DbError::Unfit(format!("{} cannot be read: {e}", path.display()));
        let Some(text) = kept::read(&path).map_err(|e| unfit(&e))? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|e| unfit(&e))
    }

    /// Remembers it.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn keep(&self, config: &Config, address: &Address) -> DbResult<()> {
        let path = Mark::path(config, address);
        let text = serde_json::to_string(self).map_err(|e| DbError::Corrupt(e.to_string()))?;
        let unfit = |e: std::io::Error| DbError::Unfit(format!("{} cannot be written: {e}", path.display()));
        kept::replace(&path, &format!("{text}\n")).map_err(unfit)
    }
}
