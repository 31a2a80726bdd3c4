//! For those who run the program: is it alive, is it ready, what is its interface.

use actix_web::web::{self, Data, get};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::{HOUR, Moment};
use crate::db::{Conn, DbResult, migrate};
use crate::notify::store as outbox;
use crate::{reports, trail};

use super::params::{Params, switch};
use super::problem::Problem;
use super::routes::{Entry, Who};
use super::{api, assets};

/// How long the nightly report may be under way before it is overdue.
const REPORT_GRACE: i64 = HOUR;

/// Health, readiness, the interface's description and the site's files.
pub static ROUTES: &[Entry] = &[
    Entry::get("/healthz", Who::Anyone, || get().to(healthz)),
    Entry::get("/readyz", Who::Anyone, || get().to(readyz)),
    Entry::get("/openapi.json", Who::Anyone, || get().to(openapi)),
    Entry::get("/assets/{name}", Who::Anyone, || get().to(assets::show)),
];

/// The process is alive.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    status: &'static str,
    /// `leader`: it records; `stand_by`: it reads, and takes over when the leader is gone.
    role: &'static str,
    /// Where the leader answers, if this instance stands by.
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Option<String>,
}

/// Whether the process can do its work.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`, `stand_by`, or `not_ready` with status 503.
    status: &'static str,
    /// One for each thing that was looked at.
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Check {
    /// `database schema writing report mail sealing replica`
    name: &'static str,
    /// Whether it is well.
    ok: bool,
    /// What was found; nothing secret or personal.
    detail: String,
}

impl Check {
    fn new(name: &'static str, ok: bool, detail: impl Into<String>) -> Check {
        Check { name, ok, detail: detail.into() }
    }
}

/// Answers as soon as the state is loaded.
#[utoipa::path(get, path = "/healthz", tag = "Operations",
    responses((status = 200, description = "Alive: the state is loaded and the log is open.", body = Health)))]
pub async fn healthz(app: Data<App>) -> HttpResponse {
    let by = app.stands_by();
    let role = if by.is_some() { "stand_by" } else { "leader" };
    HttpResponse::Ok().json(Health { status: "ok", role, leader: by.and_then(|by| by.leader) })
}

/// Whether this instance can record, report and send mail; one that stands by, whether it can read.
#[utoipa::path(get, path = "/readyz", tag = "Operations",
    params(("leader" = Option<bool>, Query, description = "Not ready unless this instance leads: for whoever sends entries.")),
    responses(
    (status = 200, description = "Ready.", body = Readiness),
    (status = 503, description = "Not ready; the checks say why.", body = Readiness)))]
pub async fn readyz(req: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    let only_leader = Params::of(&req, &["leader"])?.read("leader", switch)?.unwrap_or(false);
    let standing = app.stands_by().is_some();
    let checks = web::block(move || look(&app)).await?;
    let ready = checks.iter().all(|check| check.ok) && !(only_leader && standing);
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let status = match (ready, standing) {
        (true, false) => "ready",
        (_, true) => "stand_by",
        (false, false) => "not_ready",
    };
    Ok(answer.json(Readiness { status, checks }))
}

fn look(app: &App) -> Vec<Check> {
    let mut checks = Vec::new();
    let looked = app.db.read(|conn| {
        checks.push(Check::new("database", true, "answers"));
        let schema = migrate::require_current(conn);
        checks.push(Check::new("schema", schema.is_ok(), schema.err().map_or("current".into(), |e| e.to_string())));
        checks.push(report(conn, app)?);
        let owed = outbox::summary(conn)?;
        let detail = format!("{} waiting, {} given up", owed.pending, owed.dead);
        checks.push(Check::new("mail", owed.dead == 0, detail));
        checks.push(sealing(conn, app)?);
        DbResult::Ok(())
    });
    if let Err(error) = looked {
        tracing::warn!(target: "counterfoil::web", %error, "not ready");
        checks.push(Check::new("database", false, "does not answer as it should; see the log of the program"));
    }
    if let Some(standing) = app.db.replica() {
        // Without it, the primary is read: that is no reason to turn anybody away.
        checks.push(Check::new("replica", true, standing.to_string()));
    }
    checks.push(match app.intake() {
        Err(by) => Check::new("writing", true, by.to_string()),
        Ok(intake) => writing(app, intake.is_well()),
    });
    checks
}

/// A source with sensitive fields needs sealing; without one it is only said how it stands.
fn sealing(conn: &mut Conn, app: &App) -> DbResult<Check> {
    let wanted = app.config.source.iter().any(|source| !source.sensitive.is_empty());
    let status = app.sealing(conn)?;
    Ok(Check::new("sealing", status.is_ready() || !wanted, format!("{}: {}", status.code(), status.text())))
}

/// An empty write goes the way of every other, so it fails when the lease is gone; that a disk is full
/// shows only when something is really written.
fn writing(app: &App, well: bool) -> Check {
    let held = app.log().side(|_| Ok(())).is_ok();
    let detail = match (held, well) {
        (false, _) => "this process cannot write",
        (true, false) => "the last commit failed; see the log of the program",
        (true, true) => "this process holds the log",
    };
    Check::new("writing", held && well, detail)
}

fn report(conn: &mut Conn, app: &App) -> DbResult<Check> {
    let created = trail::store::event(conn, 0)?.map_or(app.clock.now(), |(event, _)| Moment(event.recorded_at));
    let newest = reports::list(conn, None, 1)?.first().map(|head| head.business_date);
    let settings = &app.config.report;
    let by = app.clock.now().plus(-REPORT_GRACE);
    let due = reports::due_dates(by, &app.calendar, settings.at, created, newest, settings.catch_up);
    Ok(match due.first() {
        None => {
            Check::new("report", true, newest.map_or("none is due yet".to_owned(), |date| format!("the newest is of {date}")))
        }
        Some(first) => Check::new("report", false, format!("{} overdue, the first of {first}", due.len())),
    })
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "Operations",
    responses((status = 200, description = "The interface as OpenAPI.", body = serde_json::Value)))]
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(api::openapi_json())
}
