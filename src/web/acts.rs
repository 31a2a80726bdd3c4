//! An officer's act: recorded as attempted before its handler runs, and with its outcome after.
//!
//! The guard brings every request of a session to a state-changing route here, so that no handler can
//! forget it. An attempt that cannot be recorded is a 503 and nothing is done. Whoever goes away in
//! the middle does not stop an act: it runs to its end, and its end is recorded.

use std::future::Future;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::{self, Data};
use actix_web::{Error, rt};
use serde_json::json;

use crate::access::Session;
use crate::app::App;
use crate::ids::Seq;
use crate::trail::Log;
use crate::trail::attempts::{self, Attempt, Outcome};

use super::guard;
use super::peer::Peer;
use super::problem::Problem;

type Answer = Result<ServiceResponse<BoxBody>, Error>;

/// Runs the handler of `act`, between its attempt and its end.
pub(super) async fn run(
    app: &Data<App>,
    (act, route): (&'static str, &'static str),
    session: Session,
    peer: Peer,
    req: ServiceRequest,
    next: Next<BoxBody>,
) -> Answer {
    let attempt = Attempt {
        act,
        door: route,
        user: Some(session.user),
        session: Some(session.reference()),
        whence: json!({ "ip": peer.text() }),
    };
    let (log, begun) = (app.log(), app.log());
    let begun = web::block(move || attempts::begin(&begun, attempt)).await;
    let seq = match begun {
        Ok(Ok(seq)) => seq,
        Ok(Err(error)) => return Ok(unrecorded(req, &error)),
        Err(error) => return Ok(unrecorded(req, &error)),
    };
    let work = async move { next.call(req).await };
    match rt::spawn(between(log, seq, work)).await {
        Ok(answer) => answer,
        Err(error) => Err(Problem::internal(&error).into()),
    }
}

/// Does the work and records how it ended: also when it panics, and though nobody waits any more.
async fn between(log: Log, attempt: Seq, work: impl Future<Output = Answer> + 'static) -> Answer {
    let answer = match rt::spawn(work).await {
        Ok(answer) => answer,
        Err(error) => Err(Problem::internal(&error).into()),
    };
    let status = match &answer {
        Ok(answer) => answer.status().as_u16(),
        Err(error) => error.as_response_error().status_code().as_u16(),
    };
    let ended = web::block(move || attempts::end(&log, attempt, Outcome::of_status(status), Some(status))).await;
    // What was done is done, and whoever asked is told so: the attempt stays without an end until the next start.
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(target: "counterfoil::web", attempt, %error, "the end of an act could not be recorded"),
        Err(error) => tracing::error!(target: "counterfoil::web", attempt, %error, "the end of an act could not be recorded"),
    }
    answer
}

fn unrecorded(req: ServiceRequest, error: &dyn std::fmt::Display) -> ServiceResponse<BoxBody> {
    tracing::error!(target: "counterfoil::web", %error, "an act could not be recorded before it began");
    let detail = "that you set out to do this could not be recorded, so nothing was done; try again in a moment";
    let answer = guard::render(req.request(), &Problem::new(503, "act_unrecorded", detail));
    req.into_response(answer)
}
