//! Recording: a change gets its place, its fields beside it, and a receipt.

use std::collections::HashMap;

use crate::clock::{Clock, MINUTE, Moment};
use crate::config::{Config, RecordType};
use crate::db::{Address, Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::ledger::{BusinessCalendar, Refusal, leaves};
use crate::trail::keys::KeyFolder;
use crate::trail::{ActError, ActTx, NewEvent, store as trail};

use super::change::{NewChange, class_code};
use super::conflicts::Conflicts;
use super::content;
use super::decide::{Decision, Digest, Mismatch, State, decide};
use super::event::{self, DEFINED, Private, Public};
use super::fields::Sealing;
use super::judge::{Judged, Rules, Seen, hits_again, is_own};
use super::kinds::Kinds;
use super::receipt::{ChangeReceipt, ChangeResult, Row, Sender};
use super::refused::{Refusals, RefusedRow};
use super::state::{self, SNAPSHOT_EVERY};
use super::store::{self, ChangeRow, FieldRow, FieldSet, RecordBreakRow, RecordRow, SnapshotRow};
use super::subject;

/// How far a sender's clock may be ahead of ours.
const AHEAD: i64 = 5 * MINUTE;
/// Fields that one change may touch.
const FIELDS_MAX: usize = 300;
/// An event's parts have at most this many bytes each.
const EVENT_MAX: usize = 32 * 1024;
/// A break that nobody explained.
pub const OPEN: i16 = 1;

/// Records changes as the settings say.
pub struct Recorder {
    /// The types.
    pub kinds: Kinds,
    keys: KeyFolder,
    calendar: BusinessCalendar,
    refusals: Refusals,
    conflicts: Conflicts,
    rules: Rules,
}

impl Recorder {
    /// For the database at `address`.
    pub fn new(config: &Config, address: &Address) -> Recorder {
        Recorder {
            kinds: Kinds::new(&config.records),
            keys: KeyFolder::of(config, address),
            calendar: BusinessCalendar::new(&config.bank),
            refusals: Refusals::default(),
            conflicts: Conflicts::default(),
            rules: Rules::new(config),
        }
    }

    /// Where the keys are.
    pub(super) fn keys(&self) -> &KeyFolder {
        &self.keys
    }

    /// Records rows one after the other; results are parallel to them. What is refused is told in the log.
    ///
    /// # Errors
    /// When the database fails: then nothing of it is stored.
    pub fn run(&self, tx: &mut ActTx<'_>, sender: &Sender, rows: &[Row]) -> Result<Vec<ChangeResult>, ActError> {
        let mut run = Run { recorder: self, sealing: Sealing::new(&self.keys, tx.origin()), sender, states: HashMap::new() };
        let results = rows.iter().map(|row| match &row.change {
            Ok(change) => run.row(tx, change),
            Err(refusal) => Ok(ChangeResult::Rejected(refusal.clone())),
        });
        let results: Vec<ChangeResult> = results.collect::<Result<_, ActError>>()?;
        self.refuse(tx, sender, rows, &results)?;
        Ok(results)
    }

    /// The paths at which a change would differ from a record's state; sealed values are compared by their digests.
    ///
    /// # Errors
    /// When the key of digests is needed and cannot be read.
    pub fn differing(
        &self,
        (clock, origin): (&Clock, &str),
        record: Seq,
        state: &State,
        change: &NewChange,
    ) -> DbResult<Vec<String>> {
        let sealed = state.values.values().any(|held| held.value.is_none());
        let decision = match sealed {
            false => decide(Some(state), change, &|_, _| String::new()),
            true => {
                let mut sealing = Sealing::new(&self.keys, origin);
                let (key, of) = (sealing.digest_key(clock)?, record.to_string());
                decide(Some(state), change, &|path, value| key.digest(&of, path, value))
            }
        };
        Ok(decision.fields.into_iter().filter(|field| !field.same).map(|field| field.path).collect())
    }

    /// Tells of rows that were not taken.
    ///
    /// # Errors
    /// When the database fails.
    pub fn refuse(&self, tx: &mut ActTx<'_>, sender: &Sender, rows: &[Row], results: &[ChangeResult]) -> Result<(), ActError> {
        let refused = rows.iter().zip(results).filter_map(|(row, result)| match result {
            ChangeResult::Rejected(refusal) => Some((row, RefusedRow { line: row.line, refusal, bytes: &row.bytes })),
            _ => None,
        });
        let (whole, refused): (Vec<&Row>, Vec<RefusedRow<'_>>) = refused.unzip();
        let mut keep = !self.kinds.seal();
        for row in whole {
            keep = keep && !is_sensitive(tx.conn, sender.source, row)?;
        }
        let date = self.calendar.local_date(tx.now()).to_string();
        for event in self.refusals.events(tx.now(), sender.source, &date, &refused, keep) {
            tx.append(event)?;
        }
        Ok(())
    }
}

/// Whether a row holds something sensitive: it says so, or its record has something sealed. Nobody can tell of one that is
/// no JSON and names the word.
fn is_sensitive(conn: &mut Conn, source: Seq, row: &Row) -> DbResult<bool> {
    let (declares, names) = match (&row.change, &row.unread) {
        (Ok(change), _) => (!change.sensitive.is_empty(), Some((&change.kind, &change.id))),
        (Err(_), Some(unread)) => (unread.declares, unread.names.as_ref().map(|(kind, id)| (kind, id))),
        (Err(_), None) => (false, None),
    };
    let Some((kind, id)) = names.filter(|_| !declares) else { return Ok(declares) };
    let known = match (row.bytes.is_empty(), kind.contains('\0') || id.contains('\0')) {
        (false, false) => store::record_by_reference(conn, source, kind, id)?,
        _ => None,
    };
    let state = known.map(|known| state::newest(conn, known.id)).transpose()?.flatten();
    Ok(state.is_some_and(|state| state.values.values().any(|held| held.value.is_none())))
}

struct Run<'r> {
    recorder: &'r Recorder,
    sealing: Sealing<'r>,
    sender: &'r Sender,
    /// Of the records that earlier rows changed: what the transaction would read anew for each.
    states: HashMap<Seq, State>,
}

/// A change that is about to be recorded.
struct Due<'a> {
    change: &'a NewChange,
    rules: &'a RecordType,
    changed_at: Moment,
    content: String,
    record: Seq,
    state: Option<State>,
    decision: Decision,
    own: bool,
}

impl<'r> Run<'r> {
    fn row(&mut self, tx: &mut ActTx<'_>, change: &NewChange) -> Result<ChangeResult, ActError> {
        let rules = match self.recorder.kinds.of(&change.kind) {
            Ok(rules) => rules,
            Err(refusal) => return Ok(ChangeResult::Rejected(refusal)),
        };
        let content = self.content(tx, change, rules)?;
        if let Some(source_ref) = &change.source_ref
            && let Some(known) = store::change_by_reference(tx.conn, self.sender.source, source_ref)?
        {
            return self.again(tx, &known, &content);
        }
        let changed_at = change.changed_at.unwrap_or(tx.now());
        if changed_at.0 > tx.now().0 + AHEAD {
            let detail = format!("changed_at {changed_at} lies in the future; check the sender's clock");
            return Ok(ChangeResult::Rejected(Refusal::field("time_ahead", "changed_at", detail)));
        }
        let known = store::record_by_reference(tx.conn, self.sender.source, &change.kind, &change.id)?;
        let state = match known.as_ref().map(|known| (known.id, self.states.remove(&known.id))) {
            Some((id, None)) => state::newest(tx.conn, id)?,
            known => known.and_then(|(_, state)| state),
        };
        // Of a record that is new to us nothing is compared, so no digest is asked for.
        let digests = self.digests(tx, known.as_ref(), state.as_ref())?;
        let decision = decide(state.as_ref(), change, &digests);
        let own = is_own(change, rules, state.as_ref(), &decision, &digests);
        drop(digests);
        if decision.unchanged {
            return Ok(ChangeResult::Unchanged(state.map(|state| state.head)));
        }
        if decision.fields.len() > FIELDS_MAX {
            let detail =
                format!("{} fields differ, but one change touches at most {FIELDS_MAX}; split it", decision.fields.len());
            return Ok(ChangeResult::Rejected(Refusal::whole("change_too_large", detail)));
        }
        if let Some(refusal) = self.sealing.refusal(tx, rules, change, &decision)? {
            return Ok(ChangeResult::Rejected(refusal));
        }
        let record = known.map_or(0, |known| known.id);
        self.keep(tx, Due { change, rules, changed_at, content, record, state, decision, own })
    }

    fn content(&mut self, tx: &ActTx<'_>, change: &NewChange, rules: &RecordType) -> DbResult<String> {
        let mut failed = None;
        let text = content::text(change, rules, &mut |path, value| {
            let key = self.sealing.digest_key(tx.clock);
            key.map(|key| key.digest("content", path, value)).unwrap_or_else(|error| {
                failed = Some(error);
                String::new()
            })
        });
        failed.map_or(Ok(text), Err)
    }

    fn digests(&mut self, tx: &ActTx<'_>, known: Option<&RecordRow>, state: Option<&State>) -> DbResult<Box<Digest<'static>>> {
        let sealed = state.is_some_and(|state| state.values.values().any(|held| held.value.is_none()));
        match known.filter(|_| sealed) {
            Some(known) => {
                let (key, of) = (self.sealing.digest_key(tx.clock)?.clone(), known.id.to_string());
                Ok(Box::new(move |path, value| key.digest(&of, path, value)))
            }
            None => Ok(Box::new(|_, _| String::new())),
        }
    }

    /// The first receipt again, or a conflict.
    fn again(&self, tx: &mut ActTx<'_>, known: &ChangeRow, content: &str) -> Result<ChangeResult, ActError> {
        let Some((row, part)) = trail::event(tx.conn, known.seq)? else {
            return Err(ActError::refused(
                500,
                "event_missing",
                format!("event {} is missing; run `counterfoil verify`", known.seq),
            ));
        };
        let private = part.as_ref().and_then(|part| Private::read(&part.body));
        let guess = (self.sender.key.unwrap_or(self.sender.source), known.seq);
        // Before anything is compared: past the bound the right content is answered like any other.
        if let Some(refusal) = self.recorder.conflicts.exhausted(guess, tx.now()) {
            return Ok(ChangeResult::Rejected(refusal));
        }
        // What was erased cannot be compared: it is taken as it was sent.
        if private.as_ref().is_some_and(|private| !content::is_mark_of(&private.content, content)) {
            self.recorder.conflicts.count(guess, tx.now());
            let detail = format!("the reference was first recorded with other content as {}; send another reference", known.seq);
            return Ok(ChangeResult::Rejected(Refusal::conflict(Some(known.seq), detail)));
        }
        let leaf = leaves::hashes(tx.conn, known.seq, known.seq + 1)?.pop().unwrap_or_default();
        let masked = Public::read(&row.body).map_or(0, |public| public.masked);
        let mismatches = private.map(|private| private.mismatches).unwrap_or_default();
        let hits = hits_again(tx.conn, known.seq)?;
        Ok(ChangeResult::Duplicate(ChangeReceipt { seq: known.seq, leaf, version: known.version, mismatches, masked, hits }))
    }

    fn keep(&mut self, tx: &mut ActTx<'_>, mut due: Due<'_>) -> Result<ChangeResult, ActError> {
        if due.record == 0 {
            due.record = self.define(tx, due.change)?;
        }
        self.sealing.prepare(tx, due.rules, due.change, &due.decision)?;
        let seq = tx.log_size();
        let also = (due.rules, &due.change.sensitive[..]);
        let made = self.sealing.fields(tx.clock, (seq, due.record), also, &due.decision.fields)?;
        let judged = self.judge(tx, seq, &due)?;
        let mut private = self.private(tx, &due, &made.rows);
        // Whether it fits does not depend on what did not match.
        let fits = event::fit(&mut private, EVENT_MAX);
        let public = Public {
            rules: Some(judged.rules()),
            outcomes: judged.outcomes(due.record),
            ..self.public(tx.now(), &due, made.commitments)
        };
        let event = event::changed(&public, &private);
        if !fits || event.body.to_string().len() > EVENT_MAX {
            // The record may have been defined by now: that stays, and begins with its next change.
            let detail = "the paths of the fields that differ are too long together; split the change";
            return Ok(ChangeResult::Rejected(Refusal::whole("change_too_large", detail)));
        }
        let mismatches = private.mismatches.clone();
        let (placed, leaf) = tx.append_for_receipt(event)?;
        debug_assert_eq!(placed, seq);
        self.store(tx, seq, &public, &mut due, made.rows)?;
        let (version, masked, calendar) = (public.version, public.masked, &self.recorder.calendar);
        let date = crate::clock::day_number(calendar.local_date(tx.now()));
        let hits = self.recorder.rules.raise(tx, (calendar, date), (seq, due.changed_at), &judged)?;
        Ok(ChangeResult::Recorded(ChangeReceipt { seq, leaf, version, mismatches, masked, hits }))
    }

    fn judge(&self, tx: &mut ActTx<'_>, seq: Seq, due: &Due<'_>) -> DbResult<Judged> {
        let seen = Seen {
            seq,
            source: self.sender.source,
            record: due.record,
            change: due.change,
            kind: due.rules,
            at: due.changed_at,
            state: due.state.as_ref(),
            decision: &due.decision,
            own: due.own,
        };
        self.recorder.rules.judge(tx.conn, &self.recorder.calendar, &seen)
    }

    fn define(&self, tx: &mut ActTx<'_>, change: &NewChange) -> Result<Seq, ActError> {
        let body = serde_json::json!({ "source": self.sender.source, "type": change.kind });
        let id = tx.append(NewEvent::with_private(DEFINED, body, serde_json::json!({ "id": change.id })))?;
        let (source, kind, reference) = (self.sender.source, change.kind.clone(), change.id.clone());
        bulk::append(tx.conn, &[RecordRow { id, source, kind, reference, created_at: tx.now().0 }])?;
        Ok(id)
    }

    fn public(&self, now: Moment, due: &Due<'_>, (fields, sealed): (Vec<String>, Vec<usize>)) -> Public {
        let before = due.state.as_ref();
        Public {
            record: due.record,
            version: before.map_or(0, |state| state.version) + 1,
            previous: before.map(|state| state.head),
            source: self.sender.source,
            key: self.sender.key,
            source_ref: due.change.source_ref.clone(),
            action: due.change.action.text().to_owned(),
            class: super::change::class_text(due.change.class).to_owned(),
            at: due.changed_at.to_string(),
            effective_at: Moment(due.changed_at.0.max(before.map_or(i64::MIN, |state| state.effective_at))).to_string(),
            date: self.recorder.calendar.local_date(now).to_string(),
            fields,
            sealed,
            masked: due.change.masked,
            mismatches: due.decision.mismatches.len() as u32,
            restores: due.change.restores,
            proposal: due.change.proposal,
            rules: None,
            outcomes: Vec::new(),
        }
    }

    fn private(&self, tx: &ActTx<'_>, due: &Due<'_>, rows: &[FieldRow]) -> Private {
        let sealed = rows.iter().filter(|row| row.sealed.is_some());
        let told = |found: &Mismatch| {
            let sealed = found.sealed || due.rules.is_sensitive(&found.path, &due.change.sensitive);
            let open = !sealed || found.path.is_empty();
            let value = |value: &Option<super::json::Json>| value.clone().filter(|_| open);
            (found.path.clone(), value(&found.expected), value(&found.found))
        };
        let mismatches: Vec<_> = due.decision.mismatches.iter().map(told).collect();
        Private {
            who: due.change.who.clone(),
            reason: due.change.reason.clone(),
            subject: subject::of(due.change, due.rules, due.state.as_ref()),
            origin: self.sender.origin.clone(),
            paths: rows.iter().map(|row| row.path.clone()).collect(),
            digests: sealed.map(|row| (row.old_digest.clone(), row.new_digest.clone())).collect(),
            mismatches: event::told(&mismatches),
            content: content::mark(tx.clock, &due.content),
        }
    }

    fn store(
        &mut self,
        tx: &mut ActTx<'_>,
        seq: Seq,
        public: &Public,
        due: &mut Due<'_>,
        rows: Vec<FieldRow>,
    ) -> Result<(), ActError> {
        let row = ChangeRow {
            seq,
            record: due.record,
            version: public.version,
            source: self.sender.source,
            source_ref: public.source_ref.clone(),
            action: due.change.action.code(),
            class: class_code(due.change.class),
            changed_at: due.changed_at.0,
            effective_at: public.effective_at().map_or(due.changed_at.0, |at| at.0),
            recorded_at: tx.now().0,
            fields: rows.len() as i32,
            actor: due.change.who.actor.clone(),
            restores: due.change.restores,
        };
        let state = state::after(due.state.take(), &row, rows.iter().map(FieldSet::from));
        if state.version % SNAPSHOT_EVERY == 0 {
            let body = state::snapshot_body(&state.values, state.torn);
            bulk::append(tx.conn, &[SnapshotRow { record: due.record, version: state.version, body }])?;
        }
        self.states.insert(due.record, state);
        if public.mismatches > 0 {
            let business_date = crate::clock::day_number(self.recorder.calendar.local_date(tx.now()));
            let (record, fields, opened_at) = (due.record, public.mismatches as i32, tx.now().0);
            let row = RecordBreakRow { seq, record, fields, state: OPEN, business_date, opened_at, closed_by: None };
            bulk::append(tx.conn, &[row])?;
        }
        bulk::append(tx.conn, &[row])?;
        bulk::append(tx.conn, &rows)?;
        Ok(())
    }
}
