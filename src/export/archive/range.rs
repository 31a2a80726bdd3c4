//! Which range: what is closed, where the archive before ended, and which segments are due.

use chrono::NaiveDate;
use counterfoil_verify::archive::{MAX_LEAVES, STEP};
use serde_json::Value;

use crate::clock::{DAY, Moment, day_number};
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::store as ledger;
use crate::trail::store::{self as trail, CheckpointRow, LogState};
use crate::trail::{ActError, ActTx, NewEvent};

use super::super::ExportError;
use super::ArchiveRequest;

/// The event of an archive that was made.
pub const ARCHIVED: &str = "archive.made";

/// Where a range is to begin or to end, that leaf or day included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A leaf.
    Seq(u64),
    /// The leaves recorded on a day, UTC.
    Date(NaiveDate),
}

impl Bound {
    /// Reads `4711` or `2026-03-02`.
    pub fn parse(text: &str) -> Option<Bound> {
        text.parse().map(Bound::Seq).ok().or_else(|| crate::clock::parse_date(text).map(Bound::Date).ok())
    }
}

/// A range that can be archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The first leaf.
    pub from: u64,
    /// The leaf before which it ends.
    pub to: u64,
    /// What was asked for, where that is not the same.
    pub asked: Option<(u64, u64)>,
    /// Leaves that are closed.
    pub closed: u64,
}

/// The log as it was signed last.
pub(super) fn signed(db: &Db) -> Result<(LogState, CheckpointRow), ExportError> {
    let (state, newest) = db.read(|conn| Ok::<_, DbError>((trail::state(conn)?, trail::newest_checkpoint(conn)?)))?;
    let (Some(mut state), Some(newest)) = (state, newest) else {
        return Err(DbError::Unfit("nothing is signed yet: `serve` signs within seconds of its start".into()).into());
    };
    (state.size, state.root) = (newest.size, newest.root.clone());
    Ok((state, newest))
}

/// Refuses what is not closed, or too much.
pub(super) fn require(request: &ArchiveRequest, size: u64) -> Result<(), ExportError> {
    let ArchiveRequest { from, to, .. } = *request;
    if from >= to || !from.is_multiple_of(STEP) || !to.is_multiple_of(STEP) || to > size {
        return Err(ExportError::Range(format!("leaves {from} to before {to} are no closed range of {size} signed leaves")));
    }
    if to - from > MAX_LEAVES {
        let text = format!("{} leaves are more than one archive holds ({MAX_LEAVES}): make several, with --to", to - from);
        return Err(ExportError::Range(text));
    }
    Ok(())
}

/// The range from one bound to the other, widened to whole tiles and cut where the log is not closed yet.
/// Without `from` it begins where the archives made so far end, without `to` it ends where the log is closed.
///
/// # Errors
/// When nothing is signed yet, or nothing in the range is closed.
pub fn choose(db: &Db, from: Option<Bound>, to: Option<Bound>) -> Result<Chosen, ExportError> {
    let (state, _) = signed(db)?;
    let closed = state.size.unsigned_abs() / STEP * STEP;
    let day = |date: NaiveDate| Moment(i64::from(day_number(date)) * DAY);
    let place = |at: Moment| db.read(|conn| ledger::first_at(conn, at, state.size)).map(i64::unsigned_abs);
    let first = match from {
        None => db.read(next)?,
        Some(Bound::Seq(seq)) => seq,
        Some(Bound::Date(date)) => place(day(date))?,
    };
    let end = match to {
        None => closed,
        Some(Bound::Seq(seq)) => seq.saturating_add(1),
        Some(Bound::Date(date)) => date.succ_opt().map_or(Ok(closed), |next| place(day(next)))?,
    };
    let (from, to) = (first / STEP * STEP, end.div_ceil(STEP).saturating_mul(STEP).min(closed));
    if from >= to || first >= end {
        let text = format!(
            "nothing from leaf {first} to before {end} is closed: of {} signed leaves the first {closed} are, in whole tiles of {STEP}",
            state.size
        );
        return Err(ExportError::Range(text));
    }
    Ok(Chosen { from, to, asked: ((first, end) != (from, to)).then_some((first, end)), closed })
}

/// Where the archives made so far end: up to there each leaf is in one.
///
/// # Errors
/// When the database cannot be read.
pub fn next(conn: &mut Conn) -> DbResult<u64> {
    let newest = trail::events_of(conn, &[ARCHIVED], None, 1)?.pop();
    let body: Value = newest.and_then(|row| serde_json::from_str(&row.body).ok()).unwrap_or_default();
    Ok(body["next"].as_u64().unwrap_or_default())
}

/// Archives that are looked through for one.
const LOOKED_THROUGH: i64 = 10_000;

/// The event of the archive whose manifest has this SHA-256, in hexadecimal; the newest 10,000 are looked through.
///
/// # Errors
/// When the database cannot be read.
pub fn is_recorded(conn: &mut Conn, digest: &str) -> DbResult<Option<Seq>> {
    let rows = trail::events_of(conn, &[ARCHIVED], None, LOOKED_THROUGH)?;
    let is = |body: &str| serde_json::from_str::<Value>(body).is_ok_and(|body| body["manifest"] == digest);
    Ok(rows.into_iter().find(|row| is(&row.body)).map(|row| row.seq))
}

/// Appends the event of an archive. `body` says what it holds; where the archives so far end is added.
///
/// # Errors
/// When the database fails.
pub fn made(tx: &mut ActTx<'_>, mut body: Value, private: Value) -> Result<Seq, ActError> {
    let so_far = next(tx.conn)?;
    let (from, to) = (body["from"].as_u64().unwrap_or(u64::MAX), body["to"].as_u64().unwrap_or_default());
    body["next"] = if from <= so_far { so_far.max(to) } else { so_far }.into();
    tx.append(NewEvent::with_private(ARCHIVED, body, private))
}

/// The segments of so many leaves that begin where the archives so far end and whose leaves were all recorded
/// before `before`, the oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn segments_due(db: &Db, leaves: u64, before: Moment) -> Result<Vec<(u64, u64)>, ExportError> {
    let (state, _) = signed(db)?;
    let old = db.read(|conn| ledger::first_at(conn, before, state.size))?.unsigned_abs();
    let begin = db.read(next)?;
    let mut due = Vec::new();
    // An archive made by hand may have ended within a segment: the rest of that segment comes first.
    let (mut from, mut to) = (begin, (begin / leaves + 1) * leaves);
    while to <= old {
        due.push((from, to));
        (from, to) = (to, to + leaves);
    }
    Ok(due)
}
