//! Explaining a change that did not follow from what we knew: one officer says what it was, another
//! approves, and its break is no longer open.

use serde_json::{Value, json};

use crate::approvals::{self, Kind, Proposal};
use crate::db::Conn;
use crate::ids::Seq;
use crate::ledger::{BREAK_EXPLAINED, BreakKind, BreakState};
use crate::trail::{ActError, ActTx, NewEvent};

use super::record::OPEN;
use super::store::{self, RecordBreakRow};

/// A break that two officers explained.
pub const CLOSED: i16 = BreakState::Explained as i16;

/// What is public of it, for the proposal. Refusals: `404 break_unknown`, `409 break_closed`.
///
/// # Errors
/// Also when the database cannot be read.
pub fn facts(conn: &mut Conn, seq: Seq) -> Result<Value, ActError> {
    let row = open(conn, seq)?;
    Ok(json!({ "break": seq, "kind": BreakKind::Record.text(), "record": row.record, "fields": row.fields }))
}

fn open(conn: &mut Conn, seq: Seq) -> Result<RecordBreakRow, ActError> {
    let row = store::record_break(conn, seq)?;
    let row = row.ok_or_else(|| ActError::refused(404, "break_unknown", "there is no such break"))?;
    if row.state != OPEN {
        return Err(ActError::refused(409, "break_closed", "this break is explained already"));
    }
    Ok(row)
}

/// Carries out an approved proposal; one whose break is no longer open ends.
///
/// # Errors
/// When it is not approved, or the database fails: then nothing of it is stored.
pub fn explain(tx: &mut ActTx<'_>, proposal: &Proposal) -> Result<(), ActError> {
    let row = match open(tx.conn, proposal.facts["break"].as_i64().unwrap_or(-1)) {
        Ok(row) => row,
        Err(ActError::Refused { detail, .. }) => {
            return approvals::stopped(tx, proposal.id, Kind::ExplainBreak, &detail).map(drop);
        }
        Err(error) => return Err(error),
    };
    let kind = BreakKind::Record.text();
    let body = json!({ "break": row.seq, "kind": kind, "record": row.record, "proposal": proposal.id });
    let event = tx.append(NewEvent::public(BREAK_EXPLAINED, body))?;
    store::close_break(tx.conn, row.seq, CLOSED, event)?;
    approvals::carried_out(tx, proposal.id, Kind::ExplainBreak, &json!({ "event": event })).map(drop)
}
