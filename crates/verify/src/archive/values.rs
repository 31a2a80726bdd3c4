//! Values of changes with what they were committed to with.

use serde_json::Value as Json;

use crate::leaf::commitment;
use crate::text::{base64, from_base64, hex};

/// A field of a change: path, value before and after, keyed digests of both, as committed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The change.
    pub seq: u64,
    /// The number of the field in it, from 0.
    pub n: u64,
    /// The salt.
    pub salt: [u8; 32],
    /// The five parts.
    pub parts: [Option<String>; 5],
}

/// The line of a value, with its end.
#[must_use]
pub fn value_line(value: &Value) -> String {
    let Value { seq, n, salt, parts } = value;
    let parts: Vec<String> = parts.iter().map(|part| Json::from(part.as_deref()).to_string()).collect();
    format!("{{\"seq\":{seq},\"n\":{n},\"salt\":\"{}\",\"parts\":[{}]}}\n", base64(salt), parts.join(","))
}

/// The value that [`value_line`] wrote; nothing for another line.
#[must_use]
pub fn parse_value(line: &str) -> Option<Value> {
    let line: Json = serde_json::from_str(line).ok()?;
    let part = |part: &Json| match part {
        Json::Null => Some(None),
        Json::String(text) => Some(Some(text.clone())),
        _ => None,
    };
    let parts: Vec<Option<String>> = line.get("parts")?.as_array()?.iter().map(part).collect::<Option<_>>()?;
    Some(Value {
        seq: line.get("seq")?.as_u64()?,
        n: line.get("n")?.as_u64()?,
        salt: from_base64(line.get("salt")?.as_str()?)?.try_into().ok()?,
        parts: parts.try_into().ok()?,
    })
}

/// The commitments to the fields of a change, in order; none of another event.
#[must_use]
pub fn committed(kind: &str, body: &str) -> Vec<String> {
    if kind != super::definitions::CHANGED {
        return Vec::new();
    }
    let body: Json = serde_json::from_str(body).unwrap_or_default();
    let fields = body.get("fields").and_then(Json::as_array);
    let fields = fields.map(|fields| fields.iter().map(|f| f.as_str().unwrap_or_default().to_owned()).collect());
    fields.unwrap_or_default()
}

impl Value {
    /// Whether it is what a commitment, in hexadecimal, is to.
    pub(super) fn fits(&self, committed: &str) -> bool {
        let parts: [Option<&str>; 5] = std::array::from_fn(|i| self.parts[i].as_deref());
        commitment(&self.salt, &parts).is_ok_and(|hash| hex(&hash) == committed)
    }
}
