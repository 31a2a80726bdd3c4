//! For those who run the program: is it alive, is it ready, what is its interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::web::{self, Data, get};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use crate::app::App;
use crate::capture;
use crate::clock::{HOUR, MINUTE, Moment};
use crate::db::{Address, Conn, DbError, DbResult, migrate};
use crate::notify::store as outbox;
use crate::trail::contradicted;
use crate::trail::refusing::refusing;
use crate::{reports, trail};

use super::params::{Params, switch};
use super::problem::Problem;
use super::routes::{Entry, Who};
use super::{api, assets};

/// How long the nightly report may be under way before it is overdue.
const REPORT_GRACE: i64 = HOUR;
/// How far the newest leaf may be ahead of the clock.
const CLOCK_GRACE: i64 = 5 * MINUTE;
/// How old a captured row may be that waits, and how long a capture may fail, before somebody should look.
const CAPTURE_GRACE: i64 = 5 * MINUTE;
/// Within this readiness is told, whatever does not answer; for a connection it waits a little less.
const WITHIN: Duration = Duration::from_secs(2);
const WAIT: Duration = Duration::from_millis(1_500);
/// Looks under way at most.
const LOOKS_MAX: usize = 64;

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
    /// `database schema writing clock report mail sealing anchor witness replica capture`
    name: &'static str,
    /// Whether it is well enough to take entries.
    ok: bool,
    /// Whether somebody should look at it all the same.
    warning: bool,
    /// What was found; nothing secret or personal.
    detail: String,
}

impl Check {
    fn new(name: &'static str, ok: bool, detail: impl Into<String>) -> Check {
        Check { name, ok, warning: false, detail: detail.into() }
    }

    /// Entries are taken, and somebody should look.
    fn warning(name: &'static str, detail: impl Into<String>) -> Check {
        Check { warning: true, ..Check::new(name, true, detail) }
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

/// Whether this instance can take entries; one that stands by, whether it can read. What is wrong beside that
/// is a warning: mail that was given up, a report that is overdue.
#[utoipa::path(get, path = "/readyz", tag = "Operations",
    params(("leader" = Option<bool>, Query, description = "Not ready unless this instance leads: for whoever sends entries.")),
    responses(
    (status = 200, description = "Ready; a check with `warning` wants somebody's attention.", body = Readiness),
    (status = 503, description = "Not ready; the checks say why. Said within two seconds.", body = Readiness)))]
pub async fn readyz(req: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    let only_leader = Params::of(&req, &["leader"])?.read("leader", switch)?.unwrap_or(false);
    let standing = app.stands_by().is_some();
    let checks = look(app).await?;
    let ready = checks.iter().all(|check| check.ok) && !(only_leader && standing);
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let status = match (ready, standing) {
        (true, false) => "ready",
        (_, true) => "stand_by",
        (false, false) => "not_ready",
    };
    Ok(answer.json(Readiness { status, checks }))
}

/// Reads and tries to write, side by side, and waits for either no longer than [`WITHIN`].
async fn look(app: Data<App>) -> Result<Vec<Check>, Problem> {
    // Both begin here, not when they are waited for.
    let (reader, writer, follower) = (app.clone(), app.clone(), app.clone());
    let Some(looking) = Looking::begin() else {
        let detail = format!("{LOOKS_MAX} earlier requests still wait for it");
        return Ok(vec![Check::new("database", false, detail)]);
    };
    let looking = Arc::new(looking);
    let (reads, writes, follows) = (looking.clone(), looking.clone(), looking);
    let reading = web::block(move || {
        let _until_done = reads;
        read(&reader)
    });
    let writing = web::block(move || {
        let _until_done = writes;
        write(&writer)
    });
    let following = web::block(move || {
        let _until_done = follows;
        follower.db.replica().map(|standing| standing.to_string())
    });
    let end = Instant::now() + WITHIN;
    let mut checks = match timeout_at(end, reading).await {
        Ok(checks) => checks?,
        Err(_) => vec![Check::new("database", false, silent(&app))],
    };
    checks.push(match timeout_at(end, writing).await {
        Ok(check) => check?,
        Err(_) => {
            let detail = format!("nothing could be written within {} s: {}", WITHIN.as_secs(), silent(&app));
            Check::new("writing", false, detail)
        }
    });
    // Without it, the primary is read: that is no reason to turn anybody away.
    let standing = match timeout_at(end, following).await {
        Ok(standing) => standing?,
        Err(_) => Some(format!("the replica does not answer: read from the primary (said after {} s)", WITHIN.as_secs())),
    };
    checks.extend(standing.map(|standing| Check::new("replica", true, standing)));
    Ok(checks)
}

fn silent(app: &App) -> String {
    format!("{} does not answer within {} s", whereabouts(app.db.address()), WITHIN.as_secs())
}

/// The server or file, without user, password or options.
fn whereabouts(address: &Address) -> String {
    let text = format!("{address:?}");
    text.split('?').next().unwrap_or_default().to_owned()
}

/// A look under way: whoever no longer waits for it leaves it to end by itself, so they are counted.
struct Looking;

static LOOKS: AtomicUsize = AtomicUsize::new(0);

impl Looking {
    fn begin() -> Option<Looking> {
        let more = |looks| (looks < LOOKS_MAX).then_some(looks + 1);
        LOOKS.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Looking)
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        LOOKS.fetch_sub(1, Ordering::AcqRel);
    }
}

fn read(app: &App) -> Vec<Check> {
    let mut checks = Vec::new();
    let looked = app.db.read_within(WAIT, |conn| {
        checks.push(Check::new("database", true, "answers"));
        let schema = migrate::require_current(conn);
        checks.push(Check::new("schema", schema.is_ok(), schema.err().map_or("current".into(), |e| e.to_string())));
        checks.extend(clock(conn, app)?);
        checks.push(report(conn, app)?);
        checks.push(mail(outbox::summary(conn)?));
        checks.push(sealing(conn, app)?);
        checks.push(anchor(conn, app)?);
        checks.extend(witness(conn, app)?);
        checks
            .extend(capture::standings(app.config.book_name()).into_iter().map(|standing| captured(&standing, app.clock.now())));
        DbResult::Ok(())
    });
    match looked {
        Ok(()) => {}
        Err(error @ DbError::Connect(_)) => {
            tracing::warn!(target: "counterfoil::web", %error, "not ready");
            checks.push(Check::new("database", false, format!("{} cannot be reached", whereabouts(app.db.address()))));
            return checks;
        }
        Err(error) => {
            tracing::warn!(target: "counterfoil::web", %error, "not ready");
            checks.push(Check::new("database", false, "does not answer as it should; see the log of the program"));
        }
    }
    checks
}

/// Mail that was given up is for somebody to look at; entries are taken all the same.
fn mail(owed: outbox::Summary) -> Check {
    let detail = format!("{} waiting, {} given up", owed.pending, owed.dead);
    match owed.dead {
        0 => Check::new("mail", true, detail),
        _ => Check::warning("mail", format!("{detail}: see page Trail, or `counterfoil mail list`")),
    }
}

/// A checkpoint that contradicts the log is for somebody to look at, at once: stopping would not undo it.
fn anchor(conn: &mut Conn, app: &App) -> DbResult<Check> {
    let standing = contradicted::standing(conn)?;
    Ok(match (standing.first(), app.signer.trouble()) {
        (None, None) => Check::new("anchor", true, "no checkpoint that was brought back contradicts the log"),
        (Some(first), _) => Check::warning("anchor", first.finding()),
        (None, Some(trouble)) => Check::warning("anchor", trouble),
    })
}

/// A witness that refuses is for somebody to look at; without a witness nothing is said.
fn witness(conn: &mut Conn, app: &App) -> DbResult<Option<Check>> {
    let refusing = refusing(conn, &app.config.anchor)?;
    Ok(match (refusing.first(), app.config.anchor.witness.is_empty()) {
        (_, true) => None,
        (None, false) => Some(Check::new("witness", true, "none refuses to sign")),
        (Some(first), false) => Some(Check::warning("witness", first.finding())),
    })
}

/// What waits in the bank's database waits for somebody to look; entries are taken all the same.
fn captured(standing: &capture::Standing, now: Moment) -> Check {
    let since = |at: Option<Moment>| at.is_some_and(|at| now.0 - at.0 > CAPTURE_GRACE);
    let capture::Standing { name, waiting, rejected, unnamed, why, .. } = standing;
    let mut detail = format!("{name}: {waiting} rows wait, {rejected} were refused");
    if *unnamed > 0 {
        detail += &format!(", {unnamed} are of tables that are not in the settings");
    }
    if let Some(at) = standing.failing_since {
        detail += &format!("; failing since {at}");
    }
    if let Some(why) = why {
        detail += &format!("; {why}");
    }
    match why.is_some() || since(standing.failing_since) || since(standing.oldest_at) || *rejected > 0 || *unnamed > 0 {
        false => Check::new("capture", true, detail),
        true => Check::warning("capture", format!("{detail}: see `counterfoil capture list` and `capture check`")),
    }
}

fn write(app: &App) -> Check {
    match app.intake() {
        Err(by) => Check::new("writing", true, by.to_string()),
        Ok(intake) => writing(app, intake.is_well()),
    }
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

/// A clock behind the log is wrong, or was ahead: until that time has come entries bear it, and values are not dropped.
fn clock(conn: &mut Conn, app: &App) -> DbResult<Option<Check>> {
    let behind = trail::store::state(conn)?
        .map(|state| Moment(state.recorded_at))
        .filter(|newest| newest.0 > app.clock.now().0 + CLOCK_GRACE);
    let detail = |newest| {
        format!(
            "the newest leaf was recorded at {newest}, which has not come yet: set the clock right, or look at what was recorded under one that was ahead"
        )
    };
    Ok(behind.map(|newest| Check::warning("clock", detail(newest))))
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
        Some(first) => Check::warning("report", format!("{} overdue, the first of {first}", due.len())),
    })
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "Operations",
    responses((status = 200, description = "The interface as OpenAPI.", body = serde_json::Value)))]
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(api::openapi_json())
}
