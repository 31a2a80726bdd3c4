//! The newest entry of each account, found at once.
//!
//! Stored account states cover the log up to a place; which accounts have entries after it is
//! remembered here, for as many as there are, and brought up to date with every question. A process
//! keeps one; it holds nothing that the database does not.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::store::{self as trail, LogState};

use super::store;

/// Entries read at once.
const SLICE: i64 = 20_000;

/// Where each account's newest entry is.
#[derive(Debug, Default)]
pub struct Newest {
    since: Mutex<Since>,
}

/// The newest entries since the place that stored states cover.
#[derive(Debug, Default)]
struct Since {
    from: Seq,
    /// Every entry before this place was seen.
    to: Seq,
    heads: HashMap<Seq, Seq>,
}

impl Newest {
    /// The newest entry of an account.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of(&self, conn: &mut Conn, account: Seq) -> DbResult<Option<Seq>> {
        let Some(state) = trail::state(conn)? else { return Ok(None) };
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if state.size < since.to {
            // A replica that is behind: what is remembered is not there yet.
            drop(since);
            return store::newest(conn, account);
        }
        since.catch_up(conn, &state)?;
        let later = since.heads.get(&account).copied();
        drop(since);
        match later {
            Some(seq) => Ok(Some(seq)),
            None => Ok(store::stored_head(conn, account)?.filter(|seq| *seq >= 0)),
        }
    }

    /// How many accounts are remembered.
    pub fn accounts(&self) -> usize {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).heads.len()
    }
}

impl Since {
    fn catch_up(&mut self, conn: &mut Conn, state: &LogState) -> DbResult<()> {
        if state.states_from < self.from {
            // States were dropped, so what they covered is not remembered.
            *self = Since::default();
        }
        if state.states_from > self.from {
            self.from = state.states_from;
            self.heads.retain(|_, seq| *seq >= state.states_from);
            self.heads.shrink_to(self.heads.len() * 2);
        }
        self.to = self.to.max(self.from);
        while self.to < state.size {
            let slice = store::heads_between(conn, self.to, state.size, SLICE)?;
            self.to = match slice.last() {
                Some((seq, _)) if slice.len() as i64 == SLICE => seq + 1,
                _ => state.size,
            };
            self.heads.extend(slice.into_iter().map(|(seq, account)| (account, seq)));
        }
        Ok(())
    }
}
