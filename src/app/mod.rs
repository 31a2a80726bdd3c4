//! What every door holds: settings, database, clock, and the way into the log.
//!
//! A process that has the lease is the [`App`]. A command that finds the lease taken hands its
//! work to the leader through the table `inbox` and waits for the answer ([`Leader`]): every
//! command works the same beside a running `serve`.
//!
//! Not here: what a request does (the rooms below), how it is asked for (`cli`, `web`).

mod importing;
mod inbox;
mod requests;
mod rows;
mod store;

use std::sync::Arc;

pub use inbox::{Inbox, Leader, LeaderError};
pub use requests::{Request, RequestError, nightly, perform};
pub use rows::{WireResult, WireRow};

use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::intake::{self, Intake, StartError};
use crate::ledger::BusinessCalendar;
use crate::trail::Log;

/// One running instance that holds the log for writing. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// For reading.
    pub db: Db,
    /// The time and random bytes.
    pub clock: Clock,
    /// The bank's days.
    pub calendar: Arc<BusinessCalendar>,
    /// The way in for entries.
    pub intake: Intake,
}

impl App {
    /// Takes the lease and opens the log for writing; [`StartError::Held`] if another has it.
    pub fn start(config: Config, db: Db, clock: Clock) -> Result<App, StartError> {
        let intake = intake::start(&db, &config, clock.clone())?;
        Ok(App::new(config, db, clock, intake))
    }

    /// Over a database that is already written by `intake`.
    pub fn new(config: Config, db: Db, clock: Clock, intake: Intake) -> App {
        let calendar = Arc::new(BusinessCalendar::new(&config.bank));
        App { config: Arc::new(config), db, clock, calendar, intake }
    }

    /// The handle through which acts are recorded.
    pub fn log(&self) -> Log {
        self.intake.log()
    }
}
