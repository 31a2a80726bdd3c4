//! Sensitive private parts on their way into the log: sealed instead of stored.

use crate::db::{DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{EntryPartRow, EntryRow};
use crate::ledger::{Draft, NewEntry, Parts, Refusal};
use crate::trail::sealing::store::{SealedPartRow, sealed_part};
use crate::trail::sealing::{FIELDS, Fields};

use super::engine::Engine;

/// What is kept of a refused row in place of what is sensitive.
const LEFT_OUT: &str = "(sensitive: not kept)";

/// Whether the salt of stored parts is there: it is sealed where some of them are.
fn is_whole(part: &EntryPartRow) -> bool {
    part.salt.len() == 32
}

impl Engine {
    /// Refuses an entry that needs sealing while nothing may be sealed.
    pub fn refuse_unsealed(&mut self, sensitive: Fields, entry: &NewEntry) -> DbResult<Option<Refusal>> {
        if sensitive.present(&entry.parts.listed()).is_empty() || self.rehearsed.is_some() {
            return Ok(None);
        }
        let status = self.sealer.status(&mut self.conn, self.settings.clock.now())?;
        let refusal = || Refusal { status: 503, ..Refusal::whole(status.code(), status.text()) };
        Ok((!status.is_ready()).then(refusal))
    }

    /// Makes the key that the entry needs, before it has its place.
    pub fn prepare_seal(&mut self, sensitive: Fields, entry: &NewEntry) -> DbResult<()> {
        if !self.seals(sensitive, &entry.parts) {
            return Ok(());
        }
        let now = self.tail.recorded_at();
        let Some(fresh) = self.sealer.wants(&mut self.conn, &self.settings.clock, now)? else { return Ok(()) };
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        let id = to.append(&fresh.event)?;
        let row = self.sealer.begin(fresh, id, now);
        self.open.data_keys.push(row);
        Ok(())
    }

    /// Whether some of these parts are to be sealed.
    pub fn seals(&self, sensitive: Fields, parts: &Parts) -> bool {
        !sensitive.is_empty() && self.rehearsed.is_none() && !sensitive.present(&parts.listed()).is_empty()
    }

    /// Puts the private parts of an entry into the batch: sealed what is sensitive, plain the rest.
    pub fn keep_sealed(&mut self, seq: Seq, salt: [u8; 32], blind: &[u8], parts: Parts, sensitive: Fields) -> DbResult<()> {
        let fields = sensitive.present(&parts.listed());
        let mut row = EntryPartRow::of(seq, Vec::new(), parts);
        let sealed = self.sealer.seal(&self.settings.clock, (seq, blind), fields, (&salt, &row.listed()))?;
        self.open.sealed.push(sealed);
        for (_, part) in row.parts_mut().into_iter().enumerate().filter(|(i, _)| fields.has(*i)) {
            *part = None;
        }
        if row.listed().iter().any(Option::is_some) {
            self.open.parts.push(row);
        }
        Ok(())
    }

    /// The private parts of a stored entry for comparing them with what was sent again. What was erased,
    /// or cannot be opened, cannot be compared: it is taken as it was sent.
    pub fn parts_to_compare(&mut self, row: &EntryRow, part: Option<EntryPartRow>, sent: &Parts) -> DbResult<Parts> {
        let whole = part.as_ref().is_some_and(is_whole);
        if whole || row.blind.len() != 32 {
            return Ok(part.map(|part| part.parts()).unwrap_or_default());
        }
        let Some(sealed) = self.sealed(row.seq)? else { return Ok(sent.clone()) };
        let opened = self.sealer.open(&mut self.conn, &sealed, &row.blind)?;
        let mut known = part.unwrap_or_else(|| EntryPartRow::of(row.seq, Vec::new(), Parts::default()));
        let fields = Fields(sealed.fields);
        for (i, slot) in known.parts_mut().into_iter().enumerate().filter(|(i, _)| fields.has(*i)) {
            *slot = match &opened {
                Some(opened) => opened.parts[i].clone(),
                None => sent.listed()[i].map(str::to_owned),
            };
        }
        Ok(known.parts())
    }

    fn sealed(&mut self, seq: Seq) -> DbResult<Option<SealedPartRow>> {
        for batch in std::iter::once(&self.open).chain(self.in_flight.as_ref().map(|f| &*f.batch)) {
            if let Ok(at) = batch.sealed.binary_search_by_key(&seq, |row| row.seq) {
                return Ok(Some(batch.sealed[at].clone()));
            }
        }
        sealed_part(&mut self.conn, seq)
    }
}

/// What is kept of a row that is refused: nothing sensitive.
pub(super) fn kept_of(entry: &Result<NewEntry, super::Refused>, sensitive: Fields) -> DbResult<Vec<u8>> {
    match entry {
        Err(unread) => Ok(kept_of_unread(&unread.bytes, sensitive)),
        Ok(entry) => kept_of_entry(entry, sensitive),
    }
}

/// The same of a row that cannot be read: nothing at all, because nobody can tell which of it is.
pub(super) fn kept_of_unread(bytes: &[u8], sensitive: Fields) -> Vec<u8> {
    if sensitive.is_empty() { bytes.to_owned() } else { LEFT_OUT.as_bytes().to_vec() }
}

/// The same of a row that could be read.
pub(super) fn kept_of_entry(entry: &NewEntry, sensitive: Fields) -> DbResult<Vec<u8>> {
    let mut row = serde_json::to_value(Draft::from(entry)).map_err(|e| DbError::Corrupt(e.to_string()))?;
    if let Some(fields) = row.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        for (name, value) in fields.iter_mut() {
            if FIELDS.iter().position(|field| field == name).is_some_and(|i| sensitive.has(i)) {
                *value = LEFT_OUT.into();
            }
        }
    }
    Ok(row.to_string().into_bytes())
}
