//! What the log's key signs: checkpoints, and the change to another key.

use counterfoil_verify::{Checkpoint, Rotation, SignerKey};
use serde_json::json;

use crate::db::{Conn, DbError, DbResult, bulk};
use crate::ids::Seq;

use super::store::{self, CheckpointRow, RotationRow};
use super::{ActError, ActTx, NewEvent, rotations};

/// The checkpoint of the present size, signed now if there is none.
pub(super) fn newest(conn: &mut Conn, key: &SignerKey, beside: Option<&SignerKey>, now: i64) -> DbResult<CheckpointRow> {
    let state = store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
    let last = store::newest_checkpoint(conn)?;
    let number = match last {
        Some(last) if last.size == state.size => return Ok(last),
        Some(last) if last.size > state.size => {
            let text = format!("checkpoint {} covers {} leaves, the log has {}", last.number, last.size, state.size);
            return Err(DbError::Corrupt(format!("{text}; run `counterfoil verify`")));
        }
        last => last.map_or(1, |last| last.number + 1),
    };
    if rotations::in_force(conn, &state.origin)?.is_some_and(|force| force != key.verifier()) {
        // A change whose commit was not heard of: what the old key signs would count no more.
        return Err(DbError::Unfit("the log says that another key signs it: start the program again".into()));
    }
    let root = state.root.as_slice().try_into().map_err(|_| DbError::Corrupt("the root in the log state is broken".into()))?;
    let keys: Vec<&SignerKey> = std::iter::once(key).chain(beside).collect();
    let note = Checkpoint::new(&state.origin, state.size.unsigned_abs(), root).sign(&keys);
    let note = note.map_err(|e| DbError::Unfit(e.to_string()))?.to_string();
    let row = CheckpointRow { number, size: state.size, root: state.root, signed_at: now, note };
    bulk::append(conn, std::slice::from_ref(&row))?;
    Ok(row)
}

/// Says in the log that another key signs it, with the statement that both have signed over the log as it
/// is before this.
pub(super) fn rotated(tx: &mut ActTx<'_>, old: &SignerKey, new: &SignerKey) -> Result<Seq, ActError> {
    let (size, root, origin) = (tx.log_size(), tx.log_root(), old.name().to_owned());
    let signed = Rotation::sign(&origin, size.unsigned_abs(), root, old, new);
    let note = signed.map_err(|e| ActError::refused(409, "key_unfit", e.to_string()))?.to_string();
    let (old, new) = (old.verifier().to_string(), new.verifier().to_string());
    let body = json!({ "origin": origin, "size": size, "root": hex::encode(root), "old": old, "new": new, "note": note });
    let id = tx.append(NewEvent::public("log.key_rotated", body))?;
    bulk::append(tx.conn, &[RotationRow { id, origin, size, old_key: old, new_key: new, note }])?;
    Ok(id)
}
