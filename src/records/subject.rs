//! Whom a record is about: by what the sender says, by the type's path, or by the record's own id. It stands
//! in the private part of every change, so that an erasure finds it like any other mention of a person.

use crate::config::RecordType;

use super::change::{Content, NewChange};
use super::decide::State;
use super::json::Json;

/// Whom the record is about after the change; `None` where nobody says.
pub fn of(change: &NewChange, rules: &RecordType, state: Option<&State>) -> Option<String> {
    let path = match (&change.subject, rules.subject.as_str()) {
        (Some(subject), _) => return Some(subject.clone()),
        (None, "") => return None,
        (None, RecordType::ID) => return Some(change.id.clone()),
        (None, path) => path,
    };
    let sent = match &change.content {
        Content::Whole { after, .. } => after.get(path),
        Content::Fields(list) => list.iter().rev().find_map(|listed| listed.new.get(path)),
    };
    // A change that says nothing of it, or a deletion, is about whom it was about before.
    let held = || state.and_then(|state| state.values.get(path)).and_then(|held| held.value.as_ref());
    sent.or_else(held).filter(|value| !value.is_null()).map(Json::for_people)
}
