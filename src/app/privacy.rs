//! What commands ask about keys that seal, holds and erasures.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::approvals::Proposal;
use crate::ids::Seq;
use crate::privacy::retention::{self, Run};
use crate::privacy::{self, EraseSubject, PlaceHold, ReleaseHold, register};
use crate::trail::keys::KeyFolder;
use crate::trail::sealing::{self, NewRecovery, Rewrapped, Tested};
use crate::trail::{ActError, Log, store};

use super::App;
use super::requests::RequestError;

/// Work for the leader. No secret is in it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", content = "with", rename_all = "snake_case")]
#[allow(missing_docs)] // each names what it carries
pub enum PrivacyRequest {
    NewRecovery(NewRecovery),
    NoteTested(Tested),
    Rewrap(Rewrapped),
    RotateMaster { whence: Value },
    EraseSubject(EraseSubject),
    PlaceHold(PlaceHold),
    ReleaseHold(ReleaseHold),
}

impl PrivacyRequest {
    /// The act that this is, by its stable name.
    pub(super) fn act(&self) -> &'static str {
        match self {
            PrivacyRequest::NewRecovery(_) => "recovery.make",
            PrivacyRequest::NoteTested(_) => "recovery.test",
            PrivacyRequest::Rewrap(_) => "keys.rewrap",
            PrivacyRequest::RotateMaster { .. } => "keys.rotate_master",
            PrivacyRequest::EraseSubject(_) => "subject.erase",
            PrivacyRequest::PlaceHold(_) => "hold.place",
            PrivacyRequest::ReleaseHold(_) => "hold.release",
        }
    }
}

/// Does what is asked; returns after the commit.
pub(super) fn perform(app: &App, log: &Log, request: PrivacyRequest) -> Result<Value, RequestError> {
    let keys = KeyFolder::of(&app.config, app.db.address());
    let origin = app.db.read(store::state).map_err(ActError::from)?.map(|state| state.origin).unwrap_or_default();
    Ok(match request {
        PrivacyRequest::NewRecovery(new) => json!(log.act(move |tx| new.run(tx))?),
        PrivacyRequest::NoteTested(tested) => json!(log.act(move |tx| sealing::note_tested(tx, &keys, &origin, tested))?),
        PrivacyRequest::Rewrap(rewrapped) => {
            let (folder, book, name) = (keys.clone(), origin.clone(), rewrapped.master.clone());
            let count = log.act(move |tx| rewrapped.run(tx, &folder, &book))?;
            sealing::forget_others(&keys, &origin, &name).map_err(ActError::from)?;
            json!(count)
        }
        PrivacyRequest::RotateMaster { whence } => {
            let (folder, book) = (keys.clone(), origin.clone());
            let name = log.act(move |tx| sealing::rotate_master(tx, &folder, &book, whence))?;
            // What is wrapped for the new one is on the disk: the old one opens nothing any more.
            sealing::forget_others(&keys, &origin, &name).map_err(ActError::from)?;
            json!(name)
        }
        PrivacyRequest::EraseSubject(erase) => json!(erase.run(&app.db, log, app.config.privacy.statutory_years)?),
        PrivacyRequest::PlaceHold(hold) => json!(log.act(move |tx| hold.run(tx))?),
        PrivacyRequest::ReleaseHold(release) => json!(log.act(move |tx| release.run(tx))?),
    })
}

/// Drops values whose time is over, and keeps it in the register; answers the event and the run.
///
/// # Errors
/// `409 clock_distrusted`, and when the database or the register fails.
pub fn prune(app: &App) -> Result<(Seq, Run), ActError> {
    prune_with(app, &app.log())
}

pub(super) fn prune_with(app: &App, log: &Log) -> Result<(Seq, Run), ActError> {
    let done = retention::prune(&app.db, log, &app.config.retention, &app.clock)?;
    if done.1.dropped.total() > 0 {
        register::sync(&app.db, &KeyFolder::of(&app.config, app.db.address()))?;
        register::forget(&app.db);
    }
    Ok(done)
}

/// Carries out an approved erasure, and keeps it in the register. What cannot be erased any more ends in
/// the same quiet way whatever the reason.
pub(super) fn erase(app: &App, proposal: &Proposal) -> Result<(), ActError> {
    let log = app.log();
    if privacy::carry_out(&app.db, &log, proposal, app.config.privacy.statutory_years)?.is_some() {
        register::sync(&app.db, &KeyFolder::of(&app.config, app.db.address()))?;
        register::forget(&app.db);
    }
    Ok(())
}
