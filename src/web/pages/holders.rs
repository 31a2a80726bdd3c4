//! Holders: an erasure and a legal hold by name. A name is sent in forms only, and never in an address.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;
use serde_json::json;

use crate::privacy::{EraseSubject, PlaceHold, Scope, Subject, is_stored};
use crate::trail::ActError;

use super::cookies::Done;
use super::desk::{Desk, Page};
use super::errors::sentence;
use super::privacy::whole_second;
use super::views::{FieldError, HoldersPage};

/// A form as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    name: String,
    reason: String,
}

/// `GET /holders`
pub(super) async fn show(desk: Desk) -> Page {
    desk.show(&HoldersPage { chrome: desk.chrome("Holders"), ..HoldersPage::default() })
}

/// `POST /holders/erasure`
pub(super) async fn erase(desk: Desk, sent: web::Form<Sent>) -> Page {
    let (began, sent) = (Instant::now(), sent.into_inner());
    let subject = match Subject::new(Scope::Party, &sent.name) {
        Ok(subject) => subject,
        Err(error) => return refused(&desk, "erase", "name", sent, error),
    };
    let erase = EraseSubject { subject, reason: sent.reason.clone(), by: Some(desk.user()?), whence: json!({ "ip": desk.peer }) };
    let (db, years) = (desk.app.db.clone(), desk.app.config.privacy.statutory_years);
    let answer = desk.record(move |log| erase.run(&db, log, years)).await?;
    whole_second(began).await;
    match answer {
        Ok(proposal) => Ok(desk.go(&format!("/approvals/{proposal}"), Some(Done::Proposed(proposal)))),
        Err(error) => refused(&desk, "erase", "reason", sent, error),
    }
}

/// `POST /holders/hold`
pub(super) async fn hold(desk: Desk, sent: web::Form<Sent>) -> Page {
    let sent = sent.into_inner();
    let subject = match Subject::new(Scope::Party, &sent.name) {
        Ok(subject) => subject,
        Err(error) => return refused(&desk, "hold", "name", sent, error),
    };
    let whence = json!({ "user": desk.user()?, "ip": desk.peer });
    let (db, named) = (desk.app.db.clone(), subject.clone());
    let place = PlaceHold { subject, reason: sent.reason.clone(), whence };
    match desk.record(move |log| log.act(move |tx| place.run(tx))).await? {
        Ok(hold) => {
            let known = desk.record(move |_| is_stored(&db, &named)).await?.map_err(|e| desk.fail(e.into()))?;
            Ok(desk.go("/holders", Some(if known { Done::HoldPlaced(hold) } else { Done::HoldAhead(hold) })))
        }
        Err(error) => refused(&desk, "hold", "reason", sent, error),
    }
}

/// The forms again with what is wrong at its field, or a page of its own.
fn refused(desk: &Desk, form: &str, field: &str, sent: Sent, error: ActError) -> Page {
    let ActError::Refused { status: 422, detail, .. } = error else { return Err(desk.fail(error.into())) };
    let errors = vec![FieldError { field: format!("{form}-{field}"), text: sentence(&detail) }];
    let mut page = HoldersPage { chrome: desk.chrome("Holders"), errors, ..HoldersPage::default() };
    match form {
        "hold" => (page.hold_name, page.hold_reason) = (sent.name, sent.reason),
        _ => (page.erase_name, page.erase_reason) = (sent.name, sent.reason),
    }
    desk.show_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
}
