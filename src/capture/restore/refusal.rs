//! Why the bank's database did not do what it was asked, and whether it may do it later. Pure.
//!
//! Its message may hold values: of a table that hides columns, only words stay that stand in the text of the table's own
//! trigger functions.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::ledger::cards;

/// Classes of SQLSTATE that pass by themselves: connections, transactions, locks, resources, operators.
const TEMPORARY: [&str; 8] = ["08", "25", "40", "53", "55", "57", "58", "XX"];
/// Characters of a message that are kept.
const MESSAGE_MAX: usize = 500;
/// In place of a word that may be a value.
const MASK: &str = "\u{2022}\u{2022}\u{2022}";

/// What the database said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// SQLSTATE, five characters.
    pub state: String,
    /// Its message.
    #[serde(default)]
    pub message: String,
    /// The constraint, or else the column, that it names.
    #[serde(default)]
    pub named: String,
    /// The text of the table's trigger functions.
    #[serde(default)]
    pub triggers: String,
}

impl Refusal {
    /// Whether the same may be done later.
    pub fn is_temporary(&self) -> bool {
        let class = self.state.get(..2).unwrap_or_default();
        class.is_empty() || TEMPORARY.contains(&class)
    }

    /// For people; `hides`: whether the table has columns whose values stay out of sight.
    pub fn for_people(&self, hides: bool) -> String {
        let said = match hides {
            true => self.words(),
            false => cards::mask(&self.message).0,
        };
        let said: String = said.chars().take(MESSAGE_MAX).collect();
        let what = match (self.rule(), said.is_empty()) {
            (Some(rule), true) => rule,
            (Some(rule), false) => format!("{rule}, \u{201c}{said}\u{201d}"),
            (None, true) => "what it said may hold a value, and is in its own log".to_owned(),
            (None, false) => format!("\u{201c}{said}\u{201d}"),
        };
        format!("SQLSTATE {}: {what}", self.state)
    }

    /// A rule of the table, where the state tells which.
    fn rule(&self) -> Option<String> {
        let what = match self.state.as_str() {
            "23505" => "such a row is there",
            "23503" => "it refers to a row that is not there",
            "23502" => "a column may not be empty",
            "23514" => "a check fails",
            "23P01" => "it stands in the way of another row",
            "42501" => "the role may not do that",
            _ => return None,
        };
        Some(if self.named.is_empty() { what.to_owned() } else { format!("{what}: {}", self.named) })
    }

    /// The message without words that may be values; empty where nothing would be left of it.
    fn words(&self) -> String {
        let known: BTreeSet<&str> = self.triggers.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()).collect();
        let (mut out, mut word, mut kept) = (String::new(), String::new(), 0);
        for c in self.message.chars().chain([' ']) {
            if is_word(c) {
                word.push(c);
                continue;
            }
            if known.contains(word.as_str()) {
                kept += 1;
                out.push_str(&word);
            } else if !word.is_empty() && !out.ends_with(MASK) {
                out.push_str(MASK);
            }
            word.clear();
            // What is masked hides its length and its punctuation too.
            if c.is_whitespace() || !out.ends_with(MASK) {
                out.push(c);
            }
        }
        if kept == 0 { String::new() } else { out.trim_end().to_owned() }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(state: &str, message: &str, triggers: &str) -> Refusal {
        Refusal { state: state.into(), message: message.into(), named: String::new(), triggers: triggers.into() }
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        for state in ["08006", "40001", "40P01", "55P03", "57014", "57P01", "53100", "25006", "58030", "XX000", ""] {
            assert!(refusal(state, "", "").is_temporary(), "{state}");
        }
        for state in ["P0001", "P0004", "23505", "23514", "42501", "42P01", "22003", "0A000", "44000", "2F003", "38000"] {
            assert!(!refusal(state, "", "").is_temporary(), "{state}");
        }
    }

    #[test]
    fn words_of_the_trigger_stay_and_values_do_not() {
        let source = "BEGIN IF NEW.tax <> '' THEN RAISE EXCEPTION 'limit % of % needs the board, not %', NEW.credit, NEW.tax, 1; END IF; END";
        let told = refusal("P0001", "limit 500.00 of TAX-CANARY-77 needs the board, not 1", source);
        assert_eq!(
            told.for_people(true),
            format!("SQLSTATE P0001: \u{201c}limit {MASK} of {MASK} needs the board, not 1\u{201d}")
        );
        assert!(told.for_people(false).contains("500.00 of TAX-CANARY-77"));
        let odd = refusal("22P02", "invalid input syntax for type integer: \"TAX-CANARY\"", source);
        assert_eq!(odd.for_people(true), "SQLSTATE 22P02: what it said may hold a value, and is in its own log");
        let check = Refusal { named: "customer_name_check".into(), ..refusal("23514", "new row violates", "") };
        assert_eq!(check.for_people(true), "SQLSTATE 23514: a check fails: customer_name_check");
        let card = refusal("P0001", "card 4111 1111 1111 1111 is closed", "");
        assert!(!card.for_people(false).contains("1111 1111 1111"), "{}", card.for_people(false));
        assert!(refusal("P0001", &"x".repeat(9_000), "").for_people(false).len() < 600);
    }
}
