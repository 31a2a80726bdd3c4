//! Reading a record: its history page by page, two of its states side by side, one number over time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::store as trail;

use super::decide::{Held, State};
use super::event::{Private, Public, RuleOutcome};
use super::json::Json;
use super::store::{self, ChangeRow, FieldRow};

/// A change with what is stored beside it.
#[derive(Clone, Debug)]
pub struct Version {
    /// The change.
    pub change: ChangeRow,
    /// Its fields, in order of their paths.
    pub fields: Vec<FieldRow>,
    /// Who and why; `None` when it was erased or its time was over.
    pub private: Option<Private>,
    /// What the rules said of it, unless that is *clear*.
    pub outcomes: Vec<RuleOutcome>,
    /// The proposal by which two officers restored it.
    pub proposal: Option<Seq>,
}

/// Changes of a record, newest first: those before version `before`, at most `limit`; and whether there are
/// more.
///
/// # Errors
/// When the database cannot be read.
pub fn page(conn: &mut Conn, record: Seq, before: Option<i64>, limit: i64) -> DbResult<(Vec<Version>, bool)> {
    let newest = store::newest(conn, record)?.map_or(0, |row| row.version);
    let last = before.map_or(newest, |before| (before - 1).min(newest));
    let first = (last - limit).max(0);
    let changes = store::versions(conn, record, first, last)?;
    Ok((whole(conn, changes.into_iter().rev().collect())?, first > 0))
}

/// The changes at these places, in their order, with what is stored beside them.
///
/// # Errors
/// When the database cannot be read.
pub fn at(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<Version>> {
    let changes = store::changes_at(conn, places)?;
    whole(conn, changes)
}

fn whole(conn: &mut Conn, changes: Vec<ChangeRow>) -> DbResult<Vec<Version>> {
    let places: Vec<Seq> = changes.iter().map(|change| change.seq).collect();
    let mut fields: HashMap<Seq, Vec<FieldRow>> = HashMap::new();
    for field in store::fields_of(conn, &places)? {
        fields.entry(field.seq).or_default().push(field);
    }
    let mut versions = Vec::with_capacity(changes.len());
    for change in changes {
        let (row, part) = trail::event(conn, change.seq)?.unzip();
        let public = row.and_then(|row| Public::read(&row.body));
        let (outcomes, proposal) = public.map(|public| (public.outcomes, public.proposal)).unwrap_or_default();
        let private = part.flatten().and_then(|part| Private::read(&part.body));
        let fields = fields.remove(&change.seq).unwrap_or_default();
        versions.push(Version { change, fields, private, outcomes, proposal });
    }
    Ok(versions)
}

/// Where two states differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub path: String,
    /// In the first state.
    pub from: Option<Held>,
    /// In the second.
    pub to: Option<Held>,
}

/// The fields in which two states of one record differ, in order of their paths.
pub fn difference(from: &State, to: &State) -> Vec<Difference> {
    let paths: BTreeSet<&String> = from.values.keys().chain(to.values.keys()).collect();
    let mut found = Vec::new();
    for path in paths {
        let (one, two) = (from.values.get(path), to.values.get(path));
        let same = match (one, two) {
            (Some(Held { value: Some(one), .. }), Some(Held { value: Some(two), .. })) => one.same(two),
            (Some(one), Some(two)) => one.digest.is_some() && one.digest == two.digest,
            _ => one.is_none() && two.is_none(),
        };
        if !same {
            found.push(Difference { path: path.clone(), from: one.cloned(), to: two.cloned() });
        }
    }
    found
}

/// The same, as a source may know it: sealed values that different changes set count as different, so that
/// nobody can hold a guess against one.
pub fn difference_for_sources(from: &State, to: &State) -> Vec<Difference> {
    let mut found = difference(from, to);
    for (path, one) in from.values.iter().filter(|(_, held)| held.value.is_none()) {
        let Some(two) = to.values.get(path).filter(|two| two.value.is_none()) else { continue };
        let listed = found.iter().any(|found| found.path == *path);
        if !listed && (one.seq, one.n) != (two.seq, two.n) {
            found.push(Difference { path: path.clone(), from: Some(one.clone()), to: Some(two.clone()) });
        }
    }
    found.sort_by(|one, two| one.path.cmp(&two.path));
    found
}

/// A number at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When it came to be so.
    pub at: Moment,
    /// The number, as it was sent.
    pub value: Json,
}

/// The numbers that a field held, oldest first: of its newest `limit` changes.
///
/// # Errors
/// When the database cannot be read.
pub fn readings(conn: &mut Conn, record: Seq, path: &str, limit: i64) -> DbResult<Vec<Reading>> {
    let mut found = Vec::new();
    for (at, new) in store::values_of(conn, record, path, limit)? {
        let Some(value) = new.map(Json::stored).filter(|value| value.decimal().is_some()) else { continue };
        found.push(Reading { at: Moment(at), value });
    }
    found.reverse();
    Ok(found)
}

/// Paths of a state that hold a number, at most `limit`.
pub fn numeric(state: &State, limit: usize) -> Vec<String> {
    let number = |held: &Held| held.value.as_ref().is_some_and(|value| value.decimal().is_some());
    state.values.iter().filter(|(_, held)| number(held)).map(|(path, _)| path.clone()).take(limit).collect()
}

/// The values of a state as a document; sealed ones are left out, and named.
pub fn document(state: &State) -> (super::Document, Vec<String>) {
    let clear: BTreeMap<String, Json> =
        state.values.iter().filter_map(|(path, held)| Some((path.clone(), held.value.clone()?))).collect();
    let sealed = state.values.iter().filter(|(_, held)| held.value.is_none()).map(|(path, _)| path.clone()).collect();
    (super::Document(clear), sealed)
}
