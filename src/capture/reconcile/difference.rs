//! What a comparison finds, in words.

use std::fmt;

use crate::ledger::Refusal;

/// What differs of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The log does not have it.
    Unrecorded {
        /// The record's id.
        id: String,
    },
    /// The log has other values.
    Differs {
        /// The record's id.
        id: String,
        /// Where.
        paths: Vec<String>,
    },
    /// The log has another balance.
    Balance {
        /// The record's id.
        id: String,
        /// Ours, if there is one.
        ours: Option<String>,
        /// The table's.
        theirs: String,
    },
    /// The log has the account in another currency.
    Currency {
        /// The record's id.
        id: String,
        /// Ours.
        ours: String,
        /// The table's.
        theirs: String,
    },
    /// The log has it and the table does not.
    Gone {
        /// The record's id.
        id: String,
    },
    /// The row cannot be read as a record or a balance.
    Unreadable {
        /// The record's id.
        id: String,
        /// Why.
        detail: String,
    },
}

impl Difference {
    pub(super) fn unreadable(id: &str, refusal: &Refusal) -> Difference {
        Difference::Unreadable { id: id.to_owned(), detail: refusal.detail.clone() }
    }
}

/// A text of the bank's on its way to a terminal: what would not be printed, or would move what is, is escaped.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turns =
            |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() || turns(c) { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |text| Shown(text);
        match self {
            Difference::Unrecorded { id } => write!(f, "{}: the log does not have it", s(id)),
            Difference::Differs { id, paths } => write!(f, "{}: differs at {}", s(id), s(&paths.join(" "))),
            Difference::Balance { id, ours: None, theirs } => write!(f, "{}: balance {theirs}, the log has none", s(id)),
            Difference::Balance { id, ours: Some(ours), theirs } => write!(f, "{}: balance {theirs}, the log has {ours}", s(id)),
            Difference::Currency { id, ours, theirs } => {
                write!(f, "{}: is in {theirs}, the log has the account in {ours}: an account has one currency for ever", s(id))
            }
            Difference::Gone { id } => write!(f, "{}: is gone, the log has it", s(id)),
            Difference::Unreadable { id, detail } => write!(f, "{}: cannot be compared: {}", s(id), s(detail)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_holds_cannot_write_to_the_terminal() {
        let gone = Difference::Gone { id: "a\u{1b}[2J\r\n\u{202e}é".to_owned() };
        assert_eq!(gone.to_string(), "a\\u{1b}[2J\\r\\n\\u{202e}é: is gone, the log has it");
    }
}
