//! Finding records. What is searched for is never in an address.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;

use crate::access::searches::{self, Kind, Search};
use crate::clock::Moment;
use crate::db::Conn;
use crate::ids::mask_account;
use crate::ledger::store as ledger;
use crate::records::store::{self, ChangeRow, RecordRow as Row};
use crate::records::{Action, OPEN};
use crate::reports::page::words::{LocalTime, UNKNOWN, count, counted, link, tag, words};
use crate::trail::ActError;

use super::desk::{Desk, Page};
use super::errors::{Trouble, sentence};
use super::views::{Choice, Empty, FieldError, RecordBreakRow, RecordRow, RecordsPage};

/// Records listed for one search.
const LISTED: usize = 50;
/// Breaks listed.
const BREAKS: i64 = 20;
/// Types offered.
const KINDS: i64 = 200;

/// The search as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    kind: String,
    query: String,
}

/// A record that was found.
struct Found {
    record: Row,
    source: String,
    newest: Option<ChangeRow>,
}

/// What stands on the page whatever was searched for.
struct Around {
    kinds: Vec<String>,
    breaks: Vec<(store::RecordBreakRow, Option<Row>)>,
}

fn around(conn: &mut Conn) -> Result<Around, Trouble> {
    let mut breaks = Vec::new();
    for row in store::breaks_newest(conn, BREAKS)? {
        let record = store::record(conn, row.record)?;
        breaks.push((row, record));
    }
    Ok(Around { kinds: store::kinds(conn, KINDS)?, breaks })
}

/// `GET /records`
pub(super) async fn form(desk: Desk) -> Page {
    let around = desk.read(around).await?;
    let empty = match around.kinds.is_empty() {
        true => {
            ("No record yet", "A source sends changes to /api/v1/changes, or somebody records them with `counterfoil record`.")
        }
        false => ("Nothing searched yet", "Choose a type, and write the record's id or how it begins."),
    };
    desk.show(&page(&desk, around, &Sent::default(), ("Results".to_owned(), Vec::new()), empty))
}

/// `POST /records`
pub(super) async fn search(desk: Desk, sent: web::Form<Sent>) -> Page {
    let sent = Sent { kind: sent.kind.trim().to_owned(), query: sent.query.trim().to_owned() };
    let wanted = Search { kind: Kind::Record, query: format!("{}/{}", sent.kind, sent.query) };
    let (user, ip) = (desk.user()?, desk.peer.clone());
    if sent.kind.is_empty() || sent.query.is_empty() {
        let field = if sent.kind.is_empty() { "kind" } else { "query" };
        return wrong(&desk, &sent, field, "Choose a type and write an id, or how it begins.".to_owned()).await;
    }
    match desk.record(move |log| searches::make(log, user, wanted, ip)).await? {
        Ok(id) => Ok(desk.go(&format!("/records/found/{id}"), None)),
        Err(ActError::Refused { status: 422, detail, .. }) => wrong(&desk, &sent, "query", sentence(&detail)).await,
        Err(error) => Err(desk.fail(error.into())),
    }
}

async fn wrong(desk: &Desk, sent: &Sent, field: &str, text: String) -> Page {
    let around = desk.read(around).await?;
    let empty = ("Not searched", "Correct the search above.");
    let mut page = page(desk, around, sent, ("Results".to_owned(), Vec::new()), empty);
    page.errors = vec![FieldError { field: field.to_owned(), text }];
    desk.show_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// `GET /records/found/{id}`
pub(super) async fn found(desk: Desk, id: web::Path<String>) -> Page {
    let (user, now, id) = (desk.user()?, desk.now(), id.into_inner());
    let over = Trouble::Missing("That search is over: results are kept for a day, for whoever searched. Search again.");
    let search = desk.read(move |conn| searches::find(conn, &id, user, now)?.ok_or(over)).await?;
    let (kind, query) = search.query.split_once('/').unwrap_or_default();
    let sent = Sent { kind: kind.to_owned(), query: query.to_owned() };
    let wanted = sent.clone();
    let (around, found) = desk.read(move |conn| Ok((around(conn)?, look(conn, &wanted)?))).await?;
    let heading = match found.len() {
        n if n > LISTED => format!("More than {LISTED} records match; write more of the id"),
        n => counted(n as i64, "record matches", "records match"),
    };
    let time = desk.time();
    let rows: Vec<RecordRow> = found.iter().take(LISTED).map(|found| row(found, |at| time.second(at))).collect();
    let empty = ("Nothing found", "No record of that type has an id that begins so.");
    desk.show(&page(&desk, around, &sent, (heading, rows), empty))
}

fn look(conn: &mut Conn, sent: &Sent) -> Result<Vec<Found>, Trouble> {
    let sources = ledger::sources(conn)?;
    let mut found = Vec::new();
    for record in store::records_like(conn, &sent.kind, &sent.query, LISTED as i64 + 1)? {
        let source = sources.iter().find(|source| source.id == record.source).map(|source| source.name.clone());
        let newest = store::newest(conn, record.id)?;
        found.push(Found { record, source: source.unwrap_or_default(), newest });
    }
    Ok(found)
}

fn row(found: &Found, second: impl Fn(Moment) -> String) -> RecordRow {
    let deleted = found.newest.as_ref().is_some_and(|newest| newest.action == Action::Delete.code());
    RecordRow {
        record: link(mask_account(&found.record.reference), format!("/records/{}", found.record.id)),
        kind: words(&found.record.kind),
        source: found.source.clone(),
        changes: found.newest.as_ref().map_or_else(|| "0".to_owned(), |newest| count(newest.version)),
        last: found.newest.as_ref().map_or_else(|| UNKNOWN.to_owned(), |newest| second(Moment(newest.effective_at))),
        tag: deleted.then(|| tag("Deleted", "neutral")),
    }
}

/// A break of a record, as it is listed.
pub(super) fn broken(row: &store::RecordBreakRow, record: Option<&Row>, time: LocalTime) -> RecordBreakRow {
    RecordBreakRow {
        record: link(record.map_or_else(String::new, |r| mask_account(&r.reference)), format!("/records/{}#history", row.record)),
        kind: record.map_or_else(String::new, |record| words(&record.kind)),
        at: time.second(Moment(row.opened_at)),
        fields: row.fields.to_string(),
        href: format!("/breaks/{}/record", row.seq),
        state: if row.state == OPEN { tag("Open", "bad") } else { tag("Explained", "good") },
    }
}

fn page(desk: &Desk, around: Around, sent: &Sent, (heading, rows): (String, Vec<RecordRow>), empty: (&str, &str)) -> RecordsPage {
    let choice =
        |kind: &String| Choice { value: kind.clone(), label: words(kind), help: String::new(), selected: *kind == sent.kind };
    let nothing = |(title, text): (&str, &str)| Empty { title: title.to_owned(), text: text.to_owned(), action: None };
    RecordsPage {
        chrome: desk.chrome("Records"),
        kinds: around.kinds.iter().map(choice).collect(),
        query: sent.query.clone(),
        errors: Vec::new(),
        heading,
        rows,
        empty: nothing(empty),
        breaks: around.breaks.iter().map(|(row, record)| broken(row, record.as_ref(), desk.time())).collect(),
        breaks_empty: nothing(("No break", "Every change began where the one before had ended, as far as senders say.")),
    }
}
