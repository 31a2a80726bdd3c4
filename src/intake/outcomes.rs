//! What was decided with an entry, as text in its leaf: every outcome that is not *clear*.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::db::{DbError, DbResult};
use crate::detect::Evidence;
use crate::ids::Seq;

/// The column `outcomes`, when it is not null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Outcomes of rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleOutcome>,
    /// Breaks opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<BreakOutcome>,
    /// Breaks closed, because this entry joined what stood apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub healed: Vec<Named>,
    /// Chain breaks no longer matched: the entries they are named at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<Seq>,
    /// What else is to be known: [`REVERSES_UNKNOWN`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A note: the entry says that it cancels one of its source that is not in the log.
pub const REVERSES_UNKNOWN: &str = "reverses_unknown";

/// One rule's outcome, with the SHA-256 of a hit's evidence as it is stored, in hex.
pub type RuleOutcome = crate::detect::RuleOutcome<String>;

/// A break that was opened, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakOutcome {
    /// `chain`, …
    pub kind: String,
    /// The entry it is named at.
    pub seq: Seq,
    /// What should have been there.
    pub expected: Option<i64>,
    /// What is there.
    pub found: Option<i64>,
}

/// A break by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// `chain`, …
    pub kind: String,
    /// The entry it is named at.
    pub seq: Seq,
}

/// The evidence of a hit as it is stored.
pub(super) fn evidence_text(evidence: &Evidence) -> DbResult<String> {
    serde_json::to_string(evidence).map_err(|e| DbError::Corrupt(e.to_string()))
}

/// What a leaf says of the evidence of a hit.
pub fn evidence_digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

impl Outcomes {
    /// The text for the leaf; `None` when everything was clear.
    pub fn text(&self) -> Option<String> {
        if *self == Outcomes::default() {
            return None;
        }
        serde_json::to_string(self).ok()
    }

    /// Reads the column back.
    pub fn read(text: Option<&str>) -> Result<Outcomes, serde_json::Error> {
        text.map_or(Ok(Outcomes::default()), serde_json::from_str)
    }
}
