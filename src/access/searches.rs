//! What officers searched for: kept for a day under an opaque id, so that no address holds it.
//!
//! Each search is an event: its kind in public, what was searched for in the private part. The row
//! only carries the words to the page of results; after [`KEPT`] it is gone.

pub mod store;

use serde_json::json;

use crate::clock::{DAY, Moment};
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::trail::{ActError, Log, NewEvent};

use super::base64url;
use store::SearchRow;

/// How long an id leads anywhere, microseconds.
pub const KEPT: i64 = DAY;
/// Longest text searched for, in characters.
pub const CHARS_MAX: usize = 128;

/// What can be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The number of an account, or how it begins.
    Account,
    /// A session's identifier.
    Session,
    /// An IP address.
    Ip,
    /// A record: its type, `/`, and its id or how that begins.
    Record,
}

impl Kind {
    /// In the order in which they are offered.
    pub const ALL: [Kind; 4] = [Kind::Account, Kind::Session, Kind::Ip, Kind::Record];

    /// `account`
    pub fn text(self) -> &'static str {
        match self {
            Kind::Account => "account",
            Kind::Session => "session",
            Kind::Ip => "ip",
            Kind::Record => "record",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.text() == text)
    }
}

/// A search that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// What kind of thing.
    pub kind: Kind,
    /// The words.
    pub query: String,
}

/// Records a search; answers its id. `ip` is the searcher's address.
pub fn make(log: &Log, user: Seq, search: Search, ip: Option<String>) -> Result<String, ActError> {
    let chars = search.query.chars().count();
    if chars == 0 || chars > CHARS_MAX {
        return Err(ActError::refused(422, "query_length", format!("write 1 to {CHARS_MAX} characters to search for")));
    }
    if search.query.contains(char::is_control) {
        let detail = "the search holds a character that cannot be read; write printable text only";
        return Err(ActError::refused(422, "query_unreadable", detail));
    }
    log.act(move |tx| {
        let kind = search.kind.text();
        let id = base64url(&tx.clock.random::<16>());
        let private = json!({ "id": id, "query": search.query, "ip": ip });
        tx.append(NewEvent::with_private("search.made", json!({ "user": user, "kind": kind }), private))?;
        let now = tx.now();
        store::delete_before(tx.conn, now.plus(-KEPT))?;
        let row = SearchRow { id: id.clone(), user_id: user, kind: kind.to_owned(), query: search.query, created_at: now.0 };
        bulk::append(tx.conn, &[row])?;
        Ok(id)
    })
}

/// The search with this id, if this user made it within the last day.
pub fn find(conn: &mut Conn, id: &str, user: Seq, now: Moment) -> DbResult<Option<Search>> {
    let row = store::search(conn, id, user, now.plus(-KEPT))?;
    Ok(row.and_then(|row| Some(Search { kind: Kind::parse(&row.kind)?, query: row.query })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trail::testing::{Bench, code};

    fn search(query: &str) -> Search {
        Search { kind: Kind::Ip, query: query.to_owned() }
    }

    #[test]
    fn a_search_is_its_makers_for_a_day_and_private_for_ever() {
        let bench = Bench::new();
        let id = make(&bench.log, 7, search("192.0.2.7"), Some("198.51.100.1".to_owned())).unwrap();
        assert!(id.len() >= 22 && !id.contains("192"));
        assert_eq!(bench.read(|c| find(c, &id, 7, bench.clock.now())), Some(search("192.0.2.7")));
        assert_eq!(bench.read(|c| find(c, &id, 8, bench.clock.now())), None, "somebody else's");
        let (_, body, private) = bench.events("search.made").remove(0);
        assert!(!body.to_string().contains("192.0.2.7"));
        assert_eq!(private.unwrap()["query"], "192.0.2.7");
        bench.clock.advance(KEPT + 1);
        assert_eq!(bench.read(|c| find(c, &id, 7, bench.clock.now())), None, "over");
        make(&bench.log, 7, search("192.0.2.8"), None).unwrap();
        assert_eq!(bench.read(|c| find(c, &id, 7, Moment(0))), None, "swept");
    }

    #[test]
    fn a_search_has_an_end() {
        let bench = Bench::new();
        for query in [String::new(), "x".repeat(129)] {
            assert_eq!(code(make(&bench.log, 7, search(&query), None)), "query_length");
        }
    }
}
