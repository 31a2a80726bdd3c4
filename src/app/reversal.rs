//! Carrying out an approved reversal: the compensating entry is submitted like any other, and the log
//! takes it once.

use std::sync::mpsc::sync_channel;

use serde_json::json;

use crate::access::users;
use crate::approvals::{self, Kind, Proposal};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::intake::{Delivery, DeliveryKind, Reply, Row, RowResult, Submission};
use crate::ledger::reversals::{self, Reversal, own_reference};
use crate::ledger::{NewEntry, store as ledger};
use crate::trail::ActError;

use super::App;

pub(super) fn reverse(app: &App, proposal: &Proposal) -> Result<(), ActError> {
    let seq = proposal.facts["entry"].as_i64().unwrap_or(-1);
    if let Some(done) = app.db.read(|conn| done_before(conn, seq))? {
        return said(app, proposal.id, done);
    }
    let forced = proposal.facts["forced"] == true;
    let (heads, now) = (app.newest.clone(), app.clock.now());
    let worked_out = app.db.read(|conn| -> Result<(Seq, NewEntry), ActError> {
        let found = Reversal::of(conn, &heads, seq)?;
        found.facts(forced)?;
        let actor = match proposal.submitted_by {
            Some(user) => users::find(conn, user)?.map(|user| user.email),
            None => None,
        };
        Ok((found.entry.source, found.to_entry(now, actor, proposal.reason.clone())?))
    });
    let (source, entry) = match worked_out {
        Ok(found) => found,
        Err(ActError::Refused { detail, .. }) => return ended(app, proposal.id, seq, detail),
        Err(error) => return Err(error),
    };
    match record(app, source, entry, proposal.id, forced)? {
        RowResult::Recorded(receipt) | RowResult::Duplicate(receipt) => said(app, proposal.id, receipt.seq),
        RowResult::Rejected(refusal) => ended(app, proposal.id, seq, refusal.detail),
    }
}

/// The reversal that was recorded and not yet noted: the process ended in between.
fn done_before(conn: &mut Conn, seq: Seq) -> DbResult<Option<Seq>> {
    let Some(entry) = ledger::entry(conn, seq)? else { return Ok(None) };
    let Some(by) = reversals::store::of(conn, entry.source, &entry.source_ref)? else { return Ok(None) };
    let ours = ledger::entry(conn, by)?.is_some_and(|row| row.source_ref == own_reference(seq));
    Ok(ours.then_some(by))
}

/// Hands it to the sequencer and waits for the commit.
fn record(app: &App, source: Seq, entry: NewEntry, proposal: Seq, forced: bool) -> Result<RowResult, ActError> {
    let (send, receive) = sync_channel(1);
    let reply: Reply = Box::new(move |results| {
        let _ = send.send(results);
    });
    let delivery =
        Delivery { kind: DeliveryKind::Approval { forced }, api_key: None, origin: Some(format!("proposal {proposal}")) };
    let rows = vec![Row { line: 1, entry: Ok(entry), with_next: false }];
    let submission = Submission { source, delivery, rows, atomic: false, history: false, reply };
    let intake = app.intake().map_err(|_| ActError::NotWriting)?;
    intake.submit_wait(submission).map_err(|_| ActError::NotWriting)?;
    let results = receive.recv().map_err(|_| ActError::NotWriting)?;
    let failed = |why: String| ActError::refused(503, "not_recorded", why);
    let results = results.map_err(|error| failed(error.to_string()))?;
    results.into_iter().next().ok_or_else(|| failed("the entry was not answered".to_owned()))
}

fn said(app: &App, proposal: Seq, entry: Seq) -> Result<(), ActError> {
    let outcome = json!({ "entry": entry });
    app.log().act(move |tx| approvals::carried_out(tx, proposal, Kind::ReverseEntry, &outcome).map(drop))
}

/// Nothing is done, unless another turn has done it meanwhile.
fn ended(app: &App, proposal: Seq, entry: Seq, why: String) -> Result<(), ActError> {
    if let Some(done) = app.db.read(|conn| done_before(conn, entry))? {
        return said(app, proposal, done);
    }
    app.log().act(move |tx| approvals::stopped(tx, proposal, Kind::ReverseEntry, &why).map(drop))
}
