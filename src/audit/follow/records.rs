//! Records and their changes: what was defined, every change in the order of its record, and the breaks.
//!
//! Only places are kept while the log is read; the events are read again, stretch by stretch, beside the
//! rows that follow from them.

use std::collections::{BTreeMap, HashMap};

use crate::clock::{Moment, day_number, parse_date};
use crate::db::{Conn, DbResult, bulk};
use crate::ids::{Seq, erased_number};
use crate::ledger::BreakKind;
use crate::records::event::{Private, Public};
use crate::records::explain::CLOSED;
use crate::records::store::{ChangeRow, RecordBreakRow, RecordRow};
use crate::records::{Action, OPEN, class_code, parse_class};
use crate::trail::sealing::Opener;

use super::super::L3;
use super::super::event::Event;
use super::super::findings::Findings;
use super::{extra, missing, record_fields, same, store};

/// Changes looked at at once.
const STRETCH: usize = 500;

#[derive(Default)]
pub(super) struct Records {
    defined: BTreeMap<Seq, RecordRow>,
    changed: Vec<Seq>,
    /// The events that explained breaks, by the break.
    explained: HashMap<Seq, Seq>,
}

/// A change as its event says.
pub(super) struct Said {
    pub(super) seq: Seq,
    pub(super) at: i64,
    pub(super) public: Public,
    /// `None` when it was erased.
    pub(super) private: Option<Private>,
}

impl Said {
    fn of(event: &Event) -> Option<Said> {
        let public = Public::read(&event.body.to_string())?;
        Some(Said { seq: event.seq, at: event.at, public, private: event.private_as() })
    }

    fn row(&self) -> ChangeRow {
        let public = &self.public;
        let time = |at: Option<Moment>| at.map_or(i64::MIN, |at| at.0);
        ChangeRow {
            seq: self.seq,
            record: public.record,
            version: public.version,
            source: public.source,
            source_ref: public.source_ref.clone(),
            action: Action::parse(&public.action).map_or(0, Action::code),
            class: parse_class(&public.class).map_or(0, class_code),
            changed_at: time(public.changed_at()),
            effective_at: time(public.effective_at()),
            recorded_at: self.at,
            fields: public.fields.len() as i32,
            actor: self.private.as_ref().and_then(|private| private.who.actor.clone()),
            restores: public.restores,
        }
    }

    fn broken(&self, explained: &HashMap<Seq, Seq>) -> Option<RecordBreakRow> {
        let (public, closed_by) = (&self.public, explained.get(&self.seq).copied());
        let business_date = parse_date(&public.date).map(day_number).unwrap_or_default();
        (public.mismatches > 0).then_some(RecordBreakRow {
            seq: self.seq,
            record: public.record,
            fields: public.mismatches as i32,
            state: if closed_by.is_some() { CLOSED } else { OPEN },
            business_date,
            opened_at: self.at,
            closed_by,
        })
    }
}

impl Records {
    pub(super) fn defined(&mut self, event: &Event) {
        let reference = event.private("id").map_or_else(|| erased_number(event.seq), str::to_owned);
        let (id, source, kind) = (event.seq, event.number("source"), event.text("type"));
        self.defined.insert(id, RecordRow { id, source, kind, reference, created_at: event.at });
    }

    pub(super) fn explained(&mut self, event: &Event) {
        if event.body["kind"] == BreakKind::Record.text() {
            self.explained.insert(event.number("break"), event.seq);
        }
    }

    pub(super) fn changed(&mut self, seq: Seq) {
        self.changed.push(seq);
    }

    /// Records, changes and breaks, as they follow from the log; values and what is made of them are not in it.
    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        bulk::append(conn, &self.defined.into_values().collect::<Vec<_>>())?;
        for places in self.changed.chunks(STRETCH) {
            let said = said(conn, places)?;
            bulk::append(conn, &said.iter().map(Said::row).collect::<Vec<_>>())?;
            bulk::append(conn, &said.iter().filter_map(|said| said.broken(&self.explained)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self, conn: &mut Conn, opener: &mut Opener, findings: &mut Findings) -> DbResult<()> {
        let mut chains = Chains::default();
        let mut values = record_fields::Values::new(opener);
        let mut from = Seq::MIN;
        for at in (0..self.changed.len().max(1)).step_by(STRETCH) {
            let places = &self.changed[at..self.changed.len().min(at + STRETCH)];
            let to = self.changed.get(at + STRETCH).copied().unwrap_or(Seq::MAX);
            let said = said(conn, places)?;
            chains.meet(&said, &self.defined, findings);
            changes(conn, &said, (from, to), findings)?;
            breaks(conn, &said, &self.explained, (from, to), findings)?;
            values.compare(conn, &said, (from, to), findings)?;
            from = to;
        }
        values.finish(conn, &chains.heads(), findings)?;
        let mut after = Seq::MIN;
        loop {
            let rows = store::records_after(conn, after, STRETCH as i64)?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in &rows {
                match self.defined.remove(&row.id) {
                    Some(expected) => same("records", row.id, row, &expected, findings),
                    None => extra("records", row.id, findings),
                }
            }
        }
        self.defined.into_keys().for_each(|seq| missing("records", seq, findings));
        Ok(())
    }
}

fn said(conn: &mut Conn, places: &[Seq]) -> DbResult<Vec<Said>> {
    let events = store::events_at(conn, places.to_vec())?;
    Ok(places.iter().filter_map(|seq| Said::of(events.get(seq)?)).collect())
}

/// Where each record stands.
#[derive(Default)]
struct Chains {
    records: HashMap<Seq, (i64, Seq, i64)>,
}

impl Chains {
    /// Numbers follow each other, each change names the one before, and its time never goes back.
    fn meet(&mut self, said: &[Said], defined: &BTreeMap<Seq, RecordRow>, findings: &mut Findings) {
        for said in said {
            let public = &said.public;
            findings.checked(L3, 1);
            let before = self.records.get(&public.record).copied();
            let changed_at = public.changed_at().map_or(i64::MIN, |at| at.0);
            let (version, head, effective) = before.unwrap_or((0, -1, i64::MIN));
            let right = public.version == version + 1
                && public.previous.unwrap_or(-1) == head
                && public.effective_at().map(|at| at.0) == Some(effective.max(changed_at))
                && defined.get(&public.record).is_some_and(|record| record.source == public.source && record.id < said.seq);
            if !right {
                let text = "the change does not follow from the record and the change before it";
                findings.add((L3, "record_chain"), "events", said.seq, text);
            }
            self.records.insert(public.record, (public.version, said.seq, effective.max(changed_at)));
        }
    }

    fn heads(&self) -> BTreeMap<Seq, i64> {
        self.records.iter().map(|(record, (version, ..))| (*record, *version)).collect()
    }
}

fn changes(conn: &mut Conn, said: &[Said], range: (Seq, Seq), findings: &mut Findings) -> DbResult<()> {
    let mut expected: BTreeMap<Seq, ChangeRow> = said.iter().map(|said| (said.seq, said.row())).collect();
    for row in store::record_changes(conn, range)? {
        match expected.remove(&row.seq) {
            Some(expected) => same("record_changes", row.seq, &row, &expected, findings),
            None => extra("record_changes", row.seq, findings),
        }
    }
    expected.into_keys().for_each(|seq| missing("record_changes", seq, findings));
    Ok(())
}

fn breaks(
    conn: &mut Conn,
    said: &[Said],
    explained: &HashMap<Seq, Seq>,
    range: (Seq, Seq),
    findings: &mut Findings,
) -> DbResult<()> {
    let expected = said.iter().filter_map(|said| Some((said.seq, said.broken(explained)?)));
    let mut expected: BTreeMap<Seq, RecordBreakRow> = expected.collect();
    for row in store::record_breaks(conn, range)? {
        match expected.remove(&row.seq) {
            Some(expected) => same("record_breaks", row.seq, &row, &expected, findings),
            None => extra("record_breaks", row.seq, findings),
        }
    }
    expected.into_keys().for_each(|seq| missing("record_breaks", seq, findings));
    Ok(())
}
