//! Finding accounts, sessions and addresses. What is searched for is never in an address.

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;

use crate::access::Permission;
use crate::access::searches::{self, Kind, Search};
use crate::alerts::State;
use crate::alerts::queue::{self, AlertFilter};
use crate::clock::Moment;
use crate::db::Conn;
use crate::ids::mask_account;
use crate::ledger::BreakState;
use crate::ledger::history::{self, Balance, Newest};
use crate::ledger::lookup;
use crate::ledger::store::{self as ledger, AccountRow as Row, EntryRow as Entry};
use crate::reports::page::words::{LocalTime, UNKNOWN, account_link, count, counted};
use crate::trail::ActError;

use super::desk::{Desk, Page};
use super::errors::{Trouble, sentence};
use super::fill;
use super::views::{AccountRow, AccountsPage, Choice, Empty, FieldError, Pager};

/// What is searched for here.
const KINDS: [Kind; 3] = [Kind::Account, Kind::Session, Kind::Ip];
/// Accounts listed for one search.
const LISTED: usize = 50;
/// Characters by which an account can be found without its whole number.
const BEGINNING_MIN: usize = 3;

/// The search as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    kind: String,
    query: String,
}

/// An account that was found, and what its row says.
struct Found {
    account: Row,
    source: String,
    newest: Option<Entry>,
    balance: Balance,
    alerts: u64,
    breaks: i64,
}

/// `GET /accounts`
pub(super) async fn form(desk: Desk) -> Page {
    let empty = Empty {
        title: "Nothing searched yet".to_owned(),
        text: "Search by an account's number or how it begins, by a session, or by an IP address.".to_owned(),
        action: None,
    };
    desk.show(&page(&desk, Kind::Account, "", "Results".to_owned(), Vec::new(), empty))
}

/// `POST /accounts`
pub(super) async fn search(desk: Desk, sent: web::Form<Sent>) -> Page {
    let query = sent.query.trim().to_owned();
    let Some(kind) = Kind::parse(&sent.kind).filter(|kind| KINDS.contains(kind)) else {
        let choices: Vec<String> = KINDS.iter().map(|kind| label(*kind).to_lowercase()).collect();
        return wrong(&desk, Kind::Account, &query, "kind", format!("Search by one of these: {}.", choices.join(", ")));
    };
    let wanted = match canonical(kind, &query) {
        Ok(query) => Search { kind, query },
        Err(text) => return wrong(&desk, kind, &query, "query", text),
    };
    let (user, ip) = (desk.user()?, desk.peer.clone());
    match desk.record(move |log| searches::make(log, user, wanted, ip)).await? {
        Ok(id) => Ok(desk.go(&format!("/search/{id}"), None)),
        Err(ActError::Refused { status: 422, detail, .. }) => wrong(&desk, kind, &query, "query", sentence(&detail)),
        Err(error) => Err(desk.fail(error.into())),
    }
}

/// As it is stored: an address in its canonical text, an account's number without the spaces that
/// paper puts into it.
fn canonical(kind: Kind, query: &str) -> Result<String, String> {
    if kind == Kind::Account {
        return Ok(query.split_whitespace().collect());
    }
    if kind != Kind::Ip || query.is_empty() {
        return Ok(query.to_owned());
    }
    let ip: Result<IpAddr, _> = query.parse();
    ip.map(|ip| ip.to_canonical().to_string())
        .map_err(|_| "That is not an IP address. Write one such as 203.0.113.7 or 2001:db8::1.".to_owned())
}

fn wrong(desk: &Desk, kind: Kind, query: &str, field: &str, text: String) -> Page {
    let mut page = page(desk, kind, query, "Results".to_owned(), Vec::new(), Empty::default());
    page.empty = Empty { title: "Not searched".to_owned(), text: "Correct the search above.".to_owned(), action: None };
    page.errors = vec![FieldError { field: field.to_owned(), text }];
    desk.show_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// `GET /search/{id}`
pub(super) async fn found(desk: Desk, id: web::Path<String>) -> Page {
    let (user, now, id) = (desk.user()?, desk.now(), id.into_inner());
    let over = Trouble::Missing("That search is over: results are kept for a day, for whoever searched. Search again.");
    let search = desk.read(move |conn| searches::find(conn, &id, user, now)?.ok_or(over)).await?;
    let wanted = search.clone();
    if search.kind == Kind::Account {
        let heads = desk.app.newest.clone();
        let accounts = desk.read(move |conn| accounts(conn, &heads, &wanted.query)).await?;
        let rows = accounts.iter().map(|found| row(found, desk.time())).collect();
        return desk.show(&results(&desk, &search, rows));
    }
    let context = desk.read(move |conn| context(conn, &wanted)).await?;
    match context {
        Some(id) => Ok(desk.go(&fill::context_href(id, search.kind.text()), None)),
        None => desk.show(&results(&desk, &search, Vec::new())),
    }
}

/// The newest context of a session or address.
fn context(conn: &mut Conn, search: &Search) -> Result<Option<i64>, Trouble> {
    let found = match search.kind {
        Kind::Session => lookup::store::contexts_of_session(conn, &search.query, 1)?,
        _ => lookup::store::contexts_of_ip(conn, &search.query, 1)?,
    };
    Ok(found.first().map(|context| context.id))
}

fn accounts(conn: &mut Conn, heads: &Newest, query: &str) -> Result<Vec<Found>, Trouble> {
    let upper = query.to_uppercase();
    let written: &[&str] = if upper == query { &[query] } else { &[query, &upper] };
    let mut found = Vec::new();
    for text in written {
        found.extend(ledger::account_as_written(conn, text)?);
    }
    for text in written.iter().filter(|text| text.chars().count() >= BEGINNING_MIN) {
        found.extend(lookup::store::accounts_beginning(conn, text, LISTED as i64 + 1)?);
    }
    let mut rows: Vec<Row> = Vec::new();
    for row in found {
        if rows.iter().all(|known| known.id != row.id) {
            rows.push(row);
        }
    }
    let sources = ledger::sources(conn)?;
    let source = |id| sources.iter().find(|s| s.id == id).map_or_else(String::new, |s| s.name.clone());
    rows.into_iter().take(LISTED + 1).map(|account| look(conn, heads, source(account.source), account)).collect()
}

fn look(conn: &mut Conn, heads: &Newest, source: String, account: Row) -> Result<Found, Trouble> {
    let newest = lookup::page(conn, heads, account.id, None, 1)?.entries.pop();
    let open = AlertFilter { account: Some(account.id), state: Some(State::Open), ..AlertFilter::default() };
    let alerts = queue::count(conn, &open)?;
    let breaks = ledger::breaks_of(conn, account.id, 1_000)?;
    let breaks = breaks.iter().filter(|b| b.state == BreakState::Open.code()).count();
    let balance = history::balance(conn, heads, account.id, Moment(i64::MAX), Moment(i64::MAX))?;
    Ok(Found { account, source, newest, balance, alerts, breaks: i64::try_from(breaks).unwrap_or(i64::MAX) })
}

fn row(found: &Found, time: LocalTime) -> AccountRow {
    let newest = found.newest.as_ref();
    let balance = match found.balance {
        Balance::Known { minor, .. } => Some(fill::minor(minor.into(), &found.account.currency)),
        _ => None,
    };
    AccountRow {
        account: account_link(&mask_account(&found.account.number), found.account.id),
        currency: found.account.currency.clone(),
        source: found.source.clone(),
        balance: balance.unwrap_or_else(|| UNKNOWN.to_owned()),
        entries: newest.map_or_else(|| "0".to_owned(), |entry| count(entry.position)),
        last: newest.map_or_else(|| UNKNOWN.to_owned(), |entry| time.second(Moment(entry.booked_at))),
        alerts: found.alerts.to_string(),
        breaks: found.breaks.to_string(),
    }
}

fn results(desk: &Desk, search: &Search, rows: Vec<AccountRow>) -> AccountsPage {
    let more = rows.len() > LISTED;
    let rows: Vec<AccountRow> = rows.into_iter().take(LISTED).collect();
    let heading = match rows.len() {
        n if more => format!("More than {n} accounts match; write more of the number"),
        n => counted(i64::try_from(n).unwrap_or(0), "account matches", "accounts match"),
    };
    let text = match search.kind {
        Kind::Account if search.query.chars().count() < BEGINNING_MIN => {
            "No account has exactly that number. Write at least 3 characters to find accounts by how their number begins."
        }
        Kind::Account => "No account has that number, or a number that begins so.",
        Kind::Session => "No entry came from that session.",
        Kind::Ip => "No entry came from that address.",
        Kind::Record => "Records are found on their own page.",
    };
    let empty = Empty { title: "Nothing found".to_owned(), text: text.to_owned(), action: None };
    page(desk, search.kind, &search.query, heading, rows, empty)
}

fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Account => "Account number",
        Kind::Session => "Session",
        Kind::Ip => "IP address",
        Kind::Record => "Record",
    }
}

fn page(desk: &Desk, kind: Kind, query: &str, heading: String, rows: Vec<AccountRow>, empty: Empty) -> AccountsPage {
    let choice =
        |k: Kind| Choice { value: k.text().to_owned(), label: label(k).to_owned(), help: String::new(), selected: k == kind };
    AccountsPage {
        chrome: desk.chrome("Accounts"),
        action: "/accounts".to_owned(),
        kinds: KINDS.into_iter().map(choice).collect(),
        query: query.to_owned(),
        errors: Vec::new(),
        heading,
        rows,
        empty,
        pager: Pager::default(),
        holders: desk.may(Permission::KeepPrivacy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_searched_as_it_is_stored() {
        assert_eq!(canonical(Kind::Ip, "2001:DB8:0::1").as_deref(), Ok("2001:db8::1"));
        assert_eq!(canonical(Kind::Ip, "::ffff:192.0.2.7").as_deref(), Ok("192.0.2.7"));
        assert!(canonical(Kind::Ip, "not an address").is_err());
        assert_eq!(canonical(Kind::Account, "DE89 3704 0044").as_deref(), Ok("DE8937040044"));
        assert_eq!(canonical(Kind::Session, "S-1").as_deref(), Ok("S-1"));
    }
}
