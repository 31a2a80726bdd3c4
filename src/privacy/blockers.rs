//! What keeps a subject from being erased. Every condition is looked at each time, so that neither the
//! answer nor the time it takes tells which of them holds.

use chrono::Months;

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::records::store as records;
use crate::trail::ActError;

use super::{Holdings, store};

/// The stable code of the one answer.
pub const NOT_ERASABLE: &str = "not_erasable";

/// Why a subject stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocker {
    /// Nothing is stored of it.
    Unknown,
    /// A legal hold.
    Hold,
    /// An open alert.
    Alert,
    /// An open break of an account or a record.
    Break,
    /// The statutory minimum is not over.
    Retention,
}

/// Everything that keeps a subject at `now`; what is stored is kept for `years` from the last entry or change.
///
/// # Errors
/// When the database cannot be read.
pub fn blockers(conn: &mut Conn, holdings: &Holdings, years: u32, now: Moment) -> DbResult<Vec<Blocker>> {
    let (accounts, records) = (holdings.accounts(), holdings.records());
    let last = store::last_of(conn, &holdings.entry_places())?.max(records::last_of(conn, &records)?);
    let found = [
        (Blocker::Unknown, holdings.is_empty()),
        (Blocker::Hold, store::is_held(conn, holdings.subject(), &accounts, &holdings.entry_places())?),
        (Blocker::Alert, store::has_open_alert(conn, &accounts)?),
        (Blocker::Break, store::has_open_break(conn, &accounts)? | records::has_open_break(conn, &records)?),
        (Blocker::Retention, is_kept(last, years, now)),
    ];
    Ok(found.into_iter().filter(|(_, holds)| *holds).map(|(blocker, _)| blocker).collect())
}

/// Whether the minimum is not over: `years` after `last`, in the calendar's years.
fn is_kept(last: Option<i64>, years: u32, now: Moment) -> bool {
    let Some(last) = last else { return false };
    let end = Moment(last).utc().checked_add_months(Months::new(years.saturating_mul(12)));
    end.is_none_or(|end| now.utc() < end)
}

/// The one answer to whoever asks for what cannot be erased now.
pub fn neutral() -> ActError {
    let text = "this subject cannot be erased at present; no reason is given here. It can be asked for again later";
    ActError::refused(409, NOT_ERASABLE, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_minimum_ends_on_the_same_day_years_later() {
        let at = |text: &str| Moment::parse(text).unwrap();
        let last = Some(at("2020-02-29T10:00:00Z").0);
        assert!(is_kept(last, 5, at("2025-02-28T09:59:59Z")));
        assert!(!is_kept(last, 5, at("2025-02-28T10:00:00Z")));
        assert!(!is_kept(last, 0, at("2020-02-29T10:00:00Z")));
        assert!(is_kept(last, u32::MAX, at("2199-01-01T00:00:00Z")), "no end that can be told");
        assert!(!is_kept(None, 5, at("2020-02-29T10:00:00Z")));
    }
}
