//! Approvals: proposals and what became of them, without anything private. Deciding is for the page,
//! which shows what there is to decide.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::approvals::{self, PAGE_MAX, Proposal, State, Word};
use crate::ids::Seq;
use crate::web::params::{Params, place};
use crate::web::problem::{Problem, ProblemBody};

/// A proposal.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProposalView {
    /// The event that submitted it.
    id: Seq,
    /// What is proposed.
    #[schema(example = "log.rotate_key")]
    kind: &'static str,
    /// The same in words.
    title: &'static str,
    /// `submitted approved refused withdrawn expired carried_out`
    state: &'static str,
    /// What carrying it out does, in sentences.
    effects: Vec<String>,
    /// Public facts.
    facts: Value,
    /// The user who submitted it; `null`: the command line, so that two officers must approve.
    submitted_by: Option<Seq>,
    /// When, RFC 3339.
    submitted_at: String,
    /// When it ends by itself, RFC 3339.
    expires_at: String,
    /// The first of two approvals, for what came from the command line.
    first: Option<WordView>,
    /// The approval that counted.
    approval: Option<WordView>,
    /// How it ended.
    end: Option<WordView>,
}

/// Somebody's word on a proposal. What they wrote is private.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WordView {
    /// Who; `null`: the program.
    by: Option<Seq>,
    /// When, RFC 3339.
    at: String,
    /// The event that says so.
    seq: Seq,
}

/// A page of proposals.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProposalPageView {
    /// The newest first.
    items: Vec<ProposalView>,
    /// Send it as `cursor` for the next page; `null` at the end.
    next: Option<Seq>,
}

impl From<&Proposal> for ProposalView {
    fn from(of: &Proposal) -> ProposalView {
        let word = |word: &Option<Word>| word.as_ref().map(|w| WordView { by: w.by, at: w.at.to_string(), seq: w.seq });
        ProposalView {
            id: of.id,
            kind: of.kind.text(),
            title: of.kind.title(),
            state: of.state.text(),
            effects: of.kind.effects(&of.facts),
            facts: of.facts.clone(),
            submitted_by: of.submitted_by,
            submitted_at: of.submitted_at.to_string(),
            expires_at: of.expires_at.to_string(),
            first: word(&of.first),
            approval: word(&of.approval),
            end: word(&of.end),
        }
    }
}

/// Proposals, newest first.
///
/// What is grave is proposed by one and approved by another. Reasons, comments and what concerns a
/// customer are on the page only.
#[utoipa::path(
    get, path = "/api/v1/approvals", tag = "Approvals", security(("session" = [])),
    params(
        ("state" = Option<String>, Query, description = "`open`, or one of the states; none: all."),
        ("cursor" = Option<i64>, Query, description = "`next` of the page before."),
        ("limit" = Option<i64>, Query, description = "1 to 200; default 100."),
    ),
    responses(
        (status = 200, description = "A page of proposals.", body = ProposalPageView),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(req: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["state", "cursor", "limit"])?;
    let states = |text: &str| match text {
        "open" => Ok(State::ALL.into_iter().filter(|state| state.is_open()).collect()),
        _ => State::parse(text).map(|state| vec![state]).ok_or("`open` or a state"),
    };
    let states: Vec<State> = query.read("state", states)?.unwrap_or(State::ALL.to_vec());
    let before = query.read("cursor", place)?;
    let limit = usize::try_from(query.limit()?).unwrap_or(PAGE_MAX);
    if limit > PAGE_MAX {
        return Err(Problem::parameter("limit", format!("limit: a whole number from 1 to {PAGE_MAX}")));
    }
    let db = app.db.clone();
    let found = web::block(move || db.look(|conn| approvals::list(conn, &states, before, limit))).await??;
    let next = found.last().filter(|_| found.len() == limit).map(|last| last.id);
    Ok(HttpResponse::Ok().json(ProposalPageView { items: found.iter().map(ProposalView::from).collect(), next }))
}

/// One proposal.
#[utoipa::path(
    get, path = "/api/v1/approvals/{id}", tag = "Approvals", security(("session" = [])),
    params(("id" = i64, Path, description = "The event that submitted it.")),
    responses(
        (status = 200, description = "The proposal.", body = ProposalView),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such proposal.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(req: HttpRequest, app: Data<App>, id: Path<String>) -> Result<HttpResponse, Problem> {
    Params::of(&req, &[])?;
    let id = place(&id).map_err(|_| Problem::not_found("proposal"))?;
    let db = app.db.clone();
    let found = web::block(move || db.look(|conn| approvals::find(conn, id))).await??;
    let found = found.ok_or_else(|| Problem::not_found("proposal"))?;
    Ok(HttpResponse::Ok().json(ProposalView::from(&found)))
}
