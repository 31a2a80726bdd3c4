//! Times and dates as a bank writes them, into the text of the contract.

use chrono::format::{Item, StrftimeItems};
use chrono::{LocalResult, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use crate::ledger::Refusal;

/// How times are written.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Times {
    /// Of `booked_at`, in the signs of strftime; without it, RFC 3339 with an offset.
    pub format: Option<String>,
    /// The zone of times without an offset.
    pub zone: Tz,
    /// Which of the two is meant in the hour that clocks repeat in autumn.
    pub ambiguous: Ambiguous,
    /// Of `value_date` and `business_date`; without it, YYYY-MM-DD.
    pub date_format: Option<String>,
}

/// A choice for a local time that exists twice.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ambiguous {
    Earlier,
    Later,
    Refuse,
}

impl Default for Times {
    fn default() -> Self {
        Times { format: None, zone: Tz::UTC, ambiguous: Ambiguous::Earlier, date_format: None }
    }
}

impl Times {
    /// Whether the formats can be read at all.
    pub fn check(&self) -> Result<(), String> {
        for format in [&self.format, &self.date_format].into_iter().flatten() {
            if StrftimeItems::new(format).any(|item| item == Item::Error) {
                return Err(format!("`{format}` is not a format of strftime, such as %Y-%m-%d %H:%M:%S"));
            }
        }
        Ok(())
    }

    /// A booking time as RFC 3339.
    pub fn instant(&self, text: String) -> Result<String, Refusal> {
        let Some(format) = &self.format else { return Ok(text) };
        let refused =
            |code, why: &str| Refusal::field(code, "booked_at", format!("`{}` {why}", text.chars().take(40).collect::<String>()));
        if let Ok(time) = chrono::DateTime::parse_from_str(&text, format) {
            return Ok(time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
        let local = NaiveDateTime::parse_from_str(&text, format)
            .or_else(|_| NaiveDate::parse_from_str(&text, format).map(|date| date.and_time(chrono::NaiveTime::MIN)))
            .map_err(|_| refused("time_invalid", &format!("is not a time written as {format}")))?;
        let time = match (self.zone.from_local_datetime(&local), self.ambiguous) {
            (LocalResult::Single(time), _) => time,
            (LocalResult::Ambiguous(earlier, _), Ambiguous::Earlier) => earlier,
            (LocalResult::Ambiguous(_, later), Ambiguous::Later) => later,
            (LocalResult::Ambiguous(..), Ambiguous::Refuse) => {
                return Err(refused("time_ambiguous", "exists twice: clocks were put back; send an offset"));
            }
            (LocalResult::None, _) => return Err(refused("time_does_not_exist", "never was: clocks were put forward over it")),
        };
        Ok(time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    /// A date as YYYY-MM-DD.
    pub fn date(&self, field: &str, text: String) -> Result<String, Refusal> {
        let Some(format) = &self.date_format else { return Ok(text) };
        match NaiveDate::parse_from_str(&text, format) {
            Ok(date) => Ok(date.to_string()),
            Err(_) => {
                let text: String = text.chars().take(40).collect();
                Err(Refusal::field("date_invalid", field, format!("`{text}` is not a date written as {format}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn berlin(ambiguous: Ambiguous) -> Times {
        let zone = "Europe/Berlin".parse().unwrap();
        Times { format: Some("%d.%m.%Y %H:%M:%S%.f".into()), zone, ambiguous, date_format: Some("%d.%m.%y".into()) }
    }

    #[test]
    fn local_times_become_instants() {
        let times = berlin(Ambiguous::Earlier);
        assert_eq!(times.instant("20.11.2026 14:03:22".into()).unwrap(), "2026-11-20T13:03:22Z");
        assert_eq!(times.instant("20.07.2026 14:03:22.250".into()).unwrap(), "2026-07-20T12:03:22.250Z");
        assert_eq!(times.date("value_date", "20.11.26".into()).unwrap(), "2026-11-20");
        assert_eq!(times.instant("2026-11-20 14:03".into()).unwrap_err().code, "time_invalid");
        assert_eq!(times.date("value_date", "31.02.26".into()).unwrap_err().code, "date_invalid");
    }

    #[test]
    fn the_hours_in_which_clocks_change_are_decided_by_the_profile() {
        let twice = "25.10.2026 02:30:00";
        assert_eq!(berlin(Ambiguous::Earlier).instant(twice.into()).unwrap(), "2026-10-25T00:30:00Z");
        assert_eq!(berlin(Ambiguous::Later).instant(twice.into()).unwrap(), "2026-10-25T01:30:00Z");
        assert_eq!(berlin(Ambiguous::Refuse).instant(twice.into()).unwrap_err().code, "time_ambiguous");
        assert_eq!(berlin(Ambiguous::Later).instant("29.03.2026 02:30:00".into()).unwrap_err().code, "time_does_not_exist");
    }

    #[test]
    fn a_format_with_an_offset_or_of_a_date_alone_is_understood() {
        let offset = Times { format: Some("%Y%m%d%H%M%S%z".into()), ..Times::default() };
        assert_eq!(offset.instant("20261120140322+0200".into()).unwrap(), "2026-11-20T12:03:22Z");
        let day = Times { format: Some("%Y%m%d".into()), ..Times::default() };
        assert_eq!(day.instant("20261120".into()).unwrap(), "2026-11-20T00:00:00Z");
    }
}
