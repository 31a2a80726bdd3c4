//! The night: the reports that are due, archives of closed segments, then values whose time is over, then the
//! verification of the whole log.
//!
//! A night comes once for every calendar date, at the time of the report, whether a report is due or not; one
//! that was missed is caught up with by the next turn. `night.passed` and the job `nightly` say that it came. Where
//! no report was stored in it, that event owes the mail with the checkpoint, so that no night is quiet.

use crate::app::{self, App, last_night, pass};
use crate::audit;
use crate::db::DbError;
use crate::trail::{ActError, store};

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
    let outcome = audit::verify_along(&app.db, options, &audit::Mark::along(&app.db, &app.config, started))?;
    if let Err(error) = audit::Mark::remember(&app.db, &app.config, &outcome, true, started) {
        tracing::warn!(%error, "verify --resume cannot go on from here");
    }
    audit::Verified::new(&outcome, started).note(&app.log())?;
    Ok(outcome)
}

/// One turn of the scheduler: whatever of the last night was not done yet.
///
/// # Errors
/// When the log cannot be read or written; what was done stays done.
pub fn night(app: &App) -> Result<(), NightlyError> {
    let made = !app::nightly(app, None)?.is_empty();
    let unverified = match last_night(app)? {
        Some(night) => {
            pass(app, night)?;
            let now = app.clock.now().0;
            // One that begins later was made under a clock that was ahead.
            app.db.read(|conn| store::job(conn, "verify"))?.is_none_or(|job| !(night.came.0..=now).contains(&job.started_at))
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
