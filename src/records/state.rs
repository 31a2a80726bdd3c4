//! A record's state at one of its versions, from the nearest snapshot; and which version was in force
//! at an instant.
//!
//! A snapshot names the change that set each value and holds none itself: a value is in one place only,
//! so that it can go. Every [`SNAPSHOT_EVERY`] changes there is one, and a state costs at most that many
//! changes beside it, however long the history is.

use std::collections::BTreeMap;

use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;

use super::change::Action;
use super::decide::{Held, State};
use super::json::Json;
use super::store::{self, ChangeRow, FieldSet, SnapshotRow};

/// Changes between two snapshots of a record.
pub const SNAPSHOT_EVERY: i64 = 32;

/// Stands in a snapshot for values that are gone.
pub const TORN: (&str, Seq, i32) = ("", -1, 0);

/// Which time is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// When it was so, as the senders say.
    Effective,
    /// When we knew.
    Recorded,
}

/// The state after the newest change; `None` if there is none yet.
///
/// # Errors
/// When the database cannot be read.
pub fn newest(conn: &mut Conn, record: Seq) -> DbResult<Option<State>> {
    match store::newest(conn, record)? {
        Some(row) => Ok(Some(at_version(conn, &row)?)),
        None => Ok(None),
    }
}

/// The state after a change.
///
/// # Errors
/// When the database cannot be read, or a snapshot cannot be understood.
pub fn at_version(conn: &mut Conn, row: &ChangeRow) -> DbResult<State> {
    let snapshot = store::snapshot(conn, row.record, row.version)?;
    let (mut values, mut torn, mut from) = (BTreeMap::new(), false, 0);
    if let Some(snapshot) = snapshot {
        (values, torn) = read_snapshot(conn, &snapshot)?;
        from = snapshot.version;
    }
    let steps = store::steps(conn, row.record, (from, row.version))?;
    let places: Vec<Seq> = steps.iter().map(|(seq, ..)| *seq).collect();
    let mut sets = store::sets_of(conn, &places)?.into_iter().peekable();
    for (seq, action, fields) in steps {
        let deleted = action == Action::Delete.code();
        let gone = fields > 0 && sets.peek().is_none_or(|set| set.seq != seq);
        torn = (torn || gone) && !deleted;
        // Both are in the order of their places.
        apply(&mut values, action, std::iter::from_fn(|| sets.next_if(|set| set.seq == seq)));
    }
    let exists = row.action != Action::Delete.code();
    Ok(State { version: row.version, head: row.seq, exists, effective_at: row.effective_at, values, torn })
}

/// The state after one more change, with all its fields.
pub fn after(before: Option<State>, row: &ChangeRow, fields: impl Iterator<Item = FieldSet>) -> State {
    let (mut values, torn) = before.map(|state| (state.values, state.torn)).unwrap_or_default();
    apply(&mut values, row.action, fields);
    let exists = row.action != Action::Delete.code();
    State { version: row.version, head: row.seq, exists, effective_at: row.effective_at, values, torn: torn && exists }
}

/// Takes a change into a state, with all its fields.
pub fn apply(values: &mut BTreeMap<String, Held>, action: i16, fields: impl Iterator<Item = FieldSet>) {
    for set in fields {
        match held(&set) {
            Some(held) => drop(values.insert(set.path, held)),
            None => drop(values.remove(&set.path)),
        }
    }
    if action == Action::Delete.code() {
        values.clear();
    }
}

/// The value that a field was set to; `None` if it was taken away.
fn held(set: &FieldSet) -> Option<Held> {
    let (seq, n) = (set.seq, set.n);
    match (&set.new, &set.new_digest) {
        (Some(value), _) => Some(Held { seq, n, value: Some(Json::stored(value.clone())), digest: None }),
        (None, Some(digest)) => Some(Held { seq, n, value: None, digest: Some(digest.clone()) }),
        (None, None) => None,
    }
}

/// What a snapshot of these values says; `torn` ones have a mark, which is no place.
pub fn snapshot_body(values: &BTreeMap<String, Held>, torn: bool) -> String {
    let places = values.iter().map(|(path, held)| (path.as_str(), held.seq, held.n));
    let places: Vec<(&str, Seq, i32)> = places.chain(torn.then_some(TORN)).collect();
    serde_json::json!(places).to_string()
}

fn read_snapshot(conn: &mut Conn, snapshot: &SnapshotRow) -> DbResult<(BTreeMap<String, Held>, bool)> {
    let broken = |what: &str| {
        DbError::Corrupt(format!("snapshot {} of record {} {what}; run `counterfoil verify`", snapshot.version, snapshot.record))
    };
    let mut places: Vec<(String, Seq, i32)> = serde_json::from_str(&snapshot.body).map_err(|_| broken("cannot be read"))?;
    let listed = places.len();
    places.retain(|(_, seq, _)| *seq != TORN.1);
    let torn = places.len() < listed;
    let mut wanted: Vec<Seq> = places.iter().map(|(_, seq, _)| *seq).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let fields = store::sets_of(conn, &wanted)?;
    let mut values = BTreeMap::new();
    for (path, seq, n) in places {
        let at = fields.binary_search_by_key(&(seq, n), |field| (field.seq, field.n));
        // A value that was erased since is gone from the state too.
        let Some(field) = at.ok().map(|at| &fields[at]) else { continue };
        if field.path != path {
            return Err(broken("names another field"));
        }
        values.extend(held(field).map(|held| (path, held)));
    }
    Ok((values, torn))
}

/// The change that was the newest at an instant; `None` before the first. Either time never decreases
/// along a record: the search takes as many steps as the number of changes has binary digits.
///
/// # Errors
/// When the database cannot be read.
pub fn in_force(conn: &mut Conn, record: Seq, at: Moment, axis: Axis) -> DbResult<Option<ChangeRow>> {
    let time = |row: &ChangeRow| match axis {
        Axis::Effective => row.effective_at,
        Axis::Recorded => row.recorded_at,
    };
    let Some(newest) = store::newest(conn, record)? else { return Ok(None) };
    if time(&newest) <= at.0 {
        return Ok(Some(newest));
    }
    let (mut low, mut high, mut found) = (1, newest.version - 1, None);
    while low <= high {
        let middle = low + (high - low) / 2;
        let row = store::version(conn, record, middle)?.ok_or_else(|| {
            DbError::Corrupt(format!("version {middle} of record {record} is missing; run `counterfoil verify`"))
        })?;
        if time(&row) <= at.0 {
            low = middle + 1;
            found = Some(row);
        } else {
            high = middle - 1;
        }
    }
    Ok(found)
}
