//! Looking back at an account's entries, for one that comes later than memory reaches: along the
//! back pointers through the open batch, the one in flight, and the database.
//!
//! At most [`PAST_MAX`] entries are read.

use std::sync::Arc;

use counterfoil_verify::EntryLeaf;

use crate::clock::Moment;
use crate::db::{DbError, DbResult};
use crate::detect::Recent;
use crate::ids::Seq;
use crate::ledger::continuity::Strictness;
use crate::ledger::store::EntryRow;
use crate::ledger::{Direction, Movement, PAST_MAX, Past, Status, history};

use super::accounts::Slot;
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
    pub fn seen(&mut self, account: Slot, entry: &Movement, how: Strictness) -> DbResult<Seen> {
        let state = self.accounts.get(account);
        let rules = entry.counts() && self.rules.lacks(&state.body.recent, Moment(entry.booked_at), entry.seq);
        let chains = state.body.continuity.wants_past(entry, how);
        if !rules && !chains {
            return Ok(Seen::default());
        }
        let (id, head) = (state.id, state.body.head());
        let past = self.look_back(id, head)?;
        let since = entry.booked_at.saturating_sub(self.rules.window());
        let recent = rules.then(|| self.accounts.get(account).body.recent.looked_back(&past, since));
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
            let Some(row) = self.not_stored(seq)? else {
                entries.extend(history::earlier(&mut self.conn, seq, PAST_MAX - entries.len())?);
                break;
            };
            entries.push(movement_of(&row.leaf())?);
            next = row.prev;
        }
        entries.reverse();
        Ok(self.look_backs.remember(account, Past { entries }))
    }

    /// The entry at `seq`, if it is of the open batch or in flight.
    fn not_stored(&self, seq: Seq) -> DbResult<Option<EntryRow>> {
        if let Some(row) = self.open.entries.row(seq)? {
            return Ok(Some(row));
        }
        self.in_flight.as_ref().map_or(Ok(None), |flying| flying.batch.entries.row(seq))
    }
}

/// The entry of a leaf, as rules and continuity see it.
pub(super) fn movement_of(row: &EntryLeaf<'_>) -> DbResult<Movement> {
    let unknown = |what: &str| DbError::Corrupt(format!("entry {}: unknown {what}", row.seq));
    Ok(Movement {
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
