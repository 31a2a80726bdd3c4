//! The start: the database must hold the log it held before, at least as far as it was signed.
//!
//! Compared are the log state, the leaves at the right edge, and the last signed checkpoint, which
//! lies outside the database. What does not fit is not written to: it is said, with the next step.

use counterfoil_verify::{Checkpoint, Note, Origin, Signed, VerifierKey};

use crate::db::{Conn, DbError, DbResult};

use super::keys::KeyFolder;
use super::store;
use super::tree::{LeafHashes, Tree};

/// Refuses a database that is not the one this installation wrote, or an older copy of it.
///
/// # Errors
/// [`DbError::Unfit`] with what does not fit and what to do.
pub fn check(conn: &mut Conn, keys: &KeyFolder, leaves: LeafHashes) -> DbResult<()> {
    let Some(known) = keys.origin()? else { return Ok(()) };
    let Some(state) = store::state(conn)? else { return Err(emptied(keys, &known)) };
    if state.origin != known {
        return Err(DbError::Unfit(format!(
            "the database holds the log {}, but it held {known} before; restore the right database, or, if the exchange is \
             meant, remove {} and start again",
            state.origin,
            keys.origin_path().display()
        )));
    }
    let Some(note) = keys.checkpoint(&known)? else { return Ok(()) };
    let Some(key) = keys.key(&known)? else {
        return Err(DbError::Unfit(format!(
            "the key that signs {known} is missing from {}; put it back from its copy",
            keys.dir().display()
        )));
    };
    let last = open(&note, &key.verifier())?;
    let there = Tree::of(conn, &state, leaves).root_at(last.size)?;
    match there {
        Some(root) if root == last.root => Ok(()),
        Some(_) => Err(DbError::Unfit(format!(
            "the first {} leaves of the database are not those of the last signed checkpoint: they were changed; nothing will \
             be written: run `counterfoil verify`, and keep this database as evidence",
            last.size
        ))),
        None => Err(DbError::Unfit(format!(
            "the database is older than the last signed checkpoint: it has {} leaves, {} were signed; restore a newer backup; \
             nothing will be written to this one",
            state.size, last.size
        ))),
    }
}

fn emptied(keys: &KeyFolder, known: &str) -> DbError {
    let signed = keys.checkpoint(known).ok().flatten();
    let signed = signed.and_then(|note| Checkpoint::parse(note.unverified_text()).ok());
    let reached = signed.map_or_else(String::new, |last| format!(" of {} signed leaves", last.size));
    DbError::Unfit(format!(
        "the database is empty, but it held the log {known}{reached}; restore it from a backup, or, if a new log is meant, \
         choose another database or remove {}",
        keys.origin_path().display()
    ))
}

/// A checkpoint that the log's key signed.
///
/// # Errors
/// [`DbError::Unfit`] when it did not.
pub fn open(note: &Note, key: &VerifierKey) -> DbResult<Checkpoint> {
    let signed: Signed = Checkpoint::open(note, std::slice::from_ref(key), Origin::OfKey)
        .map_err(|e| DbError::Unfit(format!("the last signed checkpoint cannot be trusted: {e}")))?;
    Ok(signed.checkpoint)
}
