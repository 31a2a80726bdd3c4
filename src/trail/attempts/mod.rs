//! Attempts: what an officer or a command set out to do, recorded before it is done, and how it ended.
//!
//! Whoever runs an act calls [`begin`] before and [`end`] after; the doors (`web`'s guard, `app`'s
//! requests) do it for every act, so that no handler can forget it. A process that dies in between
//! leaves an attempt without an end: the next start ends it as unknown ([`end_open`]).
//!
//! The table `acts` follows from the events wherever they are appended ([`follow`]): acts, and beside
//! them requests that were denied to a user and sign-ins, so that attempts, successes and denials can
//! be counted by user and kind.
//!
//! Not here: which acts there are (`web`'s routes, `app`'s requests).

pub mod store;

use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;

use super::{ActError, ActTx, Log, NewEvent};
use store::{ActRow, CountRow};

/// What a denial counts as when what was denied is no act.
pub const READ: &str = "read";
/// What signing in counts as.
pub const SIGN_IN: &str = "session.open";
/// What a password on the command line counts as.
pub const PROVE: &str = "session.prove";
/// Kinds and users counted apart at most.
pub const COUNTS_MAX: usize = 2_000;
/// Attempts ended in one transaction.
const PAGE: i64 = 500;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet.
    Open,
    /// It was done.
    Succeeded,
    /// It is not allowed or does not fit what is there.
    Refused,
    /// Something broke.
    Failed,
    /// The process ended before it could say.
    Unknown,
    /// It was not begun: whoever asked may not.
    Denied,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Outcome; 6] =
        [Outcome::Open, Outcome::Succeeded, Outcome::Refused, Outcome::Failed, Outcome::Unknown, Outcome::Denied];

    /// As stored.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// From what is stored.
    pub fn from_code(code: i16) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// `succeeded`
    pub fn text(self) -> &'static str {
        match self {
            Outcome::Open => "open",
            Outcome::Succeeded => "succeeded",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
            Outcome::Denied => "denied",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.text() == text)
    }

    /// What an HTTP status says of an act.
    pub fn of_status(status: u16) -> Outcome {
        match status {
            0..400 => Outcome::Succeeded,
            400..500 => Outcome::Refused,
            _ => Outcome::Failed,
        }
    }
}

/// What somebody sets out to do.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The act, by its stable name.
    pub act: &'static str,
    /// The route's template, or `command`.
    pub door: &'static str,
    /// The signed-in user.
    pub user: Option<Seq>,
    /// What the log calls their session.
    pub session: Option<String>,
    /// Whence: an address, or the system's user.
    pub whence: Value,
}

/// Records that an act begins; answers the attempt's number. It must not begin without it.
pub fn begin(log: &Log, attempt: Attempt) -> Result<Seq, ActError> {
    let Attempt { act, door, user, session, whence } = attempt;
    let body = json!({ "act": act, "door": door, "user": user, "session": session });
    log.append(NewEvent::with_private("act.attempted", body, whence))
}

/// Records how an attempt ended, unless that is recorded already.
pub fn end(log: &Log, attempt: Seq, outcome: Outcome, status: Option<u16>) -> Result<(), ActError> {
    log.act(move |tx| match store::attempt(tx.conn, attempt)? {
        Some(row) if row.ended_seq.is_none() => ended(tx, attempt, outcome, status),
        _ => Ok(()),
    })
}

/// Ends as unknown what was begun by a process that is gone; answers how many.
pub fn end_open(log: &Log) -> Result<usize, ActError> {
    let mut count = 0;
    loop {
        let page = log.act(|tx| {
            let open = store::open(tx.conn, PAGE)?;
            open.iter().try_for_each(|row| ended(tx, row.id, Outcome::Unknown, None))?;
            Ok(open.len())
        })?;
        count += page;
        if page < PAGE as usize {
            return Ok(count);
        }
    }
}

fn ended(tx: &mut ActTx<'_>, attempt: Seq, outcome: Outcome, status: Option<u16>) -> Result<(), ActError> {
    let body = json!({ "attempt": attempt, "outcome": outcome.text(), "status": status });
    tx.append(NewEvent::public("act.ended", body)).map(drop)
}

/// Keeps the table as its events say; every event that is appended passes here.
pub(super) fn follow(conn: &mut Conn, seq: Seq, at: i64, event: &NewEvent) -> DbResult<()> {
    let body = &event.body;
    let user = body["user"].as_i64();
    let row = |act: &str, outcome: Outcome| ActRow {
        id: seq,
        user_id: user,
        act: act.to_owned(),
        attempted_at: at,
        outcome: outcome.code(),
        status: None,
        ended_at: (outcome != Outcome::Open).then_some(at),
        ended_seq: (outcome != Outcome::Open).then_some(seq),
    };
    let row = match event.kind {
        "act.attempted" => row(body["act"].as_str().unwrap_or_default(), Outcome::Open),
        "act.ended" => {
            let outcome = body["outcome"].as_str().and_then(Outcome::parse).unwrap_or(Outcome::Unknown);
            let status = body["status"].as_i64().and_then(|status| i16::try_from(status).ok());
            return store::set_end(conn, body["attempt"].as_i64().unwrap_or(-1), outcome.code(), status, (at, seq));
        }
        // Denials of nobody, and floods that are counted, belong to no user.
        "access.denied" if user.is_some() => row(body["act"].as_str().unwrap_or(READ), Outcome::Denied),
        "session.opened" => row(SIGN_IN, Outcome::Succeeded),
        "session.refused" if user.is_some() => row(refused_at(body), Outcome::Denied),
        _ => return Ok(()),
    };
    bulk::append(conn, &[row])
}

/// What a refused sign-in counts as, by the body of its event.
#[must_use]
pub fn refused_at(body: &Value) -> &'static str {
    if body["door"] == "command" { PROVE } else { SIGN_IN }
}

/// Attempts of one user and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whose; none: commands.
    pub user: Option<Seq>,
    /// Of which kind.
    pub act: String,
    /// All of them, those that were denied included.
    pub attempted: i64,
    /// Done.
    pub succeeded: i64,
    /// Begun and refused.
    pub refused: i64,
    /// Not begun: they may not.
    pub denied: i64,
    /// Something broke.
    pub failed: i64,
    /// Ended by the end of the process.
    pub unknown: i64,
    /// Without an end as yet.
    pub open: i64,
}

/// What was attempted from `from` until before `until`, by user and kind; and whether there is more
/// than [`COUNTS_MAX`] lines of it.
pub fn counts(conn: &mut Conn, from: Moment, until: Moment) -> DbResult<(Vec<Counts>, bool)> {
    let rows = store::counts(conn, from, until, ((COUNTS_MAX + 1) * Outcome::ALL.len()) as i64)?;
    let mut counts: Vec<Counts> = Vec::new();
    for CountRow { user_id, act, outcome, count } in rows {
        if counts.last().is_none_or(|last| last.user != user_id || last.act != act) {
            counts.push(Counts { user: user_id, act, ..Counts::default() });
        }
        let Some(last) = counts.last_mut() else { continue };
        last.attempted += count;
        *match Outcome::from_code(outcome) {
            Some(Outcome::Open) => &mut last.open,
            Some(Outcome::Succeeded) => &mut last.succeeded,
            Some(Outcome::Refused) => &mut last.refused,
            Some(Outcome::Denied) => &mut last.denied,
            Some(Outcome::Failed) => &mut last.failed,
            Some(Outcome::Unknown) | None => &mut last.unknown,
        } += count;
    }
    let more = counts.len() > COUNTS_MAX;
    counts.truncate(COUNTS_MAX);
    Ok((counts, more))
}

#[cfg(test)]
mod tests;
