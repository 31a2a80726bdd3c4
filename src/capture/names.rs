//! Names in SQL, and the id of a record from the key of its row. Pure.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A row as the triggers write it: column to value, each with the digits it had.
pub type Columns = BTreeMap<String, Box<RawValue>>;

/// A name as SQL takes it, whatever is in it.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL takes it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The path of a column in a record.
pub fn path(column: &str) -> String {
    format!("/{}", column.replace('~', "~0").replace('/', "~1"))
}

/// The column that a path of a record lies in.
pub fn column_of(path: &str) -> String {
    let first = path.strip_prefix('/').unwrap_or(path).split('/').next().unwrap_or_default();
    first.replace("~1", "/").replace("~0", "~")
}

/// Reads a row.
pub fn columns(json: &str) -> Option<Columns> {
    serde_json::from_str(json).ok()
}

/// A value as text: a text without its quotes, anything else as JSON has it; `None` for null.
pub fn text(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).ok(),
        other => Some(other.to_owned()),
    }
}

/// The id of a row's record: its key's values, `/` between them, `~` and `/` in them written as `~0` and `~1`
/// where the key has several columns.
pub fn record_id(key: &[String], row: &Columns) -> Option<String> {
    let values = key.iter().map(|column| row.get(column).and_then(|value| text(value)));
    let values: Vec<String> = values.collect::<Option<_>>()?;
    match &values[..] {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(several.iter().map(|value| value.replace('~', "~0").replace('/', "~1")).collect::<Vec<_>>().join("/")),
    }
}

/// The key's values from a record's id; `None` if it is not one of such a key.
pub fn key_values(key: &[String], id: &str) -> Option<Vec<String>> {
    if key.len() == 1 {
        return Some(vec![id.to_owned()]);
    }
    let values: Vec<String> = id.split('/').map(|value| value.replace("~1", "/").replace("~0", "~")).collect();
    (values.len() == key.len()).then_some(values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_is_named_by_its_key_and_back() {
        let row = columns(r#"{"id": 17, "n": 1.10, "branch/no": "EU/1~", "none": null}"#).unwrap();
        let key = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(record_id(&key(&["id"]), &row).unwrap(), "17");
        assert_eq!(record_id(&key(&["branch/no"]), &row).unwrap(), "EU/1~");
        let both = key(&["branch/no", "n"]);
        let id = record_id(&both, &row).unwrap();
        assert_eq!(id, "EU~11~0/1.10");
        assert_eq!(key_values(&both, &id).unwrap(), ["EU/1~", "1.10"]);
        assert_eq!((record_id(&key(&["none"]), &row), record_id(&key(&["gone"]), &row)), (None, None));
        assert_eq!((path("a/b~"), column_of("/a~1b~0/deeper")), ("/a~1b~0".to_owned(), "a/b~".to_owned()));
        assert_eq!((identifier("a\"b"), literal("a'b")), ("\"a\"\"b\"".to_owned(), "'a''b'".to_owned()));
    }
}
