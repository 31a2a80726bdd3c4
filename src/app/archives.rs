//! Archives of closed segments, made by the clock: each once.

use std::path::PathBuf;

use serde_json::json;

use crate::clock::DAY;
use crate::clock::Moment;
use crate::export::ExportError;
use crate::export::archive::{self, ArchiveRequest};
use crate::trail::ActError;

use super::App;

/// Archives of one night at most: the next night goes on.
pub const NIGHT_MAX: usize = 64;

/// Why an archive was not made.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It could not be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// It could not be recorded.
    #[error(transparent)]
    Act(#[from] ActError),
}

/// Archives every segment that is due, if the settings name a folder; answers the folders made. At most
/// [`NIGHT_MAX`] in one go.
///
/// # Errors
/// When one cannot be made; those before it stay.
pub fn archive_due(app: &App) -> Result<Vec<PathBuf>, ArchiveError> {
    let settings = &app.config.archive;
    if settings.folder.is_empty() {
        return Ok(Vec::new());
    }
    // Signed first, so that what is old enough is covered.
    app.sign();
    let before = Moment(app.clock.now().0 - i64::from(settings.after_days) * DAY);
    let due = archive::segments_due(&app.db, settings.segment_leaves, before)?;
    let mut made = Vec::new();
    for (from, to) in due.into_iter().take(NIGHT_MAX) {
        let name = format!("{}-{from:012}-{:012}", app.config.book_name(), to - 1);
        let out = PathBuf::from(&settings.folder).join(name);
        let request = ArchiveRequest {
            from,
            to,
            ndjson: settings.format.ndjson(),
            parquet: settings.format.parquet(),
            private: settings.private,
        };
        let note = |body| {
            app.log().act(move |tx| archive::made(tx, body, json!({ "by": "night" })))?;
            Ok::<_, ArchiveError>(())
        };
        archive::make(&app.db, &request, &out, note, &|_, _| {})?;
        made.push(out);
    }
    Ok(made)
}
