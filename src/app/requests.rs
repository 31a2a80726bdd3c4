//! What a command can ask of whoever holds the log.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::Unproven;
use crate::access::keys::{self, IssueKey, RotateKey};
use crate::access::users::{self, AddUser, ResetPassword};
use crate::approvals;
use crate::audit::Verified;
use crate::detect::RuleSetBody;
use crate::export::archive;
use crate::ids::Seq;
use crate::import::{self, Finish, RunRow};
use crate::intake::{self, Delivery, DeliveryKind, Submission};
use crate::notify::letters;
use crate::reports::{self, Due, Made};
use crate::trail::attempts::{self, Attempt, Outcome};
use crate::trail::{Act, ActError, Acts, Log, NewEvent, Side};

use super::App;
use super::changes::{self, WireChanges};
use super::nights::{is_past, last_night, pass};
use super::privacy::PrivacyRequest;
use super::rows::{WireResult, WireRow};
use super::store;

/// Work for the leader. Secrets are hashed before they get here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", content = "with", rename_all = "snake_case")]
#[allow(missing_docs)] // each names what it carries
pub enum Request {
    AddUser(AddUser),
    ResetPassword(ResetPassword),
    DisableUser { email: String },
    IssueKey(IssueKey),
    RotateKey(RotateKey),
    RevokeKey { prefix: String },
    SetRules { body: RuleSetBody, reason: String },
    BeginImport { source: String, digest: String },
    NoteImport(RunRow),
    FinishImport(Finish),
    NoteExport { body: Value, private: Value },
    NoteArchive { body: Value, private: Value },
    NoteVerified(Verified),
    Propose(approvals::Submission),
    Unproven(Unproven),
    Letters(letters::Order),
    Nightly { date: Option<NaiveDate> },
    Privacy(PrivacyRequest),
    Prune,
    Submit { source: Seq, origin: String, history: bool, rows: Vec<WireRow> },
    Append { events: Vec<WireEvent> },
    Changes(WireChanges),
    NoteCapture { removed: bool, body: Value },
    NoteSeen { report: bool, body: Value, private: Value },
    Begin { act: String },
    End { attempt: Seq, outcome: String },
}

/// What a command does in steps of its own between its attempt and its end, above all what it shows or hands out.
pub const IN_STEPS: &[&str] = &[
    "archive.make",
    "backup.make",
    "capture.reconcile",
    "capture.remove",
    "entry.read",
    "export.make",
    "heads.prove",
    "hold.list",
    "import.run",
    "log.export",
    "log.replay",
    "record.read",
    "report.read",
];

/// What an instance that stands by may have the leader append: records of who looked and who was refused.
pub(super) const APPENDED: &[&str] =
    &["access.denied", "access.redirected", "customer.viewed", "key.read", "report.by_user", "report.read", "session.refused"];

/// An event on its way to the leader.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireEvent {
    kind: String,
    body: Value,
    private: Option<Value>,
}

impl From<NewEvent> for WireEvent {
    fn from(event: NewEvent) -> WireEvent {
        WireEvent { kind: event.kind.to_owned(), body: event.body, private: event.private }
    }
}

impl WireEvent {
    fn into_event(self) -> Result<NewEvent, ActError> {
        let kind = APPENDED.iter().find(|kind| **kind == self.kind).copied();
        let kind = kind
            .ok_or_else(|| ActError::refused(422, "kind_not_appended", format!("`{}` is not appended for others", self.kind)))?;
        Ok(NewEvent { kind, body: self.body, private: self.private })
    }
}

impl Request {
    /// The act that this is, by its stable name: recorded before it is done, and its outcome after. What
    /// only records something has none; an import's events are its begin and its end.
    fn act(&self) -> Option<&'static str> {
        Some(match self {
            Request::AddUser(_) => "user.add",
            Request::ResetPassword(_) => "user.reset",
            Request::DisableUser { .. } => "user.disable",
            Request::IssueKey(_) => "key.issue",
            Request::RotateKey(_) => "key.rotate",
            Request::RevokeKey { .. } => "key.revoke",
            Request::SetRules { .. } => "rules.activate",
            Request::Propose(_) => "approval.submit",
            Request::Letters(order) => match order.deed {
                letters::Deed::Resend => "mail.resend",
                letters::Deed::Acknowledge => "mail.acknowledge",
            },
            Request::Nightly { .. } => "report.make",
            Request::Privacy(request) => request.act(),
            Request::Prune => "values.prune",
            Request::BeginImport { .. } | Request::NoteImport(_) | Request::FinishImport(_) => return None,
            Request::NoteExport { .. } | Request::NoteArchive { .. } | Request::NoteVerified(_) => return None,
            Request::Submit { .. } | Request::Append { .. } | Request::Changes(_) | Request::NoteCapture { .. } => return None,
            Request::Unproven(_) | Request::NoteSeen { .. } | Request::Begin { .. } | Request::End { .. } => return None,
        })
    }

    /// The officer who asks, where one proved it.
    fn user(&self) -> Option<Seq> {
        match self {
            Request::Propose(submission) => submission.by,
            _ => None,
        }
    }

    /// Whether doing it twice changes nothing more: entries are known by their references, a report that is there
    /// is made no second time.
    fn repeats(&self) -> bool {
        matches!(self, Request::Submit { .. } | Request::Changes(_) | Request::NoteImport(_) | Request::Nightly { .. })
    }

    /// Answers for what a process did that was killed between its commit and its answer: it is not done again.
    pub(super) fn done_before(&self) -> Result<Value, RequestError> {
        match self {
            // Whoever asks for these waits for no more than that they are done.
            Request::AddUser(_) | Request::ResetPassword(_) | Request::DisableUser { .. } => Ok(Value::Null),
            Request::RevokeKey { .. } | Request::SetRules { .. } => Ok(Value::Null),
            Request::NoteExport { .. } | Request::NoteArchive { .. } => Ok(Value::Null),
            Request::NoteVerified(_) | Request::NoteCapture { .. } => Ok(Value::Null),
            Request::NoteSeen { .. } | Request::End { .. } => Ok(Value::Null),
            _ => Err(RequestError {
                failed: true,
                code: "answer_lost".into(),
                detail: "the process that did this was killed after it had committed and before it could answer; it is not done \
                    again: see page Trail, or `counterfoil export events`, for what came of it"
                    .into(),
            }),
        }
    }

    /// Whether the command that asks is done with this, so that the log is signed before it ends.
    pub(super) fn ends_a_command(&self) -> bool {
        !matches!(
            self,
            Request::BeginImport { .. }
                | Request::NoteImport(_)
                | Request::Submit { .. }
                | Request::Append { .. }
                | Request::Changes(_)
                | Request::Begin { .. }
        )
    }
}

/// A log that notes, in the transaction of each act, that something was committed for a row of the inbox.
struct Marking {
    log: Log,
    row: i64,
}

impl Acts for Marking {
    fn act(&self, act: Act) -> Result<(), ActError> {
        let row = self.row;
        Acts::act(
            &self.log,
            Box::new(move |tx| {
                act(tx)?;
                let now = tx.now().0;
                Ok(store::mark(tx.conn, row, now)?)
            }),
        )
    }

    fn acts(&self) -> u64 {
        self.log.acts()
    }

    fn side(&self, side: Side) -> Result<(), ActError> {
        Acts::side(&self.log, side)
    }
}

/// A request, and who runs the command that makes it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub request: Request,
    /// The system's user: for the private part of what they attempt.
    pub whence: Option<Value>,
}

/// Why a request was not done.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct RequestError {
    /// Whether it could not be done at all, rather than being refused.
    pub failed: bool,
    /// Stable code of a refusal.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl RequestError {
    /// Something broke.
    pub fn failed(detail: String) -> RequestError {
        RequestError { failed: true, code: "failed".into(), detail }
    }
}

impl From<ActError> for RequestError {
    fn from(error: ActError) -> RequestError {
        match error {
            ActError::Refused { code, detail, .. } => RequestError { failed: false, code: code.into(), detail },
            other => RequestError::failed(other.to_string()),
        }
    }
}

/// Does what is asked, an act between its attempt and its end; returns after the commit. What is committed for
/// `row` of the inbox is noted there with it.
pub(super) fn carry(app: &App, Asked { request, whence }: Asked, row: Option<i64>) -> Result<Value, RequestError> {
    let log = match row.filter(|_| !request.repeats()) {
        Some(row) => Log::new(Arc::new(Marking { log: app.log(), row })),
        None => app.log(),
    };
    let whence = whence.unwrap_or_else(|| json!({}));
    let request = match request {
        Request::Begin { act } => return begin(&log, &act, whence),
        other => other,
    };
    let Some(act) = request.act() else { return perform(app, &log, request) };
    let user = request.user();
    let attempt = attempts::begin(&app.log(), Attempt { act, door: "command", user, session: None, whence })?;
    let done = perform(app, &log, request);
    let outcome = match &done {
        Ok(_) => Outcome::Succeeded,
        Err(error) if error.failed => Outcome::Failed,
        Err(_) => Outcome::Refused,
    };
    if let Err(error) = attempts::end(&app.log(), attempt, outcome, None) {
        tracing::error!(attempt, %error, "the end of an act could not be recorded");
    }
    done
}

/// Records that a command sets out to do something in steps of its own.
fn begin(log: &Log, act: &str, whence: Value) -> Result<Value, RequestError> {
    let known = IN_STEPS.iter().find(|known| **known == act).copied();
    let act = known.ok_or_else(|| ActError::refused(422, "act_unknown", format!("`{act}` is no act of a command")))?;
    Ok(json!(attempts::begin(log, Attempt { act, door: "command", user: None, session: None, whence })?))
}

fn perform(app: &App, log: &Log, request: Request) -> Result<Value, RequestError> {
    Ok(match request {
        Request::AddUser(add) => json!(add.run(log)?),
        Request::ResetPassword(reset) => json!(reset.run(log)?),
        Request::DisableUser { email } => json!(users::disable(log, &email)?),
        Request::IssueKey(issue) => json!(issue.run(log)?),
        Request::RotateKey(rotate) => json!(rotate.run(log)?.prefix),
        Request::RevokeKey { prefix } => json!(keys::revoke(log, &prefix)?),
        Request::SetRules { body, reason } => json!(intake::define_rules(log, body, reason, None)?),
        Request::BeginImport { source, digest } => json!(log.act(move |tx| import::begin(tx, &source, &digest))?),
        Request::NoteImport(run) => json!(log.side(move |conn| import::note(conn, &run))?),
        Request::FinishImport(finish) => json!(log.act(move |tx| import::end(tx, finish))?),
        Request::NoteExport { body, private } => json!(log.append(NewEvent::with_private("export.made", body, private))?),
        Request::NoteArchive { body, private } => json!(log.act(move |tx| archive::made(tx, body, private))?),
        Request::NoteVerified(verified) => json!(verified.note(log)?),
        Request::Unproven(refused) => refused.refuse(log)?,
        Request::Propose(submission) => json!(approvals::submit(log, submission)?),
        Request::Letters(order) => json!(letters::carry_out(log, order)?),
        Request::Nightly { date } => {
            let made = nightly(app, date)?;
            // A date that is asked for is no night.
            if let Some(night) = last_night(app).map_err(ActError::from)?.filter(|_| date.is_none()) {
                pass(app, night)?;
            }
            json!(made.into_iter().map(told).collect::<Vec<_>>())
        }
        Request::Privacy(request) => super::privacy::perform(app, log, request)?,
        Request::Prune => json!(super::privacy::prune_with(app, log)?),
        Request::Append { events } => {
            let events = events.into_iter().map(WireEvent::into_event).collect::<Result<Vec<_>, ActError>>()?;
            json!(log.append_all(events)?)
        }
        Request::Changes(wire) => changes::perform(app, wire)?,
        Request::NoteCapture { removed, body } => {
            let kind = if removed { "capture.removed" } else { "capture.reconciled" };
            json!(log.append(NewEvent::public(kind, body))?)
        }
        Request::NoteSeen { report, body, private } => {
            let kind = if report { "report.read" } else { "customer.viewed" };
            json!(log.append(NewEvent::with_private(kind, body, private))?)
        }
        Request::Begin { act } => begin(log, &act, json!({}))?,
        Request::End { attempt, outcome } => {
            json!(attempts::end(log, attempt, Outcome::parse(&outcome).unwrap_or(Outcome::Unknown), None)?)
        }
        Request::Submit { source, origin, history, rows } => submit(app, source, origin, history, rows)?,
    })
}

/// Makes the reports that are due, or that of one date, and closes the days that are over; answers
/// what was made. That days cannot be closed does not take the reports back: it is said and tried
/// again, and the verification that follows tells why.
pub fn nightly(app: &App, date: Option<NaiveDate>) -> Result<Vec<(NaiveDate, Made)>, ActError> {
    let today = app.calendar.local_date(app.clock.now());
    if let Some(date) = date.filter(|date| *date > today) {
        let detail = format!("{date} has not begun; a report can be made from {today} back");
        return Err(ActError::refused(422, "date_ahead", detail));
    }
    let context = reports::Context::new(&app.config, app.clock.clone());
    let render = |report: &reports::Report| reports::page::frozen_in(report, &context.root);
    let what = match date {
        Some(date) => Due::Date(date),
        None => Due::Missing { restate: last_night(app)?.map_or(Ok(false), |night| is_past(app, night).map(|past| !past))? },
    };
    let made = reports::run_nightly(&app.log(), &app.db, &context, what, &render)?;
    match reports::close_days(&app.log(), &app.db, &context) {
        Ok(_) | Err(ActError::Refused { .. }) => {}
        Err(error) => tracing::error!(%error, "the account heads of a day could not be committed; it is tried again"),
    }
    Ok(made)
}

fn told((date, made): (NaiveDate, Made)) -> Value {
    let (outcome, version) = match made {
        Made::Stored(version) => ("stored", version),
        Made::Unchanged(version) => ("unchanged", version),
    };
    json!({ "date": date.to_string(), "version": version, "outcome": outcome })
}

fn submit(app: &App, source: Seq, origin: String, history: bool, rows: Vec<WireRow>) -> Result<Value, RequestError> {
    let (send, receive) = sync_channel(1);
    let delivery = Delivery { kind: DeliveryKind::Import, api_key: None, origin: Some(origin) };
    let rows = rows.into_iter().map(WireRow::into_row).collect();
    let reply: intake::Reply = Box::new(move |results| {
        let _ = send.send(results);
    });
    let stopped = |e: String| RequestError::failed(e);
    let submission = Submission { source, delivery, rows, atomic: false, history, reply };
    app.intake().map_err(|by| stopped(by.to_string()))?.submit_wait(submission).map_err(|e| stopped(e.to_string()))?;
    let results = receive.recv().map_err(|e| stopped(e.to_string()))?.map_err(|e| stopped(e.to_string()))?;
    let results: Vec<WireResult> = results.into_iter().map(WireResult::from).collect();
    serde_json::to_value(results).map_err(|e| stopped(e.to_string()))
}
