//! Checkpoints that were brought back and are no state of this log though its key signed them: in the table
//! `jobs` how each stands, so that it stays in sight until that same checkpoint fits again.
//!
//! A clean verification does not end it: whoever rewrote the log as a whole has one that holds together.

use counterfoil_verify::Hash;
use serde_json::Value;

use crate::clock::Moment;
use crate::db::{Conn, DbResult};

use super::store::{self, JobRow};

/// What the names of its rows in `jobs` begin with.
const PREFIX: &str = "checkpoint ";
/// Shown at most: one alone is reason enough to look. Of so many of the newest rows.
const SHOWN_MAX: usize = 8;
const READ_MAX: i64 = 64;

/// A checkpoint that contradicts this log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradicted {
    /// Leaves it covers.
    pub size: u64,
    /// When it was last brought back.
    pub at: Moment,
    /// What does not fit.
    pub why: String,
}

impl Contradicted {
    /// What is wrong, with the next step.
    pub fn finding(&self) -> String {
        let Contradicted { size, at, why } = self;
        format!(
            "A checkpoint of {size} leaves, signed with this log's key and brought back at {at}, is no state of this log: {why}. The \
             log was changed or cut, or its key was misused. Keep the database as it is, and hold it to that checkpoint: `counterfoil \
             verify --checkpoint FILE`. This stays here until the same checkpoint is brought back and fits."
        )
    }
}

/// The name of its row in `jobs`; size and root tell it from others.
pub fn job_name(size: u64, root: &str) -> String {
    format!("{PREFIX}{size} {root}")
}

/// Those that contradict, the newest first, eight at most.
///
/// # Errors
/// When the database cannot be read.
pub fn standing(conn: &mut Conn) -> DbResult<Vec<Contradicted>> {
    Ok(store::jobs_named(conn, PREFIX, READ_MAX)?.iter().filter_map(of_row).take(SHOWN_MAX).collect())
}

/// Whether the checkpoint of this size and root contradicts.
pub(super) fn stands(conn: &mut Conn, size: u64, root: &Hash) -> DbResult<bool> {
    let row = store::job(conn, &job_name(size, &hex::encode(root)))?;
    Ok(row.as_ref().and_then(of_row).is_some())
}

fn of_row(row: &JobRow) -> Option<Contradicted> {
    let body: Value = serde_json::from_str(row.outcome.as_deref()?).ok()?;
    let (size, why) = (body["size"].as_u64()?, body["why"].as_str()?);
    Some(Contradicted { size, at: Moment(row.started_at), why: why.to_owned() })
}

/// Notes what the event with this body, recorded at `at`, says of a checkpoint: that it contradicts, or that
/// one that did fits again.
pub(super) fn note(conn: &mut Conn, size: u64, root: &Hash, body: &Value, at: Moment) -> DbResult<()> {
    let name = job_name(size, &hex::encode(root));
    if body["why"].is_null() && store::job(conn, &name)?.is_none() {
        return Ok(());
    }
    store::note_job(conn, &JobRow { name, started_at: at.0, finished_at: Some(at.0), outcome: Some(body.to_string()) })
}
