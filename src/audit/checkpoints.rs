//! L0: the log against every checkpoint that is stored, and the one that is kept beside the key.
//!
//! Keys come from the caller; without any, the one in `keys.dir` is used and that is said. Checkpoints
//! that the caller brings are what shows a log that was rewritten as a whole.

use counterfoil_verify::{Checkpoint, Note, Origin, VerifierKey};

use crate::db::{Conn, DbError, DbResult};
use crate::ledger::leaves;
use crate::trail::keys::KeyFolder;
use crate::trail::store::{self, CheckpointRow, LogState};
use crate::trail::tree::Tree;

use super::findings::Findings;
use super::{Given, L0};

/// Checkpoints read at once.
const PAGE: i64 = 500;

/// Compares all of them.
pub(super) fn compare(
    conn: &mut Conn,
    folder: &KeyFolder,
    given: &Given,
    state: &LogState,
    findings: &mut Findings,
) -> DbResult<()> {
    let own = || folder.key(&state.origin).ok().flatten().map(|key| key.verifier());
    let keys = if given.keys.is_empty() { own().into_iter().collect() } else { given.keys.clone() };
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
            if let Err(why) = holds(conn, state, &keys, &row)? {
                let detail = format!("checkpoint {}: {}", row.number, why.text);
                findings.add((L0, why.kind), "checkpoints", row.size, detail);
            }
            last = row;
        }
    }
    outside(conn, folder, state, (&keys, &last), findings)?;
    for (name, content) in &given.checkpoints {
        findings.checked(L0, 1);
        if let Err((kind, place, why)) = brought(conn, state, &keys, content)? {
            findings.add((L0, kind), "checkpoints", place, format!("{name}: {why}"));
        }
    }
    let kept = match given.checkpoints.len() {
        0 => "no checkpoint given: what was rewritten as a whole, with its key, is undetectable".to_owned(),
        n => format!("with {n} brought from outside"),
    };
    let signed_by: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let text = match (last.number, given.keys.is_empty(), signed_by.as_slice()) {
        (0, ..) => format!("none is stored; {kept}"),
        (_, _, []) => format!("those stored; there is no key in keys.dir, so their signatures were not checked; {kept}"),
        (_, true, keys) => format!("those stored, signed by the key in keys.dir: {}; {kept}", keys.join(", ")),
        (_, false, keys) => format!("those stored, signed by the key given: {}; {kept}", keys.join(", ")),
    };
    findings.note(L0, text);
    Ok(())
}

/// What is wrong with something brought from outside: its kind, where, and in words.
type Wrong = (&'static str, Option<i64>, String);

/// Whether a file or mail brought from outside holds a checkpoint that was a state of this log.
fn brought(conn: &mut Conn, state: &LogState, keys: &[VerifierKey], content: &[u8]) -> DbResult<Result<(), Wrong>> {
    let none = |why: String| Ok(Err(("checkpoint_of_another_log", None, why)));
    let Some(note) = Note::find(content) else { return none("there is no signed checkpoint in it".to_owned()) };
    let signed = match Checkpoint::open(&note, keys, Origin::Is(&state.origin)) {
        Ok(signed) => signed.checkpoint,
        Err(error) => return none(error.to_string()),
    };
    let place = i64::try_from(signed.size).unwrap_or(i64::MAX);
    let kind = |why: &Why| if why.kind == UNPROVEN { UNPROVEN } else { "checkpoint_contradicts" };
    Ok(is_state(conn, state, signed.size, &signed.root)?.map_err(|why| (kind(&why), Some(place), why.text)))
}

/// What is wrong with a checkpoint: that it is not one of this log, or that it cannot be tried.
struct Why {
    kind: &'static str,
    text: String,
}

/// A tile or leaf that it takes is missing, which is a finding of its own and comes before this one.
const UNPROVEN: &str = "checkpoint_unproven";

fn differs(text: impl Into<String>) -> Why {
    Why { kind: "checkpoint_differs", text: text.into() }
}

/// Whether a stored checkpoint is what its note says, and a state of this log.
fn holds(conn: &mut Conn, state: &LogState, keys: &[VerifierKey], row: &CheckpointRow) -> DbResult<Result<(), Why>> {
    let Ok(note) = Note::parse(&row.note) else { return Ok(Err(differs("its note cannot be read"))) };
    if !keys.is_empty() {
        match Checkpoint::open(&note, keys, Origin::Is(&state.origin)) {
            Err(error) => return Ok(Err(differs(error.to_string()))),
            Ok(signed) => {
                let said = (signed.checkpoint.size, &signed.checkpoint.root[..]);
                if said != (row.size.unsigned_abs(), &row.root[..]) {
                    return Ok(Err(differs("its note says another size or root than its row")));
                }
            }
        }
    }
    is_state(conn, state, row.size.unsigned_abs(), &row.root)
}

/// Whether the log had this root when it had this size.
fn is_state(conn: &mut Conn, state: &LogState, size: u64, root: &[u8]) -> DbResult<Result<(), Why>> {
    Ok(match Tree::of(conn, state, leaves::hashes).root_at(size) {
        Ok(Some(found)) if found[..] == *root => Ok(()),
        Ok(Some(_)) => {
            Err(differs(format!("the first {size} leaves do not have its root: the log was changed after it was signed")))
        }
        Ok(None) => Err(differs(format!("it covers {size} leaves, the log has {}: the log was cut", state.size))),
        Err(DbError::Corrupt(why)) => {
            Err(Why { kind: UNPROVEN, text: format!("the root over {size} leaves cannot be made: {why}") })
        }
        Err(error) => return Err(error),
    })
}

/// The last checkpoint is also kept beside the key, outside the database.
fn outside(
    conn: &mut Conn,
    folder: &KeyFolder,
    state: &LogState,
    (keys, last): (&[VerifierKey], &CheckpointRow),
    findings: &mut Findings,
) -> DbResult<()> {
    let (false, Ok(Some(note))) = (keys.is_empty(), folder.checkpoint(&state.origin)) else { return Ok(()) };
    let Ok(signed) = Checkpoint::open(&note, keys, Origin::Is(&state.origin)) else {
        findings.add((L0, "kept_unreadable"), "checkpoints", None, "the checkpoint kept beside the key is not one of this log");
        return Ok(());
    };
    findings.checked(L0, 1);
    let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
    let place = i64::try_from(size).unwrap_or(i64::MAX);
    if let Err(why) = is_state(conn, state, size, &root)? {
        let detail = format!("the checkpoint kept beside the key: {}", why.text);
        findings.add((L0, why.kind), "checkpoints", place, detail);
    }
    if place > last.size {
        let text = "a checkpoint of this size is kept beside the key, and is not stored";
        findings.add((L0, "checkpoint_missing"), "checkpoints", place, text);
    }
    Ok(())
}
