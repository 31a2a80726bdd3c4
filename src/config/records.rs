//! Section `records`: what is known of the types of records beforehand.

use serde::{Deserialize, Serialize};

use crate::ids::{SOURCE_NAME_RULE, is_source_name};

/// Section `records`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Records {
    /// Whether changes of records of a type that is not listed are taken.
    pub unknown_types: UnknownTypes,
    /// The types.
    #[serde(rename = "type")]
    pub types: Vec<RecordType>,
}

/// What becomes of changes of records of a type that is not listed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum UnknownTypes {
    /// Recorded, with the class `normal`.
    #[default]
    Accept,
    /// Refused with `422 record_type_unknown`.
    Refuse,
}

/// One `[[records.type]]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RecordType {
    /// The type's name.
    pub name: String,
    /// How long its values are kept, at least.
    pub class: Class,
    /// Whether a change must say why.
    pub reason: Reason,
    /// Paths whose values, and all below them, are sealed.
    pub sensitive: Vec<String>,
    /// Paths whose digits are no card numbers, whatever they look like.
    pub not_cards: Vec<String>,
    /// Path of the value that names the employee a record is about; empty: none.
    pub employee: String,
    /// Path of the value that names whom a record is about, or `id`: the record's own id; empty: nobody.
    pub subject: String,
}

impl RecordType {
    /// What `subject` says where the record's own id names whom it is about.
    pub const ID: &'static str = "id";
}

/// How long values are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// 30 days.
    Debug = 1,
    /// A year.
    #[default]
    Normal = 2,
    /// Seven years.
    Critical = 3,
}

/// Whether a change must say why.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It may.
    #[default]
    Optional,
    /// It must.
    Required,
}

/// What is wrong with the types, if anything.
pub(super) fn unfit(records: &Records) -> Option<String> {
    for kind in &records.types {
        let name: String = kind.name.chars().take(80).collect();
        if !is_source_name(&kind.name) {
            return Some(format!("[[records.type]] `{name}` cannot be the name of a type: {SOURCE_NAME_RULE}"));
        }
        if records.types.iter().filter(|other| other.name == kind.name).count() > 1 {
            return Some(format!("[[records.type]] {name} is there twice"));
        }
        let paths = kind.sensitive.iter().chain(&kind.not_cards);
        let paths = paths.chain((!kind.employee.is_empty()).then_some(&kind.employee));
        let subject = Some(&kind.subject).filter(|subject| !subject.is_empty() && *subject != RecordType::ID);
        if subject.is_some_and(|path| kind.sensitive.iter().any(|top| path.starts_with(top.as_str()))) {
            return Some(format!("[[records.type]] {name}: whom a record is about is looked for by name, and cannot be sealed"));
        }
        let paths = paths.chain(subject);
        if let Some(path) = paths.into_iter().find(|path| !path.starts_with('/')) {
            return Some(format!("[[records.type]] {name}: `{path}` is not a path; write a JSON pointer such as /address/city"));
        }
    }
    None
}
