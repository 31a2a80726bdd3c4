//! Users and keys: what they may do, and what recognises them.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::access::store::{ACTIVE, ENDED, KeyRow, UserRow};
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;

use super::super::event::Event;
use super::super::findings::Findings;
use super::{extra, missing, same, store};

#[derive(Default)]
pub(super) struct Access {
    users: BTreeMap<Seq, User>,
    keys: BTreeMap<Seq, KeyRow>,
}

struct User {
    added: Event,
    /// SHA-256 of the stored credential.
    credential: String,
    state: i16,
}

impl Access {
    pub(super) fn meet(&mut self, kind: &str, event: &Event) {
        let user = event.number("user");
        match kind {
            "user.added" => {
                let user = User { credential: event.text("credential"), state: ACTIVE, added: event.clone() };
                self.users.insert(event.seq, user);
            }
            "user.reset" => {
                if let Some(user) = self.users.get_mut(&user) {
                    user.credential = event.text("credential");
                }
            }
            "user.disabled" => {
                if let Some(user) = self.users.get_mut(&user) {
                    user.state = ENDED;
                }
            }
            "key.issued" => drop(self.keys.insert(event.seq, issued(event))),
            _ => {
                if let Some(key) = self.keys.get_mut(&event.number("key")) {
                    (key.state, key.revoked_at) = (ENDED, Some(event.at));
                }
            }
        }
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for row in store::users(conn)? {
            match self.users.remove(&row.id) {
                Some(user) => same("users", row.id, &row, &user.expected(&row), findings),
                None => extra("users", row.id, findings),
            }
        }
        self.users.into_keys().for_each(|seq| missing("users", seq, findings));
        for row in store::keys(conn)? {
            match self.keys.remove(&row.id) {
                Some(expected) => same("api_keys", row.id, &row, &expected, findings),
                None => extra("api_keys", row.id, findings),
            }
        }
        self.keys.into_keys().for_each(|seq| missing("api_keys", seq, findings));
        Ok(())
    }
}

impl Access {
    /// Users and keys as they follow from the log. A password is not in it, nor anything it could be
    /// recognised by but its digest.
    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        let user = |(id, user): (&Seq, &User)| {
            let blank = UserRow {
                id: *id,
                email: format!("expired:{id}"),
                role: String::new(),
                password_hash: String::new(),
                state: ACTIVE,
                created_at: 0,
                failures: 0,
            };
            UserRow { password_hash: "!".to_owned(), ..user.expected(&blank) }
        };
        bulk::append(conn, &self.users.iter().map(user).collect::<Vec<_>>())?;
        bulk::append(conn, &self.keys.into_values().collect::<Vec<_>>())
    }
}

impl User {
    fn expected(&self, row: &UserRow) -> UserRow {
        let recognised = hex::encode(Sha256::digest(&row.password_hash)) == self.credential;
        UserRow {
            id: row.id,
            email: self.added.private_or("email", &row.email),
            role: self.added.text("role"),
            // What the digest does not recognise differs from whatever is there.
            password_hash: if recognised { row.password_hash.clone() } else { format!("{}\0", row.password_hash) },
            state: self.state,
            created_at: self.added.at,
            failures: row.failures,
        }
    }
}

fn issued(event: &Event) -> KeyRow {
    KeyRow {
        id: event.seq,
        source: event.number("source"),
        prefix: event.text("prefix"),
        secret_hash: hex::decode(event.text("secret_sha256")).unwrap_or_default(),
        scopes: event.text("scopes"),
        state: ACTIVE,
        created_at: event.at,
        revoked_at: None,
    }
}
