//! Work handed to the leader: the leader's reader, and the command that waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
/// How often it looks meanwhile whether whoever should answer is gone.
const LOOK_FOR_LEASE: Duration = Duration::from_secs(1);

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
            let mut unstored = Vec::new();
            let mut waiter = Waiter::new(&app.db, Channel::Inbox);
            while !stopped.load(Ordering::Acquire) {
                match answer_waiting(&app, &mut unstored) {
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

/// Answers what waits, at most [`TAKE`]; answers how many. What was done and could not be answered is in
/// `unstored`: it is answered later, and not done again.
fn answer_waiting(app: &App, unstored: &mut Vec<(i64, String)>) -> Result<usize, DbError> {
    store_answers(app, unstored)?;
    let waiting = app.db.read(|conn| store::waiting(conn, TAKE))?;
    let count = waiting.len();
    for row in waiting {
        let result = match serde_json::from_str::<Asked>(&row.request) {
            Ok(asked) => {
                let ends = asked.request.ends_a_command();
                let done = match row.answered_at {
                    None => carry(app, asked, Some(row.id)),
                    Some(_) => asked.request.done_before(),
                };
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
        unstored.push((row.id, answer.to_string()));
        store_answers(app, unstored)?;
    }
    Ok(count)
}

fn store_answers(app: &App, unstored: &mut Vec<(i64, String)>) -> Result<(), DbError> {
    while let Some((id, text)) = unstored.last().cloned() {
        let now = app.clock.now().0;
        let stored = app.log().side(move |conn| store::set_answer(conn, id, &text, now));
        stored.map_err(|e| DbError::Unfit(e.to_string()))?;
        unstored.pop();
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
    #[error("another process holds the log but did not answer within {0} s; is it running?")]
    Silent(u64),
}

/// Whoever writes the log: this process, or another that is asked; and who runs this one, for the
/// private part of what they do.
pub enum Leader {
    /// This process has the lease.
    Here(Box<App>, Inbox, Value),
    /// Another has it, or had it: what it leaves undone when it goes is done by this process.
    Elsewhere(Box<Config>, Db, Clock, Value, Mutex<Option<(Box<App>, Inbox)>>),
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
                Ok(Leader::Elsewhere(Box::new(config), db, clock, whence, Mutex::default()))
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

    /// The time.
    pub fn clock(&self) -> &Clock {
        match self {
            Leader::Here(app, ..) => &app.clock,
            Leader::Elsewhere(_, _, clock, ..) => clock,
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
            Leader::Here(app, _, whence) => Ok(carry(app, Asked { request, whence: Some(whence.clone()) }, None)?),
            Leader::Elsewhere(config, db, clock, whence, taken) => {
                let asked = Asked { request, whence: Some(whence.clone()) };
                ask(db, clock, &asked, PATIENCE, || take_over(config, db, clock, taken))
            }
        }
    }

    /// Lets the log go, after everything is committed.
    pub fn close(self) {
        let leading = match self {
            Leader::Here(app, inbox, _) => Some((app, inbox)),
            Leader::Elsewhere(.., taken) => taken.into_inner().unwrap_or_else(PoisonError::into_inner),
        };
        if let Some((app, inbox)) = leading {
            drop(inbox);
            app.stop();
        }
    }
}

/// Takes the lease if it has fallen free: this process then answers what waits, its own request too. Answers
/// whether it did just now.
fn take_over(config: &Config, db: &Db, clock: &Clock, taken: &Mutex<Option<(Box<App>, Inbox)>>) -> Result<bool, LeaderError> {
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    if taken.is_some() {
        return Ok(false);
    }
    match App::start(config.clone(), db.clone(), clock.clone()) {
        Ok(app) => {
            let inbox = Inbox::open(app.clone()).map_err(StartError::Thread)?;
            *taken = Some((Box::new(app), inbox));
            Ok(true)
        }
        // Whoever has it may only be slow; a database that does not answer may come back.
        Err(StartError::Held | StartError::Db(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Has the leader do it, waiting `patience` for its answer. Meanwhile `take_over` is tried now and then; when it
/// takes the lead, the waiting begins anew.
pub(super) fn ask(
    db: &Db,
    clock: &Clock,
    asked: &Asked,
    patience: Duration,
    take_over: impl Fn() -> Result<bool, LeaderError>,
) -> Result<Value, LeaderError> {
    let text = serde_json::to_string(asked).map_err(|e| RequestError::failed(e.to_string()))?;
    let id = i64::from_be_bytes(clock.random::<8>()) & i64::MAX;
    let row = InboxRow { id, created_at: clock.now().0, request: text, answer: None, answered_at: None };
    db.read(|conn| {
        conn.write(|conn| {
            bulk::append(conn, &[row])?;
            wake(conn, Channel::Inbox)
        })
    })?;
    let answer = wait_for(db, id, patience, take_over);
    db.read(|conn| conn.write(|conn| store::remove(conn, id)))?;
    let answer = answer?.ok_or(LeaderError::Silent(patience.as_secs()))?;
    let mut answer: Value = serde_json::from_str(&answer).map_err(|e| RequestError::failed(e.to_string()))?;
    match answer.get_mut("error").map(Value::take) {
        None => Ok(answer.get_mut("ok").map(Value::take).unwrap_or_default()),
        Some(error) => {
            let error = serde_json::from_value(error).unwrap_or_else(|e| RequestError::failed(e.to_string()));
            Err(error.into())
        }
    }
}

/// The answer to a request; `None` when nobody answered in time.
fn wait_for(
    db: &Db,
    id: i64,
    patience: Duration,
    take_over: impl Fn() -> Result<bool, LeaderError>,
) -> Result<Option<String>, LeaderError> {
    let (mut since, mut looked) = (Instant::now(), Instant::now());
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(answer) = db.read(|conn| store::answer(conn, id))? {
            return Ok(Some(answer));
        }
        if since.elapsed() > patience {
            return Ok(None);
        }
        if looked.elapsed() > LOOK_FOR_LEASE {
            if take_over()? {
                since = Instant::now();
            }
            looked = Instant::now();
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::Role;
    use crate::access::users::{self, AddUser};

    /// A command's row with this request.
    fn ask_for(app: &App, id: i64, email: &str) {
        let add = AddUser::prepare(&app.clock, email, Role::Officer, "tinder ocelot brick").unwrap();
        let asked = Asked { request: Request::AddUser(add), whence: None };
        let request = serde_json::to_string(&asked).unwrap();
        let row = InboxRow { id, created_at: id, request, answer: None, answered_at: None };
        app.log().side(move |conn| bulk::append(conn, &[row])).unwrap();
    }

    fn row(app: &App, id: i64) -> InboxRow {
        app.db.read(|conn| store::waiting(conn, TAKE)).unwrap().into_iter().find(|row| row.id == id).unwrap()
    }

    #[test]
    fn what_a_killed_leader_committed_is_not_done_again_and_the_rest_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.keys.dir = dir.path().join("keys").display().to_string();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("i.db").display()), 2).unwrap();
        let app = App::start(config.clone(), db.clone(), Clock::system()).unwrap();
        for (id, email) in [(1, "done@bank.example"), (2, "waits@bank.example")] {
            ask_for(&app, id, email);
        }
        // As a leader does that is killed after its commit and before its answer.
        let asked = |id| serde_json::from_str::<Asked>(&row(&app, id).request).unwrap();
        carry(&app, asked(1), Some(1)).unwrap();
        assert!(row(&app, 1).answered_at.is_some() && row(&app, 2).answered_at.is_none());
        // What is refused is not committed, so nothing is noted.
        ask_for(&app, 3, "done@bank.example");
        assert!(!carry(&app, asked(3), Some(3)).unwrap_err().failed);
        assert!(row(&app, 3).answered_at.is_none());
        app.stop();

        let next = App::start(config, db, Clock::system()).unwrap();
        assert_eq!(answer_waiting(&next, &mut Vec::new()).unwrap(), 3);
        let answer = |id| next.db.read(|conn| store::answer(conn, id)).unwrap().unwrap();
        assert_eq!(answer(1), r#"{"ok":null}"#);
        assert!(answer(2).starts_with(r#"{"ok":"#) && answer(3).starts_with(r#"{"error":"#), "{} {}", answer(2), answer(3));
        let listed: Vec<String> = next.db.read(users::list).unwrap().into_iter().map(|user| user.email).collect();
        assert_eq!(listed, ["done@bank.example", "waits@bank.example"]);
        next.stop();
    }
}
