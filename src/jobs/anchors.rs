//! Checkpoints that do not come back: an event and a mail to whoever gets alerts, once until one does.

use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::app::App;
use crate::db::DbResult;
use crate::detect::Severity;
use crate::ids::Seq;
use crate::notify::MailKind;
use crate::notify::store::{owe, owed_rows, promising};
use crate::trail::anchor_age::AnchorAge;
use crate::trail::{ActError, store};

/// The kind of the event.
const OVERDUE: &str = "anchor.overdue";

/// What was told of the present episode: it begins with a return, or with the log.
#[derive(Default)]
pub struct AnchorWatch {
    /// The return it began with, once that is known to have been told.
    told: Mutex<Option<Option<Seq>>>,
}

impl AnchorWatch {
    /// Looks once; answers the event if the age has gone beyond the limit and that was not told yet.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn turn(&self, app: &App) -> Result<Option<Seq>, ActError> {
        let (now, limit) = (app.clock.now(), app.config.anchor.max_age_hours);
        let Some(age) = app.db.read(|conn| AnchorAge::read(conn, now))?.filter(|age| age.is_beyond(limit)) else {
            return Ok(None);
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == Some(age.anchor) {
            return Ok(None);
        }
        // Read once in an episode and process: no index leads to events by their kind.
        let from = age.anchor.unwrap_or(0);
        let known = app.db.read(|conn| -> DbResult<bool> { Ok(store::event_after(conn, OVERDUE, from)?.is_some()) })?;
        let seq = if known { None } else { Some(tell(app, age, limit)?) };
        *told = Some(age.anchor);
        Ok(seq)
    }
}

fn tell(app: &App, age: AnchorAge, limit: u32) -> Result<Seq, ActError> {
    let to = if app.config.mail.url.is_empty() { Vec::new() } else { app.config.mail.alerts_to.clone() };
    let body = json!({
        "anchor": age.anchor, "since": age.since.to_string(), "age_hours": age.hours, "limit_hours": limit,
    });
    app.log().act(move |tx| {
        let seq = tx.append(promising(OVERDUE, body, None, &to))?;
        let rows = owed_rows(MailKind::Notice, seq, &to, Severity::High, tx.now());
        owe(tx.conn, &rows)?;
        Ok(seq)
    })
}
