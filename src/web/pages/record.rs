//! One record: as it is, as it was at an instant, what differs between two, and every change.

pub(super) mod lines;
mod sealed;

pub(super) use lines::mismatches;
pub(super) use sealed::reveal;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::Deserialize;
use serde_json::json;

use crate::access::Permission;
use crate::approvals::Kind;
use crate::capture::{self, Offer};
use crate::clock::Moment;
use crate::db::Conn;
use crate::ids::{Seq, is_erased_number};
use crate::ledger::store as ledger;
use crate::records::history::{self, Reading, Version};
use crate::records::store::{self, ChangeRow, RecordRow};
use crate::records::{self, Axis, Restoration, State};
use crate::reports::page::words::{LocalTime, UNKNOWN, count, counted, fact, mono, tag, words};
use crate::trail::ActError;
use crate::web::params::forwards;

use super::cookies::Done;
use super::desk::{Desk, Page};
use super::errors::{Failure, Trouble, sentence};
use super::travel::{field, picker};
use super::views::{DifferenceView, Empty, Fact, FieldError, Pager, RecordPage, RestoreAtSource, RestoreForm, ValueRow};

/// Changes of one page.
const PAGE: i64 = 25;
/// Numbers that are drawn, and changes that a drawing looks at.
const DRAWN: usize = 3;
const READINGS: i64 = 200;

const MISSING: Trouble = Trouble::Missing("There is no such record.");

/// What of a record is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    at: Option<Moment>,
    version: Option<i64>,
    from: Option<Moment>,
    to: Option<Moment>,
    before: Option<i64>,
}

/// Everything the page shows, as read.
pub(super) struct Shown {
    record: RecordRow,
    source: String,
    first: Option<ChangeRow>,
    newest: Option<ChangeRow>,
    /// The change whose state is shown, and that state.
    then: Option<(ChangeRow, State)>,
    now: State,
    compared: Option<(Option<State>, Option<State>)>,
    readings: Vec<(String, Vec<Reading>)>,
    history: (Vec<Version>, bool),
}

fn read(conn: &mut Conn, id: Seq, asked: Asked) -> Result<Shown, Trouble> {
    let record = store::record(conn, id)?.ok_or(MISSING)?;
    let newest = store::newest(conn, id)?;
    let then = match (asked.version, asked.at) {
        (Some(version), _) => Some(store::version(conn, id, version)?.ok_or(MISSING)?),
        (None, Some(at)) => records::in_force(conn, id, at, Axis::Effective)?,
        (None, None) => newest.clone(),
    };
    let now = match &newest {
        Some(newest) => records::at_version(conn, newest)?,
        None => State::default(),
    };
    let then = match then {
        Some(change) => {
            let state = records::at_version(conn, &change)?;
            Some((change, state))
        }
        None => None,
    };
    let mut at = |at: Moment| -> Result<Option<State>, Trouble> {
        match records::in_force(conn, id, at, Axis::Effective)? {
            Some(change) => Ok(Some(records::at_version(conn, &change)?)),
            None => Ok(None),
        }
    };
    let compared = match (asked.from, asked.to) {
        (Some(from), Some(to)) => Some((at(from)?, at(to)?)),
        _ => None,
    };
    let mut readings = Vec::new();
    for path in history::numeric(&now, DRAWN) {
        let found = history::readings(conn, id, &path, READINGS)?;
        readings.push((path, found));
    }
    let source = ledger::sources(conn)?.into_iter().find(|source| source.id == record.source);
    Ok(Shown {
        first: store::version(conn, id, 1)?,
        history: history::page(conn, id, asked.before, PAGE)?,
        source: source.map_or_else(String::new, |source| source.name),
        record,
        newest,
        then,
        now,
        compared,
        readings,
    })
}

/// `GET /records/{id}`
pub(super) async fn show(desk: Desk, id: web::Path<Seq>, request: HttpRequest) -> Page {
    let (id, time) = (*id, desk.time());
    let asked = desk.asked(&request, &["at", "version", "from", "to", "before"], |query| {
        let asked = Asked {
            at: query.read("at", |text| desk.instant(text))?,
            version: query.read("version", str::parse)?,
            from: query.read("from", |text| desk.instant(text))?,
            to: query.read("to", |text| desk.instant(text))?,
            before: query.read("before", str::parse)?,
        };
        if let (Some(from), Some(to)) = (asked.from, asked.to) {
            forwards(&time.second(from), &time.second(to), "to")?;
        }
        Ok(asked)
    })?;
    let shown = desk.read(move |conn| read(conn, id, asked)).await?;
    let version = shown.then.as_ref().map(|(change, _)| change.version);
    desk.viewed(json!({ "record": id, "version": version })).await?;
    desk.show(&page(&desk, &shown, asked))
}

/// Going back, as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    version: i64,
    reason: String,
    /// `yes`: in the bank's own table too.
    at_source: String,
}

/// `POST /records/{id}/restore`: proposed to another officer.
pub(super) async fn restore(desk: Desk, id: web::Path<Seq>, sent: web::Form<Sent>) -> Page {
    let (id, sent) = (*id, sent.into_inner());
    let version = sent.version;
    let worked_out = desk.read(move |conn| Ok(Restoration::of(conn, id, version))).await?;
    let found = worked_out.map_err(|error| desk.fail(error.into()))?;
    let facts = match sent.at_source.as_str() {
        "yes" => at_source(&desk, id, &found).await?,
        _ => found.facts(),
    };
    match desk.propose(Kind::RestoreRecord, found.about(), facts, sent.reason.clone()).await? {
        Ok(seq) => Ok(desk.go(&format!("/approvals/{seq}"), Some(Done::Proposed(seq)))),
        Err(ActError::Refused { status: 422, detail, .. }) => {
            let asked = Asked { version: Some(version), ..Asked::default() };
            let shown = desk.read(move |conn| read(conn, id, asked)).await?;
            desk.viewed(json!({ "record": id, "version": version })).await?;
            let mut page = page(&desk, &shown, asked);
            if let Some(form) = page.restore.as_mut() {
                form.reason = sent.reason;
                form.errors = vec![FieldError { field: "reason".to_owned(), text: sentence(&detail) }];
            }
            desk.show_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(desk.fail(error.into())),
    }
}

/// The facts of a proposal that is carried out in the bank's own table.
async fn at_source(desk: &Desk, id: Seq, found: &Restoration) -> Result<serde_json::Value, Failure> {
    let shown = desk.read(move |conn| read(conn, id, Asked::default())).await?;
    match capture::offer(&desk.app.config, &shown.source, &shown.record.kind, found.existence.0) {
        Some(Offer::May(from)) => Ok(found.facts_at_source(&from.capture)),
        Some(Offer::Not(why)) => Err(desk.fail(ActError::refused(409, "not_offered", why).into())),
        None => Err(desk.fail(ActError::refused(409, "not_offered", "this record was not captured from a table").into())),
    }
}

/// What going back to the state that is shown would change.
fn restoring(desk: &Desk, shown: &Shown, past: bool) -> Option<RestoreForm> {
    let (change, state) = shown.then.as_ref().filter(|_| past)?;
    if is_erased_number(&shown.record.reference) {
        return None;
    }
    let columns = ("Now".to_owned(), "Then".to_owned());
    let rows = lines::between(&shown.now, state);
    let difference = DifferenceView { heading: "What going back would change".to_owned(), columns, rows };
    Some(RestoreForm {
        action: format!("/records/{}/restore", shown.record.id),
        version: change.version.to_string(),
        difference,
        reason: String::new(),
        errors: Vec::new(),
        at_source: capture::offer(&desk.app.config, &shown.source, &shown.record.kind, state.exists).map(|offer| match offer {
            Offer::May(from) => RestoreAtSource { may: true, text: from.table.table },
            Offer::Not(why) => RestoreAtSource { may: false, text: why },
        }),
        may: desk.session.as_ref().is_some_and(|session| Kind::RestoreRecord.may_submit(session.role)),
    })
}

fn page(desk: &Desk, shown: &Shown, asked: Asked) -> RecordPage {
    let time = desk.time();
    let newest = shown.newest.as_ref().map_or(0, |newest| newest.version);
    let past = shown.then.as_ref().map_or(asked.at.is_some(), |(change, _)| change.version != newest);
    let deleted = shown.newest.is_some() && !shown.now.exists;
    let (versions, more) = &shown.history;
    let id = shown.record.id;
    RecordPage {
        chrome: desk.chrome("Record"),
        kind: words(&shown.record.kind),
        reference: reference(&shown.record),
        tags: deleted.then(|| tag("Deleted", "neutral")).into_iter().collect(),
        facts: facts(shown, time),
        href: format!("/records/{id}"),
        travel: picker(&format!("/records/{id}"), asked.at, time),
        from: field(asked.from, time),
        to: field(asked.to, time),
        heading: heading(shown, asked, past, time),
        standing: standing(shown, asked, time),
        past,
        values: shown.then.as_ref().map(|(_, state)| values(state)).unwrap_or_default(),
        values_empty: nothing(shown),
        sealed: sealed::form(desk, shown),
        difference: difference(shown, asked, time),
        restore: restoring(desk, shown, past),
        figures: shown.readings.iter().filter_map(|(path, readings)| lines::figure(path, readings, time)).collect(),
        history: versions.iter().map(|version| lines::version(version, id, time, desk.may(Permission::Reveal))).collect(),
        pager: pager(id, versions, *more, newest, asked.before),
    }
}

fn reference(record: &RecordRow) -> String {
    if is_erased_number(&record.reference) { "erased".to_owned() } else { record.reference.clone() }
}

fn facts(shown: &Shown, time: LocalTime) -> Vec<Fact> {
    let at =
        |row: &Option<ChangeRow>| row.as_ref().map_or_else(|| UNKNOWN.to_owned(), |row| time.second(Moment(row.effective_at)));
    vec![
        fact("Source", shown.source.clone()),
        fact("First known", at(&shown.first)),
        fact("Last change", at(&shown.newest)),
        fact("Changes", shown.newest.as_ref().map_or_else(|| "0".to_owned(), |newest| count(newest.version))),
        mono("Number", count(shown.record.id)),
    ]
}

fn heading(shown: &Shown, asked: Asked, past: bool, time: LocalTime) -> String {
    match (asked.version, asked.at, &shown.then) {
        (Some(version), ..) if past => format!("As version {} made it", count(version)),
        (_, Some(at), _) => format!("As it was on {}", time.second(at)),
        _ => "As it is now".to_owned(),
    }
}

fn standing(shown: &Shown, asked: Asked, time: LocalTime) -> String {
    match &shown.then {
        Some((change, _)) => {
            let newest = shown.newest.as_ref().map_or(change.version, |newest| newest.version);
            let since = time.second(Moment(change.effective_at));
            format!("Version {} of {}, in force since {since}.", count(change.version), count(newest))
        }
        None if asked.at.is_some() => "Nothing was known of this record yet.".to_owned(),
        None => "Nothing is known of this record.".to_owned(),
    }
}

fn nothing(shown: &Shown) -> Empty {
    let (title, text) = match &shown.then {
        _ if is_erased_number(&shown.record.reference) => {
            ("Erased", "What was stored of this record was erased. The log keeps that it changed, and when.")
        }
        Some((_, state)) if !state.exists => ("Deleted", "The record had been deleted."),
        Some(_) => ("Empty", "The record was there and had no values."),
        None => ("Not yet", "No change was known by then."),
    };
    Empty { title: title.to_owned(), text: text.to_owned(), action: None }
}

fn values(state: &State) -> Vec<ValueRow> {
    let row = |(path, held): (&String, &records::Held)| ValueRow {
        path: path.clone(),
        value: held.value.as_ref().map(records::Json::for_people).unwrap_or_default(),
        tag: held.value.is_none().then(|| tag("Sealed", "info")),
    };
    state.values.iter().map(row).collect()
}

fn difference(shown: &Shown, asked: Asked, time: LocalTime) -> Option<DifferenceView> {
    let (from, to) = shown.compared.as_ref()?;
    let empty = State::default();
    let rows = lines::between(from.as_ref().unwrap_or(&empty), to.as_ref().unwrap_or(&empty));
    let name = |at: Option<Moment>| at.map_or_else(String::new, |at| time.second(at));
    let columns = (name(asked.from), name(asked.to));
    let heading = format!("{} between {} and {}", counted(rows.len() as i64, "difference", "differences"), columns.0, columns.1);
    Some(DifferenceView { heading, columns, rows })
}

fn pager(id: Seq, versions: &[Version], more: bool, newest: i64, before: Option<i64>) -> Pager {
    let (Some(first), Some(last)) = (versions.first(), versions.last()) else { return Pager::default() };
    let (high, low) = (first.change.version, last.change.version);
    Pager {
        shown: format!("Versions {} to {} of {}", count(high), count(low), count(newest)),
        first: before.map(|_| format!("/records/{id}#history")),
        next: more.then(|| format!("/records/{id}?before={low}#history")),
    }
}
