//! That the log was verified, in the log.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::store::{JobRow, note_job, state};
use crate::trail::{ActError, Log, NewEvent};

use super::Outcome;

/// What a whole verification came to, for the log and page Trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// When it began, microseconds.
    pub started_at: i64,
    /// Leaves there were.
    pub size: i64,
    /// The root over them, in hex.
    pub root: String,
    /// Whether nothing was found.
    pub ok: bool,
    /// The last level.
    pub level: String,
    /// How many findings, those that were only counted included.
    pub findings: u64,
    /// Who asked for it, if somebody did, for the private part; the nightly one has nobody.
    #[serde(default)]
    pub whence: Option<Value>,
}

impl Verified {
    /// Of an outcome.
    pub fn new(outcome: &Outcome, started: Moment) -> Verified {
        Verified {
            started_at: started.0,
            size: outcome.size,
            root: outcome.root.clone(),
            ok: outcome.ok,
            level: outcome.levels.last().map_or("", |level| level.level).to_owned(),
            findings: outcome.found,
            whence: None,
        }
    }

    /// Asked for by this user of a machine.
    #[must_use]
    pub fn by(self, whence: Value) -> Verified {
        Verified { whence: Some(whence), ..self }
    }

    /// Notes it: event `log.verified` and the row of the job, in one act.
    pub fn note(self, log: &Log) -> Result<Seq, ActError> {
        log.act(move |tx| {
            let at = tx.now();
            let body = json!({
                "started_at": self.started_at, "at": at.to_string(), "size": self.size, "root": self.root, "ok": self.ok,
                "level": self.level, "findings": self.findings,
            });
            let text = body.to_string();
            let event = match self.whence {
                Some(whence) => NewEvent::with_private("log.verified", body, whence),
                None => NewEvent::public("log.verified", body),
            };
            let seq = tx.append(event)?;
            let row =
                JobRow { name: "verify".to_owned(), started_at: self.started_at, finished_at: Some(at.0), outcome: Some(text) };
            note_job(tx.conn, &row)?;
            Ok(seq)
        })
    }
}

/// Whether there is a log at all.
pub fn is_begun(conn: &mut Conn) -> DbResult<bool> {
    Ok(state(conn)?.is_some())
}
