//! Legal holds: what must not be erased, whatever else is over.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::approvals::{self, Kind, Submission};
use crate::clock::{Moment, backwards};
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, NewEvent};

use super::store::{self, HoldRow};
use super::{Scope, Subject};

/// Holds listed at most.
pub const LISTED_MAX: i64 = 1_000;

/// A hold, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The event that placed it.
    pub id: Seq,
    /// What its subject is named by.
    pub scope: Scope,
    /// Its subject, as long as that was not erased.
    pub subject: Option<String>,
    /// When it was placed.
    pub placed_at: Moment,
    /// When it was released.
    pub released_at: Option<Moment>,
}

/// A span of time that is held, half-open, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    from: i64,
    to: i64,
}

impl Range {
    /// From its text: two instants of RFC 3339 with a slash between; `None` if the second is not later.
    pub fn parse(text: &str) -> Option<Range> {
        let (from, to) = text.split_once('/')?;
        let (from, to) = (Moment::parse(from).ok()?.0, Moment::parse(to).ok()?.0);
        (from < to).then_some(Range { from, to })
    }

    /// Whether an instant lies in it.
    pub fn has(&self, at: i64) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// Its beginning and its end.
    pub fn ends(&self) -> (i64, i64) {
        (self.from, self.to)
    }
}

/// A hold to be placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceHold {
    /// On whom.
    pub subject: Subject,
    /// Why; private.
    pub reason: String,
    /// Who, in private.
    pub whence: Value,
}

impl PlaceHold {
    /// Places it; answers its id. Refusals: `409 hold_there`, and those of a reason.
    pub fn run(self, tx: &mut ActTx<'_>) -> Result<Seq, ActError> {
        let reason = approvals::checked_text("reason", &self.reason)?;
        let Subject { scope, name } = self.subject;
        if scope == Scope::Range && Range::parse(&name).is_none() {
            let ends = name.split_once('/').and_then(|(from, to)| Some((Moment::parse(from).ok()?, Moment::parse(to).ok()?)));
            let detail = match ends.filter(|(from, to)| from.0 > to.0) {
                Some((from, to)) => format!("the span of time: {}", backwards(from, to)),
                None => "a span of time is two instants with a slash between, the second later".to_owned(),
            };
            return Err(ActError::refused(422, "range_invalid", detail));
        }
        if let Some(there) = store::hold_on(tx.conn, scope, &name)? {
            return Err(ActError::refused(409, "hold_there", format!("hold {there} is on it already")));
        }
        let account = match scope {
            Scope::Account => store::account_by_number(tx.conn, &name)?,
            Scope::Party | Scope::Range => None,
        };
        let body = json!({ "scope": scope.text(), "account": account });
        let private = json!({ "subject": name, "reason": reason, "whence": self.whence });
        let id = tx.append(NewEvent::with_private("hold.placed", body, private))?;
        let placed_at = tx.now().0;
        let row = HoldRow {
            id,
            scope: scope.text().to_owned(),
            subject: Some(name),
            account,
            placed_at,
            released_at: None,
            released_seq: None,
        };
        bulk::append(tx.conn, &[row])?;
        Ok(id)
    }
}

/// A hold whose release is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseHold {
    /// The hold.
    pub hold: Seq,
    /// Why; private.
    pub reason: String,
    /// Who proposes it; `None` for the command line.
    pub by: Option<Seq>,
    /// From where, in private.
    pub whence: Value,
}

impl ReleaseHold {
    /// Submits it; answers the proposal. Refusals: `404 no_hold`, and those of proposals.
    pub fn run(self, tx: &mut ActTx<'_>) -> Result<Seq, ActError> {
        let row = active(tx.conn, self.hold)?;
        let facts = json!({ "hold": row.id, "scope": row.scope });
        approvals::submit_in(
            tx,
            Submission {
                kind: Kind::ReleaseHold,
                about: format!("hold {}", row.id),
                facts,
                reason: self.reason,
                detail: Some(json!({ "subject": row.subject })),
                by: self.by,
                whence: self.whence,
            },
        )
    }
}

fn active(conn: &mut Conn, hold: Seq) -> Result<HoldRow, ActError> {
    let found = store::hold(conn, hold)?.filter(|row| row.released_at.is_none());
    found.ok_or_else(|| ActError::refused(404, "no_hold", format!("there is no hold {hold}, or it was released")))
}

/// Releases the hold that an approved proposal names.
///
/// # Errors
/// When there is no such hold any more, or the proposal is not approved.
pub fn release(tx: &mut ActTx<'_>, proposal: Seq, facts: &Value) -> Result<Seq, ActError> {
    let row = active(tx.conn, facts["hold"].as_i64().unwrap_or(-1))?;
    approvals::carried_out(tx, proposal, Kind::ReleaseHold, &json!({ "hold": row.id }))?;
    let body = json!({ "hold": row.id, "proposal": proposal });
    let seq = tx.append(NewEvent::public("hold.released", body))?;
    let now = tx.now().0;
    store::set_released(tx.conn, row.id, now, seq)?;
    Ok(seq)
}

/// The holds, newest first; the first 1,000.
///
/// # Errors
/// When the database cannot be read.
pub fn holds(conn: &mut Conn) -> DbResult<Vec<Hold>> {
    let rows = store::holds_newest(conn, LISTED_MAX)?;
    let hold = |row: HoldRow| Hold {
        id: row.id,
        scope: Scope::parse(&row.scope).unwrap_or(Scope::Account),
        subject: row.subject,
        placed_at: Moment(row.placed_at),
        released_at: row.released_at.map(Moment),
    };
    Ok(rows.into_iter().map(hold).collect())
}
