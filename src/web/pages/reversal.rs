//! Reversing an entry: a form on the entry's page, with what it would come to; another officer approves.

use actix_web::web;
use serde::Deserialize;

use crate::access::Permission;
use crate::approvals::{self, Kind};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::history::Newest;
use crate::ledger::reversals::{Reversal, store};
use crate::ledger::store::EntryRow;
use crate::reports::page::words::{UNKNOWN, fact, link, words};
use crate::trail::ActError;

use super::cookies::Done;
use super::desk::{Desk, Page};
use super::errors::sentence;
use super::views::{Fact, FieldError, ReversalForm, ReversalView};
use super::{entry, fill};

/// The form as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    reason: String,
    forced: Option<String>,
}

/// What was sent and could not be taken, and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    sent: Sent,
    error: String,
}

/// How far the reversal of an entry is.
pub(super) struct Standing {
    /// The entry that reversed it.
    by: Option<Seq>,
    /// The proposal that is open.
    waiting: Option<Seq>,
    /// What it would come to, or why it cannot be.
    dry: Result<Reversal, String>,
}

pub(super) fn read(conn: &mut Conn, heads: &Newest, entry: &EntryRow) -> DbResult<Standing> {
    let dry = match Reversal::of(conn, heads, entry.seq) {
        Ok(dry) => Ok(dry),
        Err(ActError::Db(error)) => return Err(error),
        Err(error) => Err(sentence(&error.to_string())),
    };
    let about = format!("entry {}", entry.seq);
    Ok(Standing {
        by: store::of(conn, entry.source, &entry.source_ref)?,
        waiting: approvals::store::open_about(conn, Kind::ReverseEntry.text(), &about)?.map(|row| row.id),
        dry,
    })
}

/// `POST /entries/{seq}/reversal`
pub(super) async fn propose(desk: Desk, seq: web::Path<String>, sent: web::Form<Sent>) -> Page {
    let (seq, sent) = (entry::parse(&desk, &seq)?, sent.into_inner());
    let (heads, forced) = (desk.app.newest.clone(), sent.forced.is_some());
    let worked_out = desk
        .read(move |conn| {
            let found = Reversal::of(conn, &heads, seq);
            Ok(found.and_then(|found| Ok((found.about(), found.facts(forced)?))))
        })
        .await?;
    let (about, facts) = match worked_out {
        Ok(found) => found,
        Err(ActError::Refused { code: "funds_insufficient" | "funds_unknown", detail, .. }) => {
            return entry::render_tried(&desk, seq, Tried { sent, error: sentence(&detail) }).await;
        }
        Err(error) => return Err(desk.fail(error.into())),
    };
    match desk.propose(Kind::ReverseEntry, about, facts, sent.reason.clone()).await? {
        Ok(seq) => Ok(desk.go(&format!("/approvals/{seq}"), Some(Done::Proposed(seq)))),
        Err(ActError::Refused { status: 422, detail, .. }) => {
            entry::render_tried(&desk, seq, Tried { sent, error: sentence(&detail) }).await
        }
        Err(error) => Err(desk.fail(error.into())),
    }
}

/// What the page says of it.
pub(super) fn view(desk: &Desk, standing: &Standing, seq: Seq, tried: Option<Tried>) -> ReversalView {
    let may = desk.may(Permission::Correct);
    let dry = standing.dry.as_ref().ok();
    let Tried { sent, error } = tried.unwrap_or_default();
    ReversalView {
        reversed: standing.by.map(|by| link(format!("entry {by}"), fill::entry_href(by))),
        waiting: standing.waiting.map(|id| desk.proposal(id)),
        facts: dry.map(facts).unwrap_or_default(),
        why_not: standing.dry.as_ref().err().filter(|_| standing.by.is_none()).cloned(),
        form: dry.filter(|_| may && standing.waiting.is_none()).map(|dry| ReversalForm {
            action: format!("/entries/{seq}/reversal"),
            must_force: dry.suffices() != Some(true),
            forced: sent.forced.is_some(),
            reason: sent.reason,
            errors: Some(error)
                .filter(|text| !text.is_empty())
                .map(|text| FieldError { field: "reverse-reason".to_owned(), text })
                .into_iter()
                .collect(),
        }),
    }
}

fn facts(dry: &Reversal) -> Vec<Fact> {
    let currency = &dry.entry.currency;
    let money = |minor: i64| format!("{currency} {}", fill::minor(minor.into(), currency));
    let balance = |minor: Option<i64>| minor.map_or_else(|| UNKNOWN.to_owned(), money);
    let funds = match dry.suffices() {
        Some(true) => "The funds suffice",
        Some(false) => "The funds do not suffice",
        None => "Not known",
    };
    vec![
        fact("The reversal", format!("{} of {}", words(dry.direction.text()), money(dry.entry.amount))),
        fact("Balance now", balance(dry.balance.map(|(before, _)| before))),
        fact("Balance after it", balance(dry.balance.map(|(_, after)| after))),
        fact("Funds", funds),
    ]
}
