//! Looking back at an account's entries, for one that comes later than memory reaches: along the
//! back pointers through the open batch, the one in flight, and the database.
//!
//! At most [`PAST_MAX`] entries are read.

use std::sync::Arc;

use crate::db::{DbError, DbResult};
use crate::detect::Recent;
use crate::ids::Seq;
use crate::ledger::continuity::Strictness;
use crate::ledger::store::EntryRow;
use crate::ledger::{Direction, NewEntry, PAST_MAX, Past, PastEntry, Status, history};

use super::engine::Engine;

/// What one entry is judged with beyond what memory holds of its account.
#[derive(Default)]
pub(super) struct Seen {
    /// For continuity.
    pub past: Option<Arc<Past>>,
    /// For the rules.
    pub recent: Option<Recent>,
}

impl Engine {
    /// Looks back where the rules or continuity need more of the account than memory holds.
    pub fn seen(&mut self, account: Seq, seq: Seq, entry: &NewEntry, how: Strictness) -> DbResult<Seen> {
        let Some(state) = self.states.get(&account) else { return Ok(Seen::default()) };
        let counted = entry.status == Status::Booked && entry.amount > 0;
        let rules = counted && self.rules.lacks(&state.body.recent, entry.booked_at, seq);
        let chains = state.body.continuity.wants_past(seq, entry, how);
        if !rules && !chains {
            return Ok(Seen::default());
        }
        let past = self.look_back(account, state.body.head)?;
        let since = entry.booked_at.0.saturating_sub(self.rules.window());
        let recent = self.states.get(&account).filter(|_| rules).map(|state| state.body.recent.looked_back(&past, since));
        Ok(Seen { past: Some(past).filter(|_| chains), recent })
    }

    /// The newest entries of an account, whose last is `head`, in the order of recording.
    pub fn look_back(&mut self, account: Seq, head: Option<Seq>) -> DbResult<Arc<Past>> {
        if let Some(past) = self.look_backs.find(account) {
            return Ok(past);
        }
        let mut entries = Vec::new();
        let mut next = head;
        if let Some((before, rehearsed)) = self.rehearsed.as_ref().and_then(|rehearsed| rehearsed.past(account)) {
            entries.extend(rehearsed.take(PAST_MAX));
            next = before;
        }
        while let Some(seq) = next.filter(|_| entries.len() < PAST_MAX) {
            let held = match self.open.entry(seq)? {
                None => self.in_flight.as_ref().map(|f| f.batch.entry(seq)).transpose()?.flatten(),
                found => found,
            };
            let Some((row, _)) = held else {
                entries.extend(history::earlier(&mut self.conn, seq, PAST_MAX - entries.len())?);
                break;
            };
            entries.push(past_of(&row)?);
            next = row.prev;
        }
        entries.reverse();
        Ok(self.look_backs.remember(account, Past { entries }))
    }
}

fn past_of(row: &EntryRow) -> DbResult<PastEntry> {
    let unknown = |what: &str| DbError::Corrupt(format!("entry {}: unknown {what}", row.seq));
    Ok(PastEntry {
        seq: row.seq,
        booked_at: row.booked_at,
        account_seq: row.account_seq,
        amount: row.amount,
        direction: Direction::from_code(row.direction).ok_or_else(|| unknown("direction"))?,
        balance_before: row.balance_before,
        balance_after: row.balance_after,
        status: Status::from_code(row.status).ok_or_else(|| unknown("status"))?,
    })
}
