//! L0: the log against every checkpoint that is stored, and the one that is kept beside the key.
//!
//! The key is the one of `keys.dir`; without it the signatures cannot be told, and that is said.

use counterfoil_verify::{Checkpoint, Note, Origin, VerifierKey};

use crate::db::{Conn, DbResult};
use crate::ledger::leaves;
use crate::trail::keys::KeyFolder;
use crate::trail::store::{self, CheckpointRow, LogState};
use crate::trail::tree::Tree;

use super::L0;
use super::findings::Findings;

/// Checkpoints read at once.
const PAGE: i64 = 500;

/// Compares all of them.
pub(super) fn compare(conn: &mut Conn, keys: &KeyFolder, state: &LogState, findings: &mut Findings) -> DbResult<()> {
    let key = keys.key(&state.origin).ok().flatten().map(|key| key.verifier());
    let mut last = CheckpointRow { number: 0, size: 0, root: Vec::new(), signed_at: 0, note: String::new() };
    loop {
        let rows = store::checkpoints_after(conn, last.number, PAGE)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            findings.checked(L0, 1);
            if row.number != last.number + 1 || row.size <= last.size {
                let detail = format!("checkpoint {} does not follow checkpoint {}: one is missing", row.number, last.number);
                findings.add((L0, "checkpoint_missing"), "checkpoints", row.size, detail);
            }
            if let Err(why) = holds(conn, state, key.as_ref(), &row)? {
                let detail = format!("checkpoint {}: {why}", row.number);
                findings.add((L0, "checkpoint_differs"), "checkpoints", row.size, detail);
            }
            last = row;
        }
    }
    outside(conn, keys, state, (key.as_ref(), &last), findings)?;
    findings.note(
        L0,
        match (last.number, key) {
            (0, _) => "no checkpoint given, none stored: what was rewritten as a whole cannot be told".to_owned(),
            (_, None) => "those stored; there is no key in keys.dir, so their signatures were not checked".to_owned(),
            (_, Some(key)) => format!("those stored, signed by the key in keys.dir: {key}; one held outside was not given"),
        },
    );
    Ok(())
}

/// Whether a stored checkpoint is what its note says, and a state of this log.
fn holds(conn: &mut Conn, state: &LogState, key: Option<&VerifierKey>, row: &CheckpointRow) -> DbResult<Result<(), String>> {
    let Ok(note) = Note::parse(&row.note) else { return Ok(Err("its note cannot be read".to_owned())) };
    if let Some(key) = key {
        match Checkpoint::open(&note, std::slice::from_ref(key), Origin::Is(&state.origin)) {
            Err(error) => return Ok(Err(error.to_string())),
            Ok(signed) => {
                let said = (signed.checkpoint.size, &signed.checkpoint.root[..]);
                if said != (row.size.unsigned_abs(), &row.root[..]) {
                    return Ok(Err("its note says another size or root than its row".to_owned()));
                }
            }
        }
    }
    is_state(conn, state, row.size.unsigned_abs(), &row.root)
}

/// Whether the log had this root when it had this size.
fn is_state(conn: &mut Conn, state: &LogState, size: u64, root: &[u8]) -> DbResult<Result<(), String>> {
    Ok(match Tree::of(conn, state, leaves::hashes).root_at(size) {
        Ok(Some(found)) if found[..] == *root => Ok(()),
        Ok(Some(_)) => Err(format!("the first {size} leaves do not have its root: the log was changed after it was signed")),
        Ok(None) => Err(format!("it covers {size} leaves, the log has {}: the log was cut", state.size)),
        Err(error) => Err(format!("the root over {size} leaves cannot be made: {error}")),
    })
}

/// The last checkpoint is also kept beside the key, outside the database.
fn outside(
    conn: &mut Conn,
    keys: &KeyFolder,
    state: &LogState,
    (key, last): (Option<&VerifierKey>, &CheckpointRow),
    findings: &mut Findings,
) -> DbResult<()> {
    let (Some(key), Ok(Some(note))) = (key, keys.checkpoint(&state.origin)) else { return Ok(()) };
    let Ok(signed) = Checkpoint::open(&note, std::slice::from_ref(key), Origin::Is(&state.origin)) else {
        findings.add((L0, "kept_unreadable"), "checkpoints", None, "the checkpoint kept beside the key is not one of this log");
        return Ok(());
    };
    findings.checked(L0, 1);
    let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
    let place = i64::try_from(size).unwrap_or(i64::MAX);
    if let Err(why) = is_state(conn, state, size, &root)? {
        findings.add((L0, "checkpoint_differs"), "checkpoints", place, format!("the checkpoint kept beside the key: {why}"));
    }
    if place > last.size {
        let text = "a checkpoint of this size is kept beside the key, and is not stored";
        findings.add((L0, "checkpoint_missing"), "checkpoints", place, text);
    }
    Ok(())
}
