//! L4: the account states the sequencer stored, against the same states replayed; and that those
//! stored cover as much of the log as the log state says.

use std::collections::BTreeSet;

use crate::db::{Conn, DbResult};
use crate::detect::RuleSetBody;
use crate::ids::Seq;
use crate::intake::{Body, Map};

use super::L4;
use super::findings::Findings;
use super::passed::Account;
use super::store;

/// States read at once.
const PAGE: i64 = 500;

/// Up to which entry each account's state is stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    as_of: Map<Seq, Seq>,
    /// What the rules of any set reach back to.
    reaches: Vec<usize>,
}

impl Stored {
    pub(super) fn read(conn: &mut Conn) -> DbResult<Stored> {
        let bodies = store::rule_set_bodies(conn)?;
        Ok(Stored { as_of: store::states_as_of(conn)?.into_iter().collect(), ..Stored::reaching(&bodies) })
    }

    /// No states, but what the rules of these sets reach back to.
    pub(super) fn reaching(bodies: &[String]) -> Stored {
        let reach = |body: &String| {
            let body: RuleSetBody = serde_json::from_str(body).ok()?;
            Some(body.compile(0).ok()?.reach())
        };
        Stored { as_of: Map::default(), reaches: bodies.iter().filter_map(reach).collect() }
    }

    /// Up to which entry an account's state is stored.
    pub(super) fn as_of(&self, account: Seq) -> Option<Seq> {
        self.as_of.get(&account).copied()
    }

    /// The furthest that any rule reaches back.
    pub(super) fn reach(&self) -> usize {
        self.reaches.iter().copied().max().unwrap_or(0)
    }

    /// Compares the table, and the place up to which it is said to cover the log.
    pub(super) fn finish(
        &self,
        conn: &mut Conn,
        accounts: &Map<Seq, Box<Account>>,
        states_from: Seq,
        findings: &mut Findings,
    ) -> DbResult<()> {
        let mut after = i64::MIN;
        loop {
            let rows = store::states_after(conn, after, PAGE)?;
            let Some((last, ..)) = rows.last() else { break };
            after = *last;
            for (account, as_of, body) in rows {
                findings.checked(L4, 1);
                if !self.is_right(accounts.get(&account).map(|account| &**account), account, as_of, &body) {
                    let text = "the stored state of this account is not what its entries give; with the program stopped, \
                        delete the row and set log_state.states_from to 0: the next start reads it back from the entries";
                    findings.add((L4, "state_differs"), "account_states", account, text);
                }
            }
        }
        let past = |account: &Account| account.uncovered.is_some_and(|first| first < states_from);
        let uncovered: BTreeSet<Seq> = accounts.iter().filter(|(_, account)| past(account)).map(|(id, _)| *id).collect();
        for account in uncovered {
            let text = "log_state.states_from says that the stored state of this account covers more than it does";
            findings.add((L4, "state_missing"), "account_states", account, text);
        }
        Ok(())
    }

    fn is_right(&self, account: Option<&Account>, id: Seq, as_of: Seq, body: &[u8]) -> bool {
        let Some(account) = account else { return false };
        let replayed = account.as_stored.as_deref().unwrap_or(&account.state);
        // Byte for byte: nothing may follow what is read.
        let read = Body::decode(id, body).ok().filter(|read| read.encode().is_ok_and(|bytes| bytes == body));
        read.is_some_and(|read| read.head() == Some(as_of) && replayed.is_stored_as(&read, &self.reaches))
    }
}
