//! What users and commands attempted, counted by user and kind over a period of days.

use actix_web::HttpRequest;
use chrono::{Days, NaiveDate};

use crate::access::keys::{self, ListedKey};
use crate::access::{reads, users};
use crate::clock::{Moment, parse_date};
use crate::db::{Conn, DbResult};
use crate::ledger::store::first_at;
use crate::reports::page::words::{count, words};
use crate::trail::attempts::{self, COUNTS_MAX, Counts, PROVE, READ, SIGN_IN};
use crate::trail::store as trail;
use crate::web::params::days;

use super::desk::{Desk, Page};
use super::views::{ActsPage, ActsRow, Empty, ReadsRow, Tile};

/// Days shown when nothing else is asked for.
const DAYS: u64 = 7;

/// `GET /trail/acts`
pub(super) async fn show(desk: Desk, request: HttpRequest) -> Page {
    let today = desk.app.calendar.local_date(desk.now());
    let (from, through) = desk.asked(&request, &["from", "through"], |query| {
        let through = query.read("through", parse_date)?.unwrap_or(today);
        let from = query.read("from", parse_date)?;
        let from = from.unwrap_or_else(|| through.checked_sub_days(Days::new(DAYS - 1)).unwrap_or(through));
        days(from, through, "through").map(|()| (from, through))
    })?;
    let (begin, end) = (desk.app.calendar.day(from).0, desk.app.calendar.day(through).1);
    let read = desk.read(move |conn| {
        let (acts, reads) = (attempts::counts(conn, begin, end)?, read_between(conn, begin, end)?);
        Ok((acts, reads, users::list(conn)?, keys::list(conn)?))
    });
    let ((counts, more), (reads, more_reads), users, keys) = read.await?;
    let who = |user: Option<i64>| match user {
        None => "Command line".to_owned(),
        Some(id) => {
            let user = users.iter().find(|user| user.id == id);
            user.map_or_else(|| format!("User {id}"), |user| format!("{} ({})", user.email, user.role))
        }
    };
    let page = ActsPage {
        chrome: desk.chrome("Acts"),
        summary: "What users and commands set out to do, what became of it, and what they were denied. \
            Denials of nobody in particular, and floods, are in the list of events only."
            .to_owned(),
        from: from.to_string(),
        through: through.to_string(),
        tiles: tiles(&counts),
        rows: counts.iter().map(|counts| row(counts, who(counts.user))).collect(),
        reads: reads.iter().map(|counts| read_row(counts, &keys)).collect(),
        empty: empty(from, through),
        more: (more || more_reads).then(|| format!("Only the first {COUNTS_MAX} lines are shown; choose fewer days.")),
    };
    desk.show(&page)
}

fn tiles(counts: &[Counts]) -> Vec<Tile> {
    let sum = |of: fn(&Counts) -> i64| count(counts.iter().map(of).sum());
    let tile = |label: &str, value: String, note: &str| Tile {
        label: label.to_owned(),
        values: vec![value],
        note: note.to_owned(),
        ..Tile::default()
    };
    vec![
        tile("Attempts", sum(|c| c.attempted), "denied ones included"),
        tile("Done", sum(|c| c.succeeded), ""),
        tile("Refused or denied", sum(|c| c.refused + c.denied), "not allowed, or it did not fit"),
        tile("Failed or unknown", sum(|c| c.failed + c.unknown + c.open), "broke inside, or no end is recorded"),
    ]
}

fn row(counts: &Counts, who: String) -> ActsRow {
    ActsRow {
        who,
        act: in_words(&counts.act),
        code: counts.act.clone(),
        attempted: count(counts.attempted),
        succeeded: count(counts.succeeded),
        refused: count(counts.refused),
        denied: count(counts.denied),
        failed: count(counts.failed),
        unknown: count(counts.unknown + counts.open),
    }
}

fn read_row(counts: &reads::Counts, keys: &[ListedKey]) -> ReadsRow {
    let known = keys.iter().find(|key| Some(key.id) == counts.key);
    let other = || counts.key.map_or_else(|| "Further keys".to_owned(), |id| format!("Key {id}"));
    ReadsRow {
        who: known.map_or_else(other, |key| format!("cf_{} of {}", key.prefix, key.source_name)),
        kind: words(&counts.kind.replace('.', "_")),
        code: counts.kind.clone(),
        answered: count(counts.answered),
        not_answered: count(counts.not_answered),
    }
}

/// What keys read from `begin` until before `end`, by key and kind; and whether there is more.
pub(in crate::web) fn read_between(conn: &mut Conn, begin: Moment, end: Moment) -> DbResult<(Vec<reads::Counts>, bool)> {
    let size = trail::state(conn)?.map_or(0, |state| state.size);
    let span = (first_at(conn, begin, size)?, first_at(conn, end, size)?);
    reads::counts(conn, span)
}

/// An act's name in words: its verb, then its noun.
pub(super) fn in_words(name: &str) -> String {
    match name.split_once('.') {
        _ if name == SIGN_IN => "Sign in".to_owned(),
        _ if name == PROVE => "Password on the command line".to_owned(),
        _ if name == READ => "Open what the role may not".to_owned(),
        Some((noun, verb)) => words(&format!("{verb}_{noun}")),
        None => words(name),
    }
}

fn empty(from: NaiveDate, through: NaiveDate) -> Empty {
    let text = format!("From {from} to {through} nobody signed in, acted or was denied anything. Choose other days.");
    Empty { title: "No act in this period".to_owned(), text, action: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_s_name_is_read_as_an_order() {
        for (name, text) in [("alert.decide", "Decide alert"), ("keys.rotate_master", "Rotate master keys"), (SIGN_IN, "Sign in")]
        {
            assert_eq!(in_words(name), text);
        }
    }

    #[test]
    fn no_more_days_are_asked_for_than_are_counted() {
        let day = |text: &str| parse_date(text).unwrap_or_default();
        assert!(days(day("2026-01-01"), day("2026-01-01"), "through").is_ok());
        assert!(days(day("2026-01-02"), day("2026-01-01"), "through").is_err());
        assert!(days(day("2024-01-01"), day("2026-01-01"), "through").is_err());
    }
}
