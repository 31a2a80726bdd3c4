//! One break, of an entry or of a record: what does not follow, and its explanation, which one officer
//! proposes and another approves.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Permission;
use crate::alerts::{self, ContinuityBreak, breaks};
use crate::app::BreakName;
use crate::approvals::{self, Kind};
use crate::clock::{Moment, day_date};
use crate::db::Conn;
use crate::ids::{Seq, mask_account};
use crate::ledger::{BreakKind, BreakState};
use crate::records::OPEN;
use crate::records::event::Private;
use crate::records::store::{self as records, ChangeRow, RecordBreakRow, RecordRow};
use crate::reports::page::words::{account_link, break_state, count, fact, link, words};
use crate::trail::{ActError, store as trail};

use super::cookies::Done;
use super::desk::{Desk, Page};
use super::errors::{Failure, Trouble, sentence};
use super::views::{BreakPage, ChangeLine, ExplainForm, Fact, FieldError, Link};
use super::{fill, record};

const MISSING: Trouble = Trouble::Missing("There is no such break. An address ends with its place in the log and its kind.");

/// The break as read.
enum What {
    Entry(Box<ContinuityBreak>),
    Record(Box<RecordBreakRow>, Box<RecordRow>, Box<ChangeRow>, Option<Box<Private>>),
}

struct Shown {
    name: BreakName,
    what: What,
    /// The alert it is in.
    alert: Option<String>,
    /// The proposal that is open, and the one that explained it.
    waiting: Option<Seq>,
    explained: Option<Seq>,
}

impl Shown {
    fn state(&self) -> BreakState {
        match &self.what {
            What::Entry(found) => found.state,
            What::Record(row, ..) if row.state == OPEN => BreakState::Open,
            What::Record(..) => BreakState::Explained,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state(), BreakState::Open | BreakState::Frozen)
    }

    /// What of the customer is looked at.
    fn looked_at(&self) -> Value {
        match &self.what {
            What::Entry(found) => json!({ "break": self.name.seq, "account": found.account.id }),
            What::Record(row, ..) => json!({ "break": self.name.seq, "record": row.record }),
        }
    }
}

fn read(conn: &mut Conn, name: BreakName) -> Result<Shown, Trouble> {
    let BreakName { seq, kind } = name;
    let (what, closed_by, alert) = if kind == BreakKind::Record {
        let row = records::record_break(conn, seq)?.ok_or(MISSING)?;
        let record = records::record(conn, row.record)?.ok_or(MISSING)?;
        let change = records::change(conn, seq)?.ok_or(MISSING)?;
        let part = trail::event(conn, seq)?.and_then(|(_, part)| part);
        let private = part.and_then(|part| Private::read(&part.body));
        let closed_by = row.closed_by;
        (What::Record(Box::new(row), Box::new(record), Box::new(change), private.map(Box::new)), closed_by, None)
    } else {
        let found = breaks::at(conn, seq)?.into_iter().find(|found| found.found.kind == kind).ok_or(MISSING)?;
        let alert = match found.alert {
            Some(id) => alerts::store::reference_of(conn, id)?,
            None => None,
        };
        let closed_by = found.closed_by;
        (What::Entry(Box::new(found)), closed_by, alert)
    };
    let waiting = approvals::store::open_about(conn, Kind::ExplainBreak.text(), &name.about())?.map(|row| row.id);
    let mut shown = Shown { name, what, alert, waiting, explained: None };
    if let (BreakState::Explained, Some(event)) = (shown.state(), closed_by) {
        let body = trail::event(conn, event)?.and_then(|(row, _)| serde_json::from_str::<Value>(&row.body).ok());
        shown.explained = body.and_then(|body| body["proposal"].as_i64());
    }
    Ok(shown)
}

fn parse(desk: &Desk, path: &(String, String)) -> Result<BreakName, Failure> {
    BreakName::parse(&path.0, &path.1).ok_or_else(|| desk.fail(MISSING))
}

/// `GET /breaks/{seq}/{kind}`
pub(super) async fn show(desk: Desk, path: web::Path<(String, String)>) -> Page {
    let name = parse(&desk, &path)?;
    render(&desk, name, None).await
}

/// The reason as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    reason: String,
}

/// `POST /breaks/{seq}/{kind}/explanation`: proposed to another officer.
pub(super) async fn propose(desk: Desk, path: web::Path<(String, String)>, sent: web::Form<Sent>) -> Page {
    let name = parse(&desk, &path)?;
    let (reason, by, whence) = (sent.into_inner().reason, desk.user()?, json!({ "ip": desk.peer }));
    let typed = reason.clone();
    let worked_out = desk.read(move |conn| Ok(name.explanation(conn, reason, by, whence))).await?;
    let submission = worked_out.map_err(|error| desk.fail(error.into()))?;
    match desk.record(move |log| approvals::submit(log, submission)).await? {
        Ok(seq) => Ok(desk.go(&format!("/approvals/{seq}"), Some(Done::Proposed(seq)))),
        Err(ActError::Refused { status: 422, detail, .. }) => render(&desk, name, Some((typed, sentence(&detail)))).await,
        Err(error) => Err(desk.fail(error.into())),
    }
}

async fn render(desk: &Desk, name: BreakName, tried: Option<(String, String)>) -> Page {
    let shown = desk.read(move |conn| read(conn, name)).await?;
    desk.viewed(shown.looked_at()).await?;
    let status = if tried.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let proposal = |id: Seq| desk.proposal(id);
    let may = desk.may(Permission::Correct) && shown.waiting.is_none() && shown.is_open();
    let note = match shown.state() {
        BreakState::Healed => Some("A later entry healed it: nothing is left to explain."),
        BreakState::Explained => None,
        _ if may || shown.waiting.is_some() => None,
        _ => Some("An officer can propose an explanation, and another one approves it."),
    };
    let (reason, error) = tried.map_or_else(Default::default, |(reason, error)| (reason, Some(error)));
    let page = BreakPage {
        chrome: desk.chrome(&title(&shown)),
        title: title(&shown),
        of: of(&shown),
        tags: vec![break_state(shown.state().text())],
        summary: summary(&shown).to_owned(),
        facts: facts(desk, &shown),
        mismatches: mismatches(&shown),
        explained: shown.explained.map(proposal),
        waiting: shown.waiting.map(proposal),
        form: may.then(|| ExplainForm {
            action: format!("/breaks/{}/{}/explanation", name.seq, name.kind.text()),
            reason,
            errors: error.into_iter().map(|text| FieldError { field: "reason".to_owned(), text }).collect(),
        }),
        note: note.map(str::to_owned),
    };
    desk.show_as(status, &page)
}

fn title(shown: &Shown) -> String {
    match &shown.what {
        What::Entry(_) => format!("{} break at entry {}", words(shown.name.kind.text()), shown.name.seq),
        What::Record(_, record, change, _) => format!("{}: change {} did not follow", words(&record.kind), change.version),
    }
}

fn of(shown: &Shown) -> Link {
    match &shown.what {
        What::Entry(found) => account_link(&found.account.masked(), found.account.id),
        What::Record(row, record, ..) => link(mask_account(&record.reference), format!("/records/{}#history", row.record)),
    }
}

fn summary(shown: &Shown) -> &'static str {
    match shown.what {
        What::Entry(_) => "What the entry says is not what the entries before it lead to.",
        What::Record(..) => {
            "What the sender said was there before is not what we last knew: something changed without being sent."
        }
    }
}

fn facts(desk: &Desk, shown: &Shown) -> Vec<Fact> {
    let time = desk.time();
    let mut facts = match &shown.what {
        What::Entry(found) => {
            let row = fill::break_row(found, None, time);
            let entry = Fact { href: Some(row.entry.href), ..fact("Entry", row.entry.text) };
            let amounts = [("Expected", row.expected), ("Found", row.found), ("Difference", row.difference)];
            let amounts = amounts.map(|(label, text)| fact(label, text));
            let date = fact("Business date", day_date(found.business_date).to_string());
            let mut facts = vec![entry];
            facts.extend(amounts);
            facts.extend([fact("Currency", row.currency), date, fact("Recorded", row.recorded)]);
            facts
        }
        What::Record(row, _, change, private) => {
            let who = change.actor.clone().unwrap_or_else(|| "nobody named".to_owned());
            let why = private.as_ref().and_then(|private| private.reason.clone()).unwrap_or_else(|| "no reason given".to_owned());
            vec![
                fact("Fields", count(row.fields.into())),
                fact("Changed", time.second(Moment(change.changed_at))),
                fact("Recorded", time.second(Moment(row.opened_at))),
                fact("Who", who),
                fact("Why", why),
            ]
        }
    };
    facts.extend(shown.alert.as_ref().map(|alert| Fact { href: Some(format!("/alerts/{alert}")), ..fact("Alert", alert) }));
    facts
}

fn mismatches(shown: &Shown) -> Vec<ChangeLine> {
    match &shown.what {
        What::Record(.., Some(private)) => record::mismatches(private),
        _ => Vec::new(),
    }
}
