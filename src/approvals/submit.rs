//! Submitting: one proposal for one thing at a time, by somebody who may.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::users;
use crate::clock::DAY;
use crate::db::bulk;
use crate::ids::{Seq, is_invisible};
use crate::trail::{ActError, ActTx, Log, NewEvent};

use super::Kind;
use super::store::{self, ProposalRow, SUBMITTED};

/// A proposal that nobody decides ends after this, microseconds; so does an approved one that cannot be
/// carried out for so long after its quarantine.
pub const KEPT: i64 = 7 * DAY;
/// How many characters a reason or a comment has.
pub const TEXT_CHARS: RangeInclusive<usize> = 20..=2_000;
/// Longest name of what a proposal is about.
const ABOUT_MAX: usize = 200;
/// Open proposals at most: beyond that somebody submits by the thousand.
const OPEN_MAX: i64 = 1_000;

/// Something that needs a second pair of eyes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// What is to be done.
    pub kind: Kind,
    /// The thing it is done to: an opaque name without anything personal. Of one kind there is one open
    /// proposal for each.
    pub about: String,
    /// Public facts, an object without anything personal: hashed for ever, and what officers read.
    pub facts: Value,
    /// Why; private.
    pub reason: String,
    /// Private facts for whoever carries it out.
    pub detail: Option<Value>,
    /// The user; `None` for the command line, which no user equals: it then needs two officers.
    pub by: Option<Seq>,
    /// Private: the address, or the user of the operating system.
    pub whence: Value,
}

/// Submits; answers the proposal's id. A refusal is recorded too. Refusals: `403 forbidden`,
/// `409 proposal_open`, `409 too_many_open`, `422 comment_length`, `422 comment_unreadable`,
/// `422 about_unfit`.
pub fn submit(log: &Log, submission: Submission) -> Result<Seq, ActError> {
    let (kind, by) = (submission.kind, submission.by);
    let submitted = log.act(move |tx| submit_in(tx, submission));
    if let Err(ActError::Refused { code, .. }) = &submitted {
        let body = json!({ "kind": kind.text(), "user": by, "code": code });
        log.append(NewEvent::public("approval.submit_refused", body))?;
    }
    submitted
}

/// The same inside an act, beside checks of the room that knows what is proposed.
pub fn submit_in(tx: &mut ActTx<'_>, submission: Submission) -> Result<Seq, ActError> {
    let Submission { kind, about, facts, reason, detail, by, whence } = submission;
    if let Some(user) = by {
        let user = users::find(tx.conn, user)?.filter(|user| user.active && kind.may_submit(user.role));
        user.ok_or_else(|| ActError::refused(403, "forbidden", "this account may not submit that; ask an officer"))?;
    }
    let reason = checked_text("reason", &reason)?;
    if about.is_empty() || about.len() > ABOUT_MAX || about.chars().any(char::is_control) {
        return Err(ActError::refused(422, "about_unfit", format!("name what it is about in 1 to {ABOUT_MAX} bytes")));
    }
    if let Some(open) = store::open_about(tx.conn, kind.text(), &about)? {
        let detail = format!("proposal {} for the same is open: decide or withdraw that one first", open.id);
        return Err(ActError::refused(409, "proposal_open", detail));
    }
    if store::count(tx.conn, SUBMITTED)? >= OPEN_MAX {
        return Err(ActError::refused(409, "too_many_open", format!("{OPEN_MAX} proposals wait already: decide those first")));
    }
    let expires_at = tx.now().plus(KEPT).0;
    let body = json!({ "kind": kind.text(), "about": about, "facts": facts, "user": by, "expires_at": expires_at });
    let private = json!({ "reason": reason, "detail": detail, "whence": whence });
    let id = tx.append(NewEvent::with_private("approval.submitted", body, private))?;
    let row = ProposalRow {
        id,
        kind: kind.text().to_owned(),
        about,
        facts: facts.to_string(),
        reason: Some(reason),
        detail: detail.map(|detail| detail.to_string()),
        submitted_by: by,
        submitted_at: tx.now().0,
        whence: Some(whence.to_string()),
        state: SUBMITTED,
        expires_at,
        ..ProposalRow::empty()
    };
    bulk::append(tx.conn, &[row])?;
    Ok(id)
}

/// A text of an officer, trimmed, or why it is not taken.
pub fn checked_text(name: &str, text: &str) -> Result<String, ActError> {
    let text = text.replace("\r\n", "\n").trim().to_owned();
    let chars = text.chars().filter(|c| !is_invisible(*c)).count();
    if !TEXT_CHARS.contains(&chars) {
        let (least, most) = (TEXT_CHARS.start(), TEXT_CHARS.end());
        let detail = format!("the {name} has {chars} characters; write {least} to {most}: why, and what was checked");
        return Err(ActError::refused(422, "comment_length", detail));
    }
    if text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        let detail = format!("the {name} contains control characters; write plain text");
        return Err(ActError::refused(422, "comment_unreadable", detail));
    }
    Ok(text)
}

impl ProposalRow {
    /// A row with nothing in it, to be filled from the log.
    pub fn empty() -> ProposalRow {
        ProposalRow {
            id: 0,
            kind: String::new(),
            about: String::new(),
            facts: String::new(),
            reason: None,
            detail: None,
            submitted_by: None,
            submitted_at: 0,
            whence: None,
            state: SUBMITTED,
            expires_at: 0,
            first_by: None,
            first_at: None,
            first_seq: None,
            first_comment: None,
            approved_by: None,
            approved_at: None,
            approved_seq: None,
            approved_comment: None,
            ready_at: None,
            ended_by: None,
            ended_at: None,
            ended_seq: None,
            ended_comment: None,
            outcome: None,
        }
    }
}
