//! What the server answers.

use serde::{Deserialize, Serialize};

/// Why something was not taken, as the server says (RFC 9457). `code` is stable and for programs, `detail` is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status, of a row too.
    pub status: u16,
    /// Stable, for example `currency_mismatch`.
    pub code: String,
    /// What is wrong, and what to do next.
    #[serde(default)]
    pub detail: String,
    /// The field it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// The number of the row, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// Of a conflict: the place in the log of what has the `source_ref`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_seq: Option<i64>,
    /// Where the instance answers that can do it, if this one stands by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leader: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)
    }
}

/// A rule that an entry hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The rule's code.
    pub rule: String,
    /// `low medium high critical`
    pub severity: String,
    /// The alert it joined; `None` while the rule runs dry.
    #[serde(default)]
    pub alert: Option<String>,
}

/// A break of continuity. Money is decimal text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// `arithmetic chain sequence … record`
    pub kind: String,
    /// What should have been there.
    #[serde(default)]
    pub expected: Option<String>,
    /// What is there.
    #[serde(default)]
    pub found: Option<String>,
    /// `found` − `expected`.
    #[serde(default)]
    pub difference: Option<String>,
    /// Of a record: where.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
}

/// What to keep of what was recorded: it was durable before this was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its place in the log.
    pub seq: i64,
    /// The RFC 6962 hash of its leaf, lower-case hex.
    pub leaf: String,
    /// Its number on its account or record, from 1; none on an account of another source.
    #[serde(default)]
    pub position: Option<i64>,
    /// Rules it hit.
    #[serde(default)]
    pub hits: Vec<Hit>,
    /// Breaks it opened.
    #[serde(default)]
    pub breaks: Vec<Break>,
    /// Card numbers that were masked in it.
    #[serde(default)]
    pub masked: u32,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the log now.
    Recorded(Receipt),
    /// It was there already, with the same content: its first receipt.
    Duplicate(Receipt),
    /// It changes nothing, so it was not recorded; the record's newest change, if it has one.
    Unchanged(Option<i64>),
    /// It was refused for good: sending it again as it is would change nothing.
    Refused(Problem),
}

impl Outcome {
    /// The receipt, if it is in the log.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Outcome::Recorded(receipt) | Outcome::Duplicate(receipt) => Some(receipt),
            Outcome::Unchanged(_) | Outcome::Refused(_) => None,
        }
    }
}

/// A row as it is on the wire.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum WireRow {
    Recorded(Receipt),
    Duplicate(Receipt),
    Unchanged {
        #[serde(default)]
        seq: Option<i64>,
    },
    Rejected {
        problem: Problem,
    },
}

/// What became of an array; of an atomic one that was refused too.
#[derive(Deserialize)]
pub(crate) struct WireBatch {
    pub results: Vec<WireRow>,
}

impl From<WireRow> for Outcome {
    fn from(row: WireRow) -> Outcome {
        match row {
            WireRow::Recorded(receipt) => Outcome::Recorded(receipt),
            WireRow::Duplicate(receipt) => Outcome::Duplicate(receipt),
            WireRow::Unchanged { seq } => Outcome::Unchanged(seq),
            WireRow::Rejected { problem } => Outcome::Refused(problem),
        }
    }
}
