//! A record's state as a flat map: the path of every single value, and the value.
//!
//! A path is a JSON pointer (RFC 6901). Objects are opened; a list is one value, because its elements
//! have no names that would stay theirs when one is taken out. An empty object is a value too.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::json::{Json, Members, Shape, shape};

/// Characters of a path, at most.
pub const PATH_MAX: usize = 256;
/// Single values in a document, at most.
pub const VALUES_MAX: usize = 1_000;
/// Bytes of one value, at most.
pub const VALUE_MAX: usize = 16 * 1024;

/// A state: path to value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document(pub BTreeMap<String, Json>);

/// Changes every text of a value at a path.
pub type Edit<'a> = dyn FnMut(&str, String) -> String + 'a;

/// Why a document was not taken: a stable code and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Stable.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

fn unfit(code: &'static str, detail: impl Into<String>) -> Unfit {
    Unfit { code, detail: detail.into() }
}

impl Document {
    /// Reads an object.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn read(raw: &RawValue, edit: &mut Edit<'_>) -> Result<Document, Unfit> {
        if !raw.get().trim_ascii_start().starts_with('{') {
            return Err(unfit("document_not_object", "send the record as a JSON object"));
        }
        let mut document = Document::default();
        if shape(raw) == Shape::Object {
            document.set("", raw, edit)?;
        }
        Ok(document)
    }

    /// What is to be at `path` and below it, and nothing else.
    ///
    /// # Errors
    /// When it is too large.
    pub fn part(path: &str, raw: &RawValue, edit: &mut Edit<'_>) -> Result<Document, Unfit> {
        let mut part = Document::default();
        if shape(raw) == Shape::Leaf && path.is_empty() {
            return Err(unfit("document_not_object", "send the record as a JSON object"));
        }
        part.insert(path, raw, edit)?;
        Ok(part)
    }

    /// Sets what is at `path`, with everything below it.
    ///
    /// # Errors
    /// When the value or the document gets too large, or the path leads into a list.
    pub fn set(&mut self, path: &str, raw: &RawValue, edit: &mut Edit<'_>) -> Result<(), Unfit> {
        self.make_way(path)?;
        self.insert(path, raw, edit)?;
        if self.0.len() > VALUES_MAX {
            return Err(unfit("document_too_large", format!("a record has at most {VALUES_MAX} single values")));
        }
        Ok(())
    }

    /// Takes away what is at `path`, with everything below it.
    ///
    /// # Errors
    /// When the path leads into a list.
    pub fn remove(&mut self, path: &str) -> Result<(), Unfit> {
        self.make_way(path)
    }

    fn make_way(&mut self, path: &str) -> Result<(), Unfit> {
        for (at, _) in path.match_indices('/').skip(1) {
            let Some(value) = self.0.get(&path[..at]) else { continue };
            if value.as_str().starts_with('[') {
                let detail = format!("{} is a list, which is one value: send all of it", &path[..at]);
                return Err(unfit("path_into_list", detail));
            }
            self.0.remove(&path[..at]);
        }
        self.0.retain(|other, _| !is_at_or_below(other, path));
        Ok(())
    }

    fn insert(&mut self, path: &str, raw: &RawValue, edit: &mut Edit<'_>) -> Result<(), Unfit> {
        if path.chars().count() > PATH_MAX {
            return Err(unfit("path_too_long", format!("a path has at most {PATH_MAX} characters")));
        }
        if shape(raw) == Shape::Object {
            let Members(members) = serde_json::from_str(raw.get()).map_err(|e| unfit("document_unreadable", e.to_string()))?;
            return members.iter().try_for_each(|(key, value)| {
                if key.bytes().any(|b| b < 0x20 || b == 0x7f) {
                    return Err(unfit("control_character", "a key holds a control character; send printable text only"));
                }
                self.insert(&format!("{path}/{}", escaped(key)), value, edit)
            });
        }
        let value = Json::read(raw, &mut |text| edit(path, text)).map_err(|e| unfit("document_unreadable", e))?;
        if value.as_str().len() > VALUE_MAX {
            return Err(unfit("value_too_long", format!("the value at {path} has more than {VALUE_MAX} bytes")));
        }
        if self.0.len() > VALUES_MAX {
            return Err(unfit("document_too_large", format!("a record has at most {VALUES_MAX} single values")));
        }
        self.0.insert(path.to_owned(), value);
        Ok(())
    }

    /// The object again, as JSON text; paths in their order.
    pub fn to_json(&self) -> String {
        let mut root = Branch::default();
        for (path, value) in &self.0 {
            let keys: Vec<String> = path.split('/').skip(1).map(unescaped).collect();
            root.place(&keys, value.as_str());
        }
        let mut out = String::new();
        root.write(&mut out);
        out
    }

    /// The value at exactly this path.
    pub fn get(&self, path: &str) -> Option<&Json> {
        self.0.get(path)
    }
}

/// An object on its way back to text.
#[derive(Default)]
struct Branch<'a> {
    members: Vec<(String, Branch<'a>)>,
    value: Option<&'a str>,
}

impl<'a> Branch<'a> {
    fn place(&mut self, keys: &[String], value: &'a str) {
        let Some((first, rest)) = keys.split_first() else {
            self.value = Some(value);
            return;
        };
        let at = match self.members.iter().position(|(key, _)| key == first) {
            Some(at) => at,
            None => {
                self.members.push((first.clone(), Branch::default()));
                self.members.len() - 1
            }
        };
        self.members[at].1.place(rest, value);
    }

    fn write(&self, out: &mut String) {
        if let Some(value) = self.value {
            return out.push_str(value);
        }
        out.push('{');
        for (at, (key, branch)) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&serde_json::Value::from(key.as_str()).to_string());
            out.push(':');
            branch.write(out);
        }
        out.push('}');
    }
}

/// Whether `path` is `top` or lies below it.
pub fn is_at_or_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether this is a path: empty, or parts that each begin with `/`, with `~` only in `~0` and `~1`.
///
/// # Errors
/// What is wrong with it.
pub fn check_path(path: &str) -> Result<(), Unfit> {
    let tilde = path.match_indices('~').all(|(at, _)| matches!(path.as_bytes().get(at + 1), Some(b'0' | b'1')));
    if !path.starts_with('/') || !tilde || path.chars().any(char::is_control) {
        let shown: String = path.chars().take(40).collect();
        return Err(unfit("path_invalid", format!("`{shown}` is not a path; write a JSON pointer such as /address/city")));
    }
    if path.chars().count() > PATH_MAX {
        return Err(unfit("path_too_long", format!("a path has at most {PATH_MAX} characters")));
    }
    Ok(())
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    fn document(text: &str) -> Document {
        Document::read(&raw(text), &mut |_, text| text).unwrap()
    }

    #[test]
    fn objects_are_opened_and_lists_are_not() {
        let document = document(r#"{"name":"Ann","address":{"city":"Graz","none":{}},"tags":["a",{"b":1}],"a/b~c":1.50}"#);
        let flat: Vec<(&str, &str)> = document.0.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
        let expected = [
            ("/address/city", "\"Graz\""),
            ("/address/none", "{}"),
            ("/a~1b~0c", "1.50"),
            ("/name", "\"Ann\""),
            ("/tags", r#"["a",{"b":1}]"#),
        ];
        assert_eq!(flat, expected);
        assert_eq!(document.to_json(), r#"{"address":{"city":"Graz","none":{}},"a/b~c":1.50,"name":"Ann","tags":["a",{"b":1}]}"#);
    }

    #[test]
    fn setting_replaces_what_was_there_and_below() {
        let mut state = document(r#"{"a":{"b":1,"c":2},"list":[1]}"#);
        let mut set = |path: &str, value: &str| state.set(path, &raw(value), &mut |_, text| text).map(|()| state.to_json());
        assert_eq!(set("/a/b", "3").unwrap(), r#"{"a":{"b":3,"c":2},"list":[1]}"#);
        assert_eq!(set("/a", r#"{"d":4}"#).unwrap(), r#"{"a":{"d":4},"list":[1]}"#);
        assert_eq!(set("/a/d/e", "5").unwrap(), r#"{"a":{"d":{"e":5}},"list":[1]}"#);
        assert_eq!(set("/list/0", "2").unwrap_err().code, "path_into_list");
        state.remove("/a").unwrap();
        assert_eq!(state.to_json(), r#"{"list":[1]}"#);
        assert!(!is_at_or_below("/ab", "/a") && is_at_or_below("/a/b", "/a") && is_at_or_below("/a", "/a"));
    }

    #[test]
    fn what_is_too_large_or_no_object_is_refused() {
        let read = |text: &str| Document::read(&raw(text), &mut |_, text| text).unwrap_err().code;
        assert_eq!(read("[1]"), "document_not_object");
        let many: Vec<String> = (0..=VALUES_MAX).map(|n| format!("\"k{n}\":1")).collect();
        assert_eq!(read(&format!("{{{}}}", many.join(","))), "document_too_large");
        assert_eq!(read(&format!("{{\"a\":\"{}\"}}", "x".repeat(VALUE_MAX))), "value_too_long");
        assert_eq!(read(&format!("{{\"{}\":1}}", "x".repeat(PATH_MAX))), "path_too_long");
        assert!(check_path("").is_err() && check_path("a").is_err() && check_path("/~2").is_err() && check_path("/a/~1").is_ok());
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[a-z~/]{0,4}".prop_map(Into::into)
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
                prop::collection::btree_map("[a-z~/]{0,3}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_opened_closes_again(map in prop::collection::btree_map("[a-z~/]{0,3}", any_json(), 0..5)) {
            let value = serde_json::Value::Object(map.into_iter().collect());
            let document = document(&value.to_string());
            let back: serde_json::Value = serde_json::from_str(&document.to_json()).unwrap();
            prop_assert_eq!(back, value);
        }
    }
}
