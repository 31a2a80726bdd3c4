//! What a key reads: noted by the guard when it is answered, so that no handler can forget it.
//!
//! A handler says which accounts and records its answer shows ([`shows`]). The read does not wait for the
//! event; while events of reads cannot be written for too long, keys are refused with 503.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};

use crate::access::Door;
use crate::access::reads::{Read, Subject};
use crate::ids::Seq;

use super::guard;
use super::peer::Peer;
use super::problem::Problem;

/// What an answer shows.
#[derive(Clone, Debug, Default)]
struct Shown(Vec<Subject>);

/// Says what the answer to a request shows.
pub(super) fn shows(req: &HttpRequest, subjects: impl IntoIterator<Item = Subject>) {
    let mut extensions = req.extensions_mut();
    let mut shown = extensions.remove::<Shown>().unwrap_or_default();
    shown.0.extend(subjects);
    extensions.insert(shown);
}

/// Runs the handler of a read by `key`, and notes it.
pub(super) async fn run(
    door: Door,
    (kind, key): (&'static str, Seq),
    peer: Peer,
    req: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !door.records_reads() {
        let detail = "what keys read could not be recorded for a while, so nothing more is told; try again in a minute";
        let answer = guard::render(req.request(), &Problem::new(503, "reads_unrecorded", detail));
        return Ok(req.into_response(answer));
    }
    let answer = next.call(req).await;
    let shown = match &answer {
        Ok(answer) if answer.status().is_success() => Some(answer.request().extensions_mut().remove::<Shown>()),
        _ => None,
    };
    let answered = shown.is_some();
    let subjects = shown.flatten().unwrap_or_default().0;
    door.has_read(key, Read { kind, answered, subjects, ip: peer.text() });
    answer
}
