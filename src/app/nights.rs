//! That a night came: `night.passed` and the job `nightly`, once for each, whoever notes it first, the scheduler
//! or `counterfoil nightly`. Where no report was stored in it, that event owes the mail with the checkpoint, so
//! that no night is quiet.

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::detect::{Severity, due};
use crate::notify::MailKind;
use crate::notify::store::{owe, owed_rows, promising};
use crate::reports::{self, Context};
use crate::trail::store::{self, JobRow};
use crate::trail::{ActError, ActTx};

use super::App;

/// The kind of the event, and the name of the job.
const PASSED: &str = "night.passed";
const JOB: &str = "nightly";

/// A night that came.
#[derive(Clone, Copy, Debug)]
pub struct Night {
    /// Its date.
    pub date: NaiveDate,
    /// When it came.
    pub came: Moment,
}

/// The last night that came since the log was begun.
///
/// # Errors
/// When the database cannot be read.
pub fn last_night(app: &App) -> DbResult<Option<Night>> {
    let Some((date, came)) = reports::last_night(app.clock.now(), &app.calendar, app.config.report.at) else { return Ok(None) };
    let begun = app.db.read(|conn| store::event(conn, 0))?.map(|(event, _)| Moment(event.recorded_at));
    Ok(begun.filter(|begun| app.calendar.local_date(*begun) <= date).map(|_| Night { date, came }))
}

/// Whether it was noted that this night came: everything that is done once a night is done.
///
/// # Errors
/// When the database cannot be read.
pub fn is_past(app: &App, night: Night) -> DbResult<bool> {
    let now = app.clock.now();
    app.db.read(|conn| has_passed(conn, night, now))
}

/// Notes that the night came, once, and owes its mail where no report of this night does.
///
/// # Errors
/// When the log cannot be read or written.
pub fn pass(app: &App, night: Night) -> Result<(), ActError> {
    if is_past(app, night)? {
        return Ok(());
    }
    let to = if app.config.mail.url.is_empty() { Vec::new() } else { Context::new(&app.config, app.clock.clone()).reports_to };
    let day_off = !due::is_business_day(&app.calendar, night.date);
    let now = app.clock.now();
    app.log().act(move |tx| note(tx, (night, now), day_off, to))
}

/// By its date: the time at which nights come may be changed in the settings. One that has not come yet was noted under a
/// clock that was ahead.
fn has_passed(conn: &mut Conn, night: Night, now: Moment) -> DbResult<bool> {
    let outcome = store::job(conn, JOB)?.filter(|job| job.started_at <= now.0).and_then(|job| job.outcome);
    let body: Value = outcome.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let last = body["date"].as_str().and_then(|date| date.parse::<NaiveDate>().ok());
    Ok(last.is_some_and(|last| last >= night.date))
}

/// `now` is the clock's: the log's own time never goes back.
fn note(tx: &mut ActTx<'_>, (night, now): (Night, Moment), day_off: bool, to: Vec<String>) -> Result<(), ActError> {
    // Whoever led before may have noted it meanwhile.
    if has_passed(tx.conn, night, now)? {
        return Ok(());
    }
    let reports = reports::stored_between(tx.conn, night.came, now)?;
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
