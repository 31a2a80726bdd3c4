//! A checkpoint that comes back from outside: was it really a state of this log?
//!
//! Mail programs quote, wrap ends of lines and add words around a note; what is pasted is searched for
//! the note, and only the note is judged. Each return is recorded, whatever it says.

use counterfoil_verify::rotation::retired_at;
use counterfoil_verify::{Checkpoint, Found, Hash, Note, Origin, VerifierKey};
use serde_json::{Value, json};

use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;

use super::generations::Origins;
use super::store::{self, AnchorRow};
use super::tree::{LeafHashes, Tree};
use super::{ActError, ActTx, NewEvent, contradicted, rotations};

/// The kind of the event when a checkpoint came back that the log extends.
pub const RETURNED: &str = "anchor.returned";
/// The kind of the event when one came back that is no state of the log.
pub const CONTRADICTED: &str = "anchor.contradicted";
const REFUSED: &str = "anchor.refused";

/// The longest text that is searched for a note: a mail with its headers.
pub const TEXT_MAX: usize = 64 * 1024;

/// What a returned checkpoint says about this log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The log extends it: nothing it covers was changed.
    Consistent {
        /// Leaves it covers.
        size: u64,
        /// Their root.
        root: Hash,
    },
    /// The key of this log signed it, but it is no state of this log: the log was changed or cut.
    Contradicts {
        /// Leaves it covers.
        size: u64,
        /// The root it gives.
        root: Hash,
        /// What does not fit.
        why: String,
    },
    /// No checkpoint of this log: unreadable, of another log, or not signed by its key.
    NotThisLog(String),
    /// No checkpoint at all.
    Nothing,
}

/// Holds a returned text against the log; of several checkpoints in it, the first that contradicts decides, else the last.
///
/// # Errors
/// When the database cannot be read.
pub fn compare(conn: &mut Conn, keys: &[VerifierKey], text: &str, leaves: LeafHashes) -> DbResult<Compared> {
    if text.len() > TEXT_MAX {
        return Ok(Compared::Nothing);
    }
    let mut said = Compared::Nothing;
    for note in Found::of(text.as_bytes()).notes {
        said = match Note::parse(note) {
            Ok(note) => compare_one(conn, keys, &note, leaves)?,
            Err(error) => Compared::NotThisLog(error.to_string()),
        };
        if matches!(said, Compared::Contradicts { .. }) {
            break;
        }
    }
    Ok(said)
}

fn compare_one(conn: &mut Conn, keys: &[VerifierKey], note: &Note, leaves: LeafHashes) -> DbResult<Compared> {
    let opened = Checkpoint::open(note, keys, Origin::OfKey);
    let (signed, by) = match opened {
        Ok(signed) => (signed.checkpoint, signed.log_keys),
        Err(error) => return Ok(Compared::NotThisLog(error.to_string())),
    };
    conn.snapshot(|conn| {
        let Some(state) = store::state(conn)? else { return Ok(Compared::NotThisLog("there is no log".into())) };
        let (size, root) = (signed.size, signed.root);
        if let Some(end) = Origins::of(conn)?.end_of(&signed.origin).filter(|end| size > end.unsigned_abs()) {
            // Signed before a loss: what it covered beyond is gone, and the log says so.
            let text = format!(
                "it was signed as {} before a loss: the log is consistent with that name up to {end} leaves; those from {end} to {size} \
                 were lost, as the recovery in event {end} records",
                signed.origin
            );
            return Ok(Compared::NotThisLog(text));
        }
        if let Some(end) = retired_at(&rotations::all(conn)?, &by, size) {
            return Ok(Compared::NotThisLog(format!("it is signed only by a key that was replaced at {end} leaves: the old key was misused")));
        }
        Ok(match Tree::of(conn, &state, leaves).root_at(size)? {
            Some(stored) if stored == root => Compared::Consistent { size, root },
            Some(_) => Compared::Contradicts { size, root, why: "its root is not that of the leaves stored here".into() },
            None => Compared::Contradicts { size, root, why: format!("only {} leaves are stored here", state.size) },
        })
    })
}

impl Compared {
    /// The kind and body of the event that tells of it.
    fn said(&self, how: &str, by: &Value) -> (&'static str, Value) {
        let (kind, mut body) = match self {
            Compared::Consistent { size, root } => (RETURNED, json!({ "size": size, "root": hex::encode(root) })),
            Compared::Contradicts { size, root, why } => {
                (CONTRADICTED, json!({ "size": size, "root": hex::encode(root), "why": why }))
            }
            Compared::NotThisLog(why) => (REFUSED, json!({ "why": why })),
            Compared::Nothing => (REFUSED, json!({ "why": "there is no checkpoint in it" })),
        };
        body["how"] = how.into();
        if let (Some(body), Some(by)) = (body.as_object_mut(), by.as_object()) {
            body.extend(by.clone());
        }
        (kind, body)
    }

    /// Records the return; one that is consistent resets the anchor age, one that contradicts stays in sight
    /// ([`contradicted`]). `how` it came back (`officer`, `witness`), `by` public fields that say who brought it.
    ///
    /// # Errors
    /// As [`ActTx::append`].
    pub fn record(&self, tx: &mut ActTx<'_>, how: &'static str, by: &Value) -> Result<Seq, ActError> {
        let (kind, body) = self.said(how, by);
        let id = tx.append(NewEvent::public(kind, body.clone()))?;
        let now = tx.now();
        if let Compared::Consistent { size, root } | Compared::Contradicts { size, root, .. } = self {
            contradicted::note(tx.conn, *size, root, &body, now)?;
        }
        if let Compared::Consistent { size, .. } = self {
            let size = i64::try_from(*size).unwrap_or(i64::MAX);
            // One that is not stored (the same size was signed before the cache began) was there now at the latest.
            let signed_at = store::checkpoint_of_size(tx.conn, size)?.map_or(now.0, |row| row.signed_at);
            let row = AnchorRow { id, kind: how.to_owned(), size, signed_at, returned_at: now.0 };
            bulk::append(tx.conn, &[row])?;
        }
        Ok(id)
    }
}
