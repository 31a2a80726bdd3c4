//! Explaining a break of continuity: one officer says what it was, another approves, and it is no
//! longer open.
//!
//! Nothing that is recorded changes by it, and a late entry may still heal what was explained.

use serde_json::{Value, json};

use crate::approvals::{self, Kind, Proposal};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{BreakRow, breaks_at};
use crate::ledger::{BREAK_EXPLAINED, BreakKind, BreakState};
use crate::trail::{ActError, ActTx, NewEvent};

use super::store;

/// What is public of it, for the proposal. Refusals: `404 break_unknown`, `409 break_closed`.
///
/// # Errors
/// Also when the database cannot be read.
pub fn facts(conn: &mut Conn, seq: Seq, kind: BreakKind) -> Result<Value, ActError> {
    let row = open(conn, seq, kind)?;
    Ok(json!({ "break": seq, "kind": kind.text(), "account": row.account }))
}

/// The break, as long as it is open.
fn open(conn: &mut Conn, seq: Seq, kind: BreakKind) -> Result<BreakRow, ActError> {
    let row = breaks_at(conn, seq)?.into_iter().find(|row| row.kind == kind.code());
    let row = row.ok_or_else(|| ActError::refused(404, "break_unknown", "there is no such break"))?;
    let detail = match BreakState::from_code(row.state) {
        Some(BreakState::Open | BreakState::Frozen) => return Ok(row),
        Some(BreakState::Healed) => "a later entry healed this break: nothing is left to explain",
        _ => "this break is explained already",
    };
    Err(ActError::refused(409, "break_closed", detail))
}

/// Carries out an approved proposal; one whose break is no longer open ends.
///
/// # Errors
/// When it is not approved, or the database fails: then nothing of it is stored.
pub fn explain(tx: &mut ActTx<'_>, proposal: &Proposal) -> Result<(), ActError> {
    let seq = proposal.facts["break"].as_i64().unwrap_or(-1);
    let kind = BreakKind::parse(proposal.facts["kind"].as_str().unwrap_or_default()).unwrap_or(BreakKind::Record);
    let row = match open(tx.conn, seq, kind) {
        Ok(row) => row,
        Err(ActError::Refused { detail, .. }) => {
            return approvals::stopped(tx, proposal.id, Kind::ExplainBreak, &detail).map(drop);
        }
        Err(error) => return Err(error),
    };
    let body = json!({ "break": seq, "kind": kind.text(), "account": row.account, "proposal": proposal.id });
    let event = tx.append(NewEvent::public(BREAK_EXPLAINED, body))?;
    store::set_break_explained(tx.conn, seq, kind.code(), event)?;
    approvals::carried_out(tx, proposal.id, Kind::ExplainBreak, &json!({ "event": event })).map(drop)
}

/// The same, made again from its event at `id`; a break of a record is none of ours.
///
/// # Errors
/// When the database refuses.
pub fn again(conn: &mut Conn, id: Seq, body: &Value) -> DbResult<()> {
    let kind = body["kind"].as_str().and_then(BreakKind::parse);
    match (body["break"].as_i64(), kind) {
        (Some(seq), Some(kind)) if kind != BreakKind::Record => store::set_break_explained(conn, seq, kind.code(), id),
        _ => Ok(()),
    }
}
