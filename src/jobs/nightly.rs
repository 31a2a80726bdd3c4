//! The night: the reports that are due, then the verification of the whole log.

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
    let outcome = verify_and_note(app)?;
    if !outcome.ok {
        tracing::error!(findings = outcome.found, "verification found what does not hold; run `counterfoil verify`");
    }
    Ok(())
}
