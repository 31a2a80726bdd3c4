//! L0: the log against every checkpoint that is stored, and those that are kept outside the database.
//!
//! Keys come from the caller; without any, the one in `keys.dir` is used and that is said. Checkpoints
//! that the caller brings are what shows a log that was rewritten as a whole.

use counterfoil_verify::rotation::{Rotation, retired_at};
use counterfoil_verify::{Checkpoint, Note, Origin, VerifierKey};
use serde_json::Value;

use crate::clock::{MINUTE, Moment};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::trail::generations::Origins;
use crate::trail::keys::{KeyFolder, origin_of_book};
use crate::trail::rotations;
use crate::trail::store::{self, CheckpointRow, LogState};
use crate::trail::tree::Tree;

use super::beside::{Beside, Kept};
use super::findings::Findings;
use super::{Given, L0, Options};

/// How far ahead a checkpoint may be signed: it may have been signed after the clock was read, by a clock that goes before.
const AHEAD: i64 = MINUTE;
/// Checkpoints read at once.
const PAGE: i64 = 500;

/// What checkpoints are held against.
pub(super) struct Against<'a> {
    state: &'a LogState,
    origins: Origins,
    /// Trusted, with those that follow from them by changes that both keys signed.
    keys: Vec<VerifierKey>,
    rotations: Vec<Rotation>,
}

/// Compares all of them.
pub(super) fn compare(
    conn: &mut Conn,
    beside: &Beside,
    options: &Options<'_>,
    state: &LogState,
    findings: &mut Findings,
) -> DbResult<()> {
    let given = options.given;
    // Where the clock was set back, the log's own time stands in.
    let latest = options.now.0.max(state.recorded_at) + AHEAD;
    let origins = Origins::of(conn)?;
    let pinned = if given.keys.is_empty() { own(conn, &beside.keys, state)? } else { given.keys.clone() };
    let (rotations, mut keys) = (rotations::all(conn)?, rotations::trusted(conn, pinned.clone())?);
    if given.keys.is_empty() {
        // An older copy does not know that they were replaced.
        keys.extend(beside.keys.earlier(conn)?);
    }
    let against = Against { state, origins, keys, rotations };
    let last = stored(conn, &against, latest, findings)?;
    vouched(conn, &against, findings)?;
    // Without a key nothing can be said of their signatures.
    let (mut lost, mut filed) = (String::new(), String::new());
    if !against.keys.is_empty() {
        if let Some(kept) = &beside.kept {
            outside(conn, kept, &against, &last, findings)?;
        }
        let said = super::filed::compare(conn, beside.keys.anchor_file(), &beside.filed, &against, findings)?;
        filed = said.map_or_else(String::new, |said| format!("; {said}"));
    }
    for (name, content) in &given.checkpoints {
        findings.checked(L0, 1);
        let held = match Note::find(content) {
            Some(note) => against.brought(conn, &note)?,
            None => Err(("checkpoint_of_another_log", None, "there is no signed checkpoint in it".to_owned())),
        };
        match held {
            Ok(None) => {}
            Ok(Some(said)) => lost.push_str(&format!("; {name}: {said}")),
            Err((kind, place, why)) => findings.add((L0, kind), "checkpoints", place, format!("{name}: {why}")),
        }
    }
    findings.note(L0, held_against(given, last.number > 0, &pinned, &lost) + &filed);
    Ok(())
}

/// Those that are stored; answers the last of them, of number 0 if there is none.
fn stored(conn: &mut Conn, against: &Against<'_>, latest: i64, findings: &mut Findings) -> DbResult<CheckpointRow> {
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
            if row.signed_at > latest {
                let detail = format!("checkpoint {} says that it was signed at {}", row.number, Moment(row.signed_at));
                findings.add((L0, "checkpoint_postdated"), "checkpoints", row.size, detail);
            }
            if let Err(why) = against.holds(conn, &row)? {
                let detail = format!("checkpoint {}: {}", row.number, why.text);
                findings.add((L0, why.kind), "checkpoints", row.size, detail);
            }
            last = row;
        }
    }
    Ok(last)
}

/// A database without a state of its log: whatever was signed is not there any more.
pub(super) fn without_a_log(beside: &Beside, options: &Options<'_>, findings: &mut Findings) {
    let read = |note: Option<Note>| note.and_then(|note| Checkpoint::parse(note.unverified_text()).ok());
    let kept = beside.kept.iter().map(|kept| (BESIDE.to_owned(), read(Some(kept.note.clone()))));
    let brought = options.given.checkpoints.iter().map(|(name, content)| (name.clone(), read(Note::find(content))));
    let filed = beside.keys.anchor_file().largest_named(&origin_of_book(options.config.book_name()));
    let filed = filed.unwrap_or_else(|error| {
        findings.note(L0, format!("{error}: nothing in it was looked at"));
        None
    });
    let filed = filed.map(|said| ("the largest in anchor.file".to_owned(), Some(said)));
    for (name, said) in kept.chain(filed).chain(brought) {
        findings.checked(L0, 1);
        let covers = said.as_ref().map_or_else(String::new, |said| format!(" of {} leaves of {}", said.size, said.origin));
        let place = said.and_then(|said| i64::try_from(said.size).ok());
        let detail = format!("{name}{covers}: this database has no state of any log; it was emptied, or is another one");
        findings.add((L0, "checkpoint_contradicts"), "log_state", place, detail);
    }
}

/// What the log was held against, in words.
fn held_against(given: &Given, stored: bool, keys: &[VerifierKey], lost: &str) -> String {
    let kept = match given.checkpoints.len() {
        0 => "no checkpoint given: what was rewritten as a whole, with its key, is undetectable".to_owned(),
        n => format!("with {n} brought from outside{lost}"),
    };
    let signed_by: Vec<String> = keys.iter().map(ToString::to_string).collect();
    match (stored, given.keys.is_empty(), signed_by.as_slice()) {
        (false, ..) => format!("none is stored; {kept}"),
        (_, _, []) => format!("those stored; there is no key in keys.dir, so their signatures were not checked; {kept}"),
        (_, true, keys) => format!("those stored, signed by the key in keys.dir: {}; {kept}", keys.join(", ")),
        (_, false, keys) => format!("those stored, signed by the key given: {}; {kept}", keys.join(", ")),
    }
}

/// What an old key signed when it was replaced still holds: nobody can sign that again.
fn vouched(conn: &mut Conn, against: &Against<'_>, findings: &mut Findings) -> DbResult<()> {
    for said in &against.rotations {
        findings.checked(L0, 1);
        if let Err(why) = is_state(conn, against.state, said.size, &said.root)? {
            let detail = format!("the change of the key at {} leaves: {}", said.size, why.text);
            findings.add((L0, why.kind), "key_rotations", i64::try_from(said.size).unwrap_or(i64::MAX), detail);
        }
    }
    Ok(())
}

/// What is wrong with something brought from outside: its kind, where, and in words.
pub(super) type Wrong = (&'static str, Option<i64>, String);

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

impl Against<'_> {
    /// Opens a note that must be a checkpoint of the log under this name. Of a name that the log had before
    /// a loss no key may be known any more: then only what it says is read.
    fn open(&self, note: &Note, origin: &str) -> Result<Checkpoint, String> {
        let known = self.keys.iter().any(|key| key.name() == origin);
        if self.keys.is_empty() || (!known && origin != self.state.origin) {
            let read = Checkpoint::parse(note.unverified_text()).map_err(|e| e.to_string())?;
            return if read.origin == origin { Ok(read) } else { Err(format!("it is of the log {}", read.origin)) };
        }
        let signed = Checkpoint::open(note, &self.keys, Origin::Is(origin)).map_err(|e| e.to_string())?;
        match retired_at(&self.rotations, &signed.log_keys, signed.checkpoint.size) {
            Some(end) => Err(format!("it is signed only by a key that was replaced at {end} leaves")),
            None => Ok(signed.checkpoint),
        }
    }

    /// Whether the log has or had this name.
    pub(super) fn has(&self, origin: &str) -> bool {
        self.origins.names().any(|name| name == origin)
    }

    /// Whether a key of the log named so is trusted.
    pub(super) fn knows(&self, origin: &str) -> bool {
        self.keys.iter().any(|key| key.name() == origin)
    }

    /// Whether a checkpoint brought from outside was a state of this log; of one signed before a loss, what can still
    /// be said.
    pub(super) fn brought(&self, conn: &mut Conn, note: &Note) -> DbResult<Result<Option<String>, Wrong>> {
        let none = |why: String| Ok(Err(("checkpoint_of_another_log", None, why)));
        let origin = note.unverified_text().lines().next().unwrap_or_default().to_owned();
        if !self.knows(&origin) {
            return none(format!("no key is given or known for the log {origin}"));
        }
        let named = self.origins.names().find(|name| *name == origin).unwrap_or(&self.state.origin);
        let signed = match self.open(note, named) {
            Ok(signed) => signed,
            Err(error) => return none(error),
        };
        let place = i64::try_from(signed.size).unwrap_or(i64::MAX);
        if let Some(end) = self.origins.end_of(named).filter(|end| place > *end) {
            return lost(conn, end, place);
        }
        let is = is_state(conn, self.state, signed.size, &signed.root)?;
        let kind = |why: &Why| if why.kind == UNPROVEN { UNPROVEN } else { "checkpoint_contradicts" };
        Ok(is.map(|()| None).map_err(|why| (kind(&why), Some(place), why.text)))
    }

    /// Whether a stored checkpoint is what its note says, and a state of this log.
    fn holds(&self, conn: &mut Conn, row: &CheckpointRow) -> DbResult<Result<(), Why>> {
        let Ok(note) = Note::parse(&row.note) else { return Ok(Err(differs("its note cannot be read"))) };
        match self.open(&note, self.origins.of_size(row.size)) {
            Err(error) => return Ok(Err(differs(error))),
            Ok(said) if (said.size, &said.root[..]) != (row.size.unsigned_abs(), &row.root[..]) => {
                return Ok(Err(differs("its note says another size or root than its row")));
            }
            Ok(_) => {}
        }
        is_state(conn, self.state, row.size.unsigned_abs(), &row.root)
    }
}

/// What the recovery at `end` says of a checkpoint of so many leaves, signed before it.
fn lost(conn: &mut Conn, end: Seq, size: i64) -> DbResult<Result<Option<String>, Wrong>> {
    let event = store::event(conn, end)?.map(|(row, _)| row);
    let body: Value = event.and_then(|row| serde_json::from_str(&row.body).ok()).unwrap_or_default();
    if body["lost"][1].as_i64().is_some_and(|to| size <= to) {
        return Ok(Ok(Some(format!(
            "consistent up to {end} leaves as far as is known; those from {end} to {size} were lost, as the recovery in event {end} records"
        ))));
    }
    let why = format!("it covers {size} leaves, more than the recovery in event {end} says were lost");
    Ok(Err(("checkpoint_contradicts", Some(size), why)))
}

/// The key of this installation in force.
fn own(conn: &mut Conn, folder: &KeyFolder, state: &LogState) -> DbResult<Vec<VerifierKey>> {
    // A row that cannot be read is found by comparing it with its event.
    let force = rotations::in_force(conn, &state.origin).ok().flatten();
    let key = force.and_then(|force| folder.key_of(&force).ok().flatten());
    let key = key.or_else(|| folder.key(&state.origin).ok().flatten());
    Ok(key.map(|key| key.verifier()).into_iter().collect())
}

/// Whether the log had this root when it had this size.
fn is_state(conn: &mut Conn, state: &LogState, size: u64, root: &[u8]) -> DbResult<Result<(), Why>> {
    Ok(match Tree::of(conn, state, leaves::hashes).root_at(size) {
        Ok(Some(found)) if found[..] == *root => Ok(()),
        Ok(Some(_)) => {
            Err(differs(format!("the first {size} leaves do not have its root: the log was changed after it was signed")))
        }
        Ok(None) => Err(differs(format!(
            "it covers {size} leaves, the log has {}: the log was cut, or this is an older copy of it",
            state.size
        ))),
        Err(DbError::Corrupt(why)) => {
            Err(Why { kind: UNPROVEN, text: format!("the root over {size} leaves cannot be made: {why}") })
        }
        Err(error) => return Err(error),
    })
}

/// What the last checkpoint outside the database is called.
const BESIDE: &str = "the checkpoint kept beside the key";

/// The last checkpoint is also kept outside the database.
fn outside(conn: &mut Conn, kept: &Kept, against: &Against<'_>, last: &CheckpointRow, findings: &mut Findings) -> DbResult<()> {
    let named = BESIDE;
    let Ok(signed) = against.open(&kept.note, &kept.origin) else {
        findings.add((L0, "kept_unreadable"), "checkpoints", None, format!("{named} is not one of this log"));
        return Ok(());
    };
    findings.checked(L0, 1);
    let (size, root) = (signed.size, signed.root);
    let place = i64::try_from(size).unwrap_or(i64::MAX);
    if let Err(why) = is_state(conn, against.state, size, &root)? {
        findings.add((L0, why.kind), "checkpoints", place, format!("{named}: {}", why.text));
    }
    if place > last.size {
        let text = format!("a checkpoint of this size is not stored: {named} is of it");
        findings.add((L0, "checkpoint_missing"), "checkpoints", place, text);
    }
    Ok(())
}
