//! One session or one IP address: the accounts it touched and the entries that came from it.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, web};
use serde_json::json;

use crate::clock::Moment;
use crate::db::Conn;
use crate::ids::{Seq, mask_account};
use crate::ledger::store::{self as ledger, ContextRow, EntryRow as Entry};
use crate::ledger::{Direction, Status, lookup};
use crate::reports::page::words::{LocalTime, account_link, count, counted, fact, tag, words};

use crate::web::params::place;

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::fill::{self, Accounts, Around};
use super::origins::{self, ENTRIES_MAX, Found, Origin};
use super::views::{ContextAccountRow, ContextPage, Fact, Pager};

/// Entries of one page.
const PAGE: usize = 100;
/// An address that touched this many accounts is marked.
const SHARED_BY: usize = 5;

struct Shown {
    context: ContextRow,
    found: Found,
    accounts: Accounts,
}

fn read(conn: &mut Conn, id: Seq, origin: Origin) -> Result<Shown, Trouble> {
    let context = ledger::context(conn, id)?.ok_or(Trouble::Missing("There is no such session or address."))?;
    let found = origins::find(conn, &context, origin)?;
    if found.contexts.is_empty() {
        return Err(Trouble::Missing("Nothing is known of that session or address."));
    }
    let accounts = lookup::accounts(conn, &found.entries)?;
    Ok(Shown { context, found, accounts })
}

/// `GET /contexts/{id}/session`
pub(super) async fn session(desk: Desk, id: web::Path<Seq>, request: HttpRequest) -> Page {
    let after = desk.asked(&request, &["after"], |query| query.read("after", place))?;
    show(&desk, *id, Origin::Session, after).await
}

/// `GET /contexts/{id}/ip`
pub(super) async fn ip(desk: Desk, id: web::Path<Seq>, request: HttpRequest) -> Page {
    let after = desk.asked(&request, &["after"], |query| query.read("after", place))?;
    show(&desk, *id, Origin::Ip, after).await
}

async fn show(desk: &Desk, id: Seq, origin: Origin, after: Option<Seq>) -> Page {
    let shown = desk.read(move |conn| read(conn, id, origin)).await?;
    desk.viewed(json!({ "context": id })).await?;
    let time = desk.time();
    let (kind, what, value) = match origin {
        Origin::Session => ("Session", "session", &shown.context.session_id),
        Origin::Ip => ("IP address", "ip", &shown.context.ip),
    };
    let contexts = shown.found.contexts.iter().map(|c| (c.id, c.clone())).collect();
    let around = Around { time, accounts: Some(&shown.accounts), contexts: &contexts };
    let start = shown.found.entries.partition_point(|entry| after.is_some_and(|after| entry.seq <= after));
    let listed: Vec<&Entry> = shown.found.entries.iter().skip(start).take(PAGE).collect();
    let more = start + listed.len() < shown.found.entries.len();
    let href = fill::context_href(id, what);
    let page = ContextPage {
        chrome: desk.chrome(kind),
        kind: kind.to_owned(),
        value: value.clone().unwrap_or_default(),
        finding: finding(&shown),
        facts: facts(&shown, origin, time),
        accounts: accounts(&shown, time),
        entries: listed.iter().map(|entry| fill::entry_row(entry, &around)).collect(),
        pager: Pager {
            shown: format!(
                "{} to {} of {}",
                start + usize::from(!listed.is_empty()),
                start + listed.len(),
                shown.found.entries.len()
            ),
            first: after.map(|_| href.clone()),
            next: listed.last().filter(|_| more).map(|entry| format!("{href}?after={}", entry.seq)),
        },
    };
    desk.show(&page)
}

fn finding(shown: &Shown) -> String {
    let accounts = i64::try_from(shown.accounts.len()).unwrap_or(i64::MAX);
    let entries = i64::try_from(shown.found.entries.len()).unwrap_or(i64::MAX);
    let accounts = counted(accounts, "account was", "accounts were");
    let touched = format!("{accounts} touched by {} from here.", counted(entries, "entry", "entries"));
    if !shown.found.cut {
        return touched;
    }
    format!("{touched} There are more: only the newest {} are shown and counted.", count(ENTRIES_MAX as i64))
}

fn facts(shown: &Shown, origin: Origin, time: LocalTime) -> Vec<Fact> {
    let booked = || shown.found.entries.iter().map(|entry| Moment(entry.booked_at));
    let distinct =
        |values: Vec<Option<&str>>| values.into_iter().flatten().collect::<std::collections::BTreeSet<_>>().len().to_string();
    let all = &shown.found.contexts;
    let mut facts = vec![
        fact("First booked", booked().min().map_or_else(String::new, |at| time.second(at))),
        fact("Last booked", booked().max().map_or_else(String::new, |at| time.second(at))),
        match origin {
            Origin::Session => fact("IP addresses", distinct(all.iter().map(|c| c.ip.as_deref()).collect())),
            Origin::Ip => fact("Sessions", distinct(all.iter().map(|c| c.session_id.as_deref()).collect())),
        },
        fact("Devices", distinct(all.iter().map(|c| c.device_id.as_deref()).collect())),
    ];
    let of = shown.context.context();
    let texts = [("User agent", of.user_agent), ("Device", of.device_id), ("Actor", of.actor)];
    facts.extend(texts.into_iter().filter_map(|(label, value)| Some(fact(label, value?))));
    facts.extend(of.actor_kind.map(|kind| fact("Acting as", words(kind.text()))));
    facts
}

#[derive(Default)]
struct Sums {
    entries: i64,
    credits: i128,
    debits: i128,
    first: Option<Moment>,
    last: Option<Moment>,
}

fn accounts(shown: &Shown, time: LocalTime) -> Vec<ContextAccountRow> {
    let mut sums: BTreeMap<Seq, Sums> = BTreeMap::new();
    for entry in &shown.found.entries {
        let sum = sums.entry(entry.account).or_default();
        let at = Moment(entry.booked_at);
        sum.entries += 1;
        sum.first = Some(sum.first.map_or(at, |first| first.min(at)));
        sum.last = Some(sum.last.map_or(at, |last| last.max(at)));
        // What was only attempted moved nothing.
        match Direction::from_code(entry.direction).filter(|_| entry.status == Status::Booked.code()) {
            Some(Direction::Credit) => sum.credits += i128::from(entry.amount),
            Some(Direction::Debit) => sum.debits += i128::from(entry.amount),
            None => {}
        }
    }
    let shared = (sums.len() >= SHARED_BY).then(|| tag("Shared", "warn"));
    let row = |(id, sum): (Seq, Sums)| {
        let account = shown.accounts.get(&id)?;
        Some(ContextAccountRow {
            account: account_link(&mask_account(&account.number), id),
            currency: account.currency.clone(),
            entries: count(sum.entries),
            credits: fill::minor(sum.credits, &account.currency),
            debits: fill::minor(sum.debits, &account.currency),
            first: sum.first.map_or_else(String::new, |at| time.second(at)),
            last: sum.last.map_or_else(String::new, |at| time.second(at)),
            tag: shared.clone(),
        })
    };
    sums.into_iter().filter_map(row).collect()
}
