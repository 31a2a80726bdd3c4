//! Numbers as a bank writes them, into the text of the contract: digit by digit, never a float.

use serde::Deserialize;

/// How numbers are written.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Numbers {
    /// Between units and decimals.
    pub decimal: char,
    /// Between groups of three digits.
    pub thousands: Option<char>,
    /// Where the sign stands.
    pub minus: Minus,
    /// Whole numbers of minor units, padded with zeros or not: `0000012345` is 123.45 in USD.
    pub minor_units: bool,
    /// Zeros beyond the currency's decimals are dropped; any other digit there is still refused.
    pub trim_decimals: bool,
    /// A printed binary float (`202.89999999999998`) means the amount it is nearest to, if at
    /// least six surplus digits are all 0 or all 9; anything else is still refused.
    pub float_noise: bool,
}

/// Where a minus sign stands; a leading one is always understood.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Minus {
    Leading,
    Trailing,
    Parentheses,
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers {
            decimal: '.',
            thousands: None,
            minus: Minus::Leading,
            minor_units: false,
            trim_decimals: false,
            float_noise: false,
        }
    }
}

/// Surplus digits that must agree before a number counts as a printed float.
const NOISE_DIGITS: usize = 6;

impl Numbers {
    /// `text` as the contract writes it, for a currency with `decimals`; `None` when it is not such
    /// a number, so that the contract's own check names what is wrong with it.
    pub fn normal(&self, text: &str, decimals: usize) -> Option<String> {
        let (negative, digits) = self.sign(text)?;
        let (whole, part) = match digits.split_once(self.decimal) {
            Some((_, "")) => return None,
            Some((whole, part)) => (whole, part),
            None => (digits, ""),
        };
        let whole = self.ungroup(whole)?;
        if whole.is_empty() || !all_digits(&whole) || !all_digits(part) {
            return None;
        }
        let (whole, part) = if self.minor_units {
            if !part.is_empty() || digits.contains(self.decimal) {
                return None;
            }
            point(&whole, decimals)
        } else {
            self.shorten(whole, part.to_owned(), decimals)
        };
        let zero = whole.bytes().chain(part.bytes()).all(|b| b == b'0');
        let sign = if negative && !zero { "-" } else { "" };
        Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
    }

    fn sign<'t>(&self, text: &'t str) -> Option<(bool, &'t str)> {
        let inner = match self.minus {
            Minus::Leading => None,
            Minus::Trailing => text.strip_suffix('-'),
            Minus::Parentheses => text.strip_prefix('(').and_then(|t| t.strip_suffix(')')),
        };
        match inner.or_else(|| text.strip_prefix('-')) {
            Some(rest) if rest.starts_with('-') => None,
            Some(rest) => Some((true, rest)),
            None => Some((false, text)),
        }
    }

    /// Takes out thousands separators, which must stand before every group of three.
    fn ungroup(&self, whole: &str) -> Option<String> {
        let Some(separator) = self.thousands.filter(|s| whole.contains(*s)) else { return Some(whole.to_owned()) };
        let mut groups = whole.split(separator);
        let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
        let mut out = first.to_owned();
        for group in groups {
            if group.len() != 3 {
                return None;
            }
            out.push_str(group);
        }
        Some(out)
    }

    fn shorten(&self, whole: String, part: String, decimals: usize) -> (String, String) {
        if part.len() <= decimals {
            return (whole, part);
        }
        let (kept, surplus) = part.split_at(decimals);
        let head = surplus.as_bytes().get(..NOISE_DIGITS).unwrap_or_default();
        let all = |digit: u8| self.float_noise && !head.is_empty() && head.iter().all(|b| *b == digit);
        if all(b'0') || (self.trim_decimals && surplus.bytes().all(|b| b == b'0')) {
            return (whole, kept.to_owned());
        }
        if all(b'9') {
            let mut digits = format!("{whole}{kept}").into_bytes();
            add_one(&mut digits);
            let at = digits.len() - decimals;
            let text = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<String>();
            return (text(&digits[..at]), text(&digits[at..]));
        }
        (whole, part)
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Minor units with the point where the currency has it, without leading zeros.
fn point(minor: &str, decimals: usize) -> (String, String) {
    let minor = minor.trim_start_matches('0');
    let padded = format!("{minor:0>width$}", width = decimals + 1);
    let (whole, part) = padded.split_at(padded.len() - decimals);
    (whole.to_owned(), part.to_owned())
}

fn add_one(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit != b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numbers: &Numbers, cases: &[(&str, Option<&str>)]) {
        for (text, normal) in cases {
            assert_eq!(numbers.normal(text, 2).as_deref(), *normal, "{text}");
        }
    }

    #[test]
    fn a_number_is_left_alone_unless_the_profile_says_otherwise() {
        let plain = Numbers::default();
        check(&plain, &[("12.5", Some("12.5")), ("-0.00", Some("0.00")), ("1.2345", Some("1.2345")), ("007", Some("007"))]);
        check(
            &plain,
            &[
                ("1,000.00", None),
                ("1e3", None),
                ("", None),
                (".5", None),
                ("5.", None),
                ("--5", None),
                ("+5", None),
                ("NaN", None),
            ],
        );
    }

    #[test]
    fn separators_and_signs_are_those_of_the_bank() {
        let german = Numbers { decimal: ',', thousands: Some('.'), minus: Minus::Trailing, ..Numbers::default() };
        check(&german, &[("1.234.567,89", Some("1234567.89")), ("1.234,5-", Some("-1234.5")), ("12,00", Some("12.00"))]);
        check(&german, &[("1.23,45", None), ("1234.567,00", None), ("1,234.56", None)]);
        let american = Numbers { thousands: Some(','), minus: Minus::Parentheses, ..Numbers::default() };
        check(&american, &[("(1,234.50)", Some("-1234.50")), ("-3", Some("-3")), ("(0.00)", Some("0.00")), ("(5", None)]);
    }

    #[test]
    fn minor_units_get_their_point() {
        let padded = Numbers { minor_units: true, ..Numbers::default() };
        check(
            &padded,
            &[
                ("0000012345", Some("123.45")),
                ("5", Some("0.05")),
                ("000", Some("0.00")),
                ("-0100", Some("-1.00")),
                ("1.5", None),
            ],
        );
        assert_eq!(padded.normal("0120", 0).as_deref(), Some("120"));
    }

    #[test]
    fn surplus_decimals_go_only_when_nothing_is_lost() {
        let trim = Numbers { trim_decimals: true, ..Numbers::default() };
        check(&trim, &[("5.10000", Some("5.10")), ("5.1001", Some("5.1001"))]);
        let noise = Numbers { float_noise: true, ..Numbers::default() };
        check(
            &noise,
            &[
                ("202.89999999999998", Some("202.90")),
                ("289.20000000000005", Some("289.20")),
                ("9.999999999999998", Some("10.00")),
            ],
        );
        check(&noise, &[("99999999.99999999999", Some("100000000.00")), ("1.005", Some("1.005")), ("1.00999", Some("1.00999"))]);
    }
}
