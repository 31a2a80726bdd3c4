//! An erasure from being asked for to being carried out: asked by one, approved by another, held back
//! for a week, and looked at again before anything is removed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::approvals::{self, Kind, Proposal, Submission};
use crate::db::{Db, DbError};
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, Log, NewEvent, store as trail};

use super::blockers::{Blocker, blockers, neutral};
use super::{Cause, Erasure, Holdings, Scope, Subject, erase};

/// An erasure that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseSubject {
    /// Whom.
    pub subject: Subject,
    /// Why; private.
    pub reason: String,
    /// Who asks; `None` for the command line.
    pub by: Option<Seq>,
    /// From where, in private.
    pub whence: Value,
}

/// Everything before the log's present end; what comes later is looked at in the act.
fn holdings(db: &Db, subject: &Subject) -> Result<Holdings, ActError> {
    let found = db.read(|conn| {
        let size = trail::state(conn)?.map_or(0, |state| state.size);
        Holdings::find(conn, subject, size)
    });
    Ok(found.map_err(|error: DbError| error)?)
}

/// Whether anything is stored of a subject up to now: a hold on a name that is not known waits for what comes, or is
/// misspelt.
///
/// # Errors
/// When the database cannot be read.
pub fn is_stored(db: &Db, subject: &Subject) -> Result<bool, ActError> {
    Ok(subject.scope == Scope::Range || !holdings(db, subject)?.is_empty())
}

impl EraseSubject {
    /// Submits it; answers the proposal. Whatever keeps the subject, the refusal is one and the same,
    /// `409 not_erasable`; an event keeps the reasons in private. Other refusals are those of proposals.
    pub fn run(self, db: &Db, log: &Log, years: u32) -> Result<Seq, ActError> {
        approvals::checked_text("reason", &self.reason)?;
        let found = holdings(db, &self.subject)?;
        let (subject, whence) = (self.subject.clone(), self.whence.clone());
        let submitted = log.act(move |tx| {
            let (found, reasons) = looked_at(tx, found, years)?;
            if !reasons.is_empty() {
                return Ok(Err(reasons));
            }
            self.submit(tx, &found).map(Ok)
        })?;
        submitted.or_else(|reasons| {
            let body = json!({ "scope": subject.scope.text(), "proposal": null });
            let private = json!({ "subject": subject.name, "reasons": reasons, "whence": whence });
            log.append(NewEvent::with_private("erasure.refused", body, private))?;
            Err(neutral())
        })
    }

    fn submit(self, tx: &mut ActTx<'_>, found: &Holdings) -> Result<Seq, ActError> {
        let scope = self.subject.scope;
        // A holder has no number of its own in the log: the first account or record stands for it.
        let (accounts, records) = (found.accounts(), found.records());
        let facts = json!({
            "scope": scope.text(), "entries": found.entries(), "events": found.events(), "records": records.len(),
        });
        approvals::submit_in(
            tx,
            Submission {
                kind: Kind::EraseSubject,
                about: match (scope, accounts.first(), records.first()) {
                    (Scope::Account, first, _) => format!("account {}", first.copied().unwrap_or_default()),
                    (Scope::Party, None, Some(first)) => format!("holder of record {first}"),
                    (Scope::Party, first, _) => format!("holder of account {}", first.copied().unwrap_or_default()),
                    (Scope::Range, ..) => "no subject".to_owned(),
                },
                facts,
                reason: self.reason,
                detail: Some(json!({ "subject": self.subject })),
                by: self.by,
                whence: self.whence,
            },
        )
    }
}

/// What is stored up to now, and everything that keeps it.
fn looked_at(tx: &mut ActTx<'_>, mut found: Holdings, years: u32) -> Result<(Holdings, Vec<Blocker>), ActError> {
    let (to, now) = (tx.log_size(), tx.now());
    found.extend(tx.conn, to)?;
    let reasons = blockers(tx.conn, &found, years, now)?;
    Ok((found, reasons))
}

/// Carries out an approved erasure, if nothing keeps the subject now; else the proposal ends, and the
/// reasons are in the private part of an event. Answers what was erased.
///
/// # Errors
/// When the proposal is not approved or its private part is gone.
pub fn carry_out(db: &Db, log: &Log, proposal: &Proposal, years: u32) -> Result<Option<Erasure>, ActError> {
    let detail = proposal.detail.as_ref().map(|detail| detail["subject"].clone());
    let subject: Option<Subject> = detail.and_then(|subject| serde_json::from_value(subject).ok());
    let subject = subject.ok_or_else(|| {
        ActError::refused(409, "subject_gone", format!("proposal {} does not say any more whom it is about", proposal.id))
    })?;
    let found = holdings(db, &subject)?;
    let id = proposal.id;
    log.act(move |tx| {
        let (found, reasons) = looked_at(tx, found, years)?;
        if !reasons.is_empty() {
            let body = json!({ "scope": subject.scope.text(), "proposal": id });
            tx.append(NewEvent::with_private("erasure.refused", body, json!({ "subject": subject.name, "reasons": reasons })))?;
            approvals::stopped(tx, id, Kind::EraseSubject, "This subject cannot be erased at present.")?;
            return Ok(None);
        }
        let places = found.places();
        let outcome = json!({ "entries": found.entries(), "events": found.events() });
        approvals::carried_out(tx, id, Kind::EraseSubject, &outcome)?;
        erase(tx, Cause::Subject { proposal: id }, &places).map(Some)
    })
}
