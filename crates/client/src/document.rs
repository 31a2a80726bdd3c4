//! A record's state as JSON, and what differs between two.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a value is no record.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It has no JSON.
    #[error("the record has no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A record has named fields.
    #[error("a record is a structure or a map with named fields, and this one is not")]
    NotObject,
    /// A binary fraction, of which nobody knows the digits.
    #[error("{0} is a float; write it as text, or as a decimal type that becomes text")]
    Float(String),
}

/// The state of a record: an object without floats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Document(Map<String, Value>);

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// A JSON pointer.
    pub path: String,
    /// What was there; `null`: nothing.
    pub old: Value,
    /// What is there now; `null`: nothing.
    pub new: Value,
}

impl Document {
    /// The state of anything that serializes to an object.
    ///
    /// # Errors
    /// When it does not, or holds a float.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Document, Unfit> {
        let Value::Object(object) = serde_json::to_value(value)? else { return Err(Unfit::NotObject) };
        Document::from_fields(object)
    }

    /// From its fields.
    ///
    /// # Errors
    /// When one of them is a float.
    pub fn from_fields(fields: Map<String, Value>) -> Result<Document, Unfit> {
        match float_in(&fields, "") {
            Some(path) => Err(Unfit::Float(path)),
            None => Ok(Document(fields)),
        }
    }

    /// Its fields.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    /// What differs from here to `after`, in the order of paths: objects are opened, a list is one value,
    /// and nothing is the same as `null`.
    pub fn difference(&self, after: &Document) -> Vec<Field> {
        let mut found = Vec::new();
        differ(&self.0, &after.0, "", &mut found);
        found.sort_by(|one: &Field, other| one.path.cmp(&other.path));
        found
    }
}

/// As a part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn float_in(fields: &Map<String, Value>, path: &str) -> Option<String> {
    fields.iter().find_map(|(key, value)| float_at(value, format!("{path}/{}", escaped(key))))
}

fn float_at(value: &Value, path: String) -> Option<String> {
    match value {
        Value::Number(number) => number.is_f64().then_some(path),
        Value::Object(inner) => float_in(inner, &path),
        Value::Array(items) => items.iter().find_map(|item| float_at(item, path.clone())),
        _ => None,
    }
}

fn differ(before: &Map<String, Value>, after: &Map<String, Value>, path: &str, found: &mut Vec<Field>) {
    let added = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(added) {
        let path = format!("{path}/{}", escaped(key));
        let of = |fields: &Map<String, Value>| fields.get(key).cloned().unwrap_or(Value::Null);
        match (of(before), of(after)) {
            (Value::Object(old), Value::Object(new)) if !old.is_empty() && !new.is_empty() => differ(&old, &new, &path, found),
            (old, new) if old != new => found.push(Field { path, old, new }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn document(value: Value) -> Document {
        Document::of(&value).unwrap()
    }

    #[test]
    fn only_what_differs_is_named_by_its_pointer() {
        let before = document(
            json!({ "name": "Ann", "address": { "city": "Bern", "zip": 3000 }, "tags": [1, 2], "gone": true, "a/b~": 1 }),
        );
        let after =
            document(json!({ "name": "Ann", "address": { "city": "Basel", "zip": 3000 }, "tags": [1], "none": null, "a/b~": 2 }));
        let field = |path: &str, old: Value, new: Value| Field { path: path.into(), old, new };
        assert_eq!(
            before.difference(&after),
            [
                field("/address/city", json!("Bern"), json!("Basel")),
                field("/a~1b~0", json!(1), json!(2)),
                field("/gone", json!(true), Value::Null),
                field("/tags", json!([1, 2]), json!([1])),
            ]
        );
        let opened = document(json!({ "address": "Bern" })).difference(&document(json!({ "address": { "city": "Bern" } })));
        assert_eq!(opened, [field("/address", json!("Bern"), json!({ "city": "Bern" }))], "no path below another");
    }

    #[test]
    fn floats_and_what_has_no_fields_are_refused_by_name() {
        let refused = Document::of(&json!({ "price": { "net": [1, 19.99] } })).unwrap_err();
        assert!(refused.to_string().starts_with("/price/net is a float"), "{refused}");
        assert!(matches!(Document::of(&[1, 2]), Err(Unfit::NotObject)));
    }

    /// Single values by their paths, found another way than by comparing: the oracle.
    fn flat(value: &Value, path: &str, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(inner) if path.is_empty() || !inner.is_empty() => {
                inner.iter().for_each(|(key, value)| flat(value, &format!("{path}/{}", escaped(key)), into));
            }
            Value::Null => {}
            other => drop(into.insert(path.to_owned(), other.clone())),
        }
    }

    fn flattened(document: &Document) -> BTreeMap<String, Value> {
        let mut into = BTreeMap::new();
        flat(&Value::Object(document.fields().clone()), "", &mut into);
        into
    }

    fn any_document() -> impl Strategy<Value = Document> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[a-c~/]{0,2}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c~/]{0,2}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-c~/]{0,2}", value, 0..5)
            .prop_map(|map| Document::from_fields(map.into_iter().collect()).unwrap())
    }

    /// What the server does with the fields: everything at and below the path goes, the new value comes.
    fn applied(before: &Document, fields: &[Field]) -> BTreeMap<String, Value> {
        let mut state = flattened(before);
        for field in fields {
            let below = format!("{}/", field.path);
            state.retain(|path, _| *path != field.path && !path.starts_with(&below));
            flat(&field.new, &field.path, &mut state);
        }
        state
    }

    proptest! {
        #[test]
        fn the_difference_leads_from_one_to_the_other(before in any_document(), after in any_document()) {
            let difference = before.difference(&after);
            prop_assert_eq!(applied(&before, &difference), flattened(&after));
            prop_assert_eq!(before.difference(&before), vec![]);
            for (at, field) in difference.iter().enumerate() {
                prop_assert_ne!(&field.old, &field.new);
                let below = format!("{}/", field.path);
                prop_assert!(difference.iter().enumerate().all(|(n, other)| n == at || !other.path.starts_with(&below)));
            }
            let back: Vec<Field> = after.difference(&before);
            prop_assert_eq!(back.len(), difference.len());
        }
    }
}
