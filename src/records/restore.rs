//! Going back: a record is brought to the state of one of its versions by a new change that names it.
//!
//! What it would change is worked out beforehand, for whoever approves it; should the record change in
//! between, it is not what was approved any more, and nothing is done.

use serde_json::{Value, json};

use crate::access::users;
use crate::approvals::{self, Kind, Proposal};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::{Seq, is_erased_number};
use crate::trail::sealing::Opener;
use crate::trail::{ActError, ActTx, store as trail};

use super::change::{Action, Content, NewChange, Who};
use super::decide::State;
use super::document::Document;
use super::event::Public;
use super::history::{self, Difference};
use super::json::Json;
use super::receipt::{ChangeResult, Row, Sender};
use super::record::Recorder;
use super::store::{self, ChangeRow, RecordRow};
use super::{fields, state};

/// What going back would come to.
#[derive(Clone, Debug)]
pub struct Restoration {
    /// The record.
    pub record: RecordRow,
    /// The change whose state it goes back to.
    pub target: ChangeRow,
    /// The newest change.
    pub newest: ChangeRow,
    /// What it would change.
    pub difference: Vec<Difference>,
    /// Whether the record was there, and is.
    pub existence: (bool, bool),
}

/// A restoration that is done in the bank's own table, worked out.
#[derive(Clone, Debug)]
pub struct AtSource {
    /// What it comes to.
    pub found: Restoration,
    /// The newest state.
    pub now: State,
    /// The state that it goes back to.
    pub then: State,
    /// That state's values, the sealed ones opened.
    pub document: Document,
    /// Who proposed it.
    pub actor: Option<String>,
}

/// Refusals after which a proposal is tried again: a key is missing.
const WAITS: &[&str] = &["cannot_be_opened", "not_restored"];

fn missing(what: &str) -> ActError {
    ActError::refused(404, "not_found", format!("there is no such {what}"))
}

impl Restoration {
    /// Works it out. Refusals: `404 not_found`, `409 nothing_to_restore`, `409 record_erased`, `409 values_expired`.
    ///
    /// # Errors
    /// Also when the database cannot be read.
    pub fn of(conn: &mut Conn, record: Seq, version: i64) -> Result<Restoration, ActError> {
        let record = store::record(conn, record)?.ok_or_else(|| missing("record"))?;
        if is_erased_number(&record.reference) {
            return Err(ActError::refused(409, "record_erased", "this record was erased: nothing can be brought back"));
        }
        let target = store::version(conn, record.id, version)?.ok_or_else(|| missing("version of this record"))?;
        let newest = store::newest(conn, record.id)?.ok_or_else(|| missing("version of this record"))?;
        let (then, now) = (state::at_version(conn, &target)?, state::at_version(conn, &newest)?);
        if then.torn {
            let detail = "values of that version are gone, because their time is over or they were erased";
            return Err(ActError::refused(409, "values_expired", detail));
        }
        let difference = history::difference(&now, &then);
        if difference.is_empty() && then.exists == now.exists {
            return Err(ActError::refused(409, "nothing_to_restore", "the record is in that state now"));
        }
        Ok(Restoration { record, target, newest, difference, existence: (then.exists, now.exists) })
    }

    /// What is public of it, for the proposal.
    pub fn facts(&self) -> Value {
        json!({
            "record": self.record.id, "version": self.target.version, "change": self.target.seq, "newest": self.newest.seq,
            "fields": self.difference.len(),
        })
    }

    /// The same for one that is done in the bank's own table, by the capture of this name.
    pub fn facts_at_source(&self, capture: &str) -> Value {
        let mut facts = self.facts();
        facts["at_source"] = capture.into();
        facts
    }

    /// What it is about: of one record there is one open proposal.
    pub fn about(&self) -> String {
        format!("record {}", self.record.id)
    }
}

impl Recorder {
    /// Carries out an approved proposal; it ends without that where it is not what was approved any more.
    /// Refusals: `409 cannot_be_opened`, `409 not_restored`, for which it waits.
    ///
    /// # Errors
    /// Also when the database fails: then nothing of it is stored.
    pub fn restore(&self, tx: &mut ActTx<'_>, proposal: &Proposal) -> Result<(), ActError> {
        match self.restored(tx, proposal) {
            Err(ActError::Refused { code, detail, .. }) if !WAITS.contains(&code) => {
                approvals::stopped(tx, proposal.id, Kind::RestoreRecord, &detail).map(drop)
            }
            done => done,
        }
    }

    /// Works out an approved proposal. Refusals as of [`Restoration::of`], `409 record_changed`, and for which it waits
    /// `409 cannot_be_opened`.
    ///
    /// # Errors
    /// Also when the database or a key cannot be read.
    pub fn at_source(&self, conn: &mut Conn, origin: &str, proposal: &Proposal) -> Result<AtSource, ActError> {
        let number = |field: &str| proposal.facts[field].as_i64().unwrap_or(-1);
        let found = Restoration::of(conn, number("record"), number("version"))?;
        if found.newest.seq != number("newest") {
            let detail = "the record was changed since this was proposed: propose it again";
            return Err(ActError::refused(409, "record_changed", detail));
        }
        let actor = match proposal.submitted_by {
            Some(user) => users::find(conn, user)?.map(|user| user.email),
            None => None,
        };
        let (now, then) = (state::at_version(conn, &found.newest)?, state::at_version(conn, &found.target)?);
        let mut opener = Opener::at_hand(self.keys(), origin)?;
        let document = document(conn, &mut opener, &then)?;
        Ok(AtSource { found, now, then, document, actor })
    }

    fn restored(&self, tx: &mut ActTx<'_>, proposal: &Proposal) -> Result<(), ActError> {
        let origin = tx.origin().to_owned();
        let AtSource { found, then, document: after, actor, .. } = self.at_source(tx.conn, &origin, proposal)?;
        let sealed = then.values.iter().filter(|(_, held)| held.value.is_none()).map(|(path, _)| path.clone()).collect();
        let (was, is) = found.existence;
        let change = NewChange {
            source_ref: None,
            kind: found.record.kind.clone(),
            id: found.record.reference.clone(),
            action: if !was {
                Action::Delete
            } else if is {
                Action::Update
            } else {
                Action::Create
            },
            content: Content::Whole { before: None, after },
            changed_at: None,
            who: Who { actor, actor_kind: Some("staff".to_owned()), ..Who::default() },
            reason: proposal.reason.clone(),
            subject: None,
            class: self.kinds.known(&found.record.kind).class,
            sensitive: sealed,
            masked: 0,
            whole_row: false,
            restores: Some(found.target.seq),
            proposal: Some(proposal.id),
        };
        let sender = Sender { source: found.record.source, key: None, origin: None };
        let rows = [Row { line: 1, change: Ok(change), bytes: Vec::new(), unread: None }];
        match self.run(tx, &sender, &rows)?.pop() {
            Some(ChangeResult::Recorded(receipt)) => {
                approvals::carried_out(tx, proposal.id, Kind::RestoreRecord, &json!({ "event": receipt.seq })).map(drop)
            }
            Some(ChangeResult::Rejected(refusal)) => Err(ActError::refused(409, "not_restored", refusal.detail)),
            _ => Err(ActError::refused(409, "nothing_to_restore", "the record is in that state now")),
        }
    }
}

/// The values of a state, the sealed ones opened.
fn document(conn: &mut Conn, opener: &mut Opener, state: &State) -> Result<Document, ActError> {
    let mut document = Document::default();
    for (path, held) in &state.values {
        let value = match &held.value {
            Some(value) => value.clone(),
            None => opened(conn, opener, held.seq, held.n)?.ok_or_else(|| {
                let detail = "a sealed value cannot be opened: the master key is missing, or the value was changed";
                ActError::refused(409, "cannot_be_opened", detail)
            })?,
        };
        document.0.insert(path.clone(), value);
    }
    Ok(document)
}

/// A sealed value; `None` if it cannot be opened, or there is none.
///
/// # Errors
/// When the database cannot be read.
pub fn opened(conn: &mut Conn, opener: &mut Opener, seq: Seq, n: i32) -> DbResult<Option<Json>> {
    let gone = || DbError::Corrupt(format!("field {n} of change {seq} is missing; run `counterfoil verify`"));
    let rows = store::fields_of(conn, &[seq])?;
    let row = rows.iter().find(|row| row.n == n).ok_or_else(gone)?;
    let (event, _) = trail::event(conn, seq)?.ok_or_else(gone)?;
    let public = Public::read(&event.body).ok_or_else(gone)?;
    let commitment = usize::try_from(n).ok().and_then(|n| hex::decode(public.fields.get(n)?).ok()).ok_or_else(gone)?;
    let opened = fields::open(conn, opener, row, &commitment)?;
    Ok(opened.and_then(|(_, value)| value).map(Json::stored))
}
