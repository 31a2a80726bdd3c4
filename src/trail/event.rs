//! An event: anything worth auditing that is not an entry.

use serde_json::Value;

/// An event that has no place in the log yet.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// `noun.verb`, e.g. `alert.opened`.
    pub kind: &'static str,
    /// Public fields: a JSON object without anything personal; hashed as text.
    pub body: Value,
    /// Personal or secret fields: in the leaf only as a commitment; erasable.
    pub private: Option<Value>,
}

impl NewEvent {
    /// An event with public fields only.
    pub fn public(kind: &'static str, body: Value) -> NewEvent {
        NewEvent { kind, body, private: None }
    }

    /// An event with a private part.
    pub fn with_private(kind: &'static str, body: Value, private: Value) -> NewEvent {
        NewEvent { kind, body, private: Some(private) }
    }
}
