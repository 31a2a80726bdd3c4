//! A recorder that never waits for the server: what it takes is durable on this machine and sent from there.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::answer::{Outcome, Problem};
use crate::backoff::Backoff;
use crate::change::Change;
use crate::client::Client;
use crate::deliver::Delivered;
use crate::entry::Entry;
use crate::error::Error;
use crate::recorder::{Lost, Recorded, Recorder};
use crate::row::Row;
use crate::spool::{Position, Spool, SpoolError};

/// Rows sent in one turn.
const TURN_ROWS: usize = 1_000;
/// Their bytes, about.
const TURN_BYTES: u64 = 1 << 20;

/// How the sending stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Rows that wait.
    pub waiting: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows the server took since this was opened.
    pub sent: u64,
    /// Rows it refused for good since then; they are in `rejected.ndjson` in the spool's folder.
    pub refused: u64,
    /// Since when nothing could be sent, if the last attempt failed.
    pub failing_since: Option<SystemTime>,
    /// Why it failed.
    pub last_error: Option<String>,
}

/// Takes entries and changes at once and sends them in their order, however long the server is away.
///
/// What it has taken is synced to the spool before it answers, and is sent by a thread of its own until the server has
/// taken it or refused it for good. Dropping it waits for the request under way; the rest is sent after the next start.
pub struct Spooling {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    client: Client,
    spool: Spool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    leave: bool,
    standing: Standing,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spooling {
    /// Begins to send what waits in the spool.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(client: Client, spool: Spool) -> Result<Spooling, Error> {
        let shared = Arc::new(Shared { client, spool, state: Mutex::default(), changed: Condvar::new() });
        let sending = shared.clone();
        let named = std::thread::Builder::new().name("counterfoil-spool".into());
        let thread = named.spawn(move || send(&sending)).map_err(|e| Error::Invalid(format!("no thread for the spool: {e}")))?;
        Ok(Spooling { shared, thread: Some(thread) })
    }

    /// Keeps a row to be sent.
    ///
    /// # Errors
    /// When it could not be kept: the spool is full, or the disk fails.
    pub fn put(&self, row: &Row) -> Result<(), Error> {
        self.shared.spool.append(row)?;
        // Under the lock, so that the thread is not between looking and waiting.
        let state = self.shared.state();
        self.shared.changed.notify_all();
        drop(state);
        Ok(())
    }

    /// How the sending stands.
    pub fn standing(&self) -> Standing {
        let depth = self.shared.spool.depth();
        Standing { waiting: depth.rows, bytes: depth.bytes, ..self.shared.state().standing.clone() }
    }

    /// Waits until nothing waits any more.
    ///
    /// # Errors
    /// When something still waits after this time; it goes on being sent.
    pub fn flush(&self, patience: Duration) -> Result<(), Error> {
        let until = Instant::now() + patience;
        let mut state = self.shared.state();
        loop {
            let rows = self.shared.spool.depth().rows;
            if rows == 0 {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let why = state.standing.last_error.clone().unwrap_or_else(|| "there was no time".into());
                return Err(Error::unavailable(format!("{rows} rows still wait: {why}")));
            }
            (state, _) = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Spooling {
    fn drop(&mut self) {
        self.shared.state().leave = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; what waits is on the disk.
            let _ = thread.join();
        }
    }
}

impl Recorder for Spooling {
    fn record_entry(&self, entry: &Entry) -> Result<Recorded, Error> {
        self.put(&Row::entry(entry)?)?;
        Ok(Recorded::Waiting)
    }

    fn record_change(&self, change: &Change) -> Result<Recorded, Error> {
        self.put(&Row::waiting_change(change)?)?;
        Ok(Recorded::Waiting)
    }

    fn lost(&self, lost: &Lost) {
        self.shared.client.lost(lost);
    }
}

/// Sends until it is asked to leave.
fn send(shared: &Shared) {
    let mut backoff = Backoff::default();
    loop {
        let turn = shared.spool.oldest(TURN_ROWS, TURN_BYTES).map_err(Error::from);
        let failed = match turn {
            Ok(rows) if rows.is_empty() => None,
            Ok(rows) => match turn_of(shared, &rows) {
                Ok(settled) => {
                    if settled > 0 {
                        backoff.reset();
                    }
                    // The next turn says why the others wait.
                    if settled > 0 && !shared.state().leave { continue } else { None }
                }
                Err(error) => Some(error),
            },
            Err(error) => Some(error),
        };
        if !rest(shared, failed, &mut backoff) {
            return;
        }
    }
}

/// One turn: what was settled is settled in the spool, refusals kept. Answers how many rows, or why none.
fn turn_of(shared: &Shared, rows: &[(Row, Position)]) -> Result<usize, Error> {
    let plain: Vec<Row> = rows.iter().map(|(row, _)| row.clone()).collect();
    let Delivered { settled, stopped } = shared.client.deliver(&plain);
    let refused: Vec<(&Row, &Problem)> =
        plain.iter().zip(&settled).filter_map(|(row, outcome)| Some((row, refusal(outcome)?))).collect();
    shared.spool.settle(&rows[..settled.len()], &refused)?;
    let mut state = shared.state();
    state.standing.sent += (settled.len() - refused.len()) as u64;
    state.standing.refused += refused.len() as u64;
    if !settled.is_empty() {
        (state.standing.failing_since, state.standing.last_error) = (None, None);
        shared.changed.notify_all();
    }
    match stopped {
        Some(error) if settled.is_empty() => Err(error),
        _ => Ok(settled.len()),
    }
}

fn refusal(outcome: &Outcome) -> Option<&Problem> {
    match outcome {
        Outcome::Refused(problem) => Some(problem),
        _ => None,
    }
}

/// Waits for a row, or after a failure for the next attempt; `false`: it is asked to leave.
fn rest(shared: &Shared, failed: Option<Error>, backoff: &mut Backoff) -> bool {
    let mut state = shared.state();
    if let Some(error) = failed {
        state.standing.failing_since.get_or_insert_with(SystemTime::now);
        state.standing.last_error = Some(error.to_string());
        let asked = if let Error::Unavailable { retry_after, .. } = &error { *retry_after } else { None };
        let until = Instant::now() + backoff.next(asked);
        while !state.leave {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            (state, _) = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        return false;
    }
    while !state.leave && shared.spool.depth().rows == 0 {
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    !state.leave
}

/// Opens the spool in this folder with the usual bounds and begins to send.
impl Client {
    /// A recorder that never waits for the server: see [`Spooling`].
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub fn spooling(&self, folder: impl Into<std::path::PathBuf>) -> Result<Spooling, Error> {
        let spool = Spool::open(folder, crate::spool::Limits::default()).map_err(|e: SpoolError| Error::from(e))?;
        Spooling::start(self.clone(), spool)
    }
}
