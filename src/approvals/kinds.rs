//! What needs a second pair of eyes: the kinds, who may submit and approve each, how long an approved
//! one waits, and what it does in words.
//!
//! To add one: a variant, its lines here, and an arm where approved proposals are carried out
//! (`app/approved.rs`); the compiler names every place.

use serde_json::Value;

use crate::access::Role;
use crate::clock::DAY;

/// What can be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// Another key signs the log from now on.
    #[serde(rename = "log.rotate_key")]
    RotateKey,
    /// What is stored of a person is erased.
    #[serde(rename = "subject.erase")]
    EraseSubject,
    /// A legal hold ends.
    #[serde(rename = "hold.release")]
    ReleaseHold,
    /// A record goes back to one of its versions.
    #[serde(rename = "record.restore")]
    RestoreRecord,
    /// A rule set comes into force that lets something pass that the present one does not.
    #[serde(rename = "rules.loosen")]
    LoosenRules,
    /// A break is explained and no longer open.
    #[serde(rename = "break.explain")]
    ExplainBreak,
    /// An entry is cancelled by another one.
    #[serde(rename = "entry.reverse")]
    ReverseEntry,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::RotateKey,
        Kind::EraseSubject,
        Kind::ReleaseHold,
        Kind::RestoreRecord,
        Kind::LoosenRules,
        Kind::ExplainBreak,
        Kind::ReverseEntry,
    ];

    /// `log.rotate_key`
    pub fn text(self) -> &'static str {
        match self {
            Kind::RotateKey => "log.rotate_key",
            Kind::EraseSubject => "subject.erase",
            Kind::ReleaseHold => "hold.release",
            Kind::RestoreRecord => "record.restore",
            Kind::LoosenRules => "rules.loosen",
            Kind::ExplainBreak => "break.explain",
            Kind::ReverseEntry => "entry.reverse",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.text() == text)
    }

    /// As officers read it.
    pub fn title(self) -> &'static str {
        match self {
            Kind::RotateKey => "Change the key that signs the log",
            Kind::EraseSubject => "Erase what is stored of a person",
            Kind::ReleaseHold => "Release a legal hold",
            Kind::RestoreRecord => "Bring a record back to an earlier state",
            Kind::LoosenRules => "Loosen the rules",
            Kind::ExplainBreak => "Explain a break",
            Kind::ReverseEntry => "Reverse an entry",
        }
    }

    /// Whether a user of this role may submit it.
    pub fn may_submit(self, role: Role) -> bool {
        match self {
            Kind::RotateKey => matches!(role, Role::Officer | Role::Admin),
            Kind::EraseSubject | Kind::ReleaseHold | Kind::RestoreRecord | Kind::LoosenRules => role == Role::Officer,
            Kind::ExplainBreak | Kind::ReverseEntry => role == Role::Officer,
        }
    }

    /// Whether a user of this role may approve or refuse it. The database lets officers only.
    pub fn may_approve(self, role: Role) -> bool {
        match self {
            Kind::RotateKey | Kind::EraseSubject | Kind::ReleaseHold | Kind::RestoreRecord | Kind::LoosenRules => {
                role == Role::Officer
            }
            Kind::ExplainBreak | Kind::ReverseEntry => role == Role::Officer,
        }
    }

    /// How long an approved proposal waits before it is carried out, microseconds: until then any
    /// officer may stop it.
    pub fn quarantine(self) -> i64 {
        match self {
            Kind::RotateKey | Kind::ReleaseHold | Kind::RestoreRecord | Kind::LoosenRules => 0,
            Kind::ExplainBreak | Kind::ReverseEntry => 0,
            Kind::EraseSubject => 7 * DAY,
        }
    }

    /// Whether its private part is about a customer: shown to who may see customers, and recorded as
    /// seen.
    pub fn is_about_customer(self) -> bool {
        match self {
            Kind::RotateKey | Kind::LoosenRules => false,
            Kind::EraseSubject | Kind::ReleaseHold | Kind::RestoreRecord => true,
            Kind::ExplainBreak | Kind::ReverseEntry => true,
        }
    }

    /// What carrying it out does, in sentences; `facts` are the public facts it was submitted with.
    pub fn effects(self, facts: &Value) -> Vec<String> {
        let text = |field: &str| facts[field].as_str().unwrap_or("?").to_owned();
        match self {
            Kind::RotateKey => vec![
                format!("The log is signed by the key {} from then on.", key_id(&text("new"))),
                format!("The key {} signs for the last time; its verifier key is kept.", key_id(&text("old"))),
                "Both keys sign the change, so that whoever trusts the old one can follow it.".to_owned(),
            ],
            Kind::ReleaseHold => vec![
                format!("Hold {} no longer keeps its subject from being erased.", facts["hold"].as_i64().unwrap_or(0)),
                "What is stored stays as it is; erasing it is another proposal.".to_owned(),
            ],
            Kind::RestoreRecord if facts["at_source"].is_string() => vec![
                format!(
                    "In the bank's own table, by [[capture]] {}, the row of record {} gets the values of version {} again, in {}.",
                    text("at_source"),
                    facts["record"].as_i64().unwrap_or(0),
                    facts["version"].as_i64().unwrap_or(0),
                    counted(facts, "fields")
                ),
                "It is one transaction there. Columns that are excluded, that the version did not have, and balances stay as they are."
                    .to_owned(),
                "Should the row be any other than the record says now, nothing is done.".to_owned(),
                "What the table then reports is recorded as a new change that names the old one.".to_owned(),
            ],
            Kind::RestoreRecord => vec![
                format!(
                    "Record {} gets the values it had in version {} again, in {}.",
                    facts["record"].as_i64().unwrap_or(0),
                    facts["version"].as_i64().unwrap_or(0),
                    counted(facts, "fields")
                ),
                "Nothing is undone: it is a new change that names the old one.".to_owned(),
                "Should the record change before, nothing is done.".to_owned(),
            ],
            Kind::LoosenRules => {
                let version = facts["rules"]["version"].as_i64().unwrap_or(0);
                let said = facts["loosens"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                let mut effects = vec![format!("Rule set {version} comes into force with the next entry. It catches less:")];
                effects.extend(said);
                effects
            }
            Kind::ExplainBreak => vec![
                format!(
                    "The {} break at {} of the log is explained: it is no longer open.",
                    text("kind"),
                    facts["break"].as_i64().unwrap_or(0)
                ),
                "Nothing that is recorded changes, and an alert it is in stays as it is.".to_owned(),
                "Should it heal before, nothing is done.".to_owned(),
            ],
            Kind::ReverseEntry => reversal(facts),
            Kind::EraseSubject => vec![
                format!("Private parts of {} and {} are erased for good.", counted(facts, "entries"), counted(facts, "events")),
                "The log keeps their places, amounts and times, and every proof stays valid.".to_owned(),
            ],
        }
    }
}

/// What reversing an entry does.
fn reversal(facts: &Value) -> Vec<String> {
    let text = |field: &str| facts[field].as_str().unwrap_or("?");
    let funds = match facts["forced"].as_bool() {
        Some(true) => "It is recorded even if the balance does not suffice, or is not known.",
        _ => "Should the balance not suffice then, nothing is done.",
    };
    vec![
        format!(
            "A {} of {} {} is recorded on the same account; it names entry {}.",
            text("direction"),
            text("currency"),
            text("amount"),
            facts["entry"].as_i64().unwrap_or(0)
        ),
        "Nothing is undone, and an entry is reversed once.".to_owned(),
        funds.to_owned(),
        "The bank's core must book it too: until then its next entry does not follow from this one.".to_owned(),
    ]
}

/// A verifier key as people tell it apart: the id between its name and its material.
fn key_id(verifier: &str) -> &str {
    verifier.split('+').nth(1).unwrap_or(verifier)
}

/// So many of what the fact is named after: `1 field`, `2 fields`; of entries `1 entry`.
fn counted(facts: &Value, field: &str) -> String {
    match (facts[field].as_i64().unwrap_or(0), field) {
        (1, "entries") => "1 entry".to_owned(),
        (1, many) => format!("1 {}", many.strip_suffix('s').unwrap_or(many)),
        (n, many) => format!("{n} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_as_written_and_has_its_words() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.text()), Some(kind));
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.text().into()), "as in an event");
            assert!(!kind.title().is_empty() && !kind.effects(&Value::Null).is_empty());
        }
        assert_eq!(Kind::parse("log.rotate"), None);
    }

    #[test]
    fn nobody_who_reads_only_or_works_alerts_only_has_a_say() {
        for kind in Kind::ALL {
            for role in [Role::Analyst, Role::Auditor] {
                assert!(!kind.may_submit(role) && !kind.may_approve(role), "{kind:?} {role}");
            }
            assert!(kind.may_approve(Role::Officer) && !kind.may_approve(Role::Admin));
        }
        assert_eq!(Kind::EraseSubject.quarantine(), 7 * DAY);
    }
}
