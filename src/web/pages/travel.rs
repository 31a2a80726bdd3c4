//! Travel in time: the instant in an address, and the picker that every page of something with a past shows.

use chrono::{NaiveDateTime, TimeZone};

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::first_at;
use crate::reports::page::words::LocalTime;
use crate::trail::store as trail;

use super::views::Travel;

/// An instant in an address: RFC 3339, or the bank's own time as browsers send it. A second is whole.
pub(super) fn instant(text: &str, time: LocalTime) -> Result<Moment, String> {
    // A plus sign that was not escaped arrives as a blank.
    if let Ok(at) = Moment::parse(&text.replace(' ', "+")) {
        return Ok(at);
    }
    let local = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"].iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let local = local.and_then(|local| time.0.from_local_datetime(&local).latest());
    // To the end of that second: what happened within it has happened by then.
    let at = local.map(|local| Moment(local.timestamp_micros() + 999_999));
    at.ok_or_else(|| "write an instant such as 2026-11-20T14:03".to_owned())
}

/// An instant as the picker shows it; empty where none was asked for.
pub(super) fn field(at: Option<Moment>, time: LocalTime) -> String {
    at.map(|at| time.second(at).replace(' ', "T")).unwrap_or_default()
}

/// The picker of the page at `href`, of which nothing was asked.
pub(super) fn picker(href: &str, at: Option<Moment>, time: LocalTime) -> Travel {
    Travel {
        href: href.to_owned(),
        at: field(at, time),
        heading: at.map(|at| format!("As it was on {}", time.second(at))),
        ..Travel::default()
    }
}

/// Where the log ended at an instant: what has this place or a later one was not recorded by then. Found by halving.
pub(in crate::web) fn end_at(conn: &mut Conn, at: Moment) -> DbResult<Seq> {
    let size = trail::state(conn)?.map_or(0, |state| state.size);
    first_at(conn, Moment(at.0.saturating_add(1)), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_the_banks_own_time_or_has_an_offset() {
        let vienna = LocalTime::named("Europe/Vienna");
        let at = |text: &str| instant(text, vienna).map(|at| at.to_string());
        assert_eq!(at("2026-11-20T14:03:00Z").as_deref(), Ok("2026-11-20T14:03:00Z"));
        assert_eq!(at("2026-11-20T14:03:00 01:00").as_deref(), Ok("2026-11-20T13:03:00Z"));
        assert_eq!(at("2026-11-20T14:03").as_deref(), Ok("2026-11-20T13:03:00.999999Z"));
        assert_eq!(at("2026-07-20T14:03:07").as_deref(), Ok("2026-07-20T12:03:07.999999Z"));
        assert!(at("yesterday").is_err());
    }
}
