//! Names and numbers that people see: alert references, masked accounts, opaque tokens.

use std::fmt;

/// A place in the log: the RFC 6962 leaf index, from 0, without gaps.
pub type Seq = i64;

/// `ALR-2026-000123`: the year the alert was opened (bank time) and its number in that year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertRef {
    /// The year the alert was opened in, bank time.
    pub year: i32,
    /// Its number in that year, from 1.
    pub number: u32,
}

impl AlertRef {
    /// Reads `ALR-YYYY-NNNNNN`; `None` for anything else.
    pub fn parse(text: &str) -> Option<AlertRef> {
        let (year, number) = text.strip_prefix("ALR-")?.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if year.len() != 4 || number.len() < 6 || !digits(year) || !digits(number) {
            return None;
        }
        Some(AlertRef { year: year.parse().ok()?, number: number.parse().ok()? })
    }
}

impl fmt::Display for AlertRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALR-{:04}-{:06}", self.year, self.number)
    }
}

/// Whether a character leaves no mark, or turns the direction of others: two texts that differ only
/// in such characters look alike.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
}

/// What the name of a source may be, for messages.
pub const SOURCE_NAME_RULE: &str = "use 1 to 64 of a-z, 0-9, point, hyphen and underscore, for example core-banking";

/// Whether this may be the name of a source: it stands in addresses, settings and reports.
pub fn is_source_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

/// An account for mail, lists and reports: its last characters, at most four and at most a third.
pub fn mask_account(number: &str) -> String {
    if is_erased_number(number) {
        return "erased".to_owned();
    }
    let chars: Vec<char> = number.chars().filter(|c| !c.is_whitespace()).collect();
    let shown = (chars.len() / 3).min(4);
    let tail: String = chars[chars.len() - shown..].iter().collect();
    format!("\u{2022}\u{2022}\u{2022}\u{2022} {tail}").trim_end().to_owned()
}

/// What stands in place of an erased account's number. It begins with a blank, as no number does.
pub fn erased_number(account: Seq) -> String {
    format!(" erased {account}")
}

/// What is stored where somebody writes `erased N` for an account whose number was erased; `None` for other numbers.
pub fn written_as_erased(number: &str) -> Option<String> {
    let place = number.trim_start().strip_prefix("erased ")?;
    let account: Seq = place.parse().ok().filter(|account: &Seq| account.to_string() == place)?;
    Some(erased_number(account))
}

/// Whether an account's number was erased.
pub fn is_erased_number(number: &str) -> bool {
    number.starts_with(" erased ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_reference_is_read_back_as_printed() {
        let alert = AlertRef { year: 2026, number: 123 };
        assert_eq!(alert.to_string(), "ALR-2026-000123");
        assert_eq!(AlertRef::parse("ALR-2026-000123"), Some(alert));
        for wrong in ["ALR-26-1", "alr-2026-000123", "ALR-2026-12", "ALR-2026-00012x", ""] {
            assert_eq!(AlertRef::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_erased_number_is_known_as_it_is_written() {
        assert_eq!(written_as_erased("erased 48").as_deref(), Some(" erased 48"));
        assert_eq!(written_as_erased(&erased_number(48)), Some(erased_number(48)));
        for other in ["erased", "erased 048", "erased x", "Erased 48", "48", ""] {
            assert_eq!(written_as_erased(other), None, "{other}");
        }
    }

    #[test]
    fn a_mask_shows_at_most_a_third_and_four() {
        assert_eq!(mask_account("12345"), "•••• 5");
        assert_eq!(mask_account("DE89370400440532013000"), "•••• 3000");
        assert_eq!(mask_account("12"), "••••");
        assert_eq!(mask_account("DE89 3704 0044 0532 0130 0 0"), "•••• 3000", "what paper puts between is no part of it");
    }
}
