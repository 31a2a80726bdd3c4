//! Checkpoints with the signatures of witnesses, which the log keeps in the events of their return: a verifier whose
//! policy asks for a quorum needs them under the very checkpoint that it is given.
//!
//! Not here: asking the witnesses (`jobs`), whether a signature is theirs (verifiers, with keys of their own).

use std::collections::BTreeMap;

use counterfoil_verify::{Checkpoint, Note};
use serde_json::Value;

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;

use super::store::{self, CheckpointRow};

/// The member of a return's event that holds the witness' signature line.
pub const COSIGNATURE: &str = "cosignature";
/// How a checkpoint came back that a witness signed.
pub const WITNESS: &str = "witness";
/// The newest returns looked through; what witnesses signed before counts no more.
const LOOKED_AT: i64 = 512;

/// The newest checkpoint that bears the signatures of at least so many witnesses, with them; without any, the newest.
/// Nothing if there is none, or none of the newest returns is one.
///
/// # Errors
/// When the database cannot be read, or a stored checkpoint is broken.
pub fn newest(conn: &mut Conn, witnesses: usize) -> DbResult<Option<CheckpointRow>> {
    if witnesses == 0 {
        return store::newest_checkpoint(conn);
    }
    let mut returns: BTreeMap<i64, Vec<Seq>> = BTreeMap::new();
    for row in store::anchors_newest(conn, LOOKED_AT)?.into_iter().filter(|row| row.kind == WITNESS) {
        returns.entry(row.size).or_default().push(row.id);
    }
    // What a return names is there before it, and stays: no snapshot is needed, and the caller may hold one.
    for (size, events) in returns.into_iter().rev().filter(|(_, events)| events.len() >= witnesses) {
        if let Some(row) = signed(conn, size, &events, witnesses)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The checkpoint of this size with the signatures in these events, if they are of enough witnesses.
fn signed(conn: &mut Conn, size: i64, events: &[Seq], witnesses: usize) -> DbResult<Option<CheckpointRow>> {
    let Some(mut row) = store::checkpoint_of_size(conn, size)? else { return Ok(None) };
    let broken = |e: String| DbError::Corrupt(format!("checkpoint {}: {e}; run `counterfoil verify`", row.number));
    let mut note = Note::parse(&row.note).map_err(|e| broken(e.to_string()))?;
    let of = Checkpoint::parse(note.unverified_text()).map_err(|e| broken(e.to_string()))?.origin;
    if store::state(conn)?.is_none_or(|state| state.origin != of) {
        // Of a name that the log had before a loss: its witnesses watch another log now.
        return Ok(None);
    }
    let mut names = Vec::new();
    for event in events {
        let Some((event, _)) = store::event(conn, *event)? else { continue };
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        let (Some(name), Some(line)) = (body["witness"].as_str(), body[COSIGNATURE].as_str()) else { continue };
        let Ok(beside) = Note::parse(format!("{}\n{line}\n", note.unverified_text())) else { continue };
        if note.merge(&beside).is_ok() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    row.note = note.to_string();
    Ok((names.len() >= witnesses).then_some(row))
}
