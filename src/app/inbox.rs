//! Work handed to the leader: the leader's reader, and the command that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clock::{Clock, DAY};
use crate::config::Config;
use crate::db::{Channel, Db, DbError, Waiter, bulk, migrate, wake};
use crate::intake::StartError;

use super::App;
use super::requests::{Asked, Request, RequestError, carry};
use super::store::{self, InboxRow};

/// How often the leader looks where nobody can wake it, and where everybody does.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOK_ANYWAY: Duration = Duration::from_secs(2);
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
            let mut waiter = Waiter::new(&app.db, Channel::Inbox);
            while !stopped.load(Ordering::Acquire) {
                match answer_waiting(&app) {
                    // As many as are taken at once: there may be more.
                    Ok(answered) if answered == TAKE as usize => continue,
                    Ok(_) => waiter.wait(LOOK_EVERY, LOOK_ANYWAY, || stopped.load(Ordering::Acquire)),
                    Err(error) => {
                        tracing::warn!(%error, "the inbox could not be read");
                        std::thread::sleep(LOOK_EVERY);
                    }
                }
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

/// Answers what waits, at most [`TAKE`]; answers how many.
fn answer_waiting(app: &App) -> Result<usize, DbError> {
    let waiting = app.db.read(|conn| store::waiting(conn, TAKE))?;
    let count = waiting.len();
    for row in waiting {
        let result = match serde_json::from_str::<Asked>(&row.request) {
            Ok(asked) => {
                let ends = asked.request.ends_a_command();
                let done = carry(app, asked);
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
    Ok(count)
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
    #[error("another process holds the log but did not answer within {0} s; is it running?")]
    Silent(u64),
}

/// Whoever writes the log: this process, or another that is asked; and who runs this one, for the
/// private part of what they do.
pub enum Leader {
    /// This process has the lease.
    Here(Box<App>, Inbox, Value),
    /// Another has it.
    Elsewhere(Box<Config>, Db, Clock, Value),
}

impl Leader {
    /// Takes the lease if it is free; `whence` says who runs this process.
    pub fn find(config: Config, clock: Clock, whence: Value) -> Result<Leader, LeaderError> {
        let db = Db::open(&config.database.url, config.database.readers)?;
        match App::start(config.clone(), db.clone(), clock.clone()) {
            Ok(app) => {
                let inbox = Inbox::open(app.clone()).map_err(StartError::Thread)?;
                Ok(Leader::Here(Box::new(app), inbox, whence))
            }
            Err(StartError::Held) => {
                migrate::require_current(&mut db.connect()?)?;
                Ok(Leader::Elsewhere(Box::new(config), db, clock, whence))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// For reading.
    pub fn db(&self) -> &Db {
        match self {
            Leader::Here(app, ..) => &app.db,
            Leader::Elsewhere(_, db, ..) => db,
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        match self {
            Leader::Here(app, ..) => &app.config,
            Leader::Elsewhere(config, ..) => config,
        }
    }

    /// Does the work, here or there; returns after its commit. An act is recorded before and after.
    pub fn perform(&self, request: Request) -> Result<Value, LeaderError> {
        match self {
            Leader::Here(app, _, whence) => Ok(carry(app, Asked { request, whence: Some(whence.clone()) })?),
            Leader::Elsewhere(_, db, clock, whence) => ask(db, clock, &Asked { request, whence: Some(whence.clone()) }, PATIENCE),
        }
    }

    /// Lets the log go, after everything is committed.
    pub fn close(self) {
        if let Leader::Here(app, inbox, _) = self {
            drop(inbox);
            app.stop();
        }
    }
}

/// Has the leader do it, waiting `patience` for its answer.
pub(super) fn ask(db: &Db, clock: &Clock, asked: &Asked, patience: Duration) -> Result<Value, LeaderError> {
    let text = serde_json::to_string(asked).map_err(|e| RequestError::failed(e.to_string()))?;
    let id = i64::from_be_bytes(clock.random::<8>()) & i64::MAX;
    let row = InboxRow { id, created_at: clock.now().0, request: text, answer: None, answered_at: None };
    db.read(|conn| {
        conn.write(|conn| {
            bulk::append(conn, &[row])?;
            wake(conn, Channel::Inbox)
        })
    })?;
    let since = Instant::now();
    let mut pause = Duration::from_millis(5);
    let answer = loop {
        if let Some(answer) = db.read(|conn| store::answer(conn, id))? {
            break Some(answer);
        }
        if since.elapsed() > patience {
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    db.read(|conn| conn.write(|conn| store::remove(conn, id)))?;
    let answer = answer.ok_or(LeaderError::Silent(patience.as_secs()))?;
    let mut answer: Value = serde_json::from_str(&answer).map_err(|e| RequestError::failed(e.to_string()))?;
    match answer.get_mut("error").map(Value::take) {
        None => Ok(answer.get_mut("ok").map(Value::take).unwrap_or_default()),
        Some(error) => {
            let error = serde_json::from_value(error).unwrap_or_else(|e| RequestError::failed(e.to_string()));
            Err(error.into())
        }
    }
}
