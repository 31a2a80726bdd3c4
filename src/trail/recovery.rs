//! Going on after a loss: the database is an older copy than what was signed, or the key is gone for good.
//!
//! The log goes on under a new name from its present size on. Its first leaf there says which checkpoint
//! was the last known, which leaves were lost, who decided it and why; whatever was signed under the old
//! name stays what it was, and contradicts nothing signed under the new one. A database that was changed
//! rather than lost is never let go on.
//!
//! The steps: the new key, the event with the new name in one transaction, the note of the new name beside
//! the keys. After a stop in between the same command is run again.

use counterfoil_verify::{Checkpoint, Note, Origin};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::db::{Conn, DbError, DbResult, bulk};
use crate::ids::Seq;

use super::anchor::{self, Lacking};
use super::generations::{self, Origins, RECOVERED};
use super::keys::KeyFolder;
use super::store::{self, LogState};
use super::tree::{LeafHashes, Tree};
use super::{ActError, ActTx, NewEvent, rotations};

/// What a recovery would do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name so far.
    pub previous: String,
    /// The name from then on.
    pub origin: String,
    /// Leaves in the database.
    pub size: i64,
    /// The last known checkpoint, if any.
    pub last: Option<Note>,
    /// Leaves from the one to before the other place were lost.
    pub lost: Option<(i64, i64)>,
    /// The event of an earlier run that did not finish.
    pub unfinished: Option<Seq>,
}

/// Who decided it.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Two officers.
    pub officers: [Seq; 2],
    /// Why; private.
    pub reason: String,
    /// On which machine, by which of its users; private.
    pub whence: Value,
}

fn unfit<T>(text: String) -> DbResult<T> {
    Err(DbError::Unfit(text))
}

/// What a recovery would do to this database. `brought` is a newer checkpoint than the one beside the keys,
/// from a mail or a witness.
///
/// # Errors
/// [`DbError::Unfit`] when nothing is lost, or when the database was changed.
pub fn plan(conn: &mut Conn, keys: &KeyFolder, brought: Option<Note>, leaves: LeafHashes) -> DbResult<Plan> {
    let Some(state) = store::state(conn)? else {
        return unfit("the database is empty: restore any copy of it first, however old".to_owned());
    };
    if let Some(known) = keys.origin()?.filter(|known| *known != state.origin) {
        return begun(conn, &state, known);
    }
    let lacking = anchor::lacking(conn, keys, &state, leaves)?;
    let key_lost = lacking == Lacking::Key;
    let beside = match lacking {
        Lacking::Changed { size } => return changed(size),
        Lacking::Leaves { note, .. } => Some(note),
        Lacking::Key => keys.checkpoint(&state.origin)?,
        Lacking::Nothing => None,
    };
    let stored = if key_lost { store::newest_checkpoint(conn)?.and_then(|row| Note::parse(&row.note).ok()) } else { None };
    let nothing = "nothing is lost: the database holds everything that was signed, and its key is there; `serve` may go on";
    let Some((note, last)) = newest([beside, brought, stored])? else { return unfit(nothing.to_owned()) };
    if last.origin != state.origin {
        return unfit(format!("the checkpoint is of the log {}, the database holds {}", last.origin, state.origin));
    }
    if !key_lost {
        trusted(conn, keys, &note)?;
    }
    let size = i64::try_from(last.size).unwrap_or(i64::MAX);
    match Tree::of(conn, &state, leaves).root_at(last.size)? {
        Some(root) if root != last.root => return changed(last.size),
        Some(_) if !key_lost => return unfit(nothing.to_owned()),
        _ => {}
    }
    let lost = (size > state.size).then_some((state.size, size));
    let origin = generations::next_name(&state.origin);
    Ok(Plan { previous: state.origin, origin, size: state.size, last: Some(note), lost, unfinished: None })
}

fn changed<T>(size: u64) -> DbResult<T> {
    unfit(format!(
        "the first {size} leaves were changed after they were signed: this is no loss; keep the database as evidence, and restore a \
         copy that `counterfoil verify` finds whole"
    ))
}

/// An earlier run that stopped after its event and before its note beside the keys.
fn begun(conn: &mut Conn, state: &LogState, known: String) -> DbResult<Plan> {
    let Some(at) = Origins::of(conn)?.end_of(&known) else {
        return unfit(format!("the database holds the log {}, but it held {known} before: restore the right one", state.origin));
    };
    let event = store::event(conn, at)?.filter(|(row, _)| row.kind == RECOVERED);
    if event.is_none() || state.size != at + 1 {
        return unfit(format!("the log {} did not begin by a recovery that could be finished here", state.origin));
    }
    Ok(Plan { previous: known, origin: state.origin.clone(), size: at, last: None, lost: None, unfinished: Some(at) })
}

/// The note that covers most.
fn newest<const N: usize>(notes: [Option<Note>; N]) -> DbResult<Option<(Note, Checkpoint)>> {
    let mut found: Option<(Note, Checkpoint)> = None;
    for note in notes.into_iter().flatten() {
        let read = Checkpoint::parse(note.unverified_text()).map_err(|e| DbError::Unfit(e.to_string()))?;
        if found.as_ref().is_none_or(|(_, best)| best.size < read.size) {
            found = Some((note, read));
        }
    }
    Ok(found)
}

/// A checkpoint that is to prove a loss must be signed by the log's key.
fn trusted(conn: &mut Conn, keys: &KeyFolder, note: &Note) -> DbResult<()> {
    let origin = note.unverified_text().lines().next().unwrap_or_default().to_owned();
    let own = keys.key(&origin)?.map(|key| key.verifier());
    let mut trusted = rotations::trusted(conn, own.into_iter().collect())?;
    trusted.extend(keys.retired(&origin)?);
    let opened = Checkpoint::open(note, &trusted, Origin::OfKey);
    opened.map(drop).map_err(|e| DbError::Unfit(format!("the checkpoint cannot be trusted: {e}")))
}

/// Carries the plan out; answers the event, which is the first leaf under the new name. The caller holds the
/// lease and has made sure who the officers are.
///
/// # Errors
/// When it cannot be written; then it can be run again.
pub fn carry_out(
    conn: &mut Conn,
    keys: &KeyFolder,
    clock: &Clock,
    plan: &Plan,
    by: &Decided,
    leaves: LeafHashes,
) -> DbResult<Seq> {
    let seq = match plan.unfinished {
        Some(seq) => same_officers(conn, seq, by)?,
        None => record(conn, keys, clock, plan, by, leaves)?,
    };
    // Made already, unless the folder was emptied since.
    keys.key_or_new(&plan.origin, clock)?;
    keys.set_origin(&plan.origin)?;
    Ok(seq)
}

fn same_officers(conn: &mut Conn, seq: Seq, by: &Decided) -> DbResult<Seq> {
    let body: Value = store::event(conn, seq)?.and_then(|(row, _)| serde_json::from_str(&row.body).ok()).unwrap_or_default();
    let named: Vec<Seq> = body["officers"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    match by.officers.iter().all(|officer| named.contains(officer)) {
        true => Ok(seq),
        false => unfit(format!("the recovery in event {seq} was decided by other officers: they must finish it")),
    }
}

fn record(conn: &mut Conn, keys: &KeyFolder, clock: &Clock, plan: &Plan, by: &Decided, leaves: LeafHashes) -> DbResult<Seq> {
    let key = keys.key_or_new(&plan.origin, clock)?.verifier().to_string();
    let previous_key = keys.key(&plan.previous).ok().flatten().map(|key| key.verifier().to_string());
    let body = json!({
        "previous": plan.previous, "origin": plan.origin, "size": plan.size, "lost": plan.lost.map(|(from, to)| [from, to]),
        "checkpoint": plan.last.as_ref().map(ToString::to_string), "key": key, "previous_key": previous_key,
        "officers": by.officers,
    });
    let private = json!({ "reason": by.reason, "whence": by.whence });
    conn.write(|conn| {
        let state = store::state(conn)?.filter(|state| state.size == plan.size && state.origin == plan.previous);
        let state = state.ok_or_else(|| DbError::Unfit("the log has changed meanwhile: run this again".into()))?;
        let trailing = leaves(conn, state.size - state.size % 256, state.size)?;
        let mut tail = store::load_tail(conn, &LogState { origin: plan.origin.clone(), ..state.clone() }, &trailing)?;
        let mut tx = ActTx::new(conn, clock, &mut tail);
        let appended = tx.append(NewEvent::with_private(RECOVERED, body, private));
        let seq = appended.map_err(|e: ActError| DbError::Unfit(e.to_string()))?;
        generations::begin(conn, seq, &plan.origin)?;
        store::rename(conn, &plan.previous, &plan.origin)?;
        store::advance(conn, state.size, &tail)?;
        bulk::append(conn, &tail.take_full_tiles())?;
        Ok(seq)
    })
}
