//! What every door holds: settings, database, clock, and the way into the log.
//!
//! A process that has the lease is the [`App`]. A command that finds the lease taken hands its
//! work to the leader through the table `inbox` and waits for the answer ([`Leader`]): every
//! command works the same beside a running `serve`.
//!
//! Not here: what a request does (the rooms below), how it is asked for (`cli`, `web`).

mod approved;
mod importing;
mod inbox;
mod privacy;
mod requests;
mod rows;
mod store;

use std::sync::Arc;

pub use approved::carry_out_due;
pub use inbox::{Inbox, Leader, LeaderError};
pub use privacy::PrivacyRequest;
pub use requests::{Request, RequestError, nightly, perform};
pub use rows::{WireResult, WireRow};

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Conn, Db, DbError, DbResult};
use crate::intake::{self, Intake, StartError};
use crate::ledger::BusinessCalendar;
use crate::privacy::register;
use crate::trail::keys::KeyFolder;
use crate::trail::{ActError, Log, Signer, sealing};

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
    /// Signs checkpoints of the log.
    pub signer: Arc<Signer>,
}

impl App {
    /// Takes the lease and opens the log for writing; [`StartError::Held`] if another has it.
    pub fn start(config: Config, db: Db, clock: Clock) -> Result<App, StartError> {
        let intake = intake::start(&db, &config, clock.clone())?;
        let app = App::new(config, db, clock, intake)?;
        app.reapply_erasures()?;
        app.sign();
        Ok(app)
    }

    /// Over a database that is already written by `intake`.
    ///
    /// # Errors
    /// When the key that signs the log cannot be read or made.
    pub fn new(config: Config, db: Db, clock: Clock, intake: Intake) -> DbResult<App> {
        let calendar = Arc::new(BusinessCalendar::new(&config.bank));
        let signer = Arc::new(Signer::open(&db, &config, clock.clone())?);
        Ok(App { config: Arc::new(config), db, clock, calendar, intake, signer })
    }

    /// Erases again what an older copy of the database holds, before anybody reads it.
    fn reapply_erasures(&self) -> DbResult<()> {
        let keys = KeyFolder::of(&self.config, self.db.address());
        let done = register::reapply(&self.db, &self.log(), &keys);
        let done = done.map_err(|error| match error {
            ActError::Db(error) => error,
            other => DbError::Unfit(format!("the register of erasures could not be applied: {other}")),
        });
        if done.is_err() {
            self.intake.halt();
        }
        done.map(drop)
    }

    /// Whether sensitive fields can be sealed now.
    ///
    /// # Errors
    /// When the database or a key file cannot be read.
    pub fn sealing(&self, conn: &mut Conn) -> DbResult<sealing::Status> {
        let origin = crate::trail::store::state(conn)?.map(|state| state.origin).unwrap_or_default();
        sealing::status(conn, &KeyFolder::of(&self.config, self.db.address()), &origin)
    }

    /// Signs the log as it stands. What cannot be signed or kept is said in the program's own log and
    /// tried again: what is committed is not lost by it.
    pub fn sign(&self) {
        if let Err(error) = self.signer.sign(&self.log()) {
            tracing::error!(%error, "no checkpoint could be signed or kept outside the database; it is tried again");
        }
    }

    /// Takes nothing more, commits what waits, signs the log and lets it go.
    pub fn stop(&self) {
        self.intake.announce_stop();
        self.sign();
        self.intake.halt();
    }

    /// The handle through which acts are recorded.
    pub fn log(&self) -> Log {
        self.intake.log()
    }
}
