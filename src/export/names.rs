//! What stored ids stand for, kept within a bound while an export runs.

use std::collections::HashMap;

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::Context;
use crate::ledger::store::AccountRow;

use super::store;

/// Ids of a kind that are kept; beyond it all are let go and read again.
const KEPT_MAX: usize = 200_000;

/// Accounts, contexts and alert references by their ids.
#[derive(Default)]
pub(super) struct Names {
    accounts: HashMap<Seq, AccountRow>,
    contexts: HashMap<Seq, Context>,
    alerts: HashMap<Seq, String>,
}

impl Names {
    /// Reads the accounts that are not yet known.
    pub fn load_accounts(&mut self, conn: &mut Conn, ids: impl Iterator<Item = Seq>) -> DbResult<()> {
        let missing = missing(&mut self.accounts, ids);
        self.accounts.extend(store::accounts(conn, &missing)?.into_iter().map(|row| (row.id, row)));
        Ok(())
    }

    /// Reads the contexts that are not yet known.
    pub fn load_contexts(&mut self, conn: &mut Conn, ids: impl Iterator<Item = Seq>) -> DbResult<()> {
        let missing = missing(&mut self.contexts, ids);
        self.contexts.extend(store::contexts(conn, &missing)?.into_iter().map(|row| (row.id, row.context())));
        Ok(())
    }

    /// Reads the alert references that are not yet known.
    pub fn load_alerts(&mut self, conn: &mut Conn, ids: impl Iterator<Item = Seq>) -> DbResult<()> {
        let missing = missing(&mut self.alerts, ids);
        self.alerts.extend(store::alert_references(conn, &missing)?);
        Ok(())
    }

    /// A loaded account.
    pub fn account(&self, id: Seq) -> DbResult<&AccountRow> {
        self.accounts.get(&id).ok_or_else(|| lost("account", id))
    }

    /// A loaded account's number; none where the id is that of a record.
    pub fn number(&self, id: Seq) -> Option<String> {
        self.accounts.get(&id).map(|account| account.number.clone())
    }

    /// A loaded context.
    pub fn context(&self, id: Seq) -> DbResult<Context> {
        self.contexts.get(&id).cloned().ok_or_else(|| lost("context", id))
    }

    /// A loaded alert's reference.
    pub fn alert(&self, id: Seq) -> DbResult<String> {
        self.alerts.get(&id).cloned().ok_or_else(|| lost("alert", id))
    }
}

fn missing<T>(known: &mut HashMap<Seq, T>, ids: impl Iterator<Item = Seq>) -> Vec<Seq> {
    let mut wanted: Vec<Seq> = ids.collect();
    wanted.sort_unstable();
    wanted.dedup();
    if known.len() + wanted.len() > KEPT_MAX {
        known.clear();
    }
    wanted.retain(|id| !known.contains_key(id));
    wanted
}

fn lost(what: &str, id: Seq) -> DbError {
    DbError::Corrupt(format!("{what} {id} is referred to and not there; run `counterfoil verify`"))
}
