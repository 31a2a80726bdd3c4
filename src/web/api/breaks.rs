//! Breaks: proposing what one was. The approval is for the page.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::app::{App, BreakName};
use crate::approvals;
use crate::ids::Seq;
use crate::trail::ActError;
use crate::web::body::{self, Packing};
use crate::web::guard::Officer;
use crate::web::params::Params;
use crate::web::problem::{Problem, ProblemBody};

/// The largest body of an explanation.
const BODY_MAX: usize = 16 * 1024;

/// An explanation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplanationBody {
    /// What was checked and found, 20 to 2,000 characters.
    reason: String,
}

/// What was submitted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SubmittedView {
    /// The proposal: another officer approves it on page Approvals.
    pub(super) proposal: Seq,
}

/// Proposes what a break was. Officers only; another officer approves.
///
/// With a session: the token of the session's forms goes into header `x-csrf-token`.
#[utoipa::path(
    post, path = "/api/v1/breaks/{seq}/{kind}/explanation", tag = "Approvals", security(("session" = [])),
    params(
        ("seq" = i64, Path, description = "The entry it is named at, or the change of a record."),
        ("kind" = String, Path, description = "`chain arithmetic sequence statement conservation foreign_source rounding_drift` of an entry, `record` of a record."),
    ),
    request_body(content = ExplanationBody, description = "Why."),
    responses(
        (status = 202, description = "Submitted.", body = SubmittedView),
        (status = 400, description = "Not readable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such break.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is not open, or a proposal about it is.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The reason is too short or too long.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn explain(
    req: HttpRequest,
    officer: Officer,
    app: Data<App>,
    path: Path<(String, String)>,
    mut payload: Payload,
) -> Result<HttpResponse, Problem> {
    Params::of(&req, &[])?;
    super::require_json(&req)?;
    let name = BreakName::parse(&path.0, &path.1).ok_or_else(|| Problem::not_found("break"))?;
    let body = body::collect(&mut payload, BODY_MAX).await?;
    let body = body::unpack(Packing::of(req.headers())?, body, BODY_MAX)?;
    let sent: Result<ExplanationBody, _> = serde_json::from_slice(&body);
    let sent = sent.map_err(|e| Problem::new(400, "unreadable", format!("not readable as an explanation: {e}; see /docs")))?;
    let (log, db, user) = (app.log(), app.db.clone(), officer.0.user);
    let submitted = web::block(move || -> Result<Seq, ActError> {
        let submission = db.read(|conn| name.explanation(conn, sent.reason, user, json!({})))?;
        approvals::submit(&log, submission)
    });
    Ok(HttpResponse::Accepted().json(SubmittedView { proposal: submitted.await?? }))
}
