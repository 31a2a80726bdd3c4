//! How captures stand: what waits in the bank's database, what was refused, and since when it fails.

pub mod store;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::Moment;
use crate::config::Capture;
use crate::db::Outside;

use super::{CaptureError, connect, install};

pub use store::{Rejected, Table};

/// Refused rows that are listed of each table.
const LISTED: i64 = 20;

/// How a capture stands, as whoever drains it last saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its name in the settings.
    pub name: String,
    /// Rows that wait.
    pub waiting: i64,
    /// When the oldest of them was changed.
    pub oldest_at: Option<Moment>,
    /// Rows that the log refused.
    pub rejected: i64,
    /// Rows of tables that the settings do not name: nobody drains them.
    pub unnamed: i64,
    /// Since when the bank's database or the log could not be reached, or tables wait.
    pub failing_since: Option<Moment>,
    /// Why a table waits, with what to do.
    pub why: Option<String>,
}

/// Of this process: only the leader drains.
static STANDINGS: Mutex<BTreeMap<(String, String), Standing>> = Mutex::new(BTreeMap::new());

/// How the captures of a book stand that this process drains.
pub fn standings(book: &str) -> Vec<Standing> {
    let all = STANDINGS.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter(|((of, _), _)| of == book).map(|(_, standing)| standing.clone()).collect()
}

fn place(book: &str, capture: &Capture) -> (String, String) {
    (book.to_owned(), capture.name.clone())
}

/// Notes how a capture stands; `waits`: why one of its tables cannot be drained.
pub fn note(book: &str, capture: &Capture, tables: &[Table], waits: Option<&str>) {
    let mut all = STANDINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let failing_since = all.get(&place(book, capture)).and_then(|before| before.failing_since).filter(|_| waits.is_some());
    let named = |table: &&Table| capture.table.iter().any(|known| known.table == table.table);
    let standing = Standing {
        name: capture.name.clone(),
        waiting: tables.iter().filter(named).map(|table| table.waiting).sum(),
        oldest_at: tables.iter().filter(named).filter_map(|table| table.oldest_at).min().map(Moment),
        rejected: tables.iter().map(|table| table.rejected).sum(),
        unnamed: tables.iter().filter(|table| !named(table)).map(|table| table.waiting).sum(),
        failing_since,
        why: waits.map(str::to_owned),
    };
    all.insert(place(book, capture), standing);
}

/// Notes that a capture could not be drained.
pub fn note_failure(book: &str, capture: &Capture, now: Moment) {
    let mut all = STANDINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let standing =
        all.entry(place(book, capture)).or_insert_with(|| Standing { name: capture.name.clone(), ..Standing::default() });
    standing.failing_since.get_or_insert(now);
}

/// Whether a capture was drained by this process, or tried.
pub fn was_tried(book: &str, capture: &Capture) -> bool {
    STANDINGS.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&place(book, capture))
}

/// Forgets everything: this process drains no longer.
pub fn forget(book: &str, capture: &Capture) {
    STANDINGS.lock().unwrap_or_else(PoisonError::into_inner).remove(&place(book, capture));
}

/// A capture as it is in the bank's database now: each table with its newest refused rows.
///
/// # Errors
/// When the bank's database does not answer.
pub fn list(capture: &Capture) -> Result<Vec<(Table, Vec<Rejected>)>, CaptureError> {
    let mut bank = connect(capture)?;
    list_in(&mut bank)
}

fn list_in(bank: &mut Outside) -> Result<Vec<(Table, Vec<Rejected>)>, CaptureError> {
    if install::store::installation(bank)?.is_none() {
        return Ok(Vec::new());
    }
    let mut listed = Vec::new();
    for table in store::tables(bank)? {
        let rejected = store::rejected(bank, &table.table, LISTED)?;
        listed.push((table, rejected));
    }
    Ok(listed)
}
