//! Erasing what is stored of an account, and legal holds on it: forms on the account's page. An erasure
//! and a release are proposals that another officer decides; a hold is in force at once.

use std::time::{Duration, Instant};

use actix_web::{rt, web};
use serde::Deserialize;
use serde_json::json;

use crate::access::Permission;
use crate::db::{Conn, DbResult};
use crate::ids::{Seq, is_erased_number};
use crate::ledger::store as ledger;
use crate::privacy::{EraseSubject, PlaceHold, ReleaseHold, Scope, Subject, hold_on};
use crate::trail::ActError;

use super::account;
use super::cookies::Done;
use super::desk::{Desk, Page};
use super::errors::{Failure, Trouble, sentence};
use super::views::{FieldError, PrivacyForms};

/// An answer about an erasure comes after a whole number of these, so that the time it takes says
/// nothing about what was found.
const ANSWER_AFTER: Duration = Duration::from_secs(1);

/// A form as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    reason: String,
}

/// What was sent and could not be taken: which field, the reason, and what is wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    field: &'static str,
    reason: String,
    error: String,
}

/// The hold in force on an account, if it can have one: `None` once its number is erased.
pub(super) fn read(conn: &mut Conn, number: &str) -> DbResult<Option<Option<Seq>>> {
    if is_erased_number(number) {
        return Ok(None);
    }
    hold_on(conn, Scope::Account, number).map(Some)
}

/// The forms, for who may use them.
pub(super) fn forms(desk: &Desk, id: Seq, hold: Option<Option<Seq>>, tried: Option<Tried>) -> Option<PrivacyForms> {
    let hold = hold.filter(|_| desk.may(Permission::KeepPrivacy))?;
    let typed = |field: &str| tried.as_ref().filter(|t| t.field == field).map(|t| t.reason.clone()).unwrap_or_default();
    Some(PrivacyForms {
        erase_action: format!("/accounts/{id}/erasure"),
        erase_reason: typed("erase-reason"),
        hold_action: format!("/accounts/{id}/{}", if hold.is_some() { "hold/release" } else { "hold" }),
        hold_reason: typed("hold-reason"),
        hold: hold.map(|hold| format!("Hold {hold} is in force: nothing of this account is erased.")),
        errors: tried.into_iter().map(|t| FieldError { field: t.field.to_owned(), text: t.error }).collect(),
    })
}

async fn number(desk: &Desk, id: Seq) -> Result<String, Failure> {
    const MISSING: Trouble = Trouble::Missing("There is no such account.");
    let row = desk.read(move |conn| ledger::account(conn, id)?.ok_or(MISSING)).await?;
    if is_erased_number(&row.number) {
        let detail = "What is stored of this account is erased already.".to_owned();
        return Err(desk.fail(Trouble::Refused { status: 409, code: "erased", detail }));
    }
    Ok(row.number)
}

/// `POST /accounts/{id}/erasure`
pub(super) async fn erase(desk: Desk, id: web::Path<Seq>, sent: web::Form<Sent>) -> Page {
    let (began, reason) = (Instant::now(), sent.into_inner().reason);
    let subject = subject(&desk, *id).await?;
    let erase = EraseSubject { subject, reason: reason.clone(), by: Some(desk.user()?), whence: json!({ "ip": desk.peer }) };
    let (db, years) = (desk.app.db.clone(), desk.app.config.privacy.statutory_years);
    let answer = desk.record(move |log| erase.run(&db, log, years)).await?;
    whole_second(began).await;
    match answer {
        Ok(proposal) => Ok(desk.go(&format!("/approvals/{proposal}"), Some(Done::Proposed(proposal)))),
        Err(error) => refused(&desk, *id, "erase-reason", reason, error).await,
    }
}

/// Waits until a whole number of seconds is over.
pub(super) async fn whole_second(began: Instant) {
    let beyond = Duration::from_nanos((began.elapsed().as_nanos() % ANSWER_AFTER.as_nanos()) as u64);
    rt::time::sleep(ANSWER_AFTER - beyond).await;
}

/// `POST /accounts/{id}/hold`
pub(super) async fn hold(desk: Desk, id: web::Path<Seq>, sent: web::Form<Sent>) -> Page {
    let reason = sent.into_inner().reason;
    let subject = subject(&desk, *id).await?;
    let whence = json!({ "user": desk.user()?, "ip": desk.peer });
    let place = PlaceHold { subject, reason: reason.clone(), whence };
    match desk.record(move |log| log.act(move |tx| place.run(tx))).await? {
        Ok(hold) => Ok(desk.go(&format!("/accounts/{id}"), Some(Done::HoldPlaced(hold)))),
        Err(error) => refused(&desk, *id, "hold-reason", reason, error).await,
    }
}

/// `POST /accounts/{id}/hold/release`
pub(super) async fn release(desk: Desk, id: web::Path<Seq>, sent: web::Form<Sent>) -> Page {
    let reason = sent.into_inner().reason;
    let number = number(&desk, *id).await?;
    let hold = desk.read(move |conn| Ok(hold_on(conn, Scope::Account, &number)?)).await?;
    let Some(hold) = hold else { return Err(desk.refuse(409, "No hold is in force on this account.")) };
    let release = ReleaseHold { hold, reason: reason.clone(), by: Some(desk.user()?), whence: json!({ "ip": desk.peer }) };
    match desk.record(move |log| log.act(move |tx| release.run(tx))).await? {
        Ok(proposal) => Ok(desk.go(&format!("/approvals/{proposal}"), Some(Done::Proposed(proposal)))),
        Err(error) => refused(&desk, *id, "hold-reason", reason, error).await,
    }
}

async fn subject(desk: &Desk, id: Seq) -> Result<Subject, Failure> {
    let number = number(desk, id).await?;
    Subject::new(Scope::Account, &number).map_err(|e| desk.fail(e.into()))
}

/// The account's page with what is wrong at the field, or a page of its own.
async fn refused(desk: &Desk, id: Seq, field: &'static str, reason: String, error: ActError) -> Page {
    match error {
        ActError::Refused { status: 422, detail, .. } => {
            account::render(desk, id, account::Asked::default(), Some(Tried { field, reason, error: sentence(&detail) })).await
        }
        error => Err(desk.fail(error.into())),
    }
}
