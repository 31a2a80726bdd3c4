//! Work handed to the leader: the leader's reader, and the command that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clock::{Clock, DAY};
use crate::config::Config;
use crate::db::{Db, DbError, bulk, migrate};
use crate::intake::StartError;

use super::App;
use super::requests::{Request, RequestError, perform};
use super::store::{self, InboxRow};

/// How often the leader looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Requests taken at once.
const TAKE: i64 = 16;
/// How long a command waits for its answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers requests as long as this lives.
pub struct Inbox {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Inbox {
    /// Begins to answer.
    pub fn open(app: App) -> std::io::Result<Inbox> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let work = move || {
            let now = app.clock.now().0;
            let _ = app.log().side(move |conn| store::sweep(conn, now - DAY));
            while !stopped.load(Ordering::Acquire) {
                if let Err(error) = answer_waiting(&app) {
                    tracing::warn!(%error, "the inbox could not be read");
                }
                std::thread::sleep(LOOK_EVERY);
            }
        };
        let thread = std::thread::Builder::new().name("inbox".into()).spawn(work)?;
        Ok(Inbox { stop, thread: Some(thread) })
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer_waiting(app: &App) -> Result<(), DbError> {
    for row in app.db.read(|conn| store::waiting(conn, TAKE))? {
        let result = match serde_json::from_str::<Request>(&row.request) {
            Ok(request) => {
                let ends = request.ends_a_command();
                let done = perform(app, request);
                if ends {
                    app.sign();
                }
                done
            }
            Err(error) => Err(RequestError::failed(format!("the leader does not know this request: {error}"))),
        };
        let answer = match result {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error }),
        };
        let (id, now, text) = (row.id, app.clock.now().0, answer.to_string());
        let stored = app.log().side(move |conn| store::set_answer(conn, id, &text, now));
        stored.map_err(|e| DbError::Unfit(e.to_string()))?;
    }
    Ok(())
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The log could not be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The work was refused or failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Nobody answered.
    #[error("another process holds the log but did not answer within {} s; is it running?", PATIENCE.as_secs())]
    Silent,
}

/// Whoever writes the log: this process, or another that is asked.
pub enum Leader {
    /// This process has the lease.
    Here(Box<App>, Inbox),
    /// Another has it.
    Elsewhere(Box<Config>, Db, Clock),
}

impl Leader {
    /// Takes the lease if it is free.
    pub fn find(config: Config, clock: Clock) -> Result<Leader, LeaderError> {
        let db = Db::open(&config.database.url, config.database.readers)?;
        match App::start(config.clone(), db.clone(), clock.clone()) {
            Ok(app) => {
                let inbox = Inbox::open(app.clone()).map_err(StartError::Thread)?;
                Ok(Leader::Here(Box::new(app), inbox))
            }
            Err(StartError::Held) => {
                migrate::require_current(&mut db.connect()?)?;
                Ok(Leader::Elsewhere(Box::new(config), db, clock))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// For reading.
    pub fn db(&self) -> &Db {
        match self {
            Leader::Here(app, _) => &app.db,
            Leader::Elsewhere(_, db, _) => db,
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        match self {
            Leader::Here(app, _) => &app.config,
            Leader::Elsewhere(config, ..) => config,
        }
    }

    /// Does the work, here or there; returns after its commit.
    pub fn perform(&self, request: Request) -> Result<Value, LeaderError> {
        match self {
            Leader::Here(app, _) => Ok(perform(app, request)?),
            Leader::Elsewhere(_, db, clock) => ask(db, clock, &request),
        }
    }

    /// Lets the log go, after everything is committed.
    pub fn close(self) {
        if let Leader::Here(app, inbox) = self {
            drop(inbox);
            app.stop();
        }
    }
}

fn ask(db: &Db, clock: &Clock, request: &Request) -> Result<Value, LeaderError> {
    let text = serde_json::to_string(request).map_err(|e| RequestError::failed(e.to_string()))?;
    let id = i64::from_be_bytes(clock.random::<8>()) & i64::MAX;
    let row = InboxRow { id, created_at: clock.now().0, request: text, answer: None, answered_at: None };
    let mut conn = db.connect()?;
    conn.write(|conn| bulk::append(conn, &[row]))?;
    let asked = Instant::now();
    let mut pause = Duration::from_millis(5);
    let answer = loop {
        if let Some(answer) = store::answer(&mut conn, id)? {
            break Some(answer);
        }
        if asked.elapsed() > PATIENCE {
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    conn.write(|conn| store::remove(conn, id))?;
    let answer = answer.ok_or(LeaderError::Silent)?;
    let mut answer: Value = serde_json::from_str(&answer).map_err(|e| RequestError::failed(e.to_string()))?;
    match answer.get_mut("error").map(Value::take) {
        None => Ok(answer.get_mut("ok").map(Value::take).unwrap_or_default()),
        Some(error) => {
            let error = serde_json::from_value(error).unwrap_or_else(|e| RequestError::failed(e.to_string()));
            Err(error.into())
        }
    }
}
