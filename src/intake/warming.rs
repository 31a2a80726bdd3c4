//! What only makes recording faster is read after recording has begun, aside.
//!
//! The filter over all references ever stored and the digests of all account numbers say *surely new*
//! without asking the database. Reading them takes seconds in a large log, so a process begins without:
//! it asks the index runs and the table of accounts each time, which gives the same answers. What was read
//! aside is taken only if it covers all that the engine does not know by itself. With it comes whether
//! all stored states are what the log says ([`super::trust`]).

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::store as ledger_store;
use crate::trail::store as trail_store;

use super::accounts::{Digests, Hasher};
use super::engine::Engine;
use super::maps::Map;
use super::references::Filter;
use super::runs::{self, RunKind};
use super::trust;

/// What was read aside, and of which log.
pub(super) struct Warmth {
    /// Leaves in the log when it was read.
    size: Seq,
    /// References before this place are in the filter.
    closed_to: Seq,
    filter: Filter,
    numbers: Digests,
    /// An account whose stored state does not go up to its newest entry.
    wrong_state: Option<Seq>,
}

/// Reads it on a connection of its own.
pub(super) fn read(db: &Db, hasher: &Hasher) -> DbResult<Warmth> {
    db.connect()?.snapshot(|conn| from(conn, hasher))
}

fn from(conn: &mut Conn, hasher: &Hasher) -> DbResult<Warmth> {
    let state = trail_store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
    let runs = runs::load(conn, RunKind::Reference)?;
    let closed_to = runs.last().map_or(0, |run| run.last_seq + 1);
    let mut filter = Filter::over(runs.iter().map(|run| run.entries).sum());
    for run in &runs {
        run.for_each(conn, |key, _| filter.insert(key))?;
    }
    let mut numbers = Digests::default();
    ledger_store::each_account_number(conn, |number| numbers.add(hasher, number))?;
    let wrong_state = trust::wrong_state(conn, &state)?;
    Ok(Warmth { size: state.size, closed_to, filter, numbers, wrong_state })
}

impl Engine {
    /// Takes what was read aside; answers whether it covers all that this engine does not know by itself.
    pub fn warm(&mut self, warmth: Warmth) -> bool {
        if warmth.size < self.loaded.size || warmth.closed_to < self.loaded.closed_to {
            return false;
        }
        self.references.screen_with(warmth.filter);
        self.known.complete(warmth.numbers);
        match warmth.wrong_state {
            Some(account) => self.rejected = Some(account),
            None => (self.states_held, self.open_heads) = (true, Map::default()),
        }
        true
    }

    /// Whether it was taken.
    pub fn is_warm(&self) -> bool {
        self.known.is_complete()
    }

    /// The same at once, over the engine's own connection.
    pub fn warm_now(&mut self) -> DbResult<()> {
        let hasher = self.settings.hasher.clone();
        let warmth = self.conn.snapshot(|conn| from(conn, &hasher))?;
        self.warm(warmth);
        Ok(())
    }
}
