//! One account: its balance, its continuity, its entries, where they came from, its alerts.

mod charts;
pub(super) mod proof;
mod sharing;
mod then;

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde_json::json;

use crate::alerts::breaks::{self, BreakFilter};
use crate::alerts::queue;
use crate::alerts::{Alert, ContinuityBreak, State, then as were};
use crate::clock::Moment;
use crate::config::Mode;
use crate::db::Conn;
use crate::ids::Seq;
use crate::ledger::continuity::{Instant, course};
use crate::ledger::history::{self, Balance, Newest, Window};
use crate::ledger::lookup;
use crate::ledger::store::{self as ledger, AccountRow, EntryRow as Entry};
use crate::ledger::{BreakState, Movement, Status};
use crate::reports::page::words::{UNKNOWN, count, counted, fact, tag};

use crate::web::params::place;

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::fill::{self, Around, Contexts};
use super::privacy::{self, Tried};
use super::views::{AccountPage, BreakRow, Empty, Fact, Pager, Tag};

/// Entries of one page.
const PAGE: usize = 50;
/// Entries the chart and the list of sessions look at, the newest of the account.
const LOOKED_AT: usize = 200;
/// Breaks and alerts listed.
const LISTED: usize = 100;

/// Everything the page shows, as read.
struct Shown {
    account: AccountRow,
    source: String,
    newest: Vec<Entry>,
    /// The newest entries and those of the last instant, in the order in which they moved the balance.
    course: Vec<Instant>,
    page: lookup::Backwards,
    first: Option<Entry>,
    contexts: Contexts,
    breaks: Vec<ContinuityBreak>,
    broken: HashMap<Seq, Entry>,
    alerts: Vec<Alert>,
    sharing: sharing::Sharing,
    /// The hold in force; `None` outside: it can have none.
    hold: Option<Option<Seq>>,
    /// What stood at the instant that was asked for.
    then: Option<then::Then>,
}

/// What of an account is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// As it was at this instant.
    at: Option<Moment>,
    /// The page of entries that begins with this one.
    entry: Option<Seq>,
}

/// How many of the entries looked at could be checked, and how many were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Checked {
    checked: usize,
    looked: usize,
}

/// What an entry carries decides whether there was anything to check, within the source's mode.
fn checked(entries: &[Entry], mode: Mode) -> Checked {
    let booked = || entries.iter().filter(|entry| entry.status == Status::Booked.code());
    let carries = |entry: &&Entry| match mode {
        Mode::None => false,
        Mode::Sequenced | Mode::Daily => entry.account_seq.is_some(),
        Mode::Auto | Mode::PerEntry | Mode::AfterOnly => entry.balance_after.is_some() || entry.account_seq.is_some(),
    };
    Checked { checked: booked().filter(carries).count(), looked: booked().count() }
}

fn read(conn: &mut Conn, heads: &Newest, id: Seq, Asked { at, entry }: Asked) -> Result<Shown, Trouble> {
    let account = ledger::account(conn, id)?.ok_or(Trouble::Missing("There is no such account."))?;
    let then = at.map(|at| then::read(conn, heads, id, at)).transpose()?;
    let last = match &then {
        Some(then) => then.last,
        None => heads.of(conn, id)?,
    };
    let newest = page_from(conn, heads, id, last, LOOKED_AT)?.entries;
    let course = course(&moved(conn, id, &newest)?);
    let page = match entry {
        Some(entry) if last.is_none_or(|last| entry > last) => lookup::Backwards::default(),
        _ => page_from(conn, heads, id, entry.or(last), PAGE)?,
    };
    if entry.is_some() && page.entries.is_empty() {
        return Err(Trouble::Missing("This account has no such entry."));
    }
    let first = history::page(conn, heads, id, &Window::default(), 1)?.items.pop().filter(|_| last.is_some());
    let breaks = match &then {
        Some(then) => were::breaks_of_account(conn, id, then.end, LISTED)?,
        None => breaks::list(conn, &BreakFilter { account: Some(id), ..BreakFilter::default() }, None, LISTED)?,
    };
    let alerts = match &then {
        Some(then) => were::of_account(conn, id, then.end, LISTED)?,
        None => queue::of_account(conn, id, LISTED)?,
    };
    let named: Vec<Seq> = breaks.iter().map(|b| b.found.seq).collect();
    let broken = ledger::entries_at(conn, &named)?.into_iter().map(|entry| (entry.seq, entry)).collect();
    let mut contexts = lookup::contexts(conn, &newest)?;
    contexts.extend(lookup::contexts(conn, &page.entries)?);
    let sharing = sharing::read(conn, &newest, &contexts)?;
    let source = ledger::sources(conn)?.into_iter().find(|s| s.id == account.source);
    Ok(Shown {
        source: source.map_or_else(String::new, |s| s.name),
        alerts,
        hold: privacy::read(conn, &account.number)?,
        then,
        account,
        newest,
        course,
        page,
        first,
        contexts,
        breaks,
        broken,
        sharing,
    })
}

/// Entries from `last` backwards; none where there is none.
fn page_from(conn: &mut Conn, heads: &Newest, id: Seq, last: Option<Seq>, limit: usize) -> Result<lookup::Backwards, Trouble> {
    match last {
        Some(_) => Ok(lookup::page(conn, heads, id, last, limit)?),
        None => Ok(lookup::Backwards::default()),
    }
}

/// The newest entries as recorded, and those that say what the balance is after the last as booked.
fn moved(conn: &mut Conn, id: Seq, newest: &[Entry]) -> Result<Vec<Movement>, Trouble> {
    let Some(last) = newest.first() else { return Ok(Vec::new()) };
    let mut moved = history::latest(conn, id, last.seq)?;
    moved.extend(history::earlier(conn, last.seq, newest.len())?);
    moved.sort_unstable_by_key(|entry| entry.seq);
    moved.dedup_by_key(|entry| entry.seq);
    Ok(moved)
}

/// `GET /accounts/{id}`
pub(super) async fn show(desk: Desk, id: web::Path<Seq>, request: HttpRequest) -> Page {
    let id = *id;
    let asked = desk.asked(&request, &["at", "entry"], |query| {
        Ok(Asked { at: query.read("at", |text| desk.instant(text))?, entry: query.read("entry", place)? })
    })?;
    render(&desk, id, asked, None).await
}

/// The page; `tried` is what a form of it brought and could not be taken.
pub(super) async fn render(desk: &Desk, id: Seq, asked: Asked, tried: Option<Tried>) -> Page {
    let status = if tried.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let heads = desk.app.newest.clone();
    let shown = desk.read(move |conn| read(conn, &heads, id, asked)).await?;
    desk.viewed(json!({ "account": id })).await?;
    let time = desk.time();
    let mode = mode(desk, &shown.source);
    let checked = checked(&shown.newest, mode);
    let around = Around { time, accounts: None, contexts: &shown.contexts };
    let page = AccountPage {
        chrome: desk.chrome("Account"),
        number: fill::number(&shown.account),
        number_note: Some("Every view of a customer is recorded.".to_owned()),
        tags: tags(&shown),
        travel: then::view(&shown, asked.at, time),
        facts: facts(desk, &shown, mode),
        currency: shown.account.currency.clone(),
        balance: charts::balance(&shown, time),
        continuity: charts::continuity(&shown, checked, time),
        continuity_tag: (checked.checked == 0).then(|| tag("Not checked", "warn")),
        continuity_note: continuity_note(mode, checked),
        entries: shown.page.entries.iter().map(|entry| fill::entry_row(entry, &around)).collect(),
        pager: pager(id, &shown, asked),
        breaks: break_rows(desk, &shown),
        breaks_empty: no_breaks(checked),
        contexts: shown.sharing.rows(time),
        alerts: super::alerts::rows_at(desk, &shown.alerts, asked.at.unwrap_or(desk.now())),
        alerts_empty: no_alerts(),
        // What is done from here is done to the account as it is now.
        privacy: privacy::forms(desk, id, shown.hold.filter(|_| asked.at.is_none()), tried),
        proof_action: format!("/accounts/{id}/heads-proof"),
    };
    desk.show_as(status, &page)
}

fn no_breaks(checked: Checked) -> Empty {
    if checked.checked == 0 {
        let text = "Nothing could be checked, so none could be found.";
        return Empty { title: "Not checked".to_owned(), text: text.to_owned(), action: None };
    }
    let text = "As far as it was checked, every entry begins where an earlier one ended.";
    Empty { title: "No break".to_owned(), text: text.to_owned(), action: None }
}

fn no_alerts() -> Empty {
    let text = "No rule has been hit on this account.";
    Empty { title: "No alert".to_owned(), text: text.to_owned(), action: None }
}

fn open_breaks(shown: &Shown) -> usize {
    shown.breaks.iter().filter(|b| b.state == BreakState::Open).count()
}

fn tags(shown: &Shown) -> Vec<Tag> {
    let mut tags = Vec::new();
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let open = number(open_breaks(shown));
    if open > 0 {
        tags.push(tag(counted(open, "open break", "open breaks"), "bad"));
    }
    let alerts = number(shown.alerts.iter().filter(|alert| alert.state == State::Open).count());
    if alerts > 0 {
        tags.push(tag(counted(alerts, "open alert", "open alerts"), "warn"));
    }
    tags
}

fn mode(desk: &Desk, source: &str) -> Mode {
    let configured = desk.app.config.source.iter().find(|s| s.name == source);
    configured.map(|s| s.continuity).unwrap_or_default()
}

fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto => "What the entries carry",
        Mode::PerEntry => "Balance before and after each entry",
        Mode::AfterOnly => "Balance after each entry",
        Mode::Sequenced => "The sender's numbering only",
        Mode::Daily => "Balances of a day only",
        Mode::None => "Not checked",
    }
}

fn mode_sentence(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto | Mode::PerEntry | Mode::AfterOnly => {
            "Checked: each entry begins where an earlier one ended, as far as entries carry balances. That shows coherence, not truth."
        }
        Mode::Sequenced => "Checked: the sender's numbering has no gap and no repeat. Balances are not checked for this source.",
        Mode::Daily => "Single entries are not checked for this source, only balances of a day.",
        Mode::None => "Nothing is checked for this source.",
    }
}

/// What was checked, and what could not be.
fn continuity_note(mode: Mode, Checked { checked, looked }: Checked) -> String {
    let number = |n: usize| count(i64::try_from(n).unwrap_or(i64::MAX));
    let sentence = mode_sentence(mode);
    match (checked, looked) {
        (0, 0) => "Not checked: the account has no booked entry yet.".to_owned(),
        (0, _) if mode == Mode::None => sentence.to_owned(),
        (0, n) => format!("Not checked: none of the newest {} entries carries what the check needs. {sentence}", number(n)),
        (some, n) if some < n => {
            format!(
                "{sentence} Of the newest {} entries {} carry what the check needs; the others were not checked.",
                number(n),
                number(some)
            )
        }
        _ => sentence.to_owned(),
    }
}

fn facts(desk: &Desk, shown: &Shown, mode: Mode) -> Vec<Fact> {
    let time = desk.time();
    let newest = shown.newest.first();
    let currency = &shown.account.currency;
    let balance = match Balance::at_end(&shown.course) {
        Balance::Known { minor, proven, .. } => {
            let doubt = if proven { "" } else { " (the order of its last instant is not proven)" };
            format!("{currency} {}{doubt}", fill::minor(minor.into(), currency))
        }
        _ => UNKNOWN.to_owned(),
    };
    let booked = |entry: Option<&Entry>| entry.map_or_else(|| UNKNOWN.to_owned(), |e| time.second(Moment(e.booked_at)));
    vec![
        fact("Balance after the last booked entry", balance),
        fact("Entries", newest.map_or_else(|| "0".to_owned(), |entry| count(entry.position))),
        fact("Currency", shown.account.currency.clone()),
        fact("Source", shown.source.clone()),
        fact("First recorded entry booked", booked(shown.first.as_ref())),
        fact("Last recorded entry booked", booked(newest)),
        fact("Continuity", format!("{}{}", mode_words(mode), if shown.then.is_some() { ", as configured now" } else { "" })),
    ]
}

fn pager(id: Seq, shown: &Shown, Asked { at, entry }: Asked) -> Pager {
    let entries = &shown.page.entries;
    let total = shown.newest.first().map_or(0, |entry| entry.position);
    let shown_text = match (entries.first(), entries.last()) {
        (Some(newest), Some(oldest)) => {
            format!("Entries {} to {} of {}", count(newest.position), count(oldest.position), count(total))
        }
        _ => "No entry yet".to_owned(),
    };
    let (alone, and) = at.map(|at| (format!("?at={at}"), format!("at={at}&"))).unwrap_or_default();
    Pager {
        shown: shown_text,
        first: entry.map(|_| format!("/accounts/{id}{alone}#entries")),
        next: shown.page.next.map(|seq| format!("/accounts/{id}?{and}entry={seq}#entries")),
    }
}

fn break_rows(desk: &Desk, shown: &Shown) -> Vec<BreakRow> {
    let row = |found: &ContinuityBreak| {
        let booked = shown.broken.get(&found.found.seq).map(|entry| Moment(entry.booked_at));
        fill::break_row(found, booked, desk.time())
    };
    shown.breaks.iter().map(row).collect()
}
