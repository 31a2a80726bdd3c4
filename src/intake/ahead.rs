//! Looking ahead: the keys of the next rows, and the memory they will need.
//!
//! What is remembered of accounts and references is far larger than the processor's caches. Asked
//! for entry by entry it would be waited for entry by entry; asked for many rows at once, those
//! waits overlap.

use crate::ids::Seq;

use super::Row;
use super::accounts::Slot;
use super::engine::Engine;
use super::references::RefKey;

/// Rows looked ahead at once.
pub(super) const AHEAD: usize = 64;

/// What was found out of a row before its turn.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub key: RefKey,
    /// Its account, if that was in memory.
    pub account: Option<Slot>,
}

impl Engine {
    /// Looks at rows that are to be checked soon; answers are added to `found`, one per row.
    pub fn look_ahead(&self, source: Seq, rows: &[Row], found: &mut Vec<Ahead>) {
        let first = found.len();
        found.extend(rows.iter().map(|row| {
            let text = row.entry.as_ref().map_or("", |entry| entry.source_ref.as_str());
            Ahead { key: RefKey::of(source, text), account: None }
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
        // Nothing is done with it; that it was read is what counts.
        std::hint::black_box(read);
    }
}
