//! What one rule said, as the log keeps it: of an entry in the text of its leaf, of a change in the public part
//! of its event. They differ in the evidence alone: of an entry its digest, of a change all of it.

use serde::{Deserialize, Serialize};

use super::{ActiveRule, Hit, Outcome};
use crate::ids::Seq;

/// One rule's outcome; with the evidence `E` of a hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleOutcome<E> {
    /// The rule's code.
    pub rule: String,
    /// `hit`, `not_applicable`, `insufficient_history` or `error`.
    pub outcome: String,
    /// Of a hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The entry that hit, when it is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Seq>,
    /// Whether what came late made the line be crossed by what is later.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// What the hit is of, where that is not the entry's account or the change's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Seq>,
    /// Of a hit.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub evidence: Option<E>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn none<E>() -> Option<E> {
    None
}

impl<E> RuleOutcome<E> {
    /// What is kept of an outcome: nothing of *clear*, of hits one each, which comes with it.
    pub fn of<'o>(rule: &ActiveRule, outcome: &'o Outcome) -> Vec<(RuleOutcome<E>, Option<&'o Hit>)> {
        let plain = |outcome: &str| RuleOutcome {
            rule: rule.rule.code().to_owned(),
            outcome: outcome.to_owned(),
            severity: None,
            entry: None,
            late: false,
            about: None,
            evidence: None,
        };
        let hit = |hit: &'o Hit| {
            (RuleOutcome { severity: Some(rule.severity.text().to_owned()), late: hit.late, ..plain("hit") }, Some(hit))
        };
        match outcome {
            Outcome::Clear => Vec::new(),
            Outcome::NotApplicable => vec![(plain("not_applicable"), None)],
            Outcome::InsufficientHistory => vec![(plain("insufficient_history"), None)],
            Outcome::Error(_) => vec![(plain("error"), None)],
            Outcome::Hits(hits) => hits.iter().map(hit).collect(),
        }
    }
}
