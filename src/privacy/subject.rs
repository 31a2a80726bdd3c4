//! Whom an erasure or a hold is about.

use serde::{Deserialize, Serialize};

use crate::trail::ActError;

/// Longest name of a subject, in characters.
const CHARS_MAX: usize = 256;

/// What a subject is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The number of an account.
    Account,
    /// A holder, as entries name it in `party`.
    Party,
    /// No subject: whatever was recorded, booked or changed within a span of time. For holds only.
    Range,
}

impl Scope {
    /// `account`
    pub fn text(self) -> &'static str {
        match self {
            Scope::Account => "account",
            Scope::Party => "party",
            Scope::Range => "range",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Scope> {
        [Scope::Account, Scope::Party, Scope::Range].into_iter().find(|scope| scope.text() == text)
    }
}

/// An account or a holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What it is named by.
    pub scope: Scope,
    /// Its number or name: personal.
    pub name: String,
}

impl Subject {
    /// Checks the name.
    ///
    /// # Errors
    /// When it cannot name anything.
    pub fn new(scope: Scope, name: &str) -> Result<Subject, ActError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > CHARS_MAX || name.chars().any(char::is_control) {
            let detail = format!("name the subject in 1 to {CHARS_MAX} printable characters");
            return Err(ActError::refused(422, "subject_invalid", detail));
        }
        Ok(Subject { scope, name: name.to_owned() })
    }
}

/// A text as holds compare it: what is kept too long can still go, what went does not come back.
pub fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// Whether a text mentions a name: as a word of its own, or, for names shorter than four characters,
/// as the whole text.
pub fn mentions(text: &str, name: &str) -> bool {
    if text == name {
        return true;
    }
    if name.chars().count() < 4 {
        return false;
    }
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let after = text[at + name.len()..].chars().next().is_none_or(|c| !c.is_alphanumeric());
        before && after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_mentioned_as_a_word_of_its_own() {
        assert!(mentions("ACC-1", "ACC-1"));
        assert!(mentions(r#"{"account":"ACC-12","amount":"1.00"}"#, "ACC-12"));
        assert!(mentions("see ACC-12.", "ACC-12"));
        assert!(!mentions("ACC-123", "ACC-12"));
        assert!(!mentions("XACC-12", "ACC-12"));
        assert!(!mentions(r#"{"amount":"12"}"#, "12"), "too short to be looked for inside a text");
        assert!(mentions("12", "12"));
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for name in ["", "  ", "a\nb", &"x".repeat(257)] {
            assert!(Subject::new(Scope::Party, name).is_err());
        }
    }
}
