//! The night: the reports that are due, archives of closed segments, then values whose time is over, then the verification of the whole log.

use crate::app::{self, App};
use crate::audit;
use crate::db::DbError;
use crate::trail::ActError;

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

/// One turn of the scheduler.
pub(super) fn due(app: &App) -> Result<(), NightlyError> {
    if app::nightly(app, None)?.is_empty() {
        return Ok(());
    }
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
