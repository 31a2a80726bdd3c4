//! Stored account states, held against the log before anything is recorded on them.
//!
//! A state goes up to an entry. That this is its account's newest one, and the so-manieth, is what the index
//! runs and what was read at start say: asked account by account at first, until aside all states were
//! held against all runs. A state that is stale, changed or missing would give the next entry a wrong
//! place for ever; so all of them are dropped and read again from the entries, and the log says so. What
//! else a state holds (chains, the rules' memory) follows from the same entries; verification compares that.

use std::collections::{BTreeSet, HashMap};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store as ledger_store;
use crate::trail::NewEvent;
use crate::trail::store::{self as trail_store, LogState};

use super::engine::Engine;
use super::runs::{self, RunKind};
use super::state::Body;

/// Rows read at once.
const SLICE: i64 = 20_000;

/// The newest entry of an account and how many there are, up to a place of the log.
#[derive(Clone, Copy, Default)]
struct Known {
    newest: Seq,
    entries: i64,
}

impl Engine {
    /// Whether a stored state goes up to its account's newest entry that is stored. `None`: there is no
    /// state, or none that can be read.
    pub fn trusts(&mut self, account: Seq, body: Option<&Body>) -> DbResult<bool> {
        if self.states_held {
            return Ok(true);
        }
        let mut newest = self.open_heads.get(&account).copied();
        if newest.is_none() {
            let mut closed = BTreeSet::new();
            runs::newest_places(&mut self.conn, RunKind::Account, &[account], 1, &mut closed)?;
            newest = closed.pop_last();
        }
        let Some((head, body)) = body.and_then(|body| Some((body.head()?, body))) else { return Ok(newest.is_none()) };
        if newest.is_some_and(|newest| newest > head) {
            return Ok(false);
        }
        let row = ledger_store::entry(&mut self.conn, head)?;
        Ok(row.is_some_and(|row| row.account == account && row.position == body.position))
    }

    /// Tells that the state of an account was not what the log says.
    pub fn tell_rejected(&mut self) -> DbResult<()> {
        let Some(account) = self.rejected.take() else { return Ok(()) };
        self.tick();
        let body = serde_json::json!({ "account": account });
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        to.append(&NewEvent::public("states.rejected", body)).map(drop)
    }
}

/// Drops every stored state: what they cover is read again from the entries.
pub(super) fn drop_states(conn: &mut Conn, epoch: i64) -> DbResult<()> {
    conn.write(|conn| {
        trail_store::require_epoch(conn, epoch)?;
        runs::forget_states(conn)?;
        trail_store::set_states_from(conn, 0)
    })
}

/// The first account whose stored state does not go up to its newest entry before the place that
/// states cover.
pub(super) fn wrong_state(conn: &mut Conn, log: &LogState) -> DbResult<Option<Seq>> {
    let mut known = known(conn, log)?;
    let mut after = i64::MIN;
    loop {
        let rows = runs::states_after(conn, after, SLICE)?;
        let Some((last, ..)) = rows.last() else { break };
        after = *last;
        let later = rows.iter().map(|(_, as_of, _)| *as_of).filter(|as_of| *as_of >= log.states_from).collect::<Vec<_>>();
        let placed: HashMap<Seq, (Seq, i64)> = runs::placed(conn, &later)?;
        for (account, as_of, bytes) in rows {
            let before = known.remove(&account).unwrap_or_default();
            let body = Body::decode(account, &bytes).ok().filter(|body| body.head() == Some(as_of));
            let Some(body) = body else { return Ok(Some(account)) };
            let right = match as_of < log.states_from {
                true => (as_of, body.position) == (before.newest, before.entries),
                false => placed.get(&as_of) == Some(&(account, body.position)),
            };
            if !right {
                return Ok(Some(account));
            }
        }
    }
    Ok(known.into_keys().min())
}

/// What the runs and the entries after them say of every account, up to the place that states cover.
fn known(conn: &mut Conn, log: &LogState) -> DbResult<HashMap<Seq, Known>> {
    let mut known: HashMap<Seq, Known> = HashMap::new();
    let mut add = |account: Seq, seq: Seq| {
        if seq < log.states_from {
            let of = known.entry(account).or_default();
            *of = Known { newest: of.newest.max(seq), entries: of.entries + 1 };
        }
    };
    let runs = runs::load(conn, RunKind::Account)?;
    let mut next = 0;
    for run in &runs {
        run.for_each(conn, |account, seq| add(account as Seq, seq))?;
        next = run.last_seq + 1;
    }
    loop {
        let rows = runs::accounts_between(conn, next, log.states_from, SLICE)?;
        let Some((last, _)) = rows.last() else { break };
        next = last + 1;
        rows.iter().for_each(|(seq, account)| add(*account, *seq));
    }
    Ok(known)
}
