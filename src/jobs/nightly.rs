//! The night: the reports that are due, then the verification of the whole log.

use serde_json::json;

use crate::app::{self, App};
use crate::audit;
use crate::db::DbError;
use crate::trail::{ActError, store as trail_store};

use super::store;

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

/// Verifies the whole log and notes the outcome for page Trail and the reports.
pub fn verify_and_note(app: &App) -> Result<audit::Outcome, NightlyError> {
    let started = app.clock.now();
    let size = app.db.read(trail_store::state)?.map_or(0, |state| state.size);
    let options = audit::Options { account: None, sources: &app.config.source, progress: &|_, _| {} };
    let outcome = audit::verify(&app.db, options)?;
    let level = outcome.levels.last().map_or("", |level| level.level);
    let now = app.clock.now();
    let body = json!({
        "size": size, "at": now.to_string(), "ok": outcome.ok, "level": level, "findings": outcome.findings.len(),
    });
    app.log().side(move |conn| store::note(conn, "verify", started, now, &body.to_string()))?;
    Ok(outcome)
}

/// One turn of the scheduler.
pub(super) fn due(app: &App) -> Result<(), NightlyError> {
    if app::nightly(app, None)?.is_empty() {
        return Ok(());
    }
    let outcome = verify_and_note(app)?;
    if !outcome.ok {
        tracing::error!(findings = outcome.findings.len(), "verification found what does not hold; run `counterfoil verify`");
    }
    Ok(())
}
