//! A change of any record that is not a balance, in the words of the interface.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{Document, Field};
use crate::who::Who;

/// What was done to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Create,
    /// It is other than before.
    Update,
    /// It is gone.
    Delete,
}

/// How long the values are kept; it only lengthens what the server's settings say of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Seven years.
    Critical,
    /// A year.
    Normal,
    /// Thirty days.
    Debug,
}

/// What the change says of the record: the whole of it, or the fields that differ. Made by [`Change`]'s functions only,
/// so that one never says both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    after: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fields: Option<Vec<Field>>,
}

/// One change of one record.
///
/// `source_ref` is yours and unique for ever: the same change may be sent any number of times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Your id of the change.
    pub source_ref: String,
    /// What kind of record: 1 to 64 of a-z, 0-9, point, hyphen and underscore.
    #[serde(rename = "type")]
    pub kind: String,
    /// Your id of the record within its type.
    pub id: String,
    /// What was done.
    pub action: Action,
    #[serde(flatten)]
    content: Content,
    /// When, RFC 3339 with an offset; `None`: when it arrives. See [`crate::rfc3339`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changed_at: Option<String>,
    /// Who, and whence.
    #[serde(flatten)]
    pub who: Who,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// How long the values are kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<Class>,
    /// JSON pointers of values that are sealed, besides those of the server's settings.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sensitive: Vec<String>,
}

/// A type and an id: which record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What kind of record.
    pub kind: String,
    /// Your id of it.
    pub id: String,
}

impl Record {
    /// The record of this type with this id.
    pub fn new(kind: impl Into<String>, id: impl ToString) -> Record {
        Record { kind: kind.into(), id: id.to_string() }
    }
}

impl Change {
    fn new(source_ref: impl Into<String>, record: Record, action: Action, content: Content) -> Change {
        Change {
            source_ref: source_ref.into(),
            kind: record.kind,
            id: record.id,
            action,
            content,
            changed_at: None,
            who: Who::default(),
            reason: None,
            class: None,
            sensitive: Vec::new(),
        }
    }

    /// A record that is new.
    pub fn create(source_ref: impl Into<String>, record: Record, after: &Document) -> Change {
        let content = Content { after: Some(value(after)), ..Content::default() };
        Change::new(source_ref, record, Action::Create, content)
    }

    /// A record that is gone.
    pub fn delete(source_ref: impl Into<String>, record: Record, before: Option<&Document>) -> Change {
        let content = Content { before: before.map(value), ..Content::default() };
        Change::new(source_ref, record, Action::Delete, content)
    }

    /// A record that is other than before, told whole: the server compares `before` with its own last state and
    /// records a break for each field that somebody changed without sending it.
    pub fn update(source_ref: impl Into<String>, record: Record, before: Option<&Document>, after: &Document) -> Change {
        let content = Content { before: before.map(value), after: Some(value(after)), fields: None };
        Change::new(source_ref, record, Action::Update, content)
    }

    /// A record that is other than before, told whole; `None`: nothing differs. The server keeps what differs, and all of
    /// a record that is new to it.
    pub fn between(source_ref: impl Into<String>, record: Record, before: &Document, after: &Document) -> Option<Change> {
        let differs = !before.difference(after).is_empty();
        differs.then(|| Change::update(source_ref, record, Some(before), after))
    }

    /// Single fields, at most 300, of a record that the server knows: less is sent, and less is checked. A field that it
    /// does not know yet is a break, unless `old` is `null`.
    pub fn listed(source_ref: impl Into<String>, record: Record, fields: Vec<Field>) -> Change {
        let content = Content { fields: Some(fields), ..Content::default() };
        Change::new(source_ref, record, Action::Update, content)
    }

    /// The record before, where the change says so.
    pub fn before(&self) -> Option<&Value> {
        self.content.before.as_ref()
    }

    /// The record after, where the change says so.
    pub fn after(&self) -> Option<&Value> {
        self.content.after.as_ref()
    }

    /// Single fields, where the change lists them.
    pub fn fields(&self) -> &[Field] {
        self.content.fields.as_deref().unwrap_or_default()
    }

    /// With who did it, and whence.
    pub fn by(self, who: Who) -> Change {
        Change { who, ..self }
    }

    /// With why.
    pub fn because(self, reason: impl Into<String>) -> Change {
        Change { reason: Some(reason.into()), ..self }
    }

    /// With when, as [`crate::rfc3339`] writes it.
    pub fn at(self, changed_at: impl Into<String>) -> Change {
        Change { changed_at: Some(changed_at.into()), ..self }
    }
}

fn value(document: &Document) -> Value {
    Value::Object(document.fields().clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn document(value: Value) -> Document {
        Document::of(&value).unwrap()
    }

    #[test]
    fn the_wire_has_the_words_of_the_interface() {
        let (before, after) = (document(json!({ "limit": 100 })), document(json!({ "limit": 200 })));
        let change = Change::between("CH-1", Record::new("customer", 7), &before, &after).unwrap();
        let change = change.by(Who::actor("john_doe").session("s-17").ip("192.0.2.7")).because("by letter");
        let expected = json!({
            "source_ref": "CH-1", "type": "customer", "id": "7", "action": "update",
            "before": { "limit": 100 }, "after": { "limit": 200 },
            "actor": "john_doe", "session_id": "s-17", "ip": "192.0.2.7", "reason": "by letter",
        });
        assert_eq!(serde_json::to_value(&change).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Change>(expected).unwrap(), change);
        assert!(Change::between("CH-2", Record::new("customer", 7), &before, &before).is_none());
    }

    #[test]
    fn single_fields_are_listed_with_old_and_new() {
        let fields = document(json!({ "limit": 100 })).difference(&document(json!({ "limit": 200, "note": "x" })));
        let json = serde_json::to_value(Change::listed("CH-1", Record::new("price", "P"), fields)).unwrap();
        let expected = json!([{ "path": "/limit", "old": 100, "new": 200 }, { "path": "/note", "old": null, "new": "x" }]);
        assert_eq!((&json["fields"], json.get("after")), (&expected, None));
    }
}
