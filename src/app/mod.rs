//! What every door holds: settings, database, clock, and the way into the log.
//!
//! A process that serves is an [`App`]: it leads (it has the lease and writes) or stands by: it reads, asks
//! the leader to record what has to be recorded, and takes the lease when it falls free. A command that
//! finds the lease taken hands its work to the leader through the table `inbox` and waits for the answer ([`Leader`]): every
//! command works the same beside a running `serve`.
//!
//! Not here: what a request does (the rooms below), how it is asked for (`cli`, `web`).

mod approved;
mod archives;
mod books;
mod breaks;
mod changes;
mod importing;
mod inbox;
mod nights;
mod post;
mod privacy;
mod requests;
mod reversal;
mod rows;
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use approved::carry_out_due;
pub use archives::{ArchiveError, archive_due};
pub use books::{Books, open_db, require_apart};
pub use breaks::BreakName;
pub use changes::WireChanges;
pub use inbox::{Inbox, Leader, LeaderError};
pub use nights::{Night, is_past, last_night, pass};
pub use post::StandBy;
pub use privacy::{PrivacyRequest, prune};
pub use requests::{IN_STEPS, Request, RequestError, nightly};
pub use rows::{WireResult, WireRow};

use crate::clock::Clock;
use crate::config::{Config, Roles};
use crate::db::{Conn, Db, DbError, DbResult, migrate, roles};
use crate::intake::{self, Intake, StartError};
use crate::ledger::history::Newest;
use crate::ledger::{BusinessCalendar, leaves};
use crate::privacy::register;
use crate::records::Recorder;
use crate::trail::keys::KeyFolder;
use crate::trail::store::LeaderRow;
use crate::trail::{self, ActError, Log, Signer, attempts, sealing};
use post::Post;

/// How long an instance that stands by waits for the first leader to make the log.
const LOG_WITHIN: Duration = Duration::from_secs(60);

/// Refuses a PostgreSQL that this process should not write to.
fn fit(config: &Config, db: &Db) -> DbResult<()> {
    if !db.address().is_remote() {
        return Ok(());
    }
    let mut conn = db.connect()?;
    migrate::require_own(&mut conn)?;
    if !roles::require(&mut conn, config.database.roles == Roles::Split)? {
        tracing::warn!(
            "this role may change the schema and what was appended; `counterfoil migrate roles` prints how to split the roles"
        );
    }
    Ok(())
}

/// One running instance, which leads or stands by. Cheap to clone.
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
    post: Arc<Post>,
    /// Signs checkpoints of the log.
    pub signer: Arc<Signer>,
    recorder: Arc<Recorder>,
    /// Where each account's newest entry is.
    pub newest: Arc<Newest>,
}

impl App {
    /// Takes the lease and opens the log for writing; [`StartError::Held`] if another has it.
    ///
    /// # Errors
    /// Also when PostgreSQL's schema is not this program's, or this role may do more than write.
    pub fn start(config: Config, db: Db, clock: Clock) -> Result<App, StartError> {
        fit(&config, &db)?;
        let intake = intake::start(&db, &config, clock.clone())?;
        let app = App::new(config, db, clock, intake)?;
        app.reapply_erasures()?;
        app.end_acts();
        app.sign();
        Ok(app)
    }

    /// Leads if nobody does, else stands by; waits for a leader that is still making the log, and leaves the lease to
    /// others for as long as the settings say.
    ///
    /// # Errors
    /// As [`App::start`], but for a lease that another process has.
    pub fn open(config: Config, db: Db, clock: Clock) -> Result<App, StartError> {
        let began = Instant::now();
        let yields = Duration::from_secs(config.database.lead_after_seconds.into());
        loop {
            if began.elapsed() >= yields {
                match App::start(config.clone(), db.clone(), clock.clone()) {
                    Err(StartError::Held) => {}
                    other => return other,
                }
            }
            let made = migrate::require_own(&mut db.connect()?);
            let made = made.and_then(|()| db.read(trail::store::state));
            match made {
                Ok(Some(_)) => break,
                Err(error) if began.elapsed() > yields + LOG_WITHIN => return Err(error.into()),
                _ if began.elapsed() > yields + LOG_WITHIN => return Err(StartError::Held),
                _ => std::thread::sleep(Duration::from_millis(200)),
            }
        }
        let post = Post::standing(db.clone(), clock.clone());
        let app = App::made(config, db, clock, post)?;
        app.look_for_leader();
        Ok(app)
    }

    /// Over a database that is already written by `intake`.
    ///
    /// # Errors
    /// When the key that signs the log cannot be read or made.
    pub fn new(config: Config, db: Db, clock: Clock, intake: Intake) -> DbResult<App> {
        let post = Post::standing(db.clone(), clock.clone());
        post.lead(intake);
        App::made(config, db, clock, post)
    }

    fn made(config: Config, db: Db, clock: Clock, post: Arc<Post>) -> DbResult<App> {
        let calendar = Arc::new(BusinessCalendar::new(&config.bank));
        let signer = Arc::new(Signer::open(&db, &config, clock.clone(), leaves::hashes)?);
        let recorder = Arc::new(Recorder::new(&config, db.address()));
        Ok(App { config: Arc::new(config), db, clock, calendar, post, signer, recorder, newest: Arc::default() })
    }

    /// Takes the lease if it is free and leads from then on; [`StartError::Held`] if another has it.
    ///
    /// # Errors
    /// As [`App::start`].
    pub fn lead(&self) -> Result<(), StartError> {
        let lease = self.db.lease()?.ok_or(StartError::Held)?;
        fit(&self.config, &self.db)?;
        let intake = intake::start_with(lease, &self.db, &self.config, self.clock.clone())?;
        if let Err(error) = self.signer.reload(&self.db) {
            intake.stop();
            return Err(error.into());
        }
        self.post.lead(intake);
        self.reapply_erasures()?;
        self.end_acts();
        self.sign();
        Ok(())
    }

    /// Tells those that stand by where this process answers.
    pub fn answer_at(&self, url: String) {
        let Ok(intake) = self.intake() else { return };
        let row = LeaderRow { epoch: intake.epoch(), url, since: self.clock.now().0 };
        if let Err(error) = self.log().side(move |conn| trail::store::set_leader(conn, &row)) {
            tracing::warn!(%error, "those that stand by do not know where this process answers");
        }
    }

    /// Whether this process still leads; see [`Intake::leads`].
    pub fn leads(&self) -> bool {
        self.intake().is_ok_and(|intake| intake.leads())
    }

    /// Lets the log go: another process leads now.
    pub fn step_down(&self) {
        if let Some(intake) = self.post.stand(StandBy::default()) {
            intake.halt();
        }
        self.look_for_leader();
    }

    /// Reads where the leader answers, if this process stands by.
    pub fn look_for_leader(&self) {
        if self.intake().is_err()
            && let Ok(row) = self.db.read(trail::store::leader)
        {
            let leader = row.map(|row| row.url).filter(|url| !url.is_empty());
            self.post.stand(StandBy { leader });
        }
    }

    /// The way in for entries.
    ///
    /// # Errors
    /// Where the leader is, when it is not this process.
    pub fn intake(&self) -> Result<Intake, StandBy> {
        self.post.intake()
    }

    /// Where the leader is, when it is not this process.
    pub fn stands_by(&self) -> Option<StandBy> {
        self.post.intake().err()
    }

    /// Erases again what an older copy of the database holds, before anybody reads it.
    fn reapply_erasures(&self) -> DbResult<()> {
        let keys = KeyFolder::of(&self.config, self.db.address());
        let done = register::reapply(&self.db, &self.log(), &keys);
        let done = done.map_err(|error| match error {
            ActError::Db(error) => error,
            other => DbError::Unfit(format!("the register of erasures could not be applied: {other}")),
        });
        if done.is_err()
            && let Ok(intake) = self.intake()
        {
            intake.halt();
        }
        done.map(drop)
    }

    /// Ends as unknown what was attempted by a process that is gone. What cannot be ended now is at the next start.
    fn end_acts(&self) {
        match attempts::end_open(&self.log()) {
            Ok(0) => {}
            Ok(count) => {
                tracing::warn!(count, "acts were begun whose end nobody recorded; they are recorded as of unknown outcome")
            }
            Err(error) => tracing::error!(%error, "acts without an end could not be ended"),
        }
    }

    /// The log's name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn origin(&self) -> DbResult<String> {
        self.db.read(origin)
    }

    /// Whether sensitive fields can be sealed now.
    ///
    /// # Errors
    /// When the database or a key file cannot be read.
    pub fn sealing(&self, conn: &mut Conn) -> DbResult<sealing::Status> {
        let origin = origin(conn)?;
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
        let Ok(intake) = self.intake() else { return };
        intake.announce_stop();
        self.sign();
        intake.halt();
    }

    /// The handle through which acts are recorded.
    pub fn log(&self) -> Log {
        Log::new(self.post.clone())
    }
}

fn origin(conn: &mut Conn) -> DbResult<String> {
    Ok(crate::trail::store::state(conn)?.map(|state| state.origin).unwrap_or_default())
}
