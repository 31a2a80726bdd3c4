//! What every door holds: settings, database, clock, and the way into the log.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::intake::Intake;
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
