//! The list of proposals.

use std::collections::HashMap;

use actix_web::HttpRequest;

use crate::access::users;
use crate::approvals::{self, Proposal, State};
use crate::ids::Seq;
use crate::reports::page::words::{counted, link, tag, words};
use crate::web::params::place;

use super::desk::{Desk, Page};
use super::views::{ApprovalsPage, Choice, Empty, Pager, ProposalRow, Tag};

/// Proposals of one page.
const PAGE: usize = 50;

/// Which proposals: the value in the address, its words, and the states it stands for.
const FILTERS: [(&str, &str, &[State]); 3] = [
    ("open", "Open", &[State::Submitted, State::Approved]),
    ("ended", "Decided or ended", &[State::Refused, State::Withdrawn, State::Expired, State::CarriedOut]),
    ("all", "All", &State::ALL),
];

/// Users' addresses by their ids.
pub(super) type Names = HashMap<Seq, String>;

/// `GET /approvals`
pub(super) async fn list(desk: Desk, request: HttpRequest) -> Page {
    let (filter, before) = desk.asked(&request, &["state", "before"], |query| {
        let known = |text: &str| FILTERS.iter().position(|(value, ..)| *value == text).ok_or("`open`, `ended` or `all`");
        Ok((query.read("state", known)?.unwrap_or(0), query.read("before", place)?))
    })?;
    let (value, _, states) = FILTERS[filter];
    let (mut found, names) = desk.read(move |conn| Ok((approvals::list(conn, states, before, PAGE + 1)?, names(conn)?))).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let page = ApprovalsPage {
        chrome: desk.chrome("Approvals"),
        summary: summary(desk.waiting()),
        states: FILTERS.iter().enumerate().map(|(at, (value, label, _))| choice(value, label, at == filter)).collect(),
        pager: Pager {
            shown: counted(found.len() as i64, "proposal on this page", "proposals on this page"),
            first: before.map(|_| format!("/approvals?state={value}")),
            next: found.last().filter(|_| more).map(|last| format!("/approvals?state={value}&before={}", last.id)),
        },
        rows: found.iter().map(|proposal| row(&desk, proposal, &names)).collect(),
        empty: empty(value),
    };
    desk.show(&page)
}

fn summary(waiting: u64) -> String {
    match waiting {
        0 => "What is grave needs two people: one proposes, another approves. Nothing waits for you.".to_owned(),
        n => format!("{} for your decision.", counted(i64::try_from(n).unwrap_or(i64::MAX), "proposal waits", "proposals wait")),
    }
}

fn choice(value: &str, label: &str, selected: bool) -> Choice {
    Choice { value: value.to_owned(), label: label.to_owned(), help: String::new(), selected }
}

fn empty(filter: &str) -> Empty {
    let title = if filter == "open" { "No open proposal" } else { "No such proposal" };
    let text = "A proposal appears here when somebody submits what a second person must approve, \
        such as another key for the log: counterfoil log rotate-key.";
    Empty { title: title.to_owned(), text: text.to_owned(), action: None }
}

/// Users' names, for whoever proposed and decided.
pub(super) fn names(conn: &mut crate::db::Conn) -> crate::db::DbResult<Names> {
    Ok(users::list(conn)?.into_iter().map(|user| (user.id, format!("{} ({})", user.email, user.role))).collect())
}

/// Whoever submitted it, in words.
pub(super) fn submitter(proposal: &Proposal, names: &Names) -> String {
    proposal.submitted_by.map_or_else(|| "The command line".to_owned(), |user| name(user, names))
}

/// A user's name.
pub(super) fn name(user: Seq, names: &Names) -> String {
    names.get(&user).cloned().unwrap_or_else(|| format!("User {user}"))
}

/// How far it is, as a tag.
pub(super) fn state(state: State) -> Tag {
    let tone = match state {
        State::Submitted => "warn",
        State::Approved => "info",
        State::CarriedOut => "good",
        State::Refused => "bad",
        State::Withdrawn | State::Expired => "neutral",
    };
    tag(words(state.text()), tone)
}

fn row(desk: &Desk, proposal: &Proposal, names: &Names) -> ProposalRow {
    let time = desk.time();
    ProposalRow {
        proposal: link(proposal.kind.title(), format!("/approvals/{}", proposal.id)),
        seq: proposal.id.to_string(),
        by: submitter(proposal, names),
        at: time.minute(proposal.submitted_at),
        until: if proposal.state.is_open() { time.minute(proposal.expires_at) } else { String::new() },
        state: state(proposal.state),
        mine: desk.session.as_ref().is_some_and(|s| approvals::waits_for(proposal, s.user, s.role, desk.now())),
    }
}
