//! Time and chance: the only reader of the wall clock and of the system's randomness.
//!
//! Both are handed down from here, so that a test can fix the one and seed the other and get the
//! same log, byte for byte, on either database.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use sha2::{Digest, Sha256};

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Microseconds in a day of 24 hours.
pub const DAY: i64 = 24 * HOUR;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub i64);

/// What is wrong with a time or date text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339 with an offset.
    #[error("`{0}` is not a time; write RFC 3339 with an offset, for example \"2026-11-20T14:03:22Z\"")]
    NotATime(String),
    /// More than six digits of a second.
    #[error("`{0}` is finer than microseconds; send at most six digits after the second")]
    TooFine(String),
    /// Second 60.
    #[error("`{0}` is a leap second, which has no place among microseconds since 1970; send second 59")]
    LeapSecond(String),
    /// Not `YYYY-MM-DD`.
    #[error("`{0}` is not a date; write YYYY-MM-DD")]
    NotADate(String),
    /// Outside the years 1900 to 2200.
    #[error("`{0}` lies outside the years 1900 to 2200")]
    OutOfRange(String),
}

impl Moment {
    /// Reads RFC 3339 with an offset and at most microseconds, in the years 1900 to 2200.
    pub fn parse(text: &str) -> Result<Moment, TimeError> {
        if let Some(moment) = Moment::in_utc(text.as_bytes()) {
            return Ok(moment);
        }
        let short = || text.chars().take(40).collect::<String>();
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| TimeError::NotATime(short()))?;
        if time.timestamp_subsec_nanos() >= 1_000_000_000 {
            return Err(TimeError::LeapSecond(short()));
        }
        if time.timestamp_subsec_nanos() % 1_000 != 0 {
            return Err(TimeError::TooFine(short()));
        }
        if !(1900..2200).contains(&time.year()) {
            return Err(TimeError::OutOfRange(short()));
        }
        Ok(Moment(time.timestamp_micros()))
    }

    /// The common form, `2026-11-20T14:03:22Z` with or without a fraction, on a day that every month
    /// has; everything else goes through chrono.
    fn in_utc(text: &[u8]) -> Option<Moment> {
        let (date, rest) = text.split_at_checked(10)?;
        let (clock, rest) = rest.split_at_checked(9)?;
        let [year @ .., b'-', m1, m2, b'-', d1, d2] = date else { return None };
        let [b'T', h1, h2, b':', n1, n2, b':', s1, s2] = clock else { return None };
        let fraction = rest.strip_suffix(b"Z")?;
        let micros = match fraction.split_first() {
            None => 0,
            Some((b'.', digits)) if (1..=6).contains(&digits.len()) => number(digits)? * 10_i64.pow(6 - digits.len() as u32),
            _ => return None,
        };
        let [year, month, day] = [number(year)?, number(&[*m1, *m2])?, number(&[*d1, *d2])?];
        let [hour, minute, second] = [number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?];
        let plain = (1900..2200).contains(&year) && (1..=12).contains(&month) && (1..=28).contains(&day);
        let plain = plain && hour < 24 && minute < 60 && second < 60;
        let time = hour * HOUR + minute * MINUTE + second * SECOND + micros;
        plain.then(|| Moment(days_to(year, month, day) * DAY + time))
    }

    /// As chrono knows it.
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// This many microseconds later.
    pub fn plus(self, micros: i64) -> Moment {
        Moment(self.0.saturating_add(micros))
    }
}

/// RFC 3339 in UTC, with as many digits of a second as it needs.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// A number of digits alone.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, whose years are counted here from March.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Reads `YYYY-MM-DD` in the years 1900 to 2200.
pub fn parse_date(text: &str) -> Result<NaiveDate, TimeError> {
    let short = || text.chars().take(40).collect::<String>();
    let well_formed = text.len() == 10 && text.is_ascii();
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| well_formed);
    let date = date.ok_or_else(|| TimeError::NotADate(short()))?;
    if (1900..2200).contains(&date.year()) { Ok(date) } else { Err(TimeError::OutOfRange(short())) }
}

/// Days since 1970-01-01, as stored.
pub fn day_number(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

/// The date of a stored day number.
pub fn day_date(number: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(number.saturating_add(719_163)).unwrap_or(NaiveDate::MIN)
}

/// Where "now" and random bytes come from.
#[derive(Clone, Debug)]
pub struct Clock {
    now: Now,
    chance: Chance,
}

#[derive(Clone, Debug)]
enum Now {
    System,
    Fixed(Arc<AtomicI64>),
}

#[derive(Clone, Debug)]
enum Chance {
    System,
    Seeded(u64, Arc<AtomicU64>),
}

impl Clock {
    /// The wall clock and the system's randomness.
    pub fn system() -> Clock {
        Clock { now: Now::System, chance: Chance::System }
    }

    /// A clock that stands at `now` until [`Clock::advance`], with randomness from `seed`.
    pub fn fixed(now: Moment, seed: u64) -> Clock {
        Clock { now: Now::Fixed(Arc::new(AtomicI64::new(now.0))), chance: Chance::Seeded(seed, Arc::new(AtomicU64::new(0))) }
    }

    /// A clock that stands at `now` until [`Clock::advance`], with the system's randomness: for a
    /// history that is made up in a moment and secrets that are real.
    pub fn standing(now: Moment) -> Clock {
        Clock { now: Now::Fixed(Arc::new(AtomicI64::new(now.0))), chance: Chance::System }
    }

    /// The present instant.
    pub fn now(&self) -> Moment {
        match &self.now {
            Now::System => Moment(Utc::now().timestamp_micros()),
            Now::Fixed(at) => Moment(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock by `micros`; the system's clock is left alone.
    pub fn advance(&self, micros: i64) {
        if let Now::Fixed(at) = &self.now {
            at.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Fills `bytes` with random bytes. A system without randomness cannot go on safely: it aborts.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.chance {
            Chance::System => from_pool(bytes),
            Chance::Seeded(seed, counter) => {
                for chunk in bytes.chunks_mut(32) {
                    let step = counter.fetch_add(1, Ordering::SeqCst);
                    let block = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(step.to_be_bytes());
                    chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
                }
            }
        }
    }

    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// Random bytes drawn from the system at once; every entry needs some.
const POOL: usize = 4096;

thread_local! {
    /// Bytes of the system's randomness not handed out yet, from the end.
    static UNUSED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn from_pool(bytes: &mut [u8]) {
    UNUSED.with_borrow_mut(|unused| {
        if unused.len() < bytes.len() {
            unused.resize(POOL.max(bytes.len()), 0);
            if getrandom::fill(unused).is_err() {
                std::process::abort();
            }
        }
        let rest = unused.len() - bytes.len();
        bytes.copy_from_slice(&unused[rest..]);
        unused.truncate(rest);
    });
}

/// Said wherever a span of time is given the wrong way round.
pub fn backwards(from: impl std::fmt::Display, to: impl std::fmt::Display) -> String {
    format!("it ends before it begins: {from} comes after {to}; give them the other way round")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_need_an_offset_and_at_most_microseconds() {
        assert_eq!(Moment::parse("1970-01-01T00:00:01.000001Z"), Ok(Moment(1_000_001)));
        assert_eq!(Moment::parse("1970-01-01T01:00:00+01:00"), Ok(Moment(0)));
        assert_eq!(Moment::in_utc(b"2026-11-20T14:03:22Z"), Some(Moment(1_795_183_402 * SECOND)));
        assert!(matches!(Moment::parse("2026-01-01T00:00:00"), Err(TimeError::NotATime(_))));
        assert!(matches!(Moment::parse("2026-01-01T00:00:00.1234567Z"), Err(TimeError::TooFine(_))));
        assert!(matches!(Moment::parse("0001-01-01T00:00:00Z"), Err(TimeError::OutOfRange(_))));
        assert!(Moment::parse("2016-12-31T23:59:60Z").is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_common_form_is_read_as_chrono_reads_it(
            second in -2_300_000_000_i64..7_400_000_000, micros in 0..1_000_000_u32, digits in 0..=9_usize, at in 0..40_usize, byte in " -~",
        ) {
            let time = DateTime::from_timestamp(second, micros * 1_000).unwrap();
            let mut text = time.format("%Y-%m-%dT%H:%M:%S").to_string();
            if digits > 0 {
                text += &format!(".{:09}", micros * 1_000)[..=digits];
            }
            text.push('Z');
            let mut bent = text.clone();
            let at = at % bent.len();
            bent.replace_range(at..=at, &byte);
            for text in [text, bent] {
                if let Some(moment) = Moment::in_utc(text.as_bytes()) {
                    let known = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.timestamp_micros());
                    proptest::prop_assert_eq!(Some(moment.0), known, "{}", text);
                }
            }
        }
    }

    #[test]
    fn day_numbers_count_from_1970() {
        let date = parse_date("2026-11-22").unwrap();
        assert_eq!(day_number(parse_date("1970-01-02").unwrap()), 1);
        assert_eq!(day_date(day_number(date)), date);
        assert!(parse_date("2026-2-3").is_err());
    }
}
