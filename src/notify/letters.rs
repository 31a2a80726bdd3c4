//! Dead letters: mail that was given up, what it was about, and what somebody does about it.
//!
//! A mail that was given up stays until somebody has it sent again, under the same Message-ID, or
//! acknowledges it. Either is an event that names every row; why is in its private part.

mod store;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::{Channel, Conn, DbResult, wake};
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, Log, NewEvent};

use super::store::{ROWS_PER_EVENT, ROWS_PER_MAIL};

/// Dead letters listed at most, the newest of each state.
pub const LISTED_MAX: i64 = 200;
/// Mails that one act takes at most; whoever means all of more asks again.
pub const MAILS_PER_ACT: usize = 100;
/// What a mail was about is named this often at most.
pub const ABOUT_MAX: usize = 5;
/// Characters of a reason.
pub const REASON: std::ops::RangeInclusive<usize> = 10..=1_000;

/// What a mail was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The alert of this reference.
    Alert(String),
    /// This version of a day's report.
    Report(NaiveDate, i32),
    /// The event at this place.
    Event(Seq),
}

/// A mail that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// `<…@…>`
    pub message_id: String,
    /// As stored: alert, report, history, notice.
    pub kind: String,
    /// What it was about, the first [`ABOUT_MAX`].
    pub about: Vec<About>,
    /// How many things it was about.
    pub rows: i64,
    /// Its recipient, not to be told from others of the same domain.
    pub recipient: String,
    /// How often it was tried.
    pub tries: i32,
    /// Why the last try failed; addresses in it are masked.
    pub error: String,
    /// When it was given up.
    pub given_up: Moment,
    /// Whether somebody has acknowledged it.
    pub acknowledged: bool,
}

/// What somebody does about a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Send it once more, with as many tries as at first.
    Resend,
    /// Know of it, and leave it.
    Acknowledge,
}

/// Somebody's order about one dead letter or all of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// What to do.
    pub deed: Deed,
    /// The mail's Message-ID; `None`: every one that is not acknowledged.
    pub message_id: Option<String>,
    /// Why.
    pub reason: String,
    /// Who; `None`: a command.
    pub user: Option<Seq>,
}

/// What an order came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Mails it was carried out for.
    pub mails: usize,
    /// Mails that are left, beyond what one act takes.
    pub left: usize,
}

/// The dead letters, those nobody has acknowledged first, the newest first; at most [`LISTED_MAX`].
pub fn list(conn: &mut Conn) -> DbResult<Vec<DeadLetter>> {
    store::letters(conn, LISTED_MAX)?.into_iter().map(|found| letter(conn, found)).collect()
}

fn letter(conn: &mut Conn, found: store::Found) -> DbResult<DeadLetter> {
    let about = store::about(conn, &found.message_id, &found.kind, ABOUT_MAX as i64)?;
    Ok(DeadLetter {
        about,
        rows: found.rows,
        recipient: masked(&found.recipient),
        tries: found.attempts,
        error: masked(&found.last_error.unwrap_or_default()),
        given_up: Moment(found.done_at.unwrap_or_default()),
        acknowledged: found.acknowledged,
        message_id: found.message_id,
        kind: found.kind,
    })
}

/// How many mails were given up that nobody has acknowledged.
pub fn count(conn: &mut Conn) -> DbResult<i64> {
    store::open(conn)
}

/// Carries an order out, in one act.
///
/// # Errors
/// When there is no such dead letter, or the reason is no reason.
pub fn carry_out(log: &Log, order: Order) -> Result<Ordered, ActError> {
    let reason = order.reason.trim().to_owned();
    if !REASON.contains(&reason.chars().count()) || reason.chars().any(|c| c.is_control() && c != '\n' && c != '\r') {
        let detail = format!("say why, in {} to {} characters", REASON.start(), REASON.end());
        return Err(ActError::refused(422, "reason_invalid", detail));
    }
    log.act(move |tx| {
        let found = match &order.message_id {
            Some(id) => store::letter(tx.conn, id)?.into_iter().collect(),
            None => store::unacknowledged(tx.conn, LISTED_MAX)?,
        };
        if found.is_empty() {
            let detail = "there is no such mail among those that were given up; see page Trail, or `counterfoil mail list`";
            return Err(ActError::refused(404, "no_dead_letter", detail));
        }
        let (mut mails, mut rows) = (0, 0);
        for mail in &found {
            // One mail always; more as long as the act stays short.
            if mails > 0 && (mails == MAILS_PER_ACT || rows + mail.rows > ROWS_PER_MAIL) {
                break;
            }
            one(tx, mail, &order, &reason)?;
            rows += mail.rows;
            mails += 1;
        }
        if order.deed == Deed::Resend {
            wake(tx.conn, Channel::Mail)?;
        }
        let all = if order.message_id.is_none() { store::open(tx.conn)?.try_into().unwrap_or_default() } else { 0 };
        Ok(Ordered { mails, left: all })
    })
}

fn one(tx: &mut ActTx<'_>, mail: &store::Found, order: &Order, reason: &str) -> Result<(), ActError> {
    let rows = store::rows(tx.conn, &mail.message_id)?;
    for named in rows.chunks(ROWS_PER_EVENT) {
        let mut body = json!({
            "kind": mail.kind, "message_id": mail.message_id, "count": named.len(), "outbox": named, "user": order.user,
        });
        if named.len() < rows.len() {
            body["of"] = json!(rows.len());
        }
        tx.append(said(order.deed, body, json!({ "reason": reason })))?;
    }
    let now = tx.now();
    match order.deed {
        Deed::Resend => store::wait_again(tx.conn, &mail.message_id, now)?,
        Deed::Acknowledge => store::acknowledge(tx.conn, &mail.message_id)?,
    }
    Ok(())
}

fn said(deed: Deed, body: Value, private: Value) -> NewEvent {
    match deed {
        Deed::Resend => NewEvent::with_private("mail.resent", body, private),
        Deed::Acknowledge => NewEvent::with_private("mail.acknowledged", body, private),
    }
}

/// A text with the addresses in it masked: of what stands before an `@` the first character is left.
pub fn masked(text: &str) -> String {
    let local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.\"".contains(c);
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive('@') {
        let Some(before) = piece.strip_suffix('@') else {
            out.push_str(piece);
            continue;
        };
        let start = before.char_indices().rev().find(|(_, c)| !local(*c)).map_or(0, |(at, c)| at + c.len_utf8());
        let (other, name) = before.split_at(start);
        out.push_str(other);
        if let Some(first) = name.chars().next() {
            out.push(first);
            out.push('…');
        }
        out.push('@');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn an_address_keeps_its_first_character_and_its_domain() {
        for (text, shown) in [
            ("officer@bank.example", "o…@bank.example"),
            ("550 5.1.1 <ada.l+x@bank.example>: no such user", "550 5.1.1 <a…@bank.example>: no such user"),
            ("a@b.example, ö@c.example", "a…@b.example, ö…@c.example"),
            ("@b.example", "@b.example"),
            ("421 try later", "421 try later"),
            ("", ""),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
