//! The night: the reports that are due, archives of closed segments, then values whose time is over, then the
//! verification of the whole log.
//!
//! A night comes once for every calendar date, at the time of the report, whether a report is due or not; one
//! that was missed is caught up with by the next turn. `night.passed` and the job `nightly` say that it came. Where
//! no report was stored in it, that event owes the mail with the checkpoint, so that no night is quiet.

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::app::{self, App};
use crate::audit;
use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::detect::{Severity, due};
use crate::notify::MailKind;
use crate::notify::store::{owe, owed_rows, promising};
use crate::reports::{self, Context};
use crate::trail::store::{self, JobRow};
use crate::trail::{ActError, ActTx};

/// The kind of the event, and the name of the job.
const PASSED: &str = "night.passed";
const JOB: &str = "nightly";

/// Why a night failed.
#[derive(Debug, thiserror::Error)]
pub enum NightlyError {
    /// The report could not be made or stored.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Verifies the whole log and notes the outcome in the log, for page Trail and the reports.
pub fn verify_and_note(app: &App) -> Result<audit::Outcome, NightlyError> {
    let started = app.clock.now();
    let options = audit::Options { config: &app.config, now: started, progress: &|_, _| {}, given: audit::Given::NONE };
    let outcome = audit::verify(&app.db, options)?;
    audit::Verified::new(&outcome, started).note(&app.log())?;
    Ok(outcome)
}

/// One turn of the scheduler: whatever of the last night was not done yet.
///
/// # Errors
/// When the log cannot be read or written; what was done stays done.
pub fn night(app: &App) -> Result<(), NightlyError> {
    let made = !app::nightly(app, None)?.is_empty();
    let unverified = match last(app)? {
        Some(night) => {
            pass(app, night)?;
            app.db.read(|conn| store::job(conn, "verify"))?.is_none_or(|job| job.started_at < night.came.0)
        }
        None => false,
    };
    if made || unverified { rest(app) } else { Ok(()) }
}

/// Archives, values whose time is over, and the verification.
fn rest(app: &App) -> Result<(), NightlyError> {
    // Before values go whose time is over.
    match app::archive_due(app) {
        Ok(made) if !made.is_empty() => tracing::info!(archives = made.len(), "closed segments were archived"),
        Ok(_) => {}
        // The next night begins with what is not archived; the reports were made all the same.
        Err(error) => tracing::error!(%error, "a closed segment could not be archived"),
    }
    match app::prune(app) {
        Ok((event, run)) if run.dropped.total() > 0 || run.more => {
            tracing::info!(
                event,
                dropped = run.dropped.total(),
                held = run.held,
                more = run.more,
                "values whose time is over were dropped"
            );
        }
        Ok(_) => {}
        // What was not dropped tonight is due tomorrow; the event and the report say why.
        Err(error) => tracing::warn!(%error, "no values were dropped"),
    }
    let outcome = verify_and_note(app)?;
    if !outcome.ok {
        tracing::error!(findings = outcome.found, "verification found what does not hold; run `counterfoil verify`");
    }
    Ok(())
}

/// A night that came.
#[derive(Clone, Copy)]
struct Night {
    date: NaiveDate,
    came: Moment,
}

/// The last night that came since the log was begun.
fn last(app: &App) -> DbResult<Option<Night>> {
    let Some((date, came)) = reports::last_night(app.clock.now(), &app.calendar, app.config.report.at) else { return Ok(None) };
    let begun = app.db.read(|conn| store::event(conn, 0))?.map(|(event, _)| Moment(event.recorded_at));
    Ok(begun.filter(|begun| app.calendar.local_date(*begun) <= date).map(|_| Night { date, came }))
}

/// Notes that the night came, once, and owes its mail where no report of this night does.
fn pass(app: &App, night: Night) -> Result<(), ActError> {
    if app.db.read(|conn| has_passed(conn, night))? {
        return Ok(());
    }
    let to = if app.config.mail.url.is_empty() { Vec::new() } else { Context::new(&app.config, app.clock.clone()).reports_to };
    let day_off = !due::is_business_day(&app.calendar, night.date);
    app.log().act(move |tx| note(tx, night, day_off, to))
}

/// By its date: the time at which nights come may be changed in the settings.
fn has_passed(conn: &mut Conn, night: Night) -> DbResult<bool> {
    let outcome = store::job(conn, JOB)?.and_then(|job| job.outcome);
    let body: Value = outcome.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let last = body["date"].as_str().and_then(|date| date.parse::<NaiveDate>().ok());
    Ok(last.is_some_and(|last| last >= night.date))
}

fn note(tx: &mut ActTx<'_>, night: Night, day_off: bool, to: Vec<String>) -> Result<(), ActError> {
    // Whoever led before may have noted it meanwhile.
    if has_passed(tx.conn, night)? {
        return Ok(());
    }
    let reports = reports::stored_since(tx.conn, night.came)?;
    let to = if reports == 0 { to } else { Vec::new() };
    let body = json!({
        "date": night.date.to_string(), "came_at": night.came.0, "day_off": day_off, "reports": reports,
    });
    let event = promising(PASSED, body, None, &to);
    let (text, at) = (event.body.to_string(), tx.now());
    let seq = tx.append(event)?;
    let row = JobRow { name: JOB.to_owned(), started_at: night.came.0, finished_at: Some(at.0), outcome: Some(text) };
    store::note_job(tx.conn, &row)?;
    let rows = owed_rows(MailKind::Notice, seq, &to, Severity::Low, at);
    Ok(owe(tx.conn, &rows)?)
}
