//! Appending to `anchor.file`, after what others wrote there was held against the log.
//!
//! The file may have been away when the program started, and may hold what an older copy of the database knows
//! nothing of. So the largest checkpoint of this log in it must be a state of this database; if it is none, nothing is
//! appended: the file is then evidence.

use serde_json::json;

use counterfoil_verify::{Checkpoint, Hash, VerifierKey};

use crate::db::{Conn, DbError, DbResult};

use super::filed::AnchorFile;
use super::returned::Compared;
use super::store::{self, CheckpointRow};
use super::tree::{LeafHashes, Tree};
use super::{ActError, Log, contradicted};

/// How far the file was looked at, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Filing {
    leaves: LeafHashes,
    /// The number of the last checkpoint that was appended.
    number: i64,
    /// How long the file was when it was last looked at.
    seen: Option<u64>,
    /// What stands in it against this log, as long as it is of that length.
    against: Option<String>,
}

impl Filing {
    /// Of a file that was not looked at yet; `leaves` hashes those of the log.
    pub(super) fn of(leaves: LeafHashes) -> Filing {
        Filing { leaves, number: 0, seen: None, against: None }
    }

    /// Whether this checkpoint was not appended yet.
    pub(super) fn is_due(&self, row: &CheckpointRow) -> bool {
        row.number > self.number
    }

    /// Appends a checkpoint, signed by the first of the log's keys. What is committed is not lost by an error here, and
    /// mails that carry the checkpoint need not wait for it.
    ///
    /// # Errors
    /// When it cannot be appended, or must not be, in words that name the file; to be tried again.
    pub(super) fn file(&mut self, log: &Log, file: &AnchorFile, keys: &[VerifierKey], row: &CheckpointRow) -> Result<(), String> {
        let Some(end) = file.end()? else { return Ok(()) };
        if self.seen != Some(end) {
            self.against = self.compare(log, file, keys)?;
            self.seen = Some(end);
        }
        if let Some(words) = &self.against {
            return Err(words.clone());
        }
        self.seen = Some(file.append(&row.note)?);
        self.number = row.number;
        Ok(())
    }

    /// What others wrote since the last look: the largest checkpoint of this log must be one that is stored.
    fn compare(&self, log: &Log, file: &AnchorFile, keys: &[VerifierKey]) -> Result<Option<String>, String> {
        let origin = keys.first().map_or("", |key| key.name());
        // What stood against the log once does so until the file is another one.
        let after = self.seen.filter(|_| self.against.is_none()).unwrap_or(0);
        let Some(look) = file.look(origin, after, keys)? else { return Ok(None) };
        if let Some(warning) = look.warning() {
            tracing::warn!("{}", file.named(warning));
        }
        let Some((said, _)) = look.largest else { return Ok(None) };
        let (size, root, leaves) = (said.size, said.root, self.leaves);
        let stored = log.side(move |conn| root_at(conn, size, leaves)).map_err(|error| error.to_string())?;
        let why = match stored {
            Some(stored) if stored == root => return Ok(None),
            Some(_) => "its root is not that of the leaves stored here: they were changed",
            None => "fewer leaves are stored here: this is an older copy",
        };
        record(log, &said, why).map_err(|error| error.to_string())?;
        Ok(Some(file.named(format!("it holds a checkpoint of {size} leaves signed with this log's key, and {why}"))))
    }
}

fn root_at(conn: &mut Conn, size: u64, leaves: LeafHashes) -> DbResult<Option<Hash>> {
    let state = store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
    Tree::of(conn, &state, leaves).root_at(size)
}

/// Records it as if an officer had brought it back, once: it stays in sight until it fits.
fn record(log: &Log, said: &Checkpoint, why: &str) -> Result<(), ActError> {
    let (size, root) = (said.size, said.root);
    let compared = Compared::Contradicts { size, root, why: why.to_owned() };
    log.act(move |tx| match contradicted::stands(tx.conn, size, &root)? {
        true => Ok(()),
        false => compared.record(tx, "file", &json!({})).map(drop),
    })
}
