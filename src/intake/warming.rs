//! What only makes recording faster is read after recording has begun, aside.
//!
//! The filter over all references ever stored and the digests of all account numbers say *surely new*
//! without asking the database. Reading them takes seconds in a large log, so a process begins without:
//! it asks the index runs and the table of accounts each time, which gives the same answers. What was read
//! aside is taken only if it covers all that the engine does not know by itself. After it comes whether
//! all stored states are what the log says ([`super::trust`]), which takes longer and spares less.

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::store as ledger_store;
use crate::trail::store::{self as trail_store, LogState};

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
}

/// Whether all stored states were what the log says.
pub(super) struct Held {
    /// Leaves in the log when they were read.
    size: Seq,
    /// An account whose stored state does not go up to its newest entry.
    wrong: Option<Seq>,
}

/// Reads both on a connection of its own and hands each over as soon as it is there.
pub(super) fn read(db: &Db, hasher: &Hasher, warmed: impl FnOnce(Warmth), held: impl FnOnce(Held)) -> DbResult<()> {
    let mut conn = db.connect()?;
    warmed(conn.snapshot(|conn| from(conn, hasher))?);
    held(conn.snapshot(hold)?);
    Ok(())
}

fn hold(conn: &mut Conn) -> DbResult<Held> {
    let state = log_state(conn)?;
    Ok(Held { size: state.size, wrong: trust::wrong_state(conn, &state)? })
}

fn log_state(conn: &mut Conn) -> DbResult<LogState> {
    trail_store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))
}

fn from(conn: &mut Conn, hasher: &Hasher) -> DbResult<Warmth> {
    let state = log_state(conn)?;
    let (filter, closed_to) = read_filter(conn)?;
    let mut numbers = Digests::default();
    ledger_store::each_account_number(conn, |number| numbers.add(hasher, number))?;
    Ok(Warmth { size: state.size, closed_to, filter, numbers })
}

/// A filter over all references in runs, with room for as many again; and before which place they are.
fn read_filter(conn: &mut Conn) -> DbResult<(Filter, Seq)> {
    let runs = runs::load(conn, RunKind::Reference)?;
    Filter::read(conn, &runs)
}

/// The same on a connection of its own.
pub(super) fn larger_filter(db: &Db) -> DbResult<(Filter, Seq)> {
    db.connect()?.snapshot(read_filter)
}

impl Engine {
    /// Takes what was read aside; answers whether it covers all that this engine does not know by itself.
    pub fn warm(&mut self, warmth: Warmth) -> bool {
        if warmth.size < self.loaded.size || warmth.closed_to < self.loaded.closed_to {
            return false;
        }
        self.references.screen_with(warmth.filter);
        self.known.complete(warmth.numbers);
        true
    }

    /// Takes what was found of the stored states, unless the engine was read anew since.
    pub fn hold(&mut self, held: Held) {
        if self.states_held || held.size < self.loaded.size {
            return;
        }
        match held.wrong {
            Some(account) => self.rejected = Some(account),
            None => (self.states_held, self.open_heads) = (true, Map::default()),
        }
    }

    /// Whether it was taken.
    pub fn is_warm(&self) -> bool {
        self.known.is_complete()
    }

    /// The same at once, over the engine's own connection.
    pub fn warm_now(&mut self) -> DbResult<()> {
        let hasher = self.settings.hasher.clone();
        let (warmth, held) = self.conn.snapshot(|conn| Ok::<_, DbError>((from(conn, &hasher)?, hold(conn)?)))?;
        self.warm(warmth);
        self.hold(held);
        Ok(())
    }
}
