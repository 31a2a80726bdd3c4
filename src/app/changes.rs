//! Changes of records on their way into the log: through the interface, or through the inbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::keys;
use crate::config::SessionKind;
use crate::ids::Seq;
use crate::intake::SessionKey;
use crate::ledger::{Refusal, store as ledger};
use crate::records::{ChangeResult, Kinds, Row, Sender};
use crate::trail::ActError;

use super::App;
use super::requests::RequestError;

/// Rows recorded in one act: entries wait for it.
const ROWS: usize = 200;
/// Submissions that may wait for their turn.
const WAITING_MAX: usize = 64;

static WAITING: AtomicUsize = AtomicUsize::new(0);

/// A place among the submissions that wait; left when it is dropped.
struct Turn;

impl Turn {
    fn take() -> Result<Turn, ActError> {
        let turn = Turn;
        if WAITING.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            return Err(ActError::refused(503, "queue_full", "too many changes are waiting; try again in a second"));
        }
        Ok(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Changes of a command, as they were written.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireChanges {
    /// The source's name; it is made if it is unknown.
    pub source: String,
    /// Whence.
    pub origin: String,
    /// One JSON object each, with its line.
    pub rows: Vec<(u64, String)>,
}

impl App {
    /// What records changes.
    pub fn recorder(&self) -> &crate::records::Recorder {
        &self.recorder
    }

    /// The types of records as the settings know them.
    pub fn record_kinds(&self) -> &Kinds {
        &self.recorder.kinds
    }

    /// Reads a row.
    pub fn read_change(&self, line: u64, bytes: &[u8]) -> Row {
        Row::read(line, bytes, self.record_kinds())
    }

    /// A row that is none.
    pub fn refuse_change(&self, line: u64, refusal: Refusal, bytes: &[u8]) -> Row {
        Row::refused(line, refusal, bytes)
    }

    /// Records changes, `atomic` all of them or none; returns after the commit. Blocks.
    ///
    /// # Errors
    /// When the database fails or too many wait; what was answered before stays recorded.
    pub fn record_changes(&self, sender: &Sender, mut rows: Vec<Row>, atomic: bool) -> Result<Vec<ChangeResult>, ActError> {
        let _turn = Turn::take()?;
        self.hide_sessions(sender.source, &mut rows)?;
        if atomic {
            return self.all_or_none(sender, rows);
        }
        let mut results = Vec::with_capacity(rows.len());
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(ROWS));
            let (recorder, sender, some) = (self.recorder.clone(), sender.clone(), std::mem::replace(&mut rows, rest));
            results.extend(self.log().act(move |tx| recorder.run(tx, &sender, &some))?);
        }
        Ok(results)
    }

    fn all_or_none(&self, sender: &Sender, rows: Vec<Row>) -> Result<Vec<ChangeResult>, ActError> {
        let rows = Arc::new(rows);
        let (recorder, from, all) = (self.recorder.clone(), sender.clone(), rows.clone());
        let given_up = Arc::new(std::sync::Mutex::new(None));
        let kept = given_up.clone();
        let done = self.log().act(move |tx| {
            let results = recorder.run(tx, &from, &all)?;
            if results.iter().any(|result| matches!(result, ChangeResult::Rejected(_))) {
                *kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(results);
                return Err(ActError::refused(422, "atomic_refused", "some rows were refused"));
            }
            Ok(results)
        });
        let results = given_up.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(results) = results else { return done };
        let aborted = || Refusal::whole("atomic_aborted", "not recorded, because another row of the request was refused");
        let results: Vec<ChangeResult> = results
            .into_iter()
            .map(|result| match result {
                ChangeResult::Rejected(refusal) => ChangeResult::Rejected(refusal),
                _ => ChangeResult::Rejected(aborted()),
            })
            .collect();
        let (recorder, from, told) = (self.recorder.clone(), sender.clone(), results.clone());
        self.log().act(move |tx| recorder.refuse(tx, &from, &rows, &told))?;
        Ok(results)
    }

    /// Replaces live tokens of a source that sends such by their digests.
    fn hide_sessions(&self, source: Seq, rows: &mut [Row]) -> Result<(), ActError> {
        let sessions = rows.iter().any(|row| row.change.as_ref().is_ok_and(|change| change.who.session_id.is_some()));
        if !sessions {
            return Ok(());
        }
        let known = self.db.read(ledger::sources)?;
        let name = known.into_iter().find(|row| row.id == source).map(|row| row.name).unwrap_or_default();
        let secret = self.config.source.iter().any(|known| known.name == name && known.session == SessionKind::Secret);
        if !secret {
            return Ok(());
        }
        let key = SessionKey::load(&self.config, self.db.address(), &self.clock)?;
        for row in rows {
            if let (Ok(change), Some(key)) = (&mut row.change, &key)
                && let Some(token) = change.who.session_id.take()
            {
                change.who.session_id = key.digest(&name, &token);
            }
        }
        Ok(())
    }
}

/// Records the changes of a command; answers what became of each.
pub(super) fn perform(app: &App, wire: WireChanges) -> Result<Value, RequestError> {
    let name = wire.source.clone();
    let source = app.log().act(move |tx| keys::ensure_source(tx, &name))?;
    let rows = wire.rows.iter().map(|(line, text)| app.read_change(*line, text.as_bytes())).collect();
    let sender = Sender { source, key: None, origin: Some(wire.origin) };
    let results = app.record_changes(&sender, rows, false)?;
    let told = wire.rows.iter().zip(results).map(|((line, _), result)| told(*line, result));
    Ok(Value::Array(told.collect()))
}

fn told(line: u64, result: ChangeResult) -> Value {
    let receipt = |status: &str, receipt: crate::records::ChangeReceipt| {
        let broken = receipt
            .mismatches
            .iter()
            .map(|(path, expected, found)| json!({ "kind": "record", "path": path, "expected": expected, "found": found }));
        json!({
            "status": status, "seq": receipt.seq, "leaf": hex::encode(receipt.leaf), "position": receipt.version,
            "breaks": broken.collect::<Vec<_>>(), "masked": receipt.masked,
        })
    };
    match result {
        ChangeResult::Recorded(done) => receipt("recorded", done),
        ChangeResult::Duplicate(done) => receipt("duplicate", done),
        ChangeResult::Unchanged(seq) => json!({ "status": "unchanged", "seq": seq }),
        ChangeResult::Rejected(refusal) => json!({
            "status": "rejected", "line": line, "code": refusal.code, "field": refusal.field, "detail": refusal.detail,
        }),
    }
}
