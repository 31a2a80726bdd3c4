//! Exact decimals of any length, from JSON numbers: compared, and set in proportion to each other.

use std::cmp::Ordering;
use std::fmt;

/// Digits of a number, at most.
const DIGITS_MAX: usize = 1_000;
/// The exponent of ten, at most.
const EXPONENT_MAX: i32 = 9_999;

/// `sign × digits × 10^exponent`, without zeros at either end; zero has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i32,
}

impl Decimal {
    /// Reads a JSON number.
    ///
    /// # Errors
    /// When it is none, or has more than 1,000 digits or an exponent beyond ±9,999.
    pub fn parse(text: &str) -> Result<Decimal, String> {
        let no_number = || format!("`{}` is not a number", text.chars().take(40).collect::<String>());
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| too_large())?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let digit = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digit(whole) || !digit(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(no_number());
        }
        if mantissa.len() > DIGITS_MAX || exponent.unsigned_abs() > EXPONENT_MAX.unsigned_abs() {
            return Err(too_large());
        }
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
        Ok(Decimal { negative, digits, exponent: exponent - fraction.len() as i32 }.trimmed())
    }

    fn trimmed(mut self) -> Decimal {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.exponent += 1;
        }
        let zeros = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..zeros);
        if self.digits.is_empty() {
            return Decimal { negative: false, digits: Vec::new(), exponent: 0 };
        }
        self
    }

    /// Digits after the point.
    pub fn decimals(&self) -> i32 {
        (-self.exponent).max(0)
    }

    /// Times ten to the power of `decimals`; `None` if that is no whole number or does not fit.
    pub fn scaled_to(&self, decimals: i32) -> Option<i128> {
        let zeros = u32::try_from(self.exponent + decimals).ok()?;
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let whole: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let whole = whole.checked_mul(10_i128.checked_pow(zeros)?)?;
        Some(if self.negative { -whole } else { whole })
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The difference of two, without its sign.
    pub fn distance(&self, other: &Decimal) -> Decimal {
        let low = self.exponent.min(other.exponent);
        let (one, two) = (self.scaled(low), other.scaled(low));
        let digits = if self.negative == other.negative {
            if longer(&one, &two) == Ordering::Less { minus(&two, &one) } else { minus(&one, &two) }
        } else {
            plus(&one, &two)
        };
        Decimal { negative: false, digits, exponent: low }.trimmed()
    }

    /// Without its sign, times a whole number.
    pub fn times(&self, factor: u32) -> Decimal {
        let mut carry = 0_u64;
        let mut digits: Vec<u8> = Vec::with_capacity(self.digits.len() + 10);
        for digit in self.digits.iter().rev() {
            carry += u64::from(*digit) * u64::from(factor);
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
        digits.reverse();
        Decimal { negative: false, digits, exponent: self.exponent }.trimmed()
    }

    /// Compares both without their signs.
    pub fn compare_size(&self, other: &Decimal) -> Ordering {
        let low = self.exponent.min(other.exponent);
        longer(&self.scaled(low), &other.scaled(low))
    }

    /// How many whole hundredths of another number this is, both without their signs; at most `most`.
    pub fn percent_of(&self, whole: &Decimal, most: u32) -> u32 {
        let part = self.times(100);
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if whole.times(middle).compare_size(&part) == Ordering::Greater {
                high = middle - 1;
            } else {
                low = middle;
            }
        }
        low
    }

    /// Its digits down to `10^low`.
    fn scaled(&self, low: i32) -> Vec<u8> {
        let mut digits = self.digits.clone();
        if !digits.is_empty() {
            digits.resize(digits.len() + (self.exponent - low).unsigned_abs() as usize, 0);
        }
        digits
    }
}

fn too_large() -> String {
    format!("a number has at most {DIGITS_MAX} digits and an exponent of at most {EXPONENT_MAX}")
}

/// Compares two rows of digits without zeros in front.
fn longer(one: &[u8], two: &[u8]) -> Ordering {
    one.len().cmp(&two.len()).then_with(|| one.cmp(two))
}

/// The sum of two rows of digits.
fn plus(one: &[u8], two: &[u8]) -> Vec<u8> {
    let mut sum = Vec::with_capacity(one.len().max(two.len()) + 1);
    let mut carry = 0;
    for at in 0..one.len().max(two.len()) {
        let digit = |row: &[u8]| row.len().checked_sub(at + 1).map_or(0, |i| row[i]);
        let value = digit(one) + digit(two) + carry;
        sum.push(value % 10);
        carry = value / 10;
    }
    sum.push(carry);
    sum.reverse();
    sum
}

/// The larger row of digits less the smaller.
fn minus(large: &[u8], small: &[u8]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(large.len());
    let mut borrow = 0;
    for at in 0..large.len() {
        let digit = |row: &[u8]| row.len().checked_sub(at + 1).map_or(0, |i| row[i]);
        let take = digit(small) + borrow;
        borrow = u8::from(digit(large) < take);
        rest.push(digit(large) + 10 * borrow - take);
    }
    rest.reverse();
    rest
}

/// The text that every number of the same value has.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let sign = if self.negative { "-" } else { "" };
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        if self.exponent == 0 { write!(f, "{sign}{digits}") } else { write!(f, "{sign}{digits}e{}", self.exponent) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn a_distance_is_exact() {
        for (one, two, distance) in [
            ("100", "150", "50"),
            ("0.1", "0.3", "0.2"),
            ("-5", "5", "10"),
            ("1e30", "1", "999999999999999999999999999999"),
            ("9.99", "9.99", "0"),
            ("-2.50", "-3", "0.5"),
        ] {
            assert_eq!(decimal(one).distance(&decimal(two)), decimal(distance), "{one} {two}");
            assert_eq!(decimal(two).distance(&decimal(one)), decimal(distance), "{two} {one}");
        }
    }

    #[test]
    fn proportions_compare_without_division() {
        // |150 − 100| × 100 against |100| × 50: exactly half is not less.
        let half = |old: &str, new: &str| decimal(new).distance(&decimal(old)).times(100).compare_size(&decimal(old).times(50));
        assert_eq!(half("100", "150"), Ordering::Equal);
        assert_eq!(half("100", "149.99"), Ordering::Less);
        assert_eq!(half("100", "150.0000000000000000000001"), Ordering::Greater);
        assert_eq!(half("-8", "-12"), Ordering::Equal);
        assert_eq!(half("0", "0.01"), Ordering::Greater);
    }

    #[test]
    fn a_proportion_is_rounded_down() {
        let percent = |part: &str, whole: &str| decimal(part).percent_of(&decimal(whole), 1_000_000);
        assert_eq!((percent("50", "100"), percent("-1", "3"), percent("2", "3")), (50, 33, 66));
        assert_eq!((percent("0", "7"), percent("1e30", "1")), (0, 1_000_000));
        assert_eq!(percent("0.0000000000000000000000000000001", "0.0000000000000000000000000000002"), 50);
    }

    #[test]
    fn a_number_is_scaled_to_whole_ones() {
        assert_eq!(decimal("-1.50").scaled_to(2), Some(-150));
        assert_eq!(decimal("3e2").scaled_to(1), Some(3_000));
        assert_eq!((decimal("0").scaled_to(4), decimal("0.001").scaled_to(2)), (Some(0), None));
        assert_eq!(decimal("1e40").scaled_to(0), None);
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in ["", "-", "+1", ".5", "5.", "1e", "0x1", "00", "1e10000", "NaN"] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
    }
}
