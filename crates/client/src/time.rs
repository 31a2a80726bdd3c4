//! Instants as the interface writes them, and references that nobody has used.

use std::time::{SystemTime, UNIX_EPOCH};

/// An instant in UTC with microseconds: `2026-11-20T14:03:22.000001Z`. Before 1970 it is that of 1970.
pub fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}

/// The Gregorian date this many days after 1970-01-01. Years begin in March here, so that a leap day ends one.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// A `source_ref` that nobody has used: the time in microseconds, and 80 random bits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn fresh_ref() -> Result<String, crate::Error> {
    let mut random = [0_u8; 10];
    getrandom::fill(&mut random).map_err(|e| crate::Error::Invalid(format!("the system gives no random bytes: {e}")))?;
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    Ok(random.iter().fold(format!("{micros:014x}-"), |text, byte| format!("{text}{byte:02x}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn instants_are_those_of_the_calendar() {
        let at = |seconds: u64| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(1));
        assert_eq!(at(0), "1970-01-01T00:00:00.000001Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000001Z");
        assert_eq!(at(1_772_445_600), "2026-03-02T10:00:00.000001Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59.000001Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000001Z");
    }

    #[test]
    fn no_two_references_are_the_same() {
        let some: std::collections::BTreeSet<String> = (0..1_000).map(|_| fresh_ref().unwrap()).collect();
        assert_eq!(some.len(), 1_000);
        assert!(some.iter().all(|text| text.len() == 35));
    }
}
