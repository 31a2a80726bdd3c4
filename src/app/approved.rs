//! Carrying out what was approved: which room does it, by kind.

use counterfoil_verify::VerifierKey;
use serde_json::json;

use crate::approvals::{self, Kind, Proposal};
use crate::db::DbError;
use crate::detect::RuleSetBody;
use crate::intake;
use crate::privacy;
use crate::trail::ActError;

use super::App;

/// Carries out every approved proposal whose quarantine is over, and ends those whose time is. What cannot
/// be carried out is said, and tried again until it ends by itself.
///
/// # Errors
/// When proposals cannot be read or ended; the first failure of one is answered after the others were tried.
pub fn carry_out_due(app: &App) -> Result<(), ActError> {
    let now = app.clock.now();
    let mut failed = None;
    for proposal in app.db.read(|conn| approvals::ready(conn, now))? {
        if let Err(error) = carry_out(app, &proposal) {
            tracing::warn!(proposal = proposal.id, kind = proposal.kind.text(), %error, "what was approved could not be carried out");
            failed = failed.or(Some(error));
        }
    }
    approvals::expire_due(&app.db, &app.log(), now)?;
    failed.map_or(Ok(()), Err)
}

fn carry_out(app: &App, proposal: &Proposal) -> Result<(), ActError> {
    match proposal.kind {
        Kind::RotateKey => rotate_key(app, proposal),
        Kind::EraseSubject => super::privacy::erase(app, proposal),
        // Whoever drains the table does it there, and notes it.
        Kind::RestoreRecord if proposal.facts["at_source"].is_string() => Ok(()),
        Kind::RestoreRecord => {
            let (recorder, proposal) = (app.recorder.clone(), proposal.clone());
            app.log().act(move |tx| recorder.restore(tx, &proposal))
        }
        Kind::LoosenRules => {
            let unread = |e: serde_json::Error| ActError::Db(DbError::Corrupt(format!("proposal {}: rules: {e}", proposal.id)));
            let body: RuleSetBody = serde_json::from_value(proposal.facts["rules"].clone()).map_err(unread)?;
            let reason = proposal.reason.clone().unwrap_or_default();
            ended(app, proposal, intake::define_rules(&app.log(), body, reason, Some(proposal.id)).map(drop))
        }
        Kind::ExplainBreak => super::breaks::explain(app, proposal),
        Kind::ReverseEntry => super::reversal::reverse(app, proposal),
        Kind::ReleaseHold => {
            let (id, facts) = (proposal.id, proposal.facts.clone());
            app.log().act(move |tx| privacy::release(tx, id, &facts)).map(drop)
        }
    }
}

/// What is refused now will be refused whenever it is tried: the proposal ends, and says why.
fn ended(app: &App, proposal: &Proposal, done: Result<(), ActError>) -> Result<(), ActError> {
    let Err(ActError::Refused { detail, .. }) = done else { return done };
    let (id, kind) = (proposal.id, proposal.kind);
    app.log().act(move |tx| approvals::stopped(tx, id, kind, &detail)).map(drop)
}

/// Another key signs the log from now on, and the first checkpoint with it bears both signatures.
fn rotate_key(app: &App, proposal: &Proposal) -> Result<(), ActError> {
    let key = |field: &str| -> Result<VerifierKey, ActError> {
        let text = proposal.facts[field].as_str().unwrap_or_default();
        text.parse().map_err(|e| ActError::Db(DbError::Corrupt(format!("proposal {}: {field}: {e}", proposal.id))))
    };
    let (old, new, id) = (key("old")?, key("new")?, proposal.id);
    if old != app.signer.verifier() {
        let changed = ActError::refused(409, "key_changed", "the key was changed since this was proposed: propose it again");
        return ended(app, proposal, Err(changed));
    }
    let (log, named) = (app.log(), new.to_string());
    app.signer.rotate(&log, &new, move |tx, event| {
        let outcome = json!({ "event": event, "key": named });
        approvals::carried_out(tx, id, Kind::RotateKey, &outcome).map(drop)
    })?;
    tracing::warn!(verifier = %app.signer.verifier(), "another key signs this log: keep a copy of it outside this machine, print it on paper, and tell the witnesses");
    app.signer.sign(&log).map(drop)
}
