//! JSON values as they were sent: numbers keep their digits, and are compared as decimals.
//!
//! A value is held as compact JSON text. Two values are the same if their texts mean the same: the
//! order of an object's keys does not matter, and `1.10` is `1.1` and `11e-1`, whatever a float would
//! make of them. `0.30000000000000004` is not `0.3`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

pub use crate::money::decimal::Decimal;

/// Lists and objects within each other, at most: whoever reads a value calls itself once a level.
pub const DEPTH_MAX: usize = 128;

/// Whether a text has more brackets within each other than [`DEPTH_MAX`]; those in its texts do not count.
pub fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// A value as compact JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(String);

/// An object's members in their order; a key that is there twice is refused.
pub struct Members(pub Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("the key `{}` is there twice", shown(&key))));
                    }
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What a value is, without what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An object with members.
    Object,
    /// Anything that is one value here: text, number, truth, null, a list, an empty object.
    Leaf,
}

/// What a raw value is.
pub fn shape(raw: &RawValue) -> Shape {
    let text = raw.get().trim_ascii();
    let inside = text.strip_prefix('{').map(str::trim_ascii_start);
    if inside.is_some_and(|inside| !inside.starts_with('}')) { Shape::Object } else { Shape::Leaf }
}

impl Json {
    /// Reads a value; `edit` may change every text in it, and every whole number, which is a text then.
    ///
    /// # Errors
    /// What is wrong: no JSON, too deep, a key twice, a number beyond all measure.
    pub fn read(raw: &RawValue, edit: &mut dyn FnMut(String) -> String) -> Result<Json, String> {
        if is_too_deep(raw.get()) {
            return Err(format!("it has more than {DEPTH_MAX} lists and objects within each other"));
        }
        let mut out = String::with_capacity(raw.get().len());
        write(raw, Form::AsSent, edit, &mut out)?;
        Ok(Json(out))
    }

    /// From its text.
    ///
    /// # Errors
    /// As [`Json::read`].
    pub fn parse(text: &str) -> Result<Json, String> {
        let raw: Box<RawValue> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        Json::read(&raw, &mut |text| text)
    }

    /// A text.
    pub fn text_of(text: &str) -> Json {
        Json(serde_json::Value::from(text).to_string())
    }

    /// As stored by ourselves.
    pub fn stored(text: String) -> Json {
        Json(text)
    }

    /// The compact text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }

    /// The text that every value with the same meaning has.
    pub fn normal(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        let raw: Result<Box<RawValue>, _> = serde_json::from_str(&self.0);
        let written = raw.map_err(|e| e.to_string()).and_then(|raw| write(&raw, Form::Normal, &mut |text| text, &mut out));
        if written.is_err() { self.0.clone() } else { out }
    }

    /// Whether both mean the same.
    pub fn same(&self, other: &Json) -> bool {
        self.0 == other.0 || self.normal() == other.normal()
    }

    /// The number it is, if it is one.
    pub fn decimal(&self) -> Option<Decimal> {
        Decimal::parse(&self.0).ok()
    }

    /// For people: a text without its quotes.
    pub fn for_people(&self) -> String {
        serde_json::from_str::<String>(&self.0).unwrap_or_else(|_| self.0.clone())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    AsSent,
    Normal,
}

fn write(raw: &RawValue, form: Form, edit: &mut dyn FnMut(String) -> String, out: &mut String) -> Result<(), String> {
    let text = raw.get().trim_ascii();
    match text.as_bytes().first() {
        Some(b'{') => {
            let Members(mut members) = serde_json::from_str(text).map_err(|e| e.to_string())?;
            if form == Form::Normal {
                members.sort_by(|one, two| one.0.cmp(&two.0));
            }
            list(out, ('{', '}'), &members, |(key, value), out| {
                out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, form, edit, out)
            })
        }
        Some(b'[') => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(|e| e.to_string())?;
            list(out, ('[', ']'), &items, |item, out| write(item, form, edit, out))
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(text).map_err(|e| e.to_string())?;
            out.push_str(&serde_json::Value::from(edit(text)).to_string());
            Ok(())
        }
        Some(b'-' | b'0'..=b'9') => {
            let number = Decimal::parse(text)?;
            let edited = is_whole(text).then(|| edit(text.to_owned())).filter(|edited| edited != text);
            out.push_str(&match (form, edited) {
                // What is not a number any more is a text.
                (_, Some(edited)) => serde_json::Value::from(edited).to_string(),
                (Form::Normal, None) => number.to_string(),
                (Form::AsSent, None) => text.to_owned(),
            });
            Ok(())
        }
        _ => {
            out.push_str(text);
            Ok(())
        }
    }
}

/// Whether a number is written with digits alone, but for its sign and zeros behind the point: digits that may stand for
/// something else than a quantity.
fn is_whole(number: &str) -> bool {
    let digits = number.trim_start_matches('-');
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    whole.bytes().all(|b| b.is_ascii_digit()) && behind.bytes().all(|b| b == b'0')
}

fn list<T>(
    out: &mut String,
    (open, close): (char, char),
    items: &[T],
    mut each: impl FnMut(&T, &mut String) -> Result<(), String>,
) -> Result<(), String> {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(item, out)?;
    }
    out.push(close);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn depth_is_counted_outside_texts_and_one_too_many_is_refused_without_descending() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(&nested(DEPTH_MAX)).is_ok());
        assert!(Json::parse(&nested(DEPTH_MAX + 1)).is_err());
        assert!(Json::parse(&nested(200_000)).is_err());
        assert!(is_too_deep(&"{\"a\":".repeat(DEPTH_MAX + 1)));
        assert!(!is_too_deep(&format!("\"{}\\\"{}\"", "[".repeat(500), "{".repeat(500))), "in a text");
        assert!(!is_too_deep(&"[],".repeat(500)), "beside each other");
    }

    #[test]
    fn numbers_keep_their_digits_and_are_compared_as_decimals() {
        assert_eq!(json(" 1.10 ").as_str(), "1.10");
        for (one, two, same) in [
            ("1.10", "1.1", true),
            ("11e-1", "1.1", true),
            ("1E2", "100", true),
            ("-0", "0.000", true),
            ("0.30000000000000004", "0.3", false),
            ("9007199254740993", "9007199254740992", false),
            ("123456789012345678901234567890", "123456789012345678901234567890.0", true),
            ("123456789012345678901234567890", "123456789012345678901234567891", false),
            ("1", "\"1\"", false),
            ("\"1.0\"", "\"1.00\"", false),
            ("\"\\u00e9\"", "\"é\"", true),
            ("[1,2]", "[2,1]", false),
            ("{\"a\":1,\"b\":[2.0]}", "{\"b\":[2],\"a\":1}", true),
            ("null", "false", false),
        ] {
            assert_eq!(json(one).same(&json(two)), same, "{one} {two}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["{\"a\":1,\"a\":2}", "[{\"a\":{\"b\":1,\"b\":1}}]", "1e99999", "01", "nul", "{", "1.", ""] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_text_can_be_edited() {
        let raw: Box<RawValue> = serde_json::from_str(r#"{"a":["x",{"b":"y"}],"c":3}"#).unwrap();
        let upper = Json::read(&raw, &mut |text| text.to_uppercase()).unwrap();
        assert_eq!(upper.as_str(), r#"{"a":["X",{"b":"Y"}],"c":3}"#);
    }
}
