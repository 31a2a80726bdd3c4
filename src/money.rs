//! Exact money: minor units of one currency, checked arithmetic, never a float.
//!
//! Text at the edges follows the contract: an amount is `^(0|[1-9]\d*)(\.\d+)?$` with no more
//! decimals than the currency has (not even zeros); a balance may carry a leading `-`, but not `-0`.

pub mod decimal;

use std::fmt;
use std::sync::LazyLock;

use rust_decimal::Decimal;

/// An ISO 4217 currency that has minor units, so that an amount in it is a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Reads a three-letter code in capitals; refuses unknown codes and those without minor units.
    pub fn parse(code: &str) -> Result<Currency, MoneyError> {
        match place(code).and_then(|at| KNOWN[at]) {
            Some(known) => Ok(known),
            None => Currency::look_up(code),
        }
    }

    fn look_up(code: &str) -> Result<Currency, MoneyError> {
        let found =
            iso_currency::Currency::from_code(code).ok_or_else(|| MoneyError::UnknownCurrency(code.chars().take(8).collect()))?;
        match found.exponent() {
            Some(_) => Ok(Currency(found)),
            None => Err(MoneyError::NoMinorUnits(code.to_owned())),
        }
    }

    /// The three-letter code, e.g. `USD`.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals the currency has: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn decimals(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }

    /// Minor units in one unit: 100 for USD.
    pub fn minor_per_unit(self) -> i64 {
        10_i64.pow(self.decimals())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Every currency at the place of its code: looking through the list costs more than the rest of an entry's money.
static KNOWN: LazyLock<Vec<Option<Currency>>> = LazyLock::new(|| {
    let letters = || b'A'..=b'Z';
    let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    codes.map(|code| Currency::look_up(str::from_utf8(&code).unwrap_or_default()).ok()).collect()
});

/// The place of three capitals among all there could be.
fn place(code: &str) -> Option<usize> {
    let &[a, b, c] = code.as_bytes() else { return None };
    let letter = |byte: u8| byte.is_ascii_uppercase().then(|| usize::from(byte - b'A'));
    Some((letter(a)? * 26 + letter(b)?) * 26 + letter(c)?)
}

/// What is wrong with a piece of money text or a sum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a code of ISO 4217.
    #[error("`{0}` is not a currency of ISO 4217; use a three-letter code such as USD")]
    UnknownCurrency(String),
    /// For example gold, XAU.
    #[error("currency {0} has no minor units, so amounts in it cannot be recorded")]
    NoMinorUnits(String),
    /// The text does not follow the pattern.
    #[error("`{0}` is not a decimal amount; write digits with a point, for example \"1234.50\"")]
    NotAnAmount(String),
    /// Below zero where only zero and more is allowed.
    #[error("`{0}` is negative; an amount is zero or more and `direction` says which way it goes")]
    Negative(String),
    /// More decimals than the currency has.
    #[error("`{text}` has more decimals than {currency} has ({decimals})")]
    TooManyDecimals {
        /// What was sent.
        text: String,
        /// Its currency.
        currency: Currency,
        /// How many decimals that currency has.
        decimals: u32,
    },
    /// Beyond ±9.2 × 10^18 minor units.
    #[error("the amount does not fit in 63 bits of minor units")]
    TooLarge,
    /// Two currencies in one sum.
    #[error("{0} and {1} cannot be added: nothing is summed across currencies")]
    Mixed(Currency, Currency),
}

/// An amount or a balance in the minor units of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// `minor` minor units of `currency`.
    pub fn new(minor: i64, currency: Currency) -> Money {
        Money { minor, currency }
    }

    /// Minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Reads an amount: zero or more.
    pub fn parse_amount(text: &str, currency: Currency) -> Result<Money, MoneyError> {
        if text.starts_with('-') {
            return Err(MoneyError::Negative(shorten(text)));
        }
        Ok(Money::new(digits(text, text, currency)?, currency))
    }

    /// Reads a balance: as an amount, or with a leading `-` when below zero.
    pub fn parse_balance(text: &str, currency: Currency) -> Result<Money, MoneyError> {
        let Some(rest) = text.strip_prefix('-') else {
            return Ok(Money::new(digits(text, text, currency)?, currency));
        };
        match digits(rest, text, currency)? {
            0 => Err(MoneyError::NotAnAmount(shorten(text))),
            minor => Ok(Money::new(-minor, currency)),
        }
    }

    /// The sum, or an error when the currencies differ or the result does not fit.
    pub fn checked_add(self, other: Money) -> Result<Money, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::TooLarge)?;
        Ok(Money::new(minor, self.currency))
    }

    /// As an exact decimal, e.g. 1234.50.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.minor, self.currency.decimals())
    }

    /// For people: `USD 1,234.50`, with a true minus sign.
    pub fn for_people(self) -> String {
        format!("{} {}", self.currency, grouped(i128::from(self.minor), self.currency))
    }
}

/// The contract's text: `1234.50`, ASCII minus, every decimal of the currency.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(i128::from(self.minor), self.currency))
    }
}

/// A sum too wide for [`Money`], as contract text: `1234.50`.
pub fn plain(minor: i128, currency: Currency) -> String {
    let (whole, part) = split(minor, currency);
    let sign = if minor < 0 { "-" } else { "" };
    match currency.decimals() as usize {
        0 => format!("{sign}{whole}"),
        width => format!("{sign}{whole}.{part:0width$}"),
    }
}

/// A sum for people: grouped thousands and a true minus sign, without the currency.
pub fn grouped(minor: i128, currency: Currency) -> String {
    let (whole, part) = split(minor, currency);
    let sign = if minor < 0 { "\u{2212}" } else { "" };
    let whole = group_thousands(whole);
    match currency.decimals() as usize {
        0 => format!("{sign}{whole}"),
        width => format!("{sign}{whole}.{part:0width$}"),
    }
}

/// `1234567` as `1,234,567`.
pub fn group_thousands(whole: u128) -> String {
    let text = whole.to_string();
    let mut out = String::with_capacity(text.len() + text.len() / 3);
    for (i, digit) in text.chars().enumerate() {
        if i > 0 && (text.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn split(minor: i128, currency: Currency) -> (u128, u128) {
    let unit = 10_u128.pow(currency.decimals());
    (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit)
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Reads `digits[.digits]` into minor units; `whole_text` is what the error quotes.
fn digits(text: &str, whole_text: &str, currency: Currency) -> Result<i64, MoneyError> {
    let not_an_amount = || MoneyError::NotAnAmount(shorten(whole_text));
    let (whole, part) = match text.split_once('.') {
        Some((_, "")) => return Err(not_an_amount()),
        Some((whole, part)) => (whole, part),
        None => (text, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leading_zero || !all_digits(whole) || !all_digits(part) {
        return Err(not_an_amount());
    }
    let decimals = currency.decimals();
    if part.len() > decimals as usize {
        return Err(MoneyError::TooManyDecimals { text: shorten(whole_text), currency, decimals });
    }
    let mut minor: i64 = 0;
    for digit in whole.bytes().chain(part.bytes()) {
        minor = push_digit(minor, digit - b'0')?;
    }
    for _ in part.len()..decimals as usize {
        minor = push_digit(minor, 0)?;
    }
    Ok(minor)
}

fn push_digit(minor: i64, digit: u8) -> Result<i64, MoneyError> {
    minor.checked_mul(10).and_then(|m| m.checked_add(i64::from(digit))).ok_or(MoneyError::TooLarge)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn amount(text: &str, code: &str) -> Result<i64, MoneyError> {
        Money::parse_amount(text, Currency::parse(code)?).map(Money::minor)
    }

    #[test]
    fn a_code_is_read_as_the_list_has_it() {
        for code in ["USD", "AED", "ZWL", "XAU", "XXX", "AAA", "ZZZ", "usd", "US", "USDD", "", "U\u{e9}"] {
            assert_eq!(Currency::parse(code), Currency::look_up(code), "{code}");
        }
        assert_eq!(
            KNOWN.iter().flatten().filter(|known| place(known.code()).and_then(|at| KNOWN[at]) != Some(**known)).count(),
            0
        );
    }

    #[test]
    fn amounts_follow_the_contract_to_the_letter() {
        for (text, code, minor) in [
            ("0", "USD", 0),
            ("500", "USD", 50_000),
            ("500.5", "USD", 50_050),
            ("0.01", "USD", 1),
            ("1234", "JPY", 1_234),
            ("1.234", "KWD", 1_234),
            ("92233720368547758.07", "USD", i64::MAX),
        ] {
            assert_eq!(amount(text, code), Ok(minor), "{text} {code}");
        }
        for text in ["", "1e3", "1_000", "NaN", "01", ".5", "5.", "+5", " 5", "5 ", "1,000", "0x1", "١"] {
            assert!(matches!(amount(text, "USD"), Err(MoneyError::NotAnAmount(_))), "{text:?}");
        }
        assert!(matches!(amount("1.000", "USD"), Err(MoneyError::TooManyDecimals { .. })));
        assert!(matches!(amount("1.0", "JPY"), Err(MoneyError::TooManyDecimals { .. })));
        assert!(matches!(amount("-5", "USD"), Err(MoneyError::Negative(_))));
        assert!(matches!(amount("92233720368547758.08", "USD"), Err(MoneyError::TooLarge)));
        assert!(matches!(amount("1", "XAU"), Err(MoneyError::NoMinorUnits(_))));
        assert!(matches!(amount("1", "usd"), Err(MoneyError::UnknownCurrency(_))));
    }

    #[test]
    fn a_balance_may_be_below_zero_but_never_minus_zero() {
        let usd = Currency::parse("USD").unwrap();
        assert_eq!(Money::parse_balance("-12.30", usd).unwrap().minor(), -1_230);
        for text in ["-0", "-0.00", "--1", "-", "- 1"] {
            assert!(Money::parse_balance(text, usd).is_err(), "{text}");
        }
    }

    #[test]
    fn people_read_groups_and_a_true_minus() {
        let usd = Currency::parse("USD").unwrap();
        assert_eq!(Money::new(-123_456_789, usd).for_people(), "USD \u{2212}1,234,567.89");
        assert_eq!(plain(-5, usd), "-0.05");
        assert_eq!(grouped(100_000, Currency::parse("JPY").unwrap()), "100,000");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back_exactly(minor in any::<i64>().prop_filter("abs", |m| *m != i64::MIN),
                                               code in prop_oneof!["USD", "JPY", "KWD", "CLF"]) {
            let money = Money::new(minor, Currency::parse(&code).unwrap());
            prop_assert_eq!(Money::parse_balance(&money.to_string(), money.currency()), Ok(money));
            prop_assert_eq!(money.to_decimal().to_string(), money.to_string());
        }

        #[test]
        fn sums_are_exact_or_refused(a in any::<i64>(), b in any::<i64>()) {
            let usd = Currency::parse("USD").unwrap();
            let sum = Money::new(a, usd).checked_add(Money::new(b, usd));
            match i64::try_from(i128::from(a) + i128::from(b)) {
                Ok(exact) => prop_assert_eq!(sum.unwrap().minor(), exact),
                Err(_) => prop_assert_eq!(sum, Err(MoneyError::TooLarge)),
            }
        }
    }
}
