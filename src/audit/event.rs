//! An event, read: its public fields, and its private ones as long as they are there.

use serde_json::Value;

use crate::clock::{day_number, parse_date};
use crate::ids::Seq;
use crate::trail::store::{EventPartRow, EventRow};

/// An event with what it says.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) seq: Seq,
    pub(super) kind: String,
    /// Microseconds.
    pub(super) at: i64,
    /// Public fields; null if they cannot be read.
    pub(super) body: Value,
    /// Private fields; `None` when they are gone, null when there never were any.
    private: Option<Value>,
}

impl Event {
    pub(super) fn read(row: &EventRow, part: Option<&EventPartRow>) -> Event {
        let private = match part {
            Some(part) => Some(serde_json::from_str(&part.body).unwrap_or_default()),
            None if row.blind.len() == 32 => None,
            None => Some(Value::Null),
        };
        let body = serde_json::from_str(&row.body).unwrap_or_default();
        Event { seq: row.seq, kind: row.kind.clone(), at: row.recorded_at, body, private }
    }

    /// A public text; empty if it is not there.
    pub(super) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_default().to_owned()
    }

    /// A public text that may be absent.
    pub(super) fn text_or_null(&self, field: &str) -> Option<String> {
        self.body[field].as_str().map(str::to_owned)
    }

    /// A public number; no place is negative, so −1 is none.
    pub(super) fn number(&self, field: &str) -> i64 {
        self.body[field].as_i64().unwrap_or(-1)
    }

    /// A public count; 0 where there is none.
    pub(super) fn count(&self, field: &str) -> u64 {
        self.body[field].as_u64().unwrap_or_default()
    }

    /// A public date, as a day number.
    pub(super) fn day(&self, field: &str) -> Option<i32> {
        parse_date(self.body[field].as_str()?).ok().map(day_number)
    }

    /// A private text, or `stored` when the private fields are gone.
    pub(super) fn private_or(&self, field: &str, stored: &str) -> String {
        match &self.private {
            Some(private) => private[field].as_str().unwrap_or_default().to_owned(),
            None => stored.to_owned(),
        }
    }

    /// The same for a text that may be absent.
    pub(super) fn private_or_null(&self, field: &str, stored: Option<&String>) -> Option<String> {
        match &self.private {
            Some(private) => private[field].as_str().map(str::to_owned),
            None => stored.cloned(),
        }
    }

    /// A private value as JSON text, or `stored` when the private fields are gone.
    pub(super) fn private_json(&self, field: &str, stored: Option<&String>) -> Option<String> {
        match &self.private {
            Some(private) => Some(private[field].to_string()),
            None => stored.cloned(),
        }
    }

    /// The same for a value that may be absent.
    pub(super) fn private_json_or_null(&self, field: &str, stored: Option<&String>) -> Option<String> {
        self.private_json(field, stored).filter(|text| text != "null")
    }

    /// A private text, if it is there.
    pub(super) fn private(&self, field: &str) -> Option<&str> {
        self.private.as_ref()?[field].as_str()
    }

    /// The private fields as a whole, as long as they are there.
    pub(super) fn private_as<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.private.clone()?).ok()
    }

    /// Who is owed mail: `None` when that is gone.
    pub(super) fn mail_to(&self) -> Option<Vec<String>> {
        let list = self.private.as_ref()?["mail_to"].as_array();
        Some(list.map(|l| l.iter().filter_map(|to| to.as_str().map(str::to_owned)).collect()).unwrap_or_default())
    }
}
