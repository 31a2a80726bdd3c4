//! The types of records, as the settings know them.

use crate::config::{Class, RecordType, Records, UnknownTypes};
use crate::ledger::Refusal;

use super::document::is_at_or_below;

/// The type of what is recorded of a captured table itself, whatever the settings say of types: its
/// structure, its triggers, and when it was emptied.
pub const CAPTURED_TABLE: &str = "captured-table";

/// Every type that is known, and what becomes of others.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    records: Records,
    other: RecordType,
    captured: RecordType,
}

impl Kinds {
    /// As the settings say.
    pub fn new(records: &Records) -> Kinds {
        let captured = RecordType { name: CAPTURED_TABLE.to_owned(), class: Class::Critical, ..RecordType::default() };
        Kinds { records: records.clone(), other: RecordType::default(), captured }
    }

    /// A type's settings; those of others where it is not listed.
    ///
    /// # Errors
    /// `422 record_type_unknown` where others are refused.
    pub fn of(&self, kind: &str) -> Result<&RecordType, Refusal> {
        match self.records.types.iter().find(|known| known.name == kind) {
            Some(known) => Ok(known),
            None if kind == CAPTURED_TABLE => Ok(&self.captured),
            None if self.records.unknown_types == UnknownTypes::Accept => Ok(&self.other),
            None => {
                let detail = format!("`{kind}` is not a type of the configuration; list it as [[records.type]]");
                Err(Refusal::field("record_type_unknown", "type", detail))
            }
        }
    }

    /// A type's settings, whether others are taken or not.
    pub fn known(&self, kind: &str) -> &RecordType {
        self.of(kind).unwrap_or(&self.other)
    }

    /// Whether any type seals anything.
    pub fn seal(&self) -> bool {
        self.records.types.iter().any(|kind| !kind.sensitive.is_empty())
    }
}

impl RecordType {
    /// Whether the value at a path is sealed; a list, of which a part is sensitive, is sealed as a whole.
    pub fn is_sensitive(&self, path: &str, also: &[String]) -> bool {
        self.sensitive.iter().chain(also).any(|top| is_at_or_below(path, top) || is_at_or_below(top, path))
    }

    /// Whether digits there are no card numbers.
    pub fn is_no_card(&self, path: &str) -> bool {
        self.not_cards.iter().any(|top| is_at_or_below(path, top))
    }
}
