//! The start: the database must hold the log it held before, at least as far as it was signed, and the
//! key that signed it must be there.
//!
//! Compared are the log state, the leaves at the right edge, and the last signed checkpoint, which
//! lies outside the database: beside the key, and in `anchor.file`. What does not fit is not written to: it
//! is said, with the next step.

use counterfoil_verify::{Checkpoint, Note, NoteError, Origin, Signed, VerifierKey};

use crate::db::{Conn, DbError, DbResult};

use super::generations::Origins;
use super::keys::{KeyFolder, origin_of_book};
use super::rotations;
use super::store::{self, LogState};
use super::tree::{LeafHashes, Tree};

/// What the database lacks of what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// Nothing: the log may go on.
    Nothing,
    /// The key that signed it.
    Key,
    /// The leaves after `size` up to those of this checkpoint: it is an older copy.
    Leaves {
        /// The last checkpoint known, which the database does not reach.
        last: Checkpoint,
        /// Its note.
        note: Note,
    },
    /// The leaves it has are not those that were signed.
    Changed {
        /// Leaves that the checkpoint covers.
        size: u64,
    },
}

/// Refuses a database that is not the one this installation wrote, or an older copy of it, or one whose
/// key is gone.
///
/// # Errors
/// [`DbError::Unfit`] with what does not fit and what to do.
pub fn check(conn: &mut Conn, keys: &KeyFolder, leaves: LeafHashes) -> DbResult<()> {
    let known = keys.origin()?;
    let Some(state) = store::state(conn)? else {
        return known.map_or(Ok(()), |known| Err(emptied(keys, &known)));
    };
    if let Some(known) = known.filter(|known| *known != state.origin) {
        return Err(other_log(conn, keys, &state, &known)?);
    }
    let unfit = match lacking(conn, keys, &state, leaves)? {
        Lacking::Nothing => return Ok(()),
        Lacking::Key => format!(
            "the key that signed {} is not in {} (or another one lies in its place): put the key back from its copy; if it is lost \
             for good, two officers let the log go on under a new name with `counterfoil log recover`",
            state.origin,
            keys.dir().display()
        ),
        Lacking::Changed { size } => format!(
            "the first {size} leaves of the database are not those of the last signed checkpoint: they were changed; nothing will \
             be written: run `counterfoil verify`, and keep this database as evidence"
        ),
        Lacking::Leaves { last, .. } => format!(
            "the database is older than the last signed checkpoint: it has {} leaves, {} were signed; restore a newer backup; \
             nothing will be written to this one. If there is none, two officers let the log go on under a new name with \
             `counterfoil log recover`",
            state.size, last.size
        ),
    };
    Err(DbError::Unfit(unfit))
}

/// What the database lacks of what was signed under its present name.
///
/// # Errors
/// When it or the folder of keys cannot be read.
pub fn lacking(conn: &mut Conn, keys: &KeyFolder, state: &LogState, leaves: LeafHashes) -> DbResult<Lacking> {
    let note = keys.checkpoint(&state.origin)?;
    let key = match rotations::in_force(conn, &state.origin)? {
        Some(force) => keys.key_of(&force)?,
        None => keys.key(&state.origin)?,
    };
    let signed = signed(conn, state)?;
    let was_signed = signed.is_some() || anchored(conn, state)?;
    let Some(key) = key else {
        return Ok(if note.is_some() || was_signed { Lacking::Key } else { Lacking::Nothing });
    };
    let mut trusted = rotations::trusted(conn, vec![key.verifier()])?;
    // An older copy does not know yet that the key was changed.
    trusted.extend(keys.key(&state.origin)?.map(|key| key.verifier()));
    trusted.extend(keys.retired(&state.origin)?);
    if signed.is_some_and(|note| matches!(note.open(&trusted), Err(NoteError::Untrusted { .. }))) {
        return Ok(Lacking::Key);
    }
    let kept = note.map(|note| open(&note, &trusted).map(|last| (last, note))).transpose()?;
    let known: Vec<(Checkpoint, Note)> = kept.into_iter().chain(filed(keys, &state.origin, &trusted, was_signed)).collect();
    if known.is_empty() && was_signed {
        tracing::warn!(
            "no checkpoint is kept in {}, though the log was signed: nothing at this start tells whether the database is an older \
             copy; let keys.dir lie on a disk that stays",
            keys.dir().display()
        );
    }
    held_to(&mut Tree::of(conn, state, leaves), known)
}

/// What the database lacks of these; one that it does not hold decides before one that it does not reach.
fn held_to(tree: &mut Tree<'_>, known: Vec<(Checkpoint, Note)>) -> DbResult<Lacking> {
    let mut lacking = Lacking::Nothing;
    let mut reached = 0;
    for (last, note) in known {
        match tree.root_at(last.size)? {
            Some(root) if root == last.root => {}
            Some(_) => return Ok(Lacking::Changed { size: last.size }),
            None if last.size > reached => {
                reached = last.size;
                lacking = Lacking::Leaves { last, note };
            }
            None => {}
        }
    }
    Ok(lacking)
}

/// The largest checkpoint in `anchor.file`. One that none of the log's keys signed decides nothing: the file may lie
/// where others write. Nor does a file that cannot be read: it is looked at again before anything is appended to it.
fn filed(keys: &KeyFolder, origin: &str, trusted: &[VerifierKey], was_signed: bool) -> Option<(Checkpoint, Note)> {
    let file = keys.anchor_file();
    let look = match file.look(origin, 0, trusted) {
        Ok(look) => look?,
        Err(error) => {
            tracing::error!("{error}: nothing in it tells at this start whether the database is an older copy");
            return None;
        }
    };
    if let Some(warning) = look.warning() {
        tracing::warn!("{}", file.named(warning));
    }
    if look.largest.is_none() && was_signed {
        let none =
            "no checkpoint of this log is at its end, though the log was signed: it is new, was emptied, or is another file";
        tracing::warn!("{}", file.named(none));
    }
    look.largest
}

/// The newest checkpoint stored under the present name. A row whose note cannot be read tells nothing: verification
/// finds it.
fn signed(conn: &mut Conn, state: &LogState) -> DbResult<Option<Note>> {
    let Some(row) = store::newest_checkpoint(conn)? else { return Ok(None) };
    let note = Note::parse(&row.note).ok();
    Ok(note.filter(|note| note.unverified_text().lines().next() == Some(state.origin.as_str())))
}

/// Whether a checkpoint came back from outside that was signed under the present name.
fn anchored(conn: &mut Conn, state: &LogState) -> DbResult<bool> {
    let origins = Origins::of(conn)?;
    Ok(store::newest_anchor(conn)?.is_some_and(|row| origins.of_size(row.size) == state.origin))
}

/// Refuses to begin a log of `book` where one was: `anchor.file` has its checkpoints, and the database and the keys that
/// it was held in are not there.
///
/// # Errors
/// [`DbError::Unfit`] with which log, and what to do.
pub fn check_new(keys: &KeyFolder, book: &str) -> DbResult<()> {
    let prefix = origin_of_book(book);
    match keys.anchor_file().largest_named(&prefix) {
        Ok(None) => {}
        Ok(Some(last)) => {
            let text = format!(
                "it holds a note that the log {1} had {0} leaves, and neither that log nor its keys are here: restore the database \
                 and keys.dir, or mount the disk that they are on; if a new log is meant, choose another anchor.file",
                last.size, last.origin
            );
            return Err(DbError::Unfit(keys.anchor_file().named(text)));
        }
        Err(error) => tracing::error!("{error}: nothing in it tells whether there was a log before this one"),
    }
    for last in keys.unclaimed()?.iter().filter(|last| last.origin.starts_with(&prefix)) {
        tracing::warn!(
            "a new log is begun, though {} holds the last checkpoint ({} leaves) of {}, which no database noted there holds: if this \
             is its database, stop and restore it from a backup",
            keys.dir().display(),
            last.size,
            last.origin
        );
    }
    Ok(())
}

fn other_log(conn: &mut Conn, keys: &KeyFolder, state: &LogState, known: &str) -> DbResult<DbError> {
    let file = keys.origin_path().display().to_string();
    if Origins::of(conn)?.end_of(known).is_some() {
        let text = format!(
            "the log {known} was let go on as {}, but that was not finished here: run `counterfoil log recover` again; on a \
             stand-by, copy what is in keys.dir from where it was done",
            state.origin
        );
        return Ok(DbError::Unfit(text));
    }
    Ok(DbError::Unfit(format!(
        "the database holds the log {}, but it held {known} before; restore the right database, or, if the exchange is \
         meant, remove {file} and start again",
        state.origin
    )))
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

/// A checkpoint that one of the log's keys signed.
///
/// # Errors
/// [`DbError::Unfit`] when none did.
pub fn open(note: &Note, keys: &[VerifierKey]) -> DbResult<Checkpoint> {
    let signed: Signed = Checkpoint::open(note, keys, Origin::OfKey)
        .map_err(|e| DbError::Unfit(format!("the last signed checkpoint cannot be trusted: {e}")))?;
    Ok(signed.checkpoint)
}
