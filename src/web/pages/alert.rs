//! One alert, and deciding it.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::Deserialize;
use serde_json::json;

use crate::access::{Permission, User, users};
use crate::alerts::queue::{self, AlertDetail, BEHIND_MAX};
use crate::alerts::{self, Alert, CONTINUITY, ContinuityBreak, Disposition, State, What, then};
use crate::clock::{Moment, day_date};
use crate::db::Conn;
use crate::ids::{AlertRef, Seq};
use crate::ledger::store::EntryRow as Entry;
use crate::ledger::{BreakKind, BreakState, lookup, store as ledger};
use crate::notify::store::{self as outbox, OutboxRow};
use crate::records::history::{self, Version};
use crate::records::store::{self as records, RecordRow};
use crate::reports::due_date;
use crate::reports::page::words::{LocalTime, UNKNOWN, alert_link, count, fact, record_link, rule_title, words};
use crate::trail::ActError;

use super::cookies::Done;
use super::desk::{Desk, Page};
use super::errors::{Trouble, sentence};
use super::fill::{self, Around, Contexts};
use super::record::lines;
use super::travel::{end_at, picker};
use super::views::{
    AlertPage, BreakRow, Choice, DISPOSITIONS, DecisionForm, DecisionView, EntryRow, Fact, FieldError, HistoryRow, Travel,
    VersionRow,
};

/// Changes shown with an alert of a rule on changes.
const CHANGES: usize = 20;
/// Other alerts of the account shown below.
const RELATED: usize = 10;
/// Later hits named in the history.
const JOINED: usize = 20;

/// The decision as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    disposition: String,
    duplicate_of: String,
    comment: String,
}

/// Everything the page shows, as read.
struct Shown {
    detail: AlertDetail,
    entries: Vec<Entry>,
    /// The changes behind it, with their records.
    changes: Vec<(Version, Option<RecordRow>)>,
    contexts: Contexts,
    /// When the entries that later hits came with were recorded.
    recorded: BTreeMap<Seq, Moment>,
    related: Vec<Alert>,
    decider: Option<User>,
    /// What is owed about it by mail.
    mail: Vec<OutboxRow>,
}

fn parse(reference: &str) -> Result<AlertRef, Trouble> {
    AlertRef::parse(reference).ok_or(Trouble::Missing("There is no such alert. A reference looks like ALR-2026-000123."))
}

fn read(conn: &mut Conn, reference: AlertRef, at: Option<Moment>) -> Result<Shown, Trouble> {
    let mut detail = queue::detail(conn, reference)?.ok_or(Trouble::Missing("There is no such alert."))?;
    let end = at.map(|at| end_at(conn, at)).transpose()?;
    if let Some(end) = end {
        detail = detail.before(conn, end)?.ok_or(Trouble::Missing("This alert was not raised yet at that instant."))?;
    }
    let mut entries = ledger::entries_at(conn, &detail.entries)?;
    if detail.alert.rule == CONTINUITY {
        // A break is seen against the entry before it.
        let shown: BTreeSet<Seq> = entries.iter().map(|entry| entry.seq).collect();
        let before: Vec<Seq> = entries.iter().filter_map(|entry| entry.prev).filter(|seq| !shown.contains(seq)).collect();
        entries.extend(ledger::entries_at(conn, &before)?);
    }
    let contexts = lookup::contexts(conn, &entries)?;
    let changes = changes(conn, &detail)?;
    let later: BTreeSet<Seq> = detail.hits.iter().skip(1).take(JOINED).map(|hit| hit.decided_by).collect();
    let later: Vec<Seq> = later.into_iter().collect();
    let of_changes = records::changes_at(conn, &later)?.into_iter().map(|change| (change.seq, Moment(change.recorded_at)));
    let later = ledger::entries_at(conn, &later)?;
    let recorded = later.iter().map(|entry| (entry.seq, Moment(entry.recorded_at))).chain(of_changes).collect();
    let mut related = match end {
        Some(end) => then::of_account(conn, detail.alert.about.id, end, RELATED + 1)?,
        None => queue::of_account(conn, detail.alert.about.id, RELATED + 1)?,
    };
    related.retain(|other| other.id != detail.alert.id);
    related.truncate(RELATED);
    let decider = match &detail.alert.decision {
        Some(decision) => users::find(conn, decision.closed_by)?,
        None => None,
    };
    let mail = match end {
        // What became of its mail is told of now only.
        Some(_) => Vec::new(),
        None => outbox::about(conn, detail.alert.id)?,
    };
    Ok(Shown { detail, entries, changes, contexts, recorded, related, decider, mail })
}

/// The newest changes behind an alert of a rule on changes, newest first.
fn changes(conn: &mut Conn, detail: &AlertDetail) -> Result<Vec<(Version, Option<RecordRow>)>, Trouble> {
    if detail.alert.about.what == What::Account {
        return Ok(Vec::new());
    }
    let newest: Vec<Seq> = detail.entries.iter().rev().take(CHANGES).copied().collect();
    let mut found = history::at(conn, &newest)?;
    found.reverse();
    let mut changes = Vec::with_capacity(found.len());
    for version in found {
        let record = records::record(conn, version.change.record)?;
        changes.push((version, record));
    }
    Ok(changes)
}

/// `GET /alerts/{reference}`
pub(super) async fn show(desk: Desk, path: web::Path<String>, request: HttpRequest) -> Page {
    let reference = parse(&path).map_err(|t| desk.fail(t))?;
    let at = desk.asked(&request, &["at"], |query| query.read("at", |text| desk.instant(text)))?;
    render(&desk, reference, at, (&Sent::default(), Vec::new())).await
}

/// `POST /alerts/{reference}/disposition`
pub(super) async fn decide(desk: Desk, path: web::Path<String>, sent: web::Form<Sent>) -> Page {
    let reference = parse(&path).map_err(|t| desk.fail(t))?;
    let sent = sent.into_inner();
    let mut errors = errors(&sent);
    let Some(disposition) = Disposition::parse(&sent.disposition) else {
        return render(&desk, reference, None, (&sent, errors)).await;
    };
    let (user, wanted) = (desk.user()?, sent.clone());
    let closed = desk
        .record(move |log| {
            let duplicate = Some(wanted.duplicate_of.as_str());
            alerts::close(log, &reference.to_string(), disposition, &wanted.comment, duplicate, user)
        })
        .await?;
    match closed {
        Ok(seq) => Ok(desk.go(&format!("/alerts/{reference}"), Some(Done::AlertClosed(seq)))),
        Err(ActError::Refused { status: 422, code, detail }) => {
            let field = if code == "duplicate_of_invalid" { "duplicate_of" } else { "comment" };
            // What only the records can tell comes beside what the form itself tells.
            if errors.iter().all(|error| error.field != field) {
                errors.push(FieldError { field: field.to_owned(), text: sentence(&detail) });
            }
            render(&desk, reference, None, (&sent, errors)).await
        }
        Err(error) => Err(desk.fail(error.into())),
    }
}

/// Everything that is wrong with the form as far as it shows by itself, in the order of its fields.
fn errors(sent: &Sent) -> Vec<FieldError> {
    let error = |field: &str, text: String| FieldError { field: field.to_owned(), text };
    let mut errors = Vec::new();
    let disposition = Disposition::parse(&sent.disposition);
    if disposition.is_none() {
        errors.push(error("disposition", "Choose what you found.".to_owned()));
    }
    match (disposition, sent.duplicate_of.trim().is_empty()) {
        (Some(Disposition::DuplicateOf), true) => {
            errors.push(error("duplicate_of", "Name the alert that this one repeats.".to_owned()));
        }
        (Some(other), false) if other != Disposition::DuplicateOf => {
            let text = "Only a duplicate names another alert; leave the reference empty.";
            errors.push(error("duplicate_of", text.to_owned()));
        }
        _ => {}
    }
    if let Err(ActError::Refused { detail, .. }) = alerts::check_comment(&sent.comment) {
        errors.push(error("comment", sentence(&detail)));
    }
    errors
}

async fn render(desk: &Desk, reference: AlertRef, at: Option<Moment>, (sent, errors): (&Sent, Vec<FieldError>)) -> Page {
    let shown = desk.read(move |conn| read(conn, reference, at)).await?;
    let alert = &shown.detail.alert;
    let about = if alert.about.record.is_some() { "record" } else { "account" };
    desk.viewed(json!({ about: alert.about.record.unwrap_or(alert.about.id), "alert": alert.id })).await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may = desk.may(Permission::DecideAlerts);
    let open = alert.state == State::Open;
    let time = desk.time();
    let page = AlertPage {
        chrome: desk.chrome(&reference.to_string()),
        reference: reference.to_string(),
        severity: alert.severity.text().to_owned(),
        state: fill::alert_state(alert, super::alerts::overdue(desk, alert, at.unwrap_or(desk.now()))),
        travel: Travel {
            note: at.map_or_else(String::new, |_| {
                "Everything on this page is as it was recorded by then; what was erased since is gone.".to_owned()
            }),
            ..picker(&format!("/alerts/{reference}"), at, time)
        },
        rule: rule_title(&alert.rule),
        why: alert.explanation.sentence.clone(),
        evaluated: format!("Raised {} under the rule set of event {}.", time.second(alert.opened_at), alert.rules),
        mail: super::mail::of_alert(desk, &shown.mail),
        facts: facts(desk, &shown),
        entries: entries(&shown, time),
        entries_caption: entries_caption(alert).to_owned(),
        breaks: breaks(&shown, time),
        currency: alert.about.of.clone(),
        entries_note: entries_note(&shown),
        history_of_changes: change_rows(desk, &shown),
        subject: subject(alert).to_owned(),
        form: (open && may && at.is_none()).then(|| form(reference, sent, errors)),
        read_only: (open && at.is_some())
            .then(|| "Nobody had decided yet.".to_owned())
            .or_else(|| (open && !may).then(|| "Your role reads alerts and does not decide them.".to_owned())),
        decision: decision(&shown, time),
        history: events(&shown, time),
        related: super::alerts::rows_at(desk, &shown.related, at.unwrap_or(desk.now())),
    };
    desk.show_as(status, &page)
}

fn facts(desk: &Desk, shown: &Shown) -> Vec<Fact> {
    let alert = &shown.detail.alert;
    let due = due_date(&desk.app.calendar, alert.opened_at, alert.severity);
    let about = fill::about(&alert.about);
    let mut facts = vec![
        Fact { href: Some(about.href), ..fact(&words(subject(alert)), about.text) },
        fact("Business date", day_date(alert.business_date).to_string()),
        fact(if alert.rule == CONTINUITY { "Breaks" } else { "Hits" }, count(alert.hits)),
        fact("To be decided by", due.to_string()),
    ];
    if alert.rule == CONTINUITY {
        let open = shown.detail.breaks.iter().filter(|found| found.state == BreakState::Open).count();
        let of = if shown.detail.breaks.len() < BEHIND_MAX { "" } else { " of the newest 200" };
        facts.push(fact("Of them open", format!("{open}{of}")));
    }
    match shown.detail.breaks.iter().min_by_key(|found| found.found.seq) {
        Some(first) => facts.extend(difference(first, shown.detail.breaks.len())),
        None => facts.extend(alert.explanation.table().into_iter().map(|(label, value)| fact(label, value))),
    }
    if let Some(previous) = shown.detail.previous {
        facts.push(Fact { href: Some(format!("/alerts/{previous}")), ..fact("Follows", previous.to_string()) });
    }
    facts
}

/// What the alert is about, in one word.
fn subject(alert: &Alert) -> &'static str {
    match alert.about.what {
        What::Account => "account",
        What::Record => "record",
        What::Actor => "actor",
    }
}

/// The changes of records that it is about.
fn change_rows(desk: &Desk, shown: &Shown) -> Vec<VersionRow> {
    let (time, reveals) = (desk.time(), desk.may(Permission::Reveal));
    let row = |(version, record): &(Version, Option<RecordRow>)| {
        let id = version.change.record;
        let name = record.as_ref().map_or_else(|| UNKNOWN.to_owned(), |row| format!("{} record {id}", words(&row.kind)));
        VersionRow { record: Some(record_link(&name, id)), ..lines::version(version, id, time, reveals) }
    };
    shown.changes.iter().map(row).collect()
}

/// What a break expected and found; of several the first.
fn difference(first: &ContinuityBreak, breaks: usize) -> Vec<Fact> {
    let row = fill::break_row(first, None, LocalTime::named("UTC"));
    let of = if breaks > 1 { format!(" (first of {breaks} breaks)") } else { String::new() };
    let unit = if first.found.kind == BreakKind::Sequence { String::new() } else { format!("{} ", row.currency) };
    vec![
        fact("Expected", format!("{unit}{}{of}", row.expected)),
        fact("Found", format!("{unit}{}", row.found)),
        fact("Difference", format!("{unit}{}", row.difference)),
    ]
}

fn breaks(shown: &Shown, time: LocalTime) -> Vec<BreakRow> {
    let booked = |seq: Seq| shown.entries.iter().find(|entry| entry.seq == seq).map(|entry| Moment(entry.booked_at));
    shown.detail.breaks.iter().map(|found| fill::break_row(found, booked(found.found.seq), time)).collect()
}

fn entries_caption(alert: &Alert) -> &'static str {
    match alert.rule.as_str() {
        CONTINUITY => "Oldest first. A marked row does not follow from the entry before it.",
        _ => "Oldest first. A marked row crossed the limit.",
    }
}

fn entries(shown: &Shown, time: LocalTime) -> Vec<EntryRow> {
    let hits = shown.detail.hits.iter().map(|hit| (hit.seq, "Crossed the limit".to_owned()));
    let breaks = shown.detail.breaks.iter().map(|found| (found.found.seq, "Does not follow".to_owned()));
    let crossed: BTreeMap<Seq, String> = hits.chain(breaks).collect();
    let around = Around { time, accounts: None, contexts: &shown.contexts };
    let mut rows: Vec<&Entry> = shown.entries.iter().collect();
    rows.sort_by_key(|entry| (entry.booked_at, entry.seq));
    rows.into_iter().map(|e| row(e, &crossed, &around)).collect()
}

fn row(entry: &Entry, crossed: &BTreeMap<Seq, String>, around: &Around<'_>) -> EntryRow {
    EntryRow { crossed: crossed.get(&entry.seq).cloned().unwrap_or_default(), ..fill::entry_row(entry, around) }
}

fn entries_note(shown: &Shown) -> Option<String> {
    if shown.changes.len() >= CHANGES {
        return Some(format!("The newest {CHANGES} changes are shown; the record's page has all of its own."));
    }
    let full = shown.detail.entries.len() >= BEHIND_MAX;
    full.then(|| format!("The table holds the first {BEHIND_MAX} entries; the account's page has them all."))
}

fn form(reference: AlertRef, sent: &Sent, errors: Vec<FieldError>) -> DecisionForm {
    let choice = |(value, label, help): &(&str, &str, &str)| Choice {
        value: (*value).to_owned(),
        label: (*label).to_owned(),
        help: (*help).to_owned(),
        selected: sent.disposition == *value,
    };
    DecisionForm {
        action: format!("/alerts/{reference}/disposition"),
        choices: DISPOSITIONS.iter().map(choice).collect(),
        duplicate_of: sent.duplicate_of.clone(),
        comment: sent.comment.clone(),
        errors,
        note: Some(
            "Closing is recorded with your name and cannot be undone; a later hit opens a new alert that names this one."
                .to_owned(),
        ),
    }
}

fn disposition_words(disposition: Disposition) -> String {
    let found = DISPOSITIONS.iter().find(|(value, _, _)| *value == disposition.text());
    found.map_or_else(|| words(disposition.text()), |(_, label, _)| (*label).to_owned())
}

fn name(user: Option<&User>) -> String {
    user.map_or_else(|| "An unknown user".to_owned(), |user| format!("{} ({})", user.email, user.role))
}

fn decision(shown: &Shown, time: LocalTime) -> Option<DecisionView> {
    let decision = shown.detail.alert.decision.as_ref()?;
    let duplicate = decision.duplicate_of.map(|other| {
        let other = alert_link(&other.to_string());
        Fact { href: Some(other.href), ..fact("Duplicate of", other.text) }
    });
    Some(DecisionView {
        disposition: disposition_words(decision.disposition),
        comment: decision.comment.clone(),
        by: name(shown.decider.as_ref()),
        at: time.second(decision.closed_at),
        facts: duplicate.into_iter().collect(),
    })
}

/// What happened to the alert, newest first.
fn events(shown: &Shown, time: LocalTime) -> Vec<HistoryRow> {
    let alert = &shown.detail.alert;
    let row = |at: Moment, by: String, what: String, seq: Seq| HistoryRow {
        at: time.second(at),
        by,
        what,
        detail: String::new(),
        seq: seq.to_string(),
    };
    let mut rows = vec![row(alert.opened_at, rule_title(&alert.rule), "Raised".to_owned(), alert.id)];
    for hit in shown.detail.hits.iter().skip(1).take(JOINED) {
        if let Some(at) = shown.recorded.get(&hit.decided_by) {
            let late = if hit.late { ", found late" } else { "" };
            let at_what = if alert.about.what == What::Account { "entry" } else { "change" };
            let what = format!("Hit joined at {at_what} {}{late}", hit.seq);
            rows.push(row(*at, rule_title(&alert.rule), what, hit.decided_by));
        }
    }
    if let Some(decision) = &alert.decision {
        let what = format!("Closed: {}", disposition_words(decision.disposition));
        rows.push(row(decision.closed_at, name(shown.decider.as_ref()), what, decision.seq));
    }
    rows.reverse();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_offers_exactly_the_dispositions_there_are() {
        let offered: Vec<&str> = DISPOSITIONS.iter().map(|(value, _, _)| *value).collect();
        assert_eq!(offered, Disposition::ALL.map(Disposition::text));
    }
}
