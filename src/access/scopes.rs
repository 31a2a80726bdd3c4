//! What a key may do.

use serde::{Deserialize, Serialize};

use crate::trail::ActError;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Send entries.
    EntriesWrite = 1,
    /// Send changes of other records.
    ChangesWrite = 2,
    /// Send control totals: the end of a feed's day.
    TotalsWrite = 4,
    /// Read what its source sent, alerts and reports.
    Read = 8,
    /// See in receipts which rules were hit.
    ReceiptFull = 16,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 5] = [Scope::EntriesWrite, Scope::ChangesWrite, Scope::TotalsWrite, Scope::Read, Scope::ReceiptFull];

    /// `entries:write`
    pub fn text(self) -> &'static str {
        match self {
            Scope::EntriesWrite => "entries:write",
            Scope::ChangesWrite => "changes:write",
            Scope::TotalsWrite => "totals:write",
            Scope::Read => "read",
            Scope::ReceiptFull => "receipt:full",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.text() == text)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes(u8);

impl Scopes {
    /// All of them: what a key has when nothing else is said.
    pub const ALL: Scopes = Scopes(31);

    /// Reads texts with blanks or commas between them; at least one.
    pub fn parse(text: &str) -> Result<Scopes, ActError> {
        let mut bits = 0;
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            let scope = Scope::parse(word).ok_or_else(|| Scopes::unknown(word))?;
            bits |= scope as u8;
        }
        if bits == 0 { Err(Scopes::unknown("")) } else { Ok(Scopes(bits)) }
    }

    /// Whether `scope` is among them.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope as u8 != 0
    }

    fn unknown(word: &str) -> ActError {
        let word: String = word.chars().take(40).collect();
        let known = Scope::ALL.map(Scope::text).join(", ");
        ActError::refused(422, "scope_unknown", format!("`{word}` is not a scope; choose from {known}"))
    }
}

/// With blanks between them, as stored.
impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts: Vec<_> = Scope::ALL.into_iter().filter(|s| self.contains(*s)).map(Scope::text).collect();
        f.write_str(&texts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trail::testing::code;

    #[test]
    fn scopes_are_read_back_as_written() {
        assert_eq!(Scopes::parse(&Scopes::ALL.to_string()).unwrap(), Scopes::ALL);
        let two = Scopes::parse("read, entries:write").unwrap();
        assert_eq!(two.to_string(), "entries:write read");
        assert!(two.contains(Scope::Read) && !two.contains(Scope::ReceiptFull));
        assert_eq!(code(Scopes::parse("entries:read")), "scope_unknown");
        assert_eq!(code(Scopes::parse(" ")), "scope_unknown");
    }
}
