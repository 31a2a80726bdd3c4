//! Words for what leaves say in numbers, and how times and amounts are written.

use std::fmt::Write as _;

const KINDS: [&str; 9] = ["deposit", "withdrawal", "transfer", "payment", "card", "fee", "interest", "adjustment", "reversal"];
const CHANNELS: [&str; 7] = ["branch", "atm", "online", "mobile", "card", "api", "batch"];
const INSTRUMENTS: [&str; 5] = ["cash", "transfer", "card", "cheque", "other"];
const STATUSES: [&str; 2] = ["booked", "attempted"];

/// Currencies of ISO 4217 whose minor unit is not a hundredth.
const DECIMALS: [(&str, u32); 26] = [
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];

/// The decimals of a currency.
#[must_use]
pub fn decimals(currency: &str) -> u32 {
    DECIMALS.iter().find(|(code, _)| *code == currency).map_or(2, |(_, decimals)| *decimals)
}

fn word(words: &[&'static str], code: i16) -> String {
    let place = usize::try_from(code).ok().and_then(|code| code.checked_sub(1));
    place.and_then(|place| words.get(place)).map_or_else(|| code.to_string(), |word| (*word).to_owned())
}

/// The word for a kind; a code that has none stands as its number.
pub(super) fn kind(code: i16) -> String {
    word(&KINDS, code)
}

pub(super) fn channel(code: i16) -> String {
    word(&CHANNELS, code)
}

pub(super) fn instrument(code: i16) -> String {
    word(&INSTRUMENTS, code)
}

pub(super) fn status(code: i16) -> String {
    word(&STATUSES, code)
}

pub(super) fn direction(code: i16) -> String {
    match code {
        1 => "credit".to_owned(),
        -1 => "debit".to_owned(),
        other => other.to_string(),
    }
}

/// Minor units as a decimal number of the currency.
pub(super) fn money(minor: i64, decimals: u32) -> String {
    let (digits, places) = (minor.unsigned_abs().to_string(), decimals as usize);
    let sign = if minor < 0 { "-" } else { "" };
    if places == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, rest) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{rest}")
}

const DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01 as a date of the Gregorian calendar.
pub(super) fn date(days: i64) -> String {
    // Counted from 0000-03-01 in eras of 400 years, so that a leap day is the last of its year.
    let shifted = i128::from(days) + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

/// Microseconds since 1970 as RFC 3339 in UTC, always with six decimals.
pub(super) fn time(micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let mut out = date(days);
    let _ = write!(out, "T{:02}:{:02}:{:02}.{fraction:06}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        assert_eq!(money(125_000, 2), "1250.00");
        assert_eq!(money(-5, 2), "-0.05");
        assert_eq!(money(0, 3), "0.000");
        assert_eq!(money(7, 0), "7");
        assert_eq!(money(i64::MIN, 2), "-92233720368547758.08");
        assert_eq!((decimals("USD"), decimals("JPY"), decimals("KWD"), decimals("UYW")), (2, 0, 3, 4));
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(time(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(time(1_709_285_400_000_043), "2024-03-01T09:30:00.000043Z");
        assert_eq!((date(19_782).as_str(), date(19_783).as_str()), ("2024-02-29", "2024-03-01"));
        assert_eq!((date(-719_528).as_str(), date(11_016).as_str()), ("0000-01-01", "2000-02-29"));
    }

    #[test]
    fn an_unknown_code_stays_a_number() {
        assert_eq!((kind(1).as_str(), kind(9).as_str(), kind(42).as_str(), kind(0).as_str()), ("deposit", "reversal", "42", "0"));
    }
}
