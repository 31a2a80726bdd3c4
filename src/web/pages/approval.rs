//! One proposal: what it would do, why, and deciding it.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Permission;
use crate::approvals::{self, Deciding, Decision, Proposal, State, Word};
use crate::ids::Seq;
use crate::privacy::{Scope, Subject};
use crate::reports::page::words::{fact, mono, words};
use crate::trail::ActError;

use super::approvals::{Names, name, names, state, submitter};
use super::cookies::Done;
use super::desk::{Desk, Page};
use super::errors::{Trouble, sentence};
use super::views::{ApprovalPage, Fact, FieldError, HistoryRow, VerdictForm};

/// The decision as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    decision: String,
    comment: String,
}

const MISSING: Trouble = Trouble::Missing("There is no such proposal.");

fn parse(id: &str) -> Result<Seq, Trouble> {
    id.parse().map_err(|_| MISSING)
}

/// `GET /approvals/{id}`
pub(super) async fn show(desk: Desk, path: web::Path<String>) -> Page {
    let id = parse(&path).map_err(|t| desk.fail(t))?;
    render(&desk, id, &Sent::default(), Vec::new()).await
}

/// `POST /approvals/{id}/decision`
pub(super) async fn decide(desk: Desk, path: web::Path<String>, sent: web::Form<Sent>) -> Page {
    let id = parse(&path).map_err(|t| desk.fail(t))?;
    let sent = sent.into_inner();
    let decision = Decision::parse(&sent.decision).filter(|decision| *decision != Decision::Withdraw);
    let Some(decision) = decision else {
        let error = FieldError { field: "comment".to_owned(), text: "Choose whether to approve or to refuse.".to_owned() };
        return render(&desk, id, &sent, vec![error]).await;
    };
    match say(&desk, id, decision, &sent.comment).await? {
        Ok(seq) => Ok(desk.go(&format!("/approvals/{id}"), Some(Done::ProposalDecided(seq)))),
        Err(ActError::Refused { status: 422, detail, .. }) => {
            let error = FieldError { field: "comment".to_owned(), text: sentence(&detail) };
            render(&desk, id, &sent, vec![error]).await
        }
        Err(error) => Err(desk.fail(error.into())),
    }
}

/// `POST /approvals/{id}/withdrawal`
pub(super) async fn withdraw(desk: Desk, path: web::Path<String>) -> Page {
    let id = parse(&path).map_err(|t| desk.fail(t))?;
    let seq = say(&desk, id, Decision::Withdraw, "").await?.map_err(|e| desk.fail(e.into()))?;
    Ok(desk.go(&format!("/approvals/{id}"), Some(Done::ProposalDecided(seq))))
}

async fn say(desk: &Desk, id: Seq, decision: Decision, comment: &str) -> Result<Result<Seq, ActError>, super::errors::Failure> {
    let whence = json!({ "ip": desk.peer });
    let deciding = Deciding { id, decision, comment: comment.to_owned(), user: desk.user()?, whence };
    desk.record(move |log| approvals::decide(log, deciding)).await
}

async fn render(desk: &Desk, id: Seq, sent: &Sent, errors: Vec<FieldError>) -> Page {
    let (proposal, names) = desk
        .read(move |conn| {
            let proposal = approvals::find(conn, id)?.ok_or(MISSING)?;
            Ok((proposal, names(conn)?))
        })
        .await?;
    let private = !proposal.kind.is_about_customer() || desk.may(Permission::ReadCustomers);
    if private && proposal.kind.is_about_customer() {
        desk.viewed(json!({ "proposal": id })).await?;
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let form = form(desk, &proposal, sent, errors);
    let mine = proposal.submitted_by.is_some() && proposal.submitted_by == desk.session.as_ref().map(|s| s.user);
    let page = ApprovalPage {
        chrome: desk.chrome(proposal.kind.title()),
        title: proposal.kind.title().to_owned(),
        state: state(proposal.state),
        next: next(desk, &proposal),
        effects: proposal.kind.effects(&proposal.facts),
        facts: public_facts(&proposal),
        detail: proposal.detail.as_ref().filter(|_| private).map(facts).unwrap_or_default(),
        reason: proposal.reason.clone().filter(|_| private),
        reason_note: if private { "The reason has been erased." } else { "Your role does not see customers." }.to_owned(),
        withdraw: (mine && proposal.state.is_open()).then(|| format!("/approvals/{id}/withdrawal")),
        read_only: form.is_none().then(|| read_only(desk, &proposal, mine)),
        form,
        history: history(desk, &proposal, &names, private),
    };
    desk.show_as(status, &page)
}

fn form(desk: &Desk, proposal: &Proposal, sent: &Sent, errors: Vec<FieldError>) -> Option<VerdictForm> {
    let session = desk.session.as_ref()?;
    let waits = approvals::waits_for(proposal, session.user, session.role, desk.now());
    let may_stop = proposal.state.is_open()
        && proposal.kind.may_approve(session.role)
        && proposal.submitted_by != Some(session.user)
        && desk.now() < proposal.expires_at;
    (waits || may_stop).then(|| VerdictForm {
        action: format!("/approvals/{}/decision", proposal.id),
        may_approve: waits,
        comment: sent.comment.clone(),
        errors,
    })
}

fn read_only(desk: &Desk, proposal: &Proposal, mine: bool) -> String {
    match proposal.state {
        State::Submitted | State::Approved if desk.now() >= proposal.expires_at => "Its time is over: submit it again.",
        State::Submitted if mine => "You submitted this: another officer must approve it.",
        State::Submitted | State::Approved => "Your role reads proposals and does not decide them.",
        _ => "Nothing more can be decided about it.",
    }
    .to_owned()
}

/// What happens next, in one sentence.
fn next(desk: &Desk, proposal: &Proposal) -> String {
    let time = desk.time();
    let until = time.minute(proposal.expires_at);
    match (proposal.state, proposal.ready_at) {
        (State::Submitted, _) => match proposal.approvals_missing() {
            2 => format!("It came from the command line and needs two officers, until {until}."),
            _ if proposal.first.is_some() => format!("One officer has approved it; it needs a second one, until {until}."),
            _ => format!("It needs the approval of another officer, until {until}."),
        },
        (State::Approved, Some(ready)) if desk.now() < ready => {
            format!("It is approved and rests until {}; until then any officer may stop it.", time.minute(ready))
        }
        (State::Approved, _) => format!("It is approved and about to be carried out, until {until} at the latest."),
        (State::CarriedOut, _) => "It was approved and has been carried out.".to_owned(),
        (State::Refused, _) => match &proposal.end {
            Some(Word { by: None, comment, .. }) => {
                let why = comment.as_deref().unwrap_or("the reason was erased");
                format!(
                    "It was approved, and ended when it was to be carried out, without an officer's no: {why}. Nothing was done."
                )
            }
            _ => "An officer said no; nothing was done.".to_owned(),
        },
        (State::Withdrawn, _) => "It was taken back; nothing was done.".to_owned(),
        (State::Expired, _) => "Nobody dealt with it in time; nothing was done.".to_owned(),
    }
}

/// Whom an erasure or a hold is about, in words.
fn subject(value: &Value) -> Option<String> {
    let Subject { scope, name } = serde_json::from_value(value.clone()).ok()?;
    Some(match scope {
        Scope::Account => format!("Account {name}"),
        Scope::Party => format!("Holder {name}"),
        Scope::Range => format!("From {}", name.replace('/', " to ")),
    })
}

/// The fields of an object, each as a fact.
fn facts(value: &Value) -> Vec<Fact> {
    let plain = |value: &Value| subject(value).or_else(|| value.as_str().map(str::to_owned)).unwrap_or_else(|| value.to_string());
    let long = |text: &str| text.len() > 24 && !text.contains(' ');
    let fields = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    fields
        .map(|(name, value)| {
            let (label, text) = (words(name), plain(value));
            if long(&text) { mono(&label, text) } else { fact(&label, text) }
        })
        .collect()
}

/// Public facts; a record's leads to what going back would change.
fn public_facts(proposal: &Proposal) -> Vec<Fact> {
    let mut list = facts(&proposal.facts);
    if let (Some(record), Some(version)) = (proposal.facts["record"].as_i64(), proposal.facts["version"].as_i64()) {
        for fact in list.iter_mut().filter(|fact| fact.label == "Record") {
            fact.href = Some(format!("/records/{record}?version={version}#restore"));
        }
    }
    list
}

/// What happened to it, newest first.
fn history(desk: &Desk, proposal: &Proposal, names: &Names, private: bool) -> Vec<HistoryRow> {
    let time = desk.time();
    let row = |word: &Word, what: &str| HistoryRow {
        at: time.second(word.at),
        by: word.by.map_or_else(|| "Counterfoil".to_owned(), |user| name(user, names)),
        what: what.to_owned(),
        detail: word.comment.clone().filter(|_| private).unwrap_or_default(),
        seq: word.seq.to_string(),
    };
    let submitted = Word { by: None, at: proposal.submitted_at, seq: proposal.id, comment: None };
    let mut rows = vec![HistoryRow { by: submitter(proposal, names), ..row(&submitted, "Submitted") }];
    rows.extend(proposal.first.iter().map(|word| row(word, "Approved, first of two")));
    rows.extend(proposal.approval.iter().map(|word| row(word, "Approved")));
    rows.extend(proposal.end.iter().map(|word| row(word, &words(proposal.state.text()))));
    rows.reverse();
    rows
}
