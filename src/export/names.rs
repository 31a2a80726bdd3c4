//! What stored ids stand for, kept within a bound while an export runs.

use std::collections::HashMap;

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::Context;
use crate::ledger::store::AccountRow;

use crate::records::store as records;

use super::cells::Cell;
use super::store;

/// Ids of a kind that are kept; beyond it all are let go and read again.
const KEPT_MAX: usize = 200_000;

/// Accounts, contexts and alert references by their ids.
#[derive(Default)]
pub(super) struct Names {
    accounts: HashMap<Seq, AccountRow>,
    contexts: HashMap<Seq, Context>,
    alerts: HashMap<Seq, String>,
    abouts: HashMap<Seq, About>,
}

/// What a hit, an alert or a break is about, where that is no account.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// A record: its type, and its source's id of it.
    record: Option<(String, String)>,
    /// An actor, as its source names it.
    actor: Option<String>,
}

impl About {
    /// Columns `type` and `id`.
    pub fn record(self) -> [Cell; 2] {
        let (kind, id) = self.record.unzip();
        [Cell::text(kind), Cell::text(id)]
    }

    /// Columns `type`, `id` and `actor`.
    pub fn cells(self) -> [Cell; 3] {
        let actor = Cell::text(self.actor.as_deref());
        let [kind, id] = self.record();
        [kind, id, actor]
    }
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

    /// Reads what findings are about: accounts, records, and the changes that stand for actors.
    pub fn load_about(&mut self, conn: &mut Conn, ids: impl Iterator<Item = Seq>) -> DbResult<()> {
        let ids: Vec<Seq> = ids.collect();
        self.load_accounts(conn, ids.iter().copied())?;
        let others: Vec<Seq> = ids.into_iter().filter(|id| !self.accounts.contains_key(id)).collect();
        self.load_records(conn, others.iter().copied())?;
        let actors = missing(&mut self.abouts, others.into_iter());
        for change in records::changes_at(conn, &actors)? {
            self.abouts.insert(change.seq, About { record: None, actor: change.actor });
        }
        Ok(())
    }

    /// Reads the records that are not yet known.
    pub fn load_records(&mut self, conn: &mut Conn, ids: impl Iterator<Item = Seq>) -> DbResult<()> {
        let missing = missing(&mut self.abouts, ids);
        for record in records::records_by_id(conn, &missing)? {
            let about = About { record: Some((record.kind, record.reference)), actor: None };
            self.abouts.insert(record.id, about);
        }
        Ok(())
    }

    /// What a loaded finding is about; nothing for an account.
    pub fn about(&self, id: Seq) -> About {
        self.abouts.get(&id).cloned().unwrap_or_default()
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
