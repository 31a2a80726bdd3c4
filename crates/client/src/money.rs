//! Money as it is written: exact decimal text, never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}; write digits and at most one point, such as {example}")]
pub struct NotDecimal {
    text: String,
    what: &'static str,
    example: &'static str,
}

/// An amount in a currency's units, zero or more: `500.00`. It has exactly the digits it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Amount(String);

/// A balance in a currency's units, below zero too: `-12.50`. It has exactly the digits it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Balance(String);

/// `^(0|[1-9]\d*)(\.\d+)?$`
fn is_amount(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits)
}

fn is_balance(text: &str) -> bool {
    match text.strip_prefix('-') {
        Some(rest) => is_amount(rest) && rest.bytes().any(|b| (b'1'..=b'9').contains(&b)),
        None => is_amount(text),
    }
}

/// Minor units as text with this many decimals.
fn from_minor(minor: i64, decimals: u8) -> String {
    let (sign, digits, decimals) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs().to_string(), usize::from(decimals));
    if decimals == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    format!("{sign}{whole}.{fraction}")
}

impl Amount {
    /// From a currency's smallest units: `Amount::minor(50_000, 2)` is `500.00`.
    pub fn minor(minor: u32, decimals: u8) -> Amount {
        Amount(from_minor(i64::from(minor), decimals))
    }
}

impl Balance {
    /// From a currency's smallest units: `Balance::minor(-1_250, 2)` is `-12.50`.
    pub fn minor(minor: i64, decimals: u8) -> Balance {
        Balance(from_minor(minor, decimals))
    }
}

macro_rules! decimal {
    ($name:ident, $check:ident, $what:literal, $example:literal) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotDecimal;

            fn from_str(text: &str) -> Result<$name, NotDecimal> {
                if $check(text) {
                    return Ok($name(text.to_owned()));
                }
                Err(NotDecimal { text: text.chars().take(40).collect(), what: $what, example: $example })
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NotDecimal;

            fn try_from(text: &str) -> Result<$name, NotDecimal> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotDecimal;

            fn try_from(text: String) -> Result<$name, NotDecimal> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

decimal!(Amount, is_amount, "an amount of zero or more", "500.00");
decimal!(Balance, is_balance, "a balance", "-12.50");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_contract_takes_is_an_amount() {
        for good in ["0", "0.00", "1", "12345678901234567890.123", "10.50"] {
            assert!(good.parse::<Amount>().is_ok() && good.parse::<Balance>().is_ok(), "{good}");
        }
        for bad in ["", ".5", "5.", "01", "1e3", "1_000", "1,5", "+1", " 1", "1 ", "NaN", "--1", "-0", "-0.00", "-"] {
            assert!(bad.parse::<Amount>().is_err() && bad.parse::<Balance>().is_err(), "{bad}");
        }
        assert!("-1.50".parse::<Balance>().is_ok() && "-1.50".parse::<Amount>().is_err());
    }

    #[test]
    fn minor_units_are_written_exactly() {
        let written =
            [(0, 2), (5, 2), (-5, 2), (-1_250, 2), (7, 0), (i64::MIN, 2), (i64::MAX, 3)].map(|(m, d)| Balance::minor(m, d));
        let texts: Vec<&str> = written.iter().map(Balance::as_str).collect();
        assert_eq!(texts, ["0.00", "0.05", "-0.05", "-12.50", "7", "-92233720368547758.08", "9223372036854775.807"]);
        assert!(texts.iter().all(|text| text.parse::<Balance>().is_ok()));
    }

    #[test]
    fn a_json_number_is_no_amount() {
        assert!(serde_json::from_str::<Amount>("1.5").is_err());
        assert_eq!(serde_json::from_str::<Amount>("\"1.50\"").map(|amount| amount.to_string()).ok(), Some("1.50".into()));
    }
}
