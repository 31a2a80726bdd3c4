//! One entry: what was sent, how it came, what was found, and where it stands in the log.

use actix_web::web;
use serde_json::json;

use crate::access::store as access;
use crate::alerts::breaks;
use crate::alerts::queue;
use crate::alerts::store as alerts;
use crate::alerts::{ContinuityBreak, HitLine};
use crate::clock::{Moment, day_date};
use crate::db::{Conn, DbError};
use crate::ids::{Seq, mask_account};
use crate::ledger::store::{self as ledger, AccountRow, ContextRow, DeliveryRow, EntryRow as Entry};
use crate::ledger::{Channel, Direction, FLAG_DATE_STATED, Instrument, Kind, Parts, Status, history};
use crate::reports::page::words::{
    LocalTime, UNKNOWN, account_link, alert_link, count, fact, link, mono, rule_title, tag, words,
};
use crate::trail::generations::Origins;
use crate::trail::store as trail;

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::fill;
use super::views::{BreakRow, Empty, EntryPage, Fact, HitRow, Link, Tag};

/// Everything the page shows, as read.
struct Shown {
    entry: Entry,
    account: AccountRow,
    source: String,
    context: Option<ContextRow>,
    parts: Parts,
    delivery: Option<DeliveryRow>,
    key: Option<String>,
    breaks: Vec<ContinuityBreak>,
    hits: Vec<(String, HitLine, Option<String>)>,
    after: Option<Seq>,
    leaf: String,
}

fn read(conn: &mut Conn, seq: Seq) -> Result<Shown, Trouble> {
    let Some(entry) = ledger::entry(conn, seq)? else {
        return Err(match trail::event(conn, seq)? {
            Some(_) => Trouble::Missing("At this place of the log stands an event, not an entry. The trail lists events."),
            None => Trouble::Missing("There is no entry at this place of the log."),
        });
    };
    let missing = |what: &str| DbError::Corrupt(format!("entry {seq}: its {what} is missing; run `counterfoil verify`"));
    let account = ledger::account(conn, entry.account)?.ok_or_else(|| missing("account"))?;
    let leaf = entry.leaf_hash(Origins::of(conn)?.at(seq)).map_err(|e| DbError::Corrupt(e.to_string()))?;
    let delivery = ledger::delivery(conn, entry.delivery)?;
    let key = match delivery.as_ref().and_then(|delivery| delivery.api_key) {
        Some(id) => access::key_by_id(conn, id)?.map(|key| key.prefix),
        None => None,
    };
    let mut hits = Vec::new();
    for row in alerts::hits_of_entry(conn, seq)? {
        let alert = match row.alert {
            Some(id) => alerts::reference_of(conn, id)?,
            None => None,
        };
        hits.push((row.rule.clone(), queue::hit_line(&row)?, alert));
    }
    let source = ledger::sources(conn)?.into_iter().find(|source| source.id == entry.source);
    Ok(Shown {
        source: source.map_or_else(String::new, |source| source.name),
        context: ledger::context(conn, entry.context)?,
        parts: ledger::entry_part(conn, seq)?.map(|part| part.parts()).unwrap_or_default(),
        breaks: breaks::at(conn, seq)?,
        after: history::after(conn, &entry)?,
        leaf: hex::encode(leaf),
        delivery,
        key,
        hits,
        account,
        entry,
    })
}

/// `GET /entries/{seq}`
pub(super) async fn show(desk: Desk, seq: web::Path<String>) -> Page {
    let missing = Trouble::Missing("There is no such entry. An address ends with its place in the log, a whole number.");
    let seq: Seq = seq.parse().ok().filter(|seq| *seq >= 0).ok_or_else(|| desk.fail(missing))?;
    let shown = desk.read(move |conn| read(conn, seq)).await?;
    desk.viewed(json!({ "account": shown.account.id, "entry": seq })).await?;
    let time = desk.time();
    let empty = |title: &str, text: &str| Empty { title: title.to_owned(), text: text.to_owned(), action: None };
    let page = EntryPage {
        chrome: desk.chrome(&format!("Entry {seq}")),
        seq: count(seq),
        account: account_link(&mask_account(&shown.account.number), shown.account.id),
        tags: tags(&shown.entry),
        summary: summary(&shown, time),
        before: shown.entry.prev.map(|seq| link("Entry before", fill::entry_href(seq))),
        after: shown.after.map(|seq| link("Entry after", fill::entry_href(seq))),
        movement: movement(&shown, time),
        origin: origin(&shown),
        parties: parties(&shown),
        breaks: shown.breaks.iter().map(|found| broken(found, &shown, time)).collect(),
        breaks_empty: empty("No break", "As far as it was checked, it follows from the entries before it."),
        hits: shown.hits.iter().map(hit).collect(),
        hits_empty: empty("No hit", "Every rule in force was evaluated when it was recorded; none was hit."),
        delivery: delivery(&shown, time),
        log: log(&shown),
    };
    desk.show(&page)
}

fn direction(entry: &Entry) -> String {
    Direction::from_code(entry.direction).map_or_else(String::new, |direction| words(direction.text()))
}

fn summary(shown: &Shown, time: LocalTime) -> String {
    let entry = &shown.entry;
    let kind = Kind::from_code(entry.kind).map_or("entry", Kind::text);
    let amount = fill::minor(entry.amount.into(), &entry.currency);
    format!("{}, {kind} of {} {amount}, booked {}.", direction(entry), entry.currency, time.second(Moment(entry.booked_at)))
}

fn tags(entry: &Entry) -> Vec<Tag> {
    let attempted = entry.status == Status::Attempted.code();
    let attempted = attempted.then(|| tag("Attempted: nothing moved", "neutral"));
    attempted.into_iter().chain(fill::marks(entry)).collect()
}

fn movement(shown: &Shown, time: LocalTime) -> Vec<Fact> {
    let entry = &shown.entry;
    let money = |minor: i64| format!("{} {}", entry.currency, fill::minor(minor.into(), &entry.currency));
    let known = |minor: Option<i64>| minor.map_or_else(|| UNKNOWN.to_owned(), money);
    let text = |value: Option<&str>| value.map_or_else(|| UNKNOWN.to_owned(), words);
    let stated = if entry.flags & FLAG_DATE_STATED == 0 { "derived from when it was booked" } else { "stated by the sender" };
    let account = Fact { href: Some(format!("/accounts/{}", shown.account.id)), ..mono("Account", shown.account.number.clone()) };
    vec![
        account,
        fact("Direction", direction(entry)),
        fact("Kind", text(Kind::from_code(entry.kind).map(Kind::text))),
        fact("Amount", money(entry.amount)),
        fact("Balance before", known(entry.balance_before)),
        fact("Balance after", known(entry.balance_after)),
        fact("Status", text(Status::from_code(entry.status).map(Status::text))),
        fact("Booked", time.second(Moment(entry.booked_at))),
        fact("Business date", format!("{}, {stated}", day_date(entry.business_date))),
        fact("Value date", entry.value_date.map_or_else(|| UNKNOWN.to_owned(), |day| day_date(day).to_string())),
        fact("Channel", text(entry.channel.and_then(Channel::from_code).map(Channel::text))),
        fact("Instrument", text(entry.instrument.and_then(Instrument::from_code).map(Instrument::text))),
        mono("Transaction", plain(entry.transaction_ref.as_deref())),
        fact("Sender's number on the account", entry.account_seq.map_or_else(|| UNKNOWN.to_owned(), |n| n.to_string())),
        mono("Reverses", plain(entry.reverses.as_deref())),
    ]
}

fn plain(value: Option<&str>) -> String {
    value.unwrap_or(UNKNOWN).to_owned()
}

fn origin(shown: &Shown) -> Vec<Fact> {
    let Some(row) = &shown.context else { return vec![fact("Origin", "Not known, or erased")] };
    let context = row.context();
    let page = |value: &Option<String>, what: &str| value.as_ref().map(|_| fill::context_href(row.id, what));
    vec![
        Fact { href: page(&context.session_id, "session"), ..mono("Session", plain(context.session_id.as_deref())) },
        Fact { href: page(&context.ip, "ip"), ..mono("IP address", plain(context.ip.as_deref())) },
        fact("User agent", plain(context.user_agent.as_deref())),
        mono("Device", plain(context.device_id.as_deref())),
        fact("Actor", plain(context.actor.as_deref())),
        fact("Acting as", context.actor_kind.map_or_else(|| UNKNOWN.to_owned(), |kind| words(kind.text()))),
    ]
}

fn parties(shown: &Shown) -> Vec<Fact> {
    let parts = &shown.parts;
    vec![
        fact("Party", plain(parts.party.as_deref())),
        mono("Counterparty", plain(parts.counterparty.as_deref())),
        fact("Counterparty's name", plain(parts.counterparty_name.as_deref())),
        fact("Counterparty's country", plain(parts.counterparty_country.as_deref())),
        fact("Reason", plain(parts.reason.as_deref())),
    ]
}

fn delivery(shown: &Shown, time: LocalTime) -> Vec<Fact> {
    let entry = &shown.entry;
    let mut facts = vec![fact("Source", shown.source.clone()), mono("Source reference", entry.source_ref.clone())];
    if let Some(delivery) = &shown.delivery {
        facts.push(fact("Came by", words(&delivery.kind)));
        facts.extend(shown.key.as_ref().map(|prefix| mono("With key", format!("cf_{prefix}_\u{2026}"))));
        facts.push(mono("From", plain(delivery.origin.as_deref())));
        facts.push(fact("Delivery", format!("{}, begun {}", delivery.id, time.second(Moment(delivery.started_at)))));
    }
    facts.push(fact("Recorded", time.second(Moment(entry.recorded_at))));
    facts
}

fn log(shown: &Shown) -> Vec<Fact> {
    let entry = &shown.entry;
    vec![
        fact("Place (seq)", count(entry.seq)),
        fact("Number on the account", count(entry.position)),
        mono("Leaf hash", shown.leaf.clone()),
        fact("Rule set", format!("of event {}", count(entry.rules))),
    ]
}

fn hit((rule, hit, alert): &(String, HitLine, Option<String>)) -> HitRow {
    let window = hit.evidence.window.as_ref().map(|window| format!(" within {window}")).unwrap_or_default();
    HitRow {
        severity: hit.severity.text().to_owned(),
        rule: rule_title(rule),
        observed: format!("{}{window}", hit.evidence.observed),
        limit: hit.evidence.threshold.clone(),
        alert: alert.as_deref().map(alert_link),
    }
}

fn broken(found: &ContinuityBreak, shown: &Shown, time: LocalTime) -> BreakRow {
    let row = fill::break_row(found, Some(Moment(shown.entry.booked_at)), time);
    BreakRow { entry: Link { href: String::new(), ..row.entry }, ..row }
}
