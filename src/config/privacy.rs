//! Section `privacy`, and which fields of an entry can be declared sensitive.

use serde::{Deserialize, Serialize};

/// Private parts of an entry, in the order of the commitment: those that can be declared sensitive.
pub const PRIVATE_FIELDS: [&str; 5] = ["party", "counterparty", "counterparty_name", "counterparty_country", "reason"];

/// Section `privacy`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// Years that records of a customer are kept after the last entry.
    pub statutory_years: u32,
}

impl Default for Privacy {
    fn default() -> Self {
        Privacy { statutory_years: 5 }
    }
}

/// What is wrong with the sensitive fields of a source, if anything.
pub(super) fn unfit(source: &str, sensitive: &[String]) -> Option<String> {
    let other = sensitive.iter().find(|field| !PRIVATE_FIELDS.contains(&field.as_str()))?;
    let known = PRIVATE_FIELDS.join(", ");
    Some(format!("[[source]] {source}: sensitive: `{other}` cannot be sealed; only {known} can"))
}
