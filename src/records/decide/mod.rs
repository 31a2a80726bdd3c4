//! What of a change is kept: the values that differ, and where the sender's `before` is not our last
//! state. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::Seq;

use super::change::{Action, Content, Listed, NewChange};
use super::document::{Document, is_at_or_below};
use super::json::Json;

/// A value of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The change that set it.
    pub seq: Seq,
    /// Which of its fields.
    pub n: i32,
    /// The value; `None` where it is sealed.
    pub value: Option<Json>,
    /// The keyed digest of a sealed one.
    pub digest: Option<String>,
}

/// A record as it is after one of its changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The number of that change, from 1.
    pub version: i64,
    /// Its place.
    pub head: Seq,
    /// Whether there is anything: a deleted record has no values.
    pub exists: bool,
    /// When it came to be so, as the sender says.
    pub effective_at: i64,
    /// Its values.
    pub values: BTreeMap<String, Held>,
    /// Whether values that are in force are gone, because their time is over or they were erased: what was at
    /// other paths is not known.
    pub torn: bool,
}

/// The keyed digest of a value at a path.
pub type Digest<'a> = dyn Fn(&str, &Json) -> String + 'a;

impl Held {
    /// Whether it is this value.
    pub fn is(&self, path: &str, other: &Json, digest: &Digest<'_>) -> bool {
        match (&self.value, &self.digest) {
            (Some(value), _) => value.same(other),
            (None, known) => known.as_deref() == Some(digest(path, other).as_str()),
        }
    }

    fn is_null(&self) -> bool {
        self.value.as_ref().is_some_and(Json::is_null)
    }

    fn is_sealed(&self) -> bool {
        self.value.is_none()
    }
}

/// What was there before a field changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Old {
    /// Nothing.
    Nothing,
    /// A value.
    Value(Json),
    /// A sealed value, by its keyed digest.
    Sealed(String),
}

/// A field that differs, or a sealed one that was sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Where.
    pub path: String,
    /// What was there, by our last state; for a record that is new to us, by the sender.
    pub old: Old,
    /// What is there now.
    pub new: Option<Json>,
    /// Whether it is the sealed value that is there already. It is kept all the same: what becomes of a
    /// change must not tell its sender whether a sealed value was guessed.
    pub same: bool,
    /// Whether something sealed is there, above or below: what takes its place is sealed, too.
    pub sealed: bool,
}

/// A field of which the sender's `before` is not our last state; the whole record, where the path is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where.
    pub path: String,
    /// What we have.
    pub expected: Option<Json>,
    /// What the sender says.
    pub found: Option<Json>,
    /// Whether ours is sealed, or something above or below it.
    pub sealed: bool,
}

/// What a change comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The fields that are kept, in order of their paths.
    pub fields: Vec<Changed>,
    /// Where `before` is not ours.
    pub mismatches: Vec<Mismatch>,
    /// Whether nothing differs at all.
    pub unchanged: bool,
}

/// A value after the change.
enum After<'a> {
    Kept,
    Set(&'a Json),
}

/// Compares a change with the last state; `None`: the record is new to us.
pub fn decide(state: Option<&State>, change: &NewChange, digest: &Digest<'_>) -> Decision {
    let nothing = State::default();
    let known = state.unwrap_or(&nothing);
    let before = Before::of(&change.content);
    let mut mismatches = if state.is_some() { before.mismatches(known, change.whole_row, digest) } else { Vec::new() };
    if change.action == Action::Create && known.exists {
        let expected = Some(Json::text_of(&format!("version {}", known.version)));
        mismatches = vec![Mismatch { path: String::new(), expected, found: None, sealed: false }];
    }
    if change.action == Action::Update && state.is_some_and(|state| !state.exists) && mismatches.is_empty() {
        let found = Some(Json::text_of("a record"));
        mismatches = vec![Mismatch { path: String::new(), expected: None, found, sealed: false }];
    }
    let after = after(known, &change.content);
    let fields = match (change.action, state.is_some()) {
        // The values of a deleted record are in the changes before.
        (Action::Delete, true) => Vec::new(),
        _ => differing((known, change.whole_row), &before, &after, state.is_none(), digest),
    };
    let exists = change.action != Action::Delete;
    let moved = if state.is_some() { !fields.is_empty() } else { fields.iter().any(Changed::differs) };
    let appears = if state.is_some() { exists != known.exists } else { change.action != Action::Update };
    let unchanged = !moved && !appears && mismatches.is_empty();
    Decision { fields, mismatches, unchanged }
}

impl State {
    /// Whether something sealed is at a path, above it or below it.
    fn seals_near(&self, path: &str) -> bool {
        let near = |other: &str| is_at_or_below(path, other) || is_at_or_below(other, path);
        self.values.iter().any(|(other, held)| held.is_sealed() && near(other))
    }
}

impl Changed {
    fn differs(&self) -> bool {
        match (&self.old, &self.new) {
            (Old::Nothing, None) => false,
            (Old::Value(old), Some(new)) => !old.same(new),
            _ => true,
        }
    }
}

fn differing(
    (known, whole_row): (&State, bool),
    before: &Before<'_>,
    after: &BTreeMap<&str, After<'_>>,
    new: bool,
    digest: &Digest<'_>,
) -> Vec<Changed> {
    let paths: BTreeSet<&str> =
        known.values.keys().map(String::as_str).chain(after.keys().copied()).chain(before.paths()).collect();
    let mut fields = Vec::new();
    for path in paths {
        let (held, said) = (known.values.get(path), before.at(path));
        let to = match after.get(path) {
            Some(After::Kept) => continue,
            Some(After::Set(value)) => Some(*value),
            None => None,
        };
        let ours = match (held, to) {
            (None, None) => true,
            (Some(held), Some(to)) => held.is(path, to, digest),
            _ => false,
        };
        let theirs = match (said, to) {
            (Some(said), Some(to)) => said.same(to),
            (Some(said), None) => said.is_null(),
            (None, _) => true,
        };
        let sealed = held.is_some_and(Held::is_sealed);
        // A record that is new to us is kept whole: that is where its history begins.
        if ours && theirs && !new && !sealed {
            continue;
        }
        let old = match held {
            Some(Held { value: Some(value), .. }) => Old::Value(value.clone()),
            Some(Held { digest: Some(digest), .. }) => Old::Sealed(digest.clone()),
            _ => {
                // What was there with the same value before our state had it has appeared, and not changed.
                let moved = |said: &Json| !to.is_some_and(|to| said.same(to));
                let said = said.filter(|said| new || known.torn || whole_row && moved(said));
                said.map_or(Old::Nothing, |said| Old::Value(said.clone()))
            }
        };
        let (same, sealed) = (ours && sealed, known.seals_near(path));
        fields.push(Changed { path: path.to_owned(), old, new: to.cloned(), same, sealed });
    }
    fields
}

/// Every value after the change.
fn after<'a>(known: &'a State, content: &'a Content) -> BTreeMap<&'a str, After<'a>> {
    match content {
        Content::Whole { after, .. } => after.0.iter().map(|(path, value)| (path.as_str(), After::Set(value))).collect(),
        Content::Fields(list) => {
            let mut all: BTreeMap<&str, After<'_>> = known.values.keys().map(|path| (path.as_str(), After::Kept)).collect();
            for listed in list {
                all.retain(|path, _| !is_at_or_below(path, &listed.path) && !is_at_or_below(&listed.path, path));
                all.extend(listed.new.0.iter().map(|(path, value)| (path.as_str(), After::Set(value))));
            }
            all
        }
    }
}

/// What the sender says was there.
enum Before<'a> {
    Unsaid,
    Whole(&'a Document),
    Parts(Vec<&'a Listed>),
}

impl<'a> Before<'a> {
    fn of(content: &'a Content) -> Before<'a> {
        match content {
            Content::Whole { before: None, .. } => Before::Unsaid,
            Content::Whole { before: Some(before), .. } => Before::Whole(before),
            Content::Fields(list) => Before::Parts(list.iter().filter(|listed| listed.old.is_some()).collect()),
        }
    }

    fn documents(&self) -> Vec<&'a Document> {
        match self {
            Before::Unsaid => Vec::new(),
            Before::Whole(document) => vec![document],
            Before::Parts(parts) => parts.iter().filter_map(|listed| listed.old.as_ref()).collect(),
        }
    }

    fn paths(&self) -> Vec<&'a str> {
        self.documents().into_iter().flat_map(|document| document.0.keys().map(String::as_str)).collect()
    }

    fn at(&self, path: &str) -> Option<&'a Json> {
        self.documents().into_iter().find_map(|document| document.get(path))
    }

    /// Whether the sender says what was at this path.
    fn covers(&self, path: &str) -> bool {
        match self {
            Before::Unsaid => false,
            Before::Whole(_) => true,
            Before::Parts(parts) => parts.iter().any(|listed| is_at_or_below(path, &listed.path)),
        }
    }

    /// Where it is not our last state; nothing and `null` are the same here.
    fn mismatches(&self, known: &State, whole_row: bool, digest: &Digest<'_>) -> Vec<Mismatch> {
        let ours = known.values.keys().map(String::as_str).filter(|path| self.covers(path));
        let paths: BTreeSet<&str> = ours.chain(self.paths()).collect();
        let mut found = Vec::new();
        for path in paths {
            let (held, said) = (known.values.get(path), self.at(path));
            let same = match (held, said) {
                (Some(held), Some(said)) => held.is(path, said, digest),
                (Some(held), None) => held.is_null(),
                // What is not known any more, or was not there to be known, contradicts nothing.
                (None, Some(said)) => said.is_null() || known.torn || whole_row,
                (None, None) => true,
            };
            if !same {
                let expected = held.and_then(|held| held.value.clone());
                let sealed = known.seals_near(path);
                found.push(Mismatch { path: path.to_owned(), expected, found: said.cloned(), sealed });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
