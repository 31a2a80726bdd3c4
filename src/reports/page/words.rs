//! Stored values in the words that people read: times, money, states.

use chrono::{LocalResult, Offset, TimeZone};
use chrono_tz::Tz;

use crate::clock::Moment;
use crate::money::group_thousands;

use super::{Fact, Link, Tag};

/// What is not known. Zero is written as zero.
pub const UNKNOWN: &str = "\u{2014}";

/// The bank's clock.
#[derive(Clone, Copy, Debug)]
pub struct LocalTime(pub Tz);

impl LocalTime {
    /// The zone with this IANA name, or UTC.
    pub fn named(name: &str) -> LocalTime {
        LocalTime(name.parse().unwrap_or(Tz::UTC))
    }

    /// `2026-11-20 14:03:22`
    pub fn second(self, at: Moment) -> String {
        self.plain(at, "%Y-%m-%d %H:%M:%S")
    }

    /// `2026-11-20 14:03`
    pub fn minute(self, at: Moment) -> String {
        self.plain(at, "%Y-%m-%d %H:%M")
    }

    /// `14:03`
    pub fn hour(self, at: Moment) -> String {
        self.plain(at, "%H:%M")
    }

    /// `2026-11-20 14:03 +01:00`: an hour that comes twice when the clocks change stays apart.
    pub fn hour_with_offset(self, at: Moment) -> String {
        self.format(at, "%Y-%m-%d %H:%M %:z")
    }

    /// A stored RFC 3339 text in local time; what cannot be read is shown as it is.
    pub fn of_text(self, text: &str) -> String {
        Moment::parse(text).map_or_else(|_| text.to_owned(), |at| self.second(at))
    }

    /// `Europe/Berlin, now CET (UTC+01:00)` as of `at`.
    pub fn name(self, at: Moment) -> String {
        let local = self.0.from_utc_datetime(&at.utc().naive_utc());
        let seconds = local.offset().fix().local_minus_utc();
        let (sign, minutes) = (if seconds < 0 { '\u{2212}' } else { '+' }, seconds.unsigned_abs() / 60);
        let offset = format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        let short = local.format("%Z").to_string();
        if seconds == 0 && short == "UTC" { short } else { format!("{}, now {short} ({offset})", self.0.name()) }
    }

    /// A time that the clocks show twice, because they were set back, says which of them it is.
    fn plain(self, at: Moment, pattern: &str) -> String {
        let local = self.0.from_utc_datetime(&at.utc().naive_utc());
        let twice = matches!(self.0.from_local_datetime(&local.naive_local()), LocalResult::Ambiguous(..));
        if twice { local.format(&format!("{pattern} %:z")).to_string() } else { local.format(pattern).to_string() }
    }

    fn format(self, at: Moment, pattern: &str) -> String {
        self.0.from_utc_datetime(&at.utc().naive_utc()).format(pattern).to_string()
    }
}

/// Contract money (`-1234.50`) for people: `−1,234.50`.
pub fn money(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("\u{2212}", rest));
    let (whole, part) = rest.split_once('.').map_or((rest, None), |(w, p)| (w, Some(p)));
    let Ok(whole) = whole.parse::<u128>() else { return text.to_owned() };
    match part {
        Some(part) => format!("{sign}{}.{part}", group_thousands(whole)),
        None => format!("{sign}{}", group_thousands(whole)),
    }
}

/// `EUR +12.00`, and `EUR 0.00`: nothing has no direction.
pub fn signed(currency: &str, sign: &str, text: &str) -> String {
    let sign = if text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { sign } else { "" };
    format!("{currency} {sign}{text}")
}

/// Money that may be unknown.
pub fn known_money(text: Option<&str>) -> String {
    text.map_or_else(|| UNKNOWN.to_owned(), money)
}

/// A count with its thousands apart.
pub fn count(n: i64) -> String {
    let sign = if n < 0 { "\u{2212}" } else { "" };
    format!("{sign}{}", group_thousands(u128::from(n.unsigned_abs())))
}

/// A count that may be unknown.
pub fn known_count(n: Option<i64>) -> String {
    n.map_or_else(|| UNKNOWN.to_owned(), count)
}

/// `1 entry`, `2 entries`.
pub fn counted(n: i64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `false_positive` as `False positive`.
pub fn words(code: &str) -> String {
    let text = code.replace(['_', '-'], " ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A rule's name as officers know it.
pub fn rule_title(code: &str) -> String {
    if code == crate::alerts::CONTINUITY {
        return "Balance continuity".to_owned();
    }
    crate::detect::rule(code).map_or_else(|| words(code), |rule| rule.title().to_owned())
}

/// A state in one or two words; `tone` is `good`, `warn`, `bad`, `info` or `neutral`.
pub fn tag(word: impl Into<String>, tone: &str) -> Tag {
    Tag { word: word.into(), tone: tone.to_owned() }
}

/// What became of a break: `open`, `healed`, `explained`, `frozen`.
pub fn break_state(state: &str) -> Tag {
    let tone = match state {
        "open" => "bad",
        "frozen" => "warn",
        "explained" => "info",
        _ => "good",
    };
    tag(words(state), tone)
}

/// What a report's version is worth.
pub fn report_status(status: &str) -> Tag {
    let tone = match status {
        "final" => "good",
        "provisional" => "warn",
        "preview" => "info",
        _ => "neutral",
    };
    tag(words(status), tone)
}

/// A fact in plain type.
pub fn fact(label: &str, value: impl Into<String>) -> Fact {
    Fact { label: label.to_owned(), value: value.into(), href: None, mono: false }
}

/// A fact in the fixed-width face: a digest or a reference.
pub fn mono(label: &str, value: impl Into<String>) -> Fact {
    Fact { mono: true, ..fact(label, value) }
}

/// Text that leads somewhere.
pub fn link(text: impl Into<String>, href: impl Into<String>) -> Link {
    Link { text: text.into(), href: href.into() }
}

/// The page of an account: its opaque number, never the account's own.
pub fn account_link(masked: &str, id: crate::ids::Seq) -> Link {
    link(masked, format!("/accounts/{id}"))
}

/// The page of a record.
pub fn record_link(text: &str, id: crate::ids::Seq) -> Link {
    link(text, format!("/records/{id}"))
}

/// The page of an alert.
pub fn alert_link(reference: &str) -> Link {
    link(reference, format!("/alerts/{reference}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn money_is_grouped_and_keeps_its_decimals() {
        for (text, shown) in [("0.00", "0.00"), ("-1234567.50", "\u{2212}1,234,567.50"), ("999", "999"), ("odd", "odd")] {
            assert_eq!(money(text), shown);
        }
        assert_eq!(known_money(None), UNKNOWN);
        assert_eq!((count(-1200), counted(1, "entry", "entries")), ("\u{2212}1,200".to_owned(), "1 entry".to_owned()));
    }

    #[test]
    fn nothing_has_no_sign() {
        assert_eq!((signed("EUR", "\u{2212}", "0.00"), signed("EUR", "+", "10.00")), ("EUR 0.00".into(), "EUR +10.00".into()));
    }

    #[test]
    fn times_are_local_and_the_hour_that_comes_twice_stays_apart() {
        let bank = LocalTime::named("America/New_York");
        let at = |text: &str| Moment::parse(text).unwrap();
        assert_eq!(bank.second(at("2026-11-20T19:03:22Z")), "2026-11-20 14:03:22");
        assert_eq!(bank.name(at("2026-11-20T19:03:22Z")), "America/New_York, now EST (UTC\u{2212}05:00)");
        assert_eq!(LocalTime::named("UTC").name(at("2026-11-20T19:03:22Z")), "UTC");
        let (first, second) = (at("2026-11-01T05:30:00Z"), at("2026-11-01T06:30:00Z"));
        assert_eq!((bank.hour(first), bank.hour(second)), ("01:30 -04:00".into(), "01:30 -05:00".into()));
        assert_eq!(bank.second(second), "2026-11-01 01:30:00 -05:00");
        assert_ne!(bank.hour_with_offset(first), bank.hour_with_offset(second));
    }

    #[test]
    fn codes_become_words() {
        assert_eq!(words("false_positive_rule_too_broad"), "False positive rule too broad");
        assert_eq!(rule_title("high-value"), "High-value entry");
        assert_eq!(rule_title("continuity"), "Balance continuity");
    }
}
