//! Tables of the bank's own PostgreSQL, captured by triggers: an existing core needs no code.
//!
//! `add` makes a queue and triggers in the bank's database; each change of a captured row is a row of the
//! queue, in the bank's own transaction. The leader drains it: what it reads becomes changes of records and
//! entries, each under a reference made of the installation, the row and its time; then the rows are
//! deleted. Killed in between, it reads them again, and the log knows their references: each is in the log
//! once. There is no place to go on after, so nothing can be passed over that was committed late.
//!
//! Invariants: rows of one record reach the log in their order; a row that the log refuses goes to the table
//! `rejected` with the reason and holds up nobody; what a trigger writes does not depend on the session it
//! fires in; no number goes through a float; no password is in the settings.
//!
//! Not here: what a change or an entry must look like (`records`, `ledger`), when it runs (`jobs`).

mod bank;
mod drain;
mod install;
mod names;
mod reconcile;
mod restore;

pub use bank::{Standing, Table as TableStanding, list, standings};
pub use drain::Drainer;
pub use install::{Added, Removed, Spec, add};
pub use reconcile::{Difference, Found, Reconcile};
pub use restore::{Offer, offer};

/// The columns of a table that the type of its records seals, by the settings.
pub use drain::sealed_by_type;

use crate::app::LeaderError;
use crate::config::{Capture, CapturedTable, Config};
use crate::db::{DbError, Outside};
use crate::records::Kinds;
use crate::trail::ActError;

/// Why something about a capture was not done.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The bank's database, or ours.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The log.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The leader.
    #[error(transparent)]
    Leader(#[from] LeaderError),
    /// It cannot be; for people, with the next step.
    #[error("{0}")]
    Refused(String),
}

fn refused<T>(text: impl Into<String>) -> Result<T, CaptureError> {
    Err(CaptureError::Refused(text.into()))
}

/// Connects to the database of a capture as its settings say.
///
/// # Errors
/// When the file with the password cannot be read, or nobody answers.
pub fn connect(capture: &Capture) -> Result<Outside, CaptureError> {
    connect_to(capture, &capture.url, &capture.password_file)
}

fn connect_to(capture: &Capture, url: &str, password_file: &str) -> Result<Outside, CaptureError> {
    if password_file.is_empty() {
        return Ok(Outside::connect(url, None)?);
    }
    let text = std::fs::read_to_string(password_file)
        .map_err(|e| CaptureError::Refused(format!("[[capture]] {}: password file {password_file}: {e}", capture.name)))?;
    Ok(Outside::connect(url, Some(text.trim_end_matches(['\r', '\n'])))?)
}

/// Whether the settings mean this table, with or without its schema.
pub fn is_called(table: &CapturedTable, name: &str) -> bool {
    table.table == name || table.table.rsplit('.').next() == Some(name)
}

/// Each table that is captured there or named in the settings, with everything that is not as it should be.
///
/// # Errors
/// When the bank's database does not answer.
pub fn check(bank: &mut Outside, settings: &Capture, config: &Config) -> Result<Vec<(String, Vec<String>)>, CaptureError> {
    let there = match install::store::installation(bank)? {
        Some(_) => install::store::captured(bank)?,
        None => Vec::new(),
    };
    let kinds = Kinds::new(&config.records);
    let mut found = Vec::new();
    for captured in &there {
        let known = settings.table.iter().find(|table| table.table == captured.name);
        let of_type = known.map(|table| drain::sealed_by_type(&kinds, table)).unwrap_or_default();
        let mut problems = install::check(bank, captured, known.map(|table| (table, &of_type[..])))?;
        if let (Some(table), Some(owner)) = (known, &captured.drained_as)
            && owner.source != settings.source()
        {
            let we = install::store::Owner { log: owner.log.clone(), source: settings.source().to_owned() };
            problems.push(drain::another(table, owner, &we, &config.capture));
        }
        found.push((captured.name.clone(), problems));
    }
    for table in settings.table.iter().filter(|table| !there.iter().any(|captured| captured.name == table.table)) {
        found.push((table.table.clone(), vec!["is in the settings and not captured: run `capture add`".to_owned()]));
    }
    Ok(found)
}

/// Takes a table's capture away; `note` is told before it is committed.
///
/// # Errors
/// When rows are left and `discard` is not wanted, or `note` fails: then nothing is taken away.
pub fn remove(
    bank: &mut Outside,
    table: &str,
    discard: bool,
    note: impl FnOnce(&Removed, &str) -> Result<(), CaptureError>,
) -> Result<Removed, CaptureError> {
    let captured = install::captured(bank, table)?;
    install::remove(bank, &captured, discard, note)
}
