//! An entry evaluated anew, with the alerts it opens.

use counterfoil_verify::EventLeaf;

use crate::db::{DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{self as ledger_store, EntryRow};
use crate::ledger::{Context, NewEntry, Parts};
use crate::trail::store::EventRow;

use super::super::engine::Engine;
use super::super::maps::Map;
use super::super::{Delivery, DeliveryKind, Row, RowResult, Submission};
use super::{KEPT_MAX, Rebuild, RebuildError, RecordedLeaf, hash, json, private};
use crate::db::bulk::{BulkRow, Value};

impl Rebuild {
    pub(super) fn entry(&mut self, leaf: &RecordedLeaf, following: &[RecordedLeaf]) -> Result<(), RebuildError> {
        let row = EntryRow::of_leaf(&leaf.bytes)?;
        self.at(row.recorded_at);
        self.expect(leaf, &row.blind)?;
        for opened in following {
            let event = event_of(opened)?;
            self.expect(opened, &event.blind)?;
        }
        let recipients = recipients(following);
        let entry = self.as_sent(&row, leaf)?;
        let delivery = self.delivery_of(row.delivery)?;
        let history = recipients.is_empty();
        self.engine.mail_to(recipients);
        let rows = vec![Row { line: 1, entry: Ok(entry), with_next: false }];
        let reply = Box::new(|_| {});
        self.engine.submit(Submission { source: row.source, delivery, rows, atomic: false, history, reply })?;
        self.met.entries += 1;
        let result = self.engine.waiting.pop().and_then(|mut waiting| waiting.results.pop());
        match result {
            Some(RowResult::Recorded(receipt)) if receipt.seq == row.seq && receipt.leaf == hash(&leaf.bytes) => {}
            Some(RowResult::Recorded(receipt)) => return Err(self.entry_differs(&row, receipt.seq)?),
            Some(RowResult::Duplicate(receipt)) => {
                let again = format!("the same as entry {}", receipt.seq);
                return Err(self.differs(row.seq, "entries", "source_ref", "recorded", &again));
            }
            Some(RowResult::Rejected(refusal)) => {
                return Err(self.differs(row.seq, "entries", "", "recorded", &format!("refused: {}", refusal.code)));
            }
            None => return Err(DbError::Corrupt(format!("entry {} was not answered", row.seq)).into()),
        }
        self.opened(row.seq, following)
    }

    /// The entry as it was sent; what is gone is stood in for.
    fn as_sent(&mut self, row: &EntryRow, leaf: &RecordedLeaf) -> DbResult<NewEntry> {
        let number = kept(&mut self.numbers, &mut self.engine, row.account, Engine::number_of)?;
        let context: Context = kept(&mut self.contexts, &mut self.engine, row.context, Engine::context_of)?;
        let part = |i: usize| leaf.opening.as_ref().and_then(|opening| opening.parts.get(i).cloned().flatten());
        let parts = Parts {
            party: part(0),
            counterparty: part(1),
            counterparty_name: part(2),
            counterparty_country: part(3),
            reason: part(4),
        };
        row.to_entry(&number, context, parts)
    }

    fn delivery_of(&mut self, id: Seq) -> DbResult<Delivery> {
        kept(&mut self.deliveries, &mut self.engine, id, Engine::delivery_of)
    }

    /// Which columns of the entry came out others.
    fn entry_differs(&self, recorded: &EntryRow, seq: Seq) -> DbResult<RebuildError> {
        let rebuilt = self.engine.open.entries.row(seq)?;
        let rebuilt = rebuilt.ok_or_else(|| DbError::Corrupt(format!("entry {seq} was not made")))?;
        let names = recorded.differing(&rebuilt);
        let (one, other) = (shown(recorded, &rebuilt), shown(&rebuilt, recorded));
        Ok(self.differs(recorded.seq, "entries", &names.join(", "), &one, &other))
    }

    /// The alerts that the entry opened are those that were recorded behind it.
    fn opened(&mut self, entry: Seq, following: &[RecordedLeaf]) -> Result<(), RebuildError> {
        let next = self.engine.tail.next_seq();
        for leaf in following {
            let recorded = event_of(leaf)?;
            let events = &self.engine.open.events;
            let at = events.binary_search_by_key(&leaf.seq, |event| event.seq);
            let rebuilt = at.ok().map(|at| &events[at]);
            if rebuilt != Some(&recorded) {
                let text = rebuilt.map_or("no alert", |event| event.body.as_str()).to_owned();
                return Err(self.differs(leaf.seq, "events", "body", &recorded.body, &text));
            }
            self.met.made += 1;
        }
        let end = entry + 1 + following.len() as Seq;
        if next != end {
            let text = format!("{} alerts", next - entry - 1);
            return Err(self.differs(entry, "alerts", "", &format!("{} alerts", following.len()), &text));
        }
        Ok(())
    }
}

/// Asks the engine once for what many entries share.
fn kept<T: Clone>(
    known: &mut Map<Seq, T>,
    engine: &mut Engine,
    id: Seq,
    ask: fn(&mut Engine, Seq) -> DbResult<T>,
) -> DbResult<T> {
    if let Some(found) = known.get(&id) {
        return Ok(found.clone());
    }
    if known.len() >= KEPT_MAX {
        known.clear();
    }
    let found = ask(engine, id)?;
    known.insert(id, found.clone());
    Ok(found)
}

/// Who was owed mail of the alerts that an entry opened: the same for all of them.
fn recipients(following: &[RecordedLeaf]) -> Vec<String> {
    let list = |leaf: &RecordedLeaf| mail_to(&event_of(leaf).ok()?.body, private(leaf));
    following.iter().find_map(list).unwrap_or_default()
}

/// Who was owed mail: told in private; when that is gone, so many that are not known.
pub(super) fn mail_to(body: &str, private: Option<&str>) -> Option<Vec<String>> {
    let count = json(body)["mail"].as_u64()?;
    match private {
        Some(text) => {
            let list = json(text)["mail_to"].as_array().cloned()?;
            Some(list.iter().filter_map(|to| to.as_str().map(str::to_owned)).collect())
        }
        None => Some((0..count).map(|_| String::new()).collect()),
    }
}

fn event_of(leaf: &RecordedLeaf) -> DbResult<EventRow> {
    let unreadable = || DbError::Corrupt(format!("leaf {} is no event", leaf.seq));
    match counterfoil_verify::decode::decode(&leaf.bytes) {
        Ok(counterfoil_verify::decode::Leaf::Event(_, EventLeaf { seq, recorded_at, kind, body, blind })) => {
            Ok(EventRow { seq, recorded_at, kind: kind.to_owned(), body: body.to_owned(), blind: blind.to_vec() })
        }
        _ => Err(unreadable()),
    }
}

/// The values in which a row differs from another.
fn shown<R: BulkRow>(row: &R, other: &R) -> String {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    row.values(&mut own);
    other.values(&mut others);
    let text = |value: &Value<'_>| match value {
        Value::Null => "null".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => (*text).to_owned(),
        Value::Bytes(bytes) => hex::encode(bytes),
    };
    let differs = own.iter().zip(&others).filter(|(own, other)| text(own) != text(other));
    differs.map(|(own, _)| text(own)).collect::<Vec<_>>().join(", ")
}

impl Engine {
    /// Who is owed mail of alerts from here on; nobody else may hold the settings.
    fn mail_to(&mut self, recipients: Vec<String>) {
        if !recipients.is_empty()
            && self.settings.alerts_to != recipients
            && let Some(settings) = std::sync::Arc::get_mut(&mut self.settings)
        {
            settings.alerts_to = recipients;
        }
    }

    /// The delivery with this id.
    fn delivery_of(&mut self, id: Seq) -> DbResult<Delivery> {
        let missing = || DbError::Corrupt(format!("delivery {id} is missing"));
        let row = match self.open.deliveries.iter().find(|row| row.id == id) {
            Some(row) => row.clone(),
            None => ledger_store::delivery(&mut self.conn, id)?.ok_or_else(missing)?,
        };
        let kind = DeliveryKind::parse(&row.kind).ok_or_else(missing)?;
        Ok(Delivery { kind, api_key: row.api_key, origin: row.origin })
    }
}
