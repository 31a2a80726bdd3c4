//! What a run needs of whoever holds the log for writing, and its first and last act.

use std::sync::mpsc::{self, Receiver};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::detect::Severity;
use crate::ids::Seq;
use crate::intake::{Delivery, DeliveryKind, Failed, Intake, Row, RowResult, Submission};
use crate::notify::MailKind;
use crate::notify::store::{owe, owed_rows, promising};
use crate::trail::{ActError, ActTx, NewEvent};

use super::ImportError;
use super::store::{self, DONE, RunRow};

/// The answer to a batch, once it is committed.
pub type Ticket = Receiver<Result<Vec<RowResult>, Failed>>;

/// What a run begins with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// The source.
    pub source: Seq,
    /// The recorded time, microseconds.
    pub now: i64,
    /// The log's size: everything of this run comes at or after it.
    pub size: Seq,
}

/// A batch for the log.
pub struct Batch {
    /// The source.
    pub source: Seq,
    /// The file, for the delivery; private.
    pub origin: String,
    /// Of the past.
    pub history: bool,
    /// In the file's order.
    pub rows: Vec<Row>,
}

/// The end of a run: recorded, noted and mailed in one transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finish {
    /// The run as it is to be noted.
    pub run: RunRow,
    /// The source.
    pub source: Seq,
    /// Of the past.
    pub history: bool,
    /// Rows that the profile left out.
    pub skipped: u64,
    /// Breaks opened and still open.
    pub breaks: u64,
    /// The file's name; private.
    pub file: String,
    /// The profile's name; private.
    pub profile: Option<String>,
    /// Who is mailed a summary; empty unless a history was imported.
    pub mail_to: Vec<String>,
}

impl Finish {
    /// `import.finished`: counts for everybody, the file's name and digest in the private part.
    fn event(&self) -> NewEvent {
        let run = &self.run;
        let body = json!({
            "source": self.source, "history": self.history, "read": run.rows_done, "recorded": run.recorded,
            "duplicates": run.duplicates, "rejected": run.rejected, "skipped": self.skipped, "hits": run.hits,
            "breaks": self.breaks, "name": run.source, "started_at": run.started_at,
        });
        let private = json!({ "file": self.file, "digest": run.digest, "profile": self.profile });
        promising("import.finished", body, Some(private), &self.mail_to)
    }
}

/// Whoever holds the log for writing: this process, or another one through the inbox.
pub trait Leader {
    /// Finds or makes the source, and says that the file with this digest is read.
    fn begin(&self, source: &str, digest: &str) -> Result<Begun, ImportError>;
    /// Takes a batch, waiting for room; the ticket answers after the commit, in order.
    fn submit(&self, batch: Batch) -> Result<Ticket, ImportError>;
    /// Notes how far the run has come.
    fn note(&self, run: RunRow) -> Result<(), ImportError>;
    /// Ends the run.
    fn finish(&self, finish: Finish) -> Result<(), ImportError>;
}

/// This process holds the log.
pub struct Local<'a>(pub &'a Intake);

impl Leader for Local<'_> {
    fn begin(&self, source: &str, digest: &str) -> Result<Begun, ImportError> {
        let (name, digest) = (source.to_owned(), digest.to_owned());
        Ok(self.0.log().act(move |tx| begin(tx, &name, &digest))?)
    }

    fn submit(&self, batch: Batch) -> Result<Ticket, ImportError> {
        let (answer, ticket) = mpsc::sync_channel(1);
        let submission = Submission {
            source: batch.source,
            delivery: Delivery { kind: DeliveryKind::Import, api_key: None, origin: Some(batch.origin) },
            rows: batch.rows,
            atomic: false,
            history: batch.history,
            // Nobody waits any more when the import has stopped over an earlier batch.
            reply: Box::new(move |results| drop(answer.send(results))),
        };
        self.0.submit_wait(submission).map_err(|e| ImportError::Stopped(e.to_string()))?;
        Ok(ticket)
    }

    fn note(&self, run: RunRow) -> Result<(), ImportError> {
        Ok(self.0.log().side(move |conn| store::save(conn, &run))?)
    }

    fn finish(&self, finish: Finish) -> Result<(), ImportError> {
        Ok(self.0.log().act(move |tx| end(tx, finish))?)
    }
}

/// The first act of a run.
pub fn begin(tx: &mut ActTx<'_>, source: &str, digest: &str) -> Result<Begun, ActError> {
    let source = crate::access::keys::ensure_source(tx, source)?;
    let (body, private) = (json!({ "source": source }), json!({ "digest": digest }));
    tx.append(NewEvent::with_private("import.started", body, private))?;
    Ok(Begun { source, now: tx.now().0, size: tx.log_size() })
}

/// The last act of a run.
pub fn end(tx: &mut ActTx<'_>, finish: Finish) -> Result<(), ActError> {
    let now = tx.now();
    let seq = tx.append(finish.event())?;
    let rows = owed_rows(MailKind::History, seq, &finish.mail_to, Severity::Low, now);
    owe(tx.conn, &rows)?;
    let run = RunRow { state: DONE.into(), updated_at: now.0, ..finish.run };
    Ok(store::save(tx.conn, &run)?)
}
