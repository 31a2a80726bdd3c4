//! A profile as it stands in TOML, and what can be checked before any file is seen.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::ledger::{ActorKind, Channel, Direction, FIELDS, Instrument, Kind, Status};
use crate::money::Currency;

use super::condition::Condition;
use super::number::Numbers;
use super::time::Times;

/// The whole of a profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    /// One line on what it reads.
    pub about: String,
    #[serde(default)]
    pub file: FileHints,
    #[serde(default)]
    pub numbers: Numbers,
    #[serde(default)]
    pub times: Times,
    /// Rows that make nothing, visibly counted.
    #[serde(default)]
    pub skip: Vec<Condition>,
    /// Fields that every entry of a row has alike.
    #[serde(default)]
    pub fields: BTreeMap<String, Field>,
    /// The entries that one row can make.
    #[serde(default)]
    pub entry: Vec<Leg>,
}

/// What the file looks like.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileHints {
    /// Between columns; without it the header tells.
    pub delimiter: Option<Delimiter>,
    /// The header, for recognising the layout.
    #[serde(default)]
    pub header: Vec<String>,
}

/// A delimiter: one ASCII character that is not a quote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delimiter(pub u8);

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Delimiter, D::Error> {
        let text = String::deserialize(from)?;
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') && !byte.is_ascii_alphanumeric() => {
                Ok(Delimiter(*byte))
            }
            _ => Err(D::Error::custom("a delimiter is one character, such as \",\", \";\", \"|\" or a tab")),
        }
    }
}

/// One entry that a row makes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leg {
    /// When it does; without it, always.
    #[serde(default)]
    pub when: Condition,
    /// Its own fields, over those of every entry.
    #[serde(default)]
    pub fields: BTreeMap<String, Field>,
}

/// Where a field's value comes from. In TOML a plain text is a column's name.
#[derive(Debug)]
pub(super) struct Field {
    pub from: From,
    /// What the column's values mean; others are refused unless `otherwise` says what they are.
    pub map: Option<BTreeMap<String, String>>,
    /// For a value not in `map`, or no case that fits; empty text: the field is absent.
    pub otherwise: Option<String>,
    /// An amount with a sign gives the direction.
    pub signed: Option<Signed>,
}

/// One of the four ways to a value.
#[derive(Debug)]
pub(super) enum From {
    Column(String),
    Constant(String),
    /// Text with `{column}` in it; absent when one of the columns is empty.
    Template(String),
    /// The first case that fits.
    Cases(Vec<Case>),
}

/// A value under a condition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub when: Condition,
    pub value: String,
}

/// What a minus sign says.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Signed {
    NegativeIsDebit,
    NegativeIsCredit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldTable {
    column: Option<String>,
    constant: Option<String>,
    template: Option<String>,
    cases: Option<Vec<Case>>,
    map: Option<BTreeMap<String, String>>,
    otherwise: Option<String>,
    signed: Option<Signed>,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Field, D::Error> {
        // By hand, because an untagged enum would hide which key is unknown.
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = Field;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column's name, or a table with column, constant, template or cases")
            }
            fn visit_str<E: serde::de::Error>(self, column: &str) -> Result<Field, E> {
                Ok(Field { from: From::Column(column.to_owned()), map: None, otherwise: None, signed: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
                FieldTable::deserialize(MapAccessDeserializer::new(map))?.into_field().map_err(A::Error::custom)
            }
        }
        from.deserialize_any(TextOrTable)
    }
}

impl FieldTable {
    fn into_field(self) -> Result<Field, &'static str> {
        let from = match (self.column, self.constant, self.template, self.cases) {
            (Some(column), None, None, None) => From::Column(column),
            (None, Some(constant), None, None) => From::Constant(constant),
            (None, None, Some(template), None) => From::Template(template),
            (None, None, None, Some(cases)) => From::Cases(cases),
            _ => return Err("a field has exactly one of column, constant, template and cases"),
        };
        if self.map.is_some() && !matches!(from, From::Column(_)) {
            return Err("only a column has a map");
        }
        if self.otherwise.is_some() && self.map.is_none() && !matches!(from, From::Cases(_)) {
            return Err("otherwise needs a map or cases");
        }
        Ok(Field { from, map: self.map, otherwise: self.otherwise, signed: self.signed })
    }
}

impl Layout {
    /// What can be known without a file: the fields exist, and fixed values are values of theirs.
    pub fn check(&self) -> Result<(), String> {
        if self.entry.is_empty() {
            return Err("it has no [[entry]]; a row must make at least one entry".into());
        }
        if self.numbers.thousands == Some(self.numbers.decimal) {
            return Err("numbers.decimal and numbers.thousands are the same character".into());
        }
        self.times.check()?;
        let all = self.entry.iter().flat_map(|leg| &leg.fields).chain(&self.fields);
        for (name, field) in all {
            check_field(name, field)?;
        }
        Ok(())
    }
}

fn check_field(name: &str, field: &Field) -> Result<(), String> {
    if !FIELDS.iter().any(|(known, _)| *known == name) {
        return Err(format!("`{name}` is not a field of an entry"));
    }
    if field.signed.is_some() && name != "amount" {
        return Err(format!("{name}: only amount can be signed"));
    }
    let fixed = match &field.from {
        From::Constant(text) => vec![text],
        From::Cases(cases) => cases.iter().map(|case| &case.value).collect(),
        From::Column(_) | From::Template(_) => Vec::new(),
    };
    let fixed = fixed.into_iter().chain(field.map.iter().flat_map(BTreeMap::values)).chain(&field.otherwise);
    match fixed.filter(|text| !text.is_empty()).find(|text| !is_value_of(name, text)) {
        Some(wrong) => Err(format!("`{wrong}` is not a value of {name}")),
        None => Ok(()),
    }
}

fn is_value_of(field: &str, text: &str) -> bool {
    match field {
        "currency" => Currency::parse(text).is_ok(),
        "kind" => Kind::parse(text).is_some(),
        "direction" => Direction::parse(text).is_some(),
        "channel" => Channel::parse(text).is_some(),
        "instrument" => Instrument::parse(text).is_some(),
        "actor_kind" => ActorKind::parse(text).is_some(),
        "status" => Status::parse(text).is_some(),
        _ => true,
    }
}
