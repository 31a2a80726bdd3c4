//! One entry: what was sent, how it came, what was found, and where it stands in the log.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;
use serde_json::json;

use crate::access::Permission;
use crate::access::store as access;
use crate::alerts::breaks;
use crate::alerts::queue;
use crate::alerts::store as alerts;
use crate::alerts::{ContinuityBreak, HitLine};
use crate::approvals::checked_text;
use crate::clock::{Moment, day_date};
use crate::db::{Conn, DbError};
use crate::ids::{Seq, mask_account};
use crate::ledger::history::{self, Newest};
use crate::ledger::store::{self as ledger, AccountRow, ContextRow, DeliveryRow, EntryRow as Entry};
use crate::ledger::{Channel, Direction, FLAG_DATE_STATED, Instrument, Kind, Parts, Status};
use crate::reports::page::words::{
    LocalTime, UNKNOWN, account_link, alert_link, count, fact, link, mono, rule_title, tag, words,
};
use crate::trail::generations::Origins;
use crate::trail::keys::KeyFolder;
use crate::trail::sealing::{self, Fields, Reveal};
use crate::trail::store as trail;

use super::desk::{Desk, Page};
use super::errors::{Failure, Trouble, sentence};
use super::views::{BreakRow, Empty, EntryPage, Fact, HitRow, Link, SealedForm, Tag};
use super::{fill, reversal};

/// Everything the page shows, as read.
struct Shown {
    entry: Entry,
    account: AccountRow,
    source: String,
    context: Option<ContextRow>,
    parts: Parts,
    /// Private parts that are sealed, and whether they were opened for this page.
    sealed: Fields,
    revealed: bool,
    /// Whether the private parts were erased.
    erased: bool,
    delivery: Option<DeliveryRow>,
    key: Option<String>,
    breaks: Vec<ContinuityBreak>,
    hits: Vec<(String, HitLine, Option<String>)>,
    after: Option<Seq>,
    leaf: String,
    reversal: reversal::Standing,
}

fn read(conn: &mut Conn, heads: &Newest, seq: Seq) -> Result<Shown, Trouble> {
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
    let part = ledger::entry_part(conn, seq)?;
    let sealed = sealing::store::sealed_part(conn, seq)?.map_or(Fields::default(), |row| Fields(row.fields));
    Ok(Shown {
        erased: entry.blind.len() == 32 && part.is_none() && sealed.is_empty(),
        sealed,
        revealed: false,
        source: source.map_or_else(String::new, |source| source.name),
        context: ledger::context(conn, entry.context)?,
        parts: part.map(|part| part.parts()).unwrap_or_default(),
        breaks: breaks::at(conn, seq)?,
        after: history::after(conn, heads, &entry)?,
        reversal: reversal::read(conn, heads, &entry)?,
        leaf: hex::encode(leaf),
        delivery,
        key,
        hits,
        account,
        entry,
    })
}

/// The reason as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    reason: String,
}

pub(super) fn parse(desk: &Desk, seq: &str) -> Result<Seq, Failure> {
    let missing = Trouble::Missing("There is no such entry. An address ends with its place in the log, a whole number.");
    seq.parse().ok().filter(|seq| *seq >= 0).ok_or_else(|| desk.fail(missing))
}

/// `GET /entries/{seq}`
pub(super) async fn show(desk: Desk, seq: web::Path<String>) -> Page {
    let seq = parse(&desk, &seq)?;
    let shown = look(&desk, seq).await?;
    desk.viewed(json!({ "account": shown.account.id, "entry": seq })).await?;
    render(&desk, shown, &Sent::default(), None, None)
}

async fn look(desk: &Desk, seq: Seq) -> Result<Shown, Failure> {
    let heads = desk.app.newest.clone();
    desk.read(move |conn| read(conn, &heads, seq)).await
}

/// The page with a reversal that could not be proposed.
pub(super) async fn render_tried(desk: &Desk, seq: Seq, tried: reversal::Tried) -> Page {
    let shown = look(desk, seq).await?;
    desk.viewed(json!({ "account": shown.account.id, "entry": seq })).await?;
    render(desk, shown, &Sent::default(), None, Some(tried))
}

/// `POST /entries/{seq}/reveal`: the page with what is sealed, once.
pub(super) async fn reveal(desk: Desk, seq: web::Path<String>, sent: web::Form<Sent>) -> Page {
    let (seq, sent) = (parse(&desk, &seq)?, sent.into_inner());
    let mut shown = look(&desk, seq).await?;
    let reason = match checked_text("reason", &sent.reason) {
        Ok(reason) => reason,
        Err(error) => {
            desk.viewed(json!({ "account": shown.account.id, "entry": seq })).await?;
            return render(&desk, shown, &sent, Some(sentence(&error.to_string())), None);
        }
    };
    let keys = KeyFolder::of(&desk.app.config, desk.app.db.address());
    let origin = desk.read(|conn| Ok(trail::state(conn)?.ok_or(Trouble::NotWriting)?.origin)).await?;
    let wanted = Reveal {
        entry: seq,
        blind: shown.entry.blind.clone(),
        account: shown.account.id,
        user: desk.user()?,
        reason,
        whence: json!({ "ip": desk.peer }),
    };
    let opened = desk.record(move |log| wanted.run(log, &keys, &origin)).await?.map_err(|e| desk.fail(e.into()))?;
    let [party, counterparty, counterparty_name, counterparty_country, reason] = opened.parts;
    let known = std::mem::take(&mut shown.parts);
    shown.parts = Parts {
        party: party.or(known.party),
        counterparty: counterparty.or(known.counterparty),
        counterparty_name: counterparty_name.or(known.counterparty_name),
        counterparty_country: counterparty_country.or(known.counterparty_country),
        reason: reason.or(known.reason),
    };
    shown.revealed = true;
    render(&desk, shown, &sent, None, None)
}

/// What a reader who may see it is asked before it is opened.
fn sealed_form(desk: &Desk, shown: &Shown, sent: &Sent, error: Option<String>) -> Option<SealedForm> {
    let wanted = !shown.sealed.is_empty() && !shown.revealed && desk.may(Permission::Reveal);
    wanted.then(|| SealedForm {
        action: format!("/entries/{}/reveal", shown.entry.seq),
        fields: shown.sealed.names().join(", ").replace('_', " "),
        reason: sent.reason.clone(),
        error,
    })
}

fn render(desk: &Desk, shown: Shown, sent: &Sent, error: Option<String>, tried: Option<reversal::Tried>) -> Page {
    let (seq, time) = (shown.entry.seq, desk.time());
    let status = if error.is_some() || tried.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
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
        sealed: sealed_form(desk, &shown, sent, error),
        breaks: shown.breaks.iter().map(|found| broken(found, &shown, time)).collect(),
        breaks_empty: empty("No break", "As far as it was checked, it follows from the entries before it."),
        hits: shown.hits.iter().map(hit).collect(),
        hits_empty: empty("No hit", "Every rule in force was evaluated when it was recorded; none was hit."),
        delivery: delivery(&shown, time),
        reversal: reversal::view(desk, &shown.reversal, seq, tried),
        log: log(&shown),
    };
    desk.show_as(status, &page)
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
    let account = Fact { href: Some(format!("/accounts/{}", shown.account.id)), ..mono("Account", fill::number(&shown.account)) };
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
    let Some(row) = shown.context.as_ref().filter(|row| !row.is_erased()) else {
        return vec![fact("Origin", "Not known, or erased")];
    };
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
    let listed = shown.parts.listed();
    let text = |i: usize| match listed[i] {
        Some(text) => text.to_owned(),
        None if shown.sealed.has(i) => "Sealed".to_owned(),
        None if shown.erased => "Not known, or erased".to_owned(),
        None => UNKNOWN.to_owned(),
    };
    vec![
        fact("Party", text(0)),
        mono("Counterparty", text(1)),
        fact("Counterparty's name", text(2)),
        fact("Counterparty's country", text(3)),
        fact("Reason", text(4)),
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
