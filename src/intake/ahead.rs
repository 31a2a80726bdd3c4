//! Looking ahead: the keys of the next rows, the memory they will need, and the stored entries they
//! may repeat.
//!
//! What is remembered of accounts and references is far larger than the processor's caches. Asked
//! for entry by entry it would be waited for entry by entry; asked for many rows at once, those
//! waits overlap.

use crate::db::DbResult;
use crate::ids::Seq;
use crate::ledger::store::{self, EntryPartRow, EntryRow};

use super::Row;
use super::accounts::Slot;
use super::engine::Engine;
use super::maps::Map;
use super::references::RefKey;

/// Rows looked ahead at once.
pub(super) const AHEAD: usize = 64;

/// What was found out of a row before its turn.
pub(super) struct Ahead {
    pub key: RefKey,
    /// Its account, if that was in memory.
    pub account: Option<Slot>,
    /// Places of closed segments where its reference may have been recorded.
    pub closed: Vec<Seq>,
}

/// Stored entries that rows looked ahead at may repeat.
#[derive(Default)]
pub(super) struct Repeated(Map<Seq, (EntryRow, Option<EntryPartRow>)>);

impl Repeated {
    /// The entry at `seq`, if it was read.
    pub fn take(&mut self, seq: Seq) -> Option<(EntryRow, Option<EntryPartRow>)> {
        self.0.remove(&seq)
    }
}

impl Engine {
    /// Looks at rows that are to be checked soon; answers are added to `found`, one per row.
    pub fn look_ahead(&mut self, source: Seq, rows: &[Row], found: &mut Vec<Ahead>) -> DbResult<()> {
        let first = found.len();
        found.extend(rows.iter().map(|row| {
            let text = row.entry.as_ref().map_or("", |entry| entry.source_ref.as_str());
            Ahead { key: RefKey::of(source, text), account: None, closed: Vec::new() }
        }));
        let new = &mut found[first..];
        let mut read = self.references.touch(new.iter().map(|ahead| ahead.key));
        for (row, ahead) in rows.iter().zip(new.iter_mut()) {
            let number = row.entry.as_ref().map_or("", |entry| entry.account.as_str());
            ahead.account = self.accounts.by_number(number);
        }
        for at in new.iter().filter_map(|ahead| ahead.account) {
            read ^= self.accounts.get(at).body.touch();
        }
        for at in new.iter().filter_map(|ahead| ahead.account) {
            read ^= self.accounts.get(at).body.touch_beyond();
        }
        // Nothing is done with it; that it was read is what counts.
        std::hint::black_box(read);
        self.read_repeated(&mut found[first..])
    }

    /// Reads at once the stored entries that these rows may repeat: sent again, a file asks for as many
    /// as it has rows.
    fn read_repeated(&mut self, rows: &mut [Ahead]) -> DbResult<()> {
        self.repeated.0.clear();
        let mut places = Vec::new();
        for row in rows {
            row.closed = self.references.find_closed(&mut self.conn, row.key)?;
            places.extend(row.closed.iter().copied().chain(self.references.find_open(row.key)));
        }
        if places.is_empty() {
            return Ok(());
        }
        let entries = store::entries_at(&mut self.conn, &places)?;
        let mut parts: Map<Seq, EntryPartRow> = Map::default();
        parts.extend(store::entry_parts_at(&mut self.conn, &places)?.into_iter().map(|part| (part.seq, part)));
        let whole = entries.into_iter().map(|row| (row.seq, (parts.remove(&row.seq), row)));
        self.repeated.0.extend(whole.map(|(seq, (part, row))| (seq, (row, part))));
        Ok(())
    }
}
