//! The log on its way to other systems: a SIEM over syslog, anything else over a webhook.
//!
//! Each `[[forward]]` has a cursor of its own and is served by a thread of its own: what does not
//! answer is tried again ever more rarely, and holds up neither the log nor the others. The log is the
//! queue, so nothing is dropped and nothing piles up anywhere else; how far a receiver is behind is on
//! page Trail and in the metrics.
//!
//! Invariants: only leaves under a signed checkpoint leave, each with its place, its hash and the size
//! of that checkpoint, so that the receiver can prove later that it got what the log holds; in order,
//! at least once (what was not confirmed is sent again); nothing private leaves, only what leaves hold
//! in clear.
//!
//! Not here: the settings (`config::Forward`), when it runs (`jobs`), mail (`notify`).

mod cef;
mod ocsf;
mod record;
pub mod store;
mod syslog;
#[cfg(test)]
mod tests;
mod webhook;

use crate::clock::Clock;
use crate::config::{Forward, ForwardFormat, ForwardFrom};
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::{ActError, Log, store as trail};

pub use record::Record;
use store::ForwardRow;
use syslog::Syslog;
use webhook::Webhook;

/// Places of the log looked through for one delivery.
const PLACES: i64 = 2_000;
/// Deliveries made in one turn.
const DELIVERIES: usize = 50;

/// Why nothing was delivered.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The log.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The cursor could not be noted.
    #[error(transparent)]
    Act(#[from] ActError),
    /// A file of the settings.
    #[error("[[forward]] {0}: {1}")]
    Settings(String, String),
    /// The receiver did not take it; it is tried again.
    #[error("{0} did not take it: {1}")]
    Receiver(String, String),
}

/// One receiver.
pub struct Receiver {
    settings: Forward,
    way: Way,
}

/// The next delivery: everything at these places that is for the receiver.
struct Due {
    from: Seq,
    to: Seq,
    records: Vec<Record>,
}

enum Way {
    Syslog(Syslog),
    Webhook(Webhook),
}

impl Receiver {
    /// From its settings, which were checked when they were read.
    ///
    /// # Errors
    /// When a file that it names cannot be used.
    pub fn new(settings: &Forward) -> Result<Receiver, ForwardError> {
        let unfit = |e: String| ForwardError::Settings(settings.name.clone(), e);
        let way = match settings.url.split_once("://") {
            Some(("syslog+tls", address)) => Way::Syslog(Syslog::new(address, &settings.ca_file).map_err(unfit)?),
            _ => Way::Webhook(Webhook::new(settings).map_err(unfit)?),
        };
        Ok(Receiver { settings: settings.clone(), way })
    }

    /// Sends what it does not have yet, in bounded deliveries; each is noted once it is confirmed.
    ///
    /// # Errors
    /// When it is not there or refuses; what it has not confirmed is sent again at the next turn.
    pub fn turn(&self, db: &Db, log: &Log, clock: &Clock) -> Result<(), ForwardError> {
        for _ in 0..DELIVERIES {
            let Some(Due { from, to, records }) = db.read(|conn| self.due(conn))? else { return Ok(()) };
            let sent = if records.is_empty() { Ok(()) } else { self.send(&records, clock) };
            let name = self.settings.name.clone();
            let (now, failed) = (clock.now(), sent.as_ref().err().cloned());
            let next = if failed.is_none() { to } else { from };
            log.side(move |conn| store::note(conn, &name, next, now, failed.as_deref()))?;
            sent.map_err(|e| ForwardError::Receiver(self.settings.name.clone(), e))?;
        }
        Ok(())
    }

    fn send(&self, records: &[Record], clock: &Clock) -> Result<(), String> {
        match &self.way {
            Way::Syslog(syslog) => syslog.send(records, |record| body(record, self.settings.format)),
            Way::Webhook(webhook) => webhook.send(records, clock.now(), |record| body(record, self.settings.format)),
        }
    }

    /// What comes next for it; nothing if it has all that is signed.
    fn due(&self, conn: &mut Conn) -> DbResult<Option<Due>> {
        conn.snapshot(|conn| {
            let Some(signed) = trail::newest_checkpoint(conn)? else { return Ok(None) };
            let known = store::forward(conn, &self.settings.name)?;
            let from = match &known {
                Some(row) => row.next_seq,
                None if self.settings.from == ForwardFrom::Now => signed.size,
                None => 0,
            };
            let to = signed.size.min(from.saturating_add(PLACES)).max(from);
            if from == to {
                // Where it begins is noted at once: `now` is the moment it was set up.
                return Ok(known.is_none().then(|| Due { from, to, records: Vec::new() }));
            }
            let records = record::between(conn, (from, to), &signed, self.settings.entries)?;
            Ok(Some(Due { from, to, records }))
        })
    }
}

/// A record in the format of the settings.
fn body(record: &Record, format: ForwardFormat) -> String {
    match format {
        ForwardFormat::Ocsf => ocsf::event(record).to_string(),
        ForwardFormat::Cef => cef::line(record),
        ForwardFormat::Plain => record.plain().to_string(),
    }
}

/// How a receiver stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name in the settings.
    pub name: String,
    /// Leaves under a signed checkpoint that it has not got.
    pub behind: i64,
    /// What is stored of it; nothing before its first turn.
    pub row: Option<ForwardRow>,
}

/// How each receiver of the settings stands, in their order.
pub fn standings(conn: &mut Conn, settings: &[Forward]) -> DbResult<Vec<Standing>> {
    let signed = trail::newest_checkpoint(conn)?.map_or(0, |row| row.size);
    let of = |conn: &mut Conn, forward: &Forward| {
        let row = store::forward(conn, &forward.name)?;
        let behind = row.as_ref().map_or(0, |row| (signed - row.next_seq).max(0));
        Ok(Standing { name: forward.name.clone(), behind, row })
    };
    settings.iter().map(|forward| of(conn, forward)).collect()
}
