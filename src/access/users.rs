//! Users: made, disabled and given another password by commands, each an event.
//!
//! [`AddUser`] and [`ResetPassword`] are commands whose password is hashed already, so that they
//! can be handed to the process that holds the log without the password.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::{Clock, Moment};
use crate::db::{Conn, DbError, DbResult, bulk};
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, Log, NewEvent};

use super::passwords::{self, Credential};
use super::store::{self, ACTIVE, ENDED, UserRow};
use super::{Permission, Role};

/// Longest e-mail address, in bytes.
const EMAIL_MAX: usize = 254;
/// Users listed at most.
const LISTED_MAX: i64 = 1_000;

/// Someone who may sign in, or once might.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The event that added them.
    pub id: Seq,
    /// Normalised: trimmed, lower case.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may sign in.
    pub active: bool,
    /// When they were added.
    pub created_at: Moment,
}

impl User {
    pub(super) fn from_row(row: &UserRow) -> DbResult<User> {
        let role = Role::parse(&row.role).ok_or_else(|| DbError::Corrupt(format!("user {}: unknown role", row.id)))?;
        Ok(User { id: row.id, email: row.email.clone(), role, active: row.state == ACTIVE, created_at: Moment(row.created_at) })
    }
}

/// The user added at `id`.
pub fn find(conn: &mut Conn, id: Seq) -> DbResult<Option<User>> {
    store::user(conn, id)?.as_ref().map(User::from_row).transpose()
}

/// Every user, oldest first; at most 1,000.
pub fn list(conn: &mut Conn) -> DbResult<Vec<User>> {
    store::users(conn, LISTED_MAX)?.iter().map(User::from_row).collect()
}

/// The active user who has this address and password; for commands, which have no session. Takes some tens
/// of milliseconds.
pub fn prove(conn: &mut Conn, email: &str, password: &str) -> Result<User, ActError> {
    let wrong = || ActError::refused(403, "not_proven", "the e-mail address or the password is not right");
    let row = store::user_by_email(conn, &normalise_email(email)?)?.filter(|row| row.state == ACTIVE).ok_or_else(wrong)?;
    let credential = Credential::from_stored(row.password_hash.clone());
    if password.len() > passwords::BYTES_MAX || !credential.recognises(password) {
        return Err(wrong());
    }
    Ok(User::from_row(&row)?)
}

/// Refuses with 403 unless the user is active and has `permission` now: a role that changed, or a
/// user that was disabled, acts at once.
pub fn require(conn: &mut Conn, user: Seq, permission: Permission) -> Result<User, ActError> {
    let found = find(conn, user)?.filter(|u| u.active && u.role.may(permission));
    found.ok_or_else(|| ActError::refused(403, "forbidden", "this account may not do that; ask someone with the right role"))
}

/// Trims, lower-cases and checks an e-mail address, loosely: only the relay knows which exist.
pub fn normalise_email(text: &str) -> Result<String, ActError> {
    let email = text.trim().to_lowercase();
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"()\\".contains(c);
    let well_formed = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.') && !domain.ends_with('.')
    });
    if !well_formed || email.len() > EMAIL_MAX || email.contains(odd) {
        let detail = "that is not an e-mail address; write one such as ada@bank.example";
        return Err(ActError::refused(422, "email_invalid", detail));
    }
    Ok(email)
}

/// The command that adds a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddUser {
    email: String,
    role: Role,
    credential: Credential,
}

impl AddUser {
    /// Checks address and password, and hashes the password.
    pub fn prepare(clock: &Clock, email: &str, role: Role, password: &str) -> Result<AddUser, ActError> {
        let email = normalise_email(email)?;
        passwords::check(password, &email)?;
        Ok(AddUser { email, role, credential: Credential::of(clock, password)? })
    }

    /// Adds the user; answers their id.
    pub fn run(self, log: &Log) -> Result<Seq, ActError> {
        log.act(move |tx| self.act(tx))
    }

    fn act(self, tx: &mut ActTx<'_>) -> Result<Seq, ActError> {
        if store::user_by_email(tx.conn, &self.email)?.is_some() {
            let detail = "there is a user with this address already; `user reset` gives them another password";
            return Err(ActError::refused(409, "user_exists", detail));
        }
        let body = json!({ "role": self.role.text(), "credential": self.credential.commitment() });
        let id = tx.append(NewEvent::with_private("user.added", body, json!({ "email": self.email })))?;
        let row = UserRow {
            id,
            email: self.email,
            role: self.role.text().to_owned(),
            password_hash: self.credential.stored().to_owned(),
            state: ACTIVE,
            created_at: tx.now().0,
            failures: 0,
        };
        bulk::append(tx.conn, &[row])?;
        Ok(id)
    }
}

/// The command that gives a user another password and ends their sessions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResetPassword {
    email: String,
    credential: Credential,
}

impl ResetPassword {
    /// Checks and hashes the password.
    pub fn prepare(clock: &Clock, email: &str, password: &str) -> Result<ResetPassword, ActError> {
        let email = normalise_email(email)?;
        passwords::check(password, &email)?;
        Ok(ResetPassword { email, credential: Credential::of(clock, password)? })
    }

    /// Sets the password; answers the event.
    pub fn run(self, log: &Log) -> Result<Seq, ActError> {
        log.act(move |tx| {
            let user = active_user(tx, &self.email)?;
            store::set_password(tx.conn, user.id, self.credential.stored())?;
            let ended = store::delete_sessions_of(tx.conn, user.id)?;
            let body = json!({ "user": user.id, "credential": self.credential.commitment(), "sessions_ended": ended });
            tx.append(NewEvent::public("user.reset", body))
        })
    }
}

/// Adds a user; answers their id, which is the event's place.
pub fn add(log: &Log, clock: &Clock, email: &str, role: Role, password: &str) -> Result<Seq, ActError> {
    AddUser::prepare(clock, email, role, password)?.run(log)
}

/// Gives a user another password, lifts a lock, and ends their sessions.
pub fn reset(log: &Log, clock: &Clock, email: &str, password: &str) -> Result<Seq, ActError> {
    ResetPassword::prepare(clock, email, password)?.run(log)
}

/// Lets a user in no more, and ends their sessions at once.
pub fn disable(log: &Log, email: &str) -> Result<Seq, ActError> {
    let email = normalise_email(email)?;
    log.act(move |tx| {
        let user = active_user(tx, &email)?;
        store::set_user_state(tx.conn, user.id, ENDED)?;
        let ended = store::delete_sessions_of(tx.conn, user.id)?;
        tx.append(NewEvent::public("user.disabled", json!({ "user": user.id, "sessions_ended": ended })))
    })
}

fn active_user(tx: &mut ActTx<'_>, email: &str) -> Result<UserRow, ActError> {
    let Some(user) = store::user_by_email(tx.conn, email)? else {
        return Err(ActError::refused(404, "user_unknown", "there is no user with this address; `user add` makes one"));
    };
    if user.state != ACTIVE {
        return Err(ActError::refused(409, "user_disabled", "this user is disabled for good; add them under another address"));
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trail::testing::{Bench, code};

    const PASSWORD: &str = "tinder ocelot brick";

    #[test]
    fn addresses_are_normalised_and_loosely_checked() {
        assert_eq!(normalise_email(" Ada@Bank.Example ").unwrap(), "ada@bank.example");
        for wrong in
            ["", "ada", "@bank.example", "ada@", "a@b@c", "a b@c.example", "a@.example", "<a@b.example>", "a@b\n.example"]
        {
            assert_eq!(code(normalise_email(wrong)), "email_invalid", "{wrong:?}");
        }
    }

    #[test]
    fn a_user_is_an_event_and_a_row_with_the_same_number() {
        let bench = Bench::new();
        let id = add(&bench.log, &bench.clock, "Ada@Bank.Example", Role::Officer, PASSWORD).unwrap();
        let user = bench.read(|c| find(c, id)).unwrap();
        assert_eq!((user.email.as_str(), user.role, user.active), ("ada@bank.example", Role::Officer, true));
        let (seq, body, private) = bench.events("user.added").remove(0);
        assert_eq!(seq, id);
        assert_eq!(body["role"], "officer");
        assert!(!body.to_string().contains("ada") && !body.to_string().contains("argon2"));
        assert_eq!(private.unwrap()["email"], "ada@bank.example");
        let row = bench.read(|c| store::user(c, id)).unwrap();
        assert_eq!(body["credential"], hex::encode(crate::access::digest(row.password_hash.as_bytes())));
        assert_eq!(code(add(&bench.log, &bench.clock, "ada@bank.example", Role::Admin, PASSWORD)), "user_exists");
        assert_eq!(bench.read(list).len(), 1);
    }

    #[test]
    fn a_prepared_command_carries_no_password() {
        let bench = Bench::new();
        let command = AddUser::prepare(&bench.clock, "ada@bank.example", Role::Analyst, PASSWORD).unwrap();
        let sent = serde_json::to_string(&command).unwrap();
        assert!(!sent.contains(PASSWORD));
        let read: AddUser = serde_json::from_str(&sent).unwrap();
        assert!(read.run(&bench.log).is_ok());
    }

    #[test]
    fn a_disabled_user_stays_disabled_and_may_nothing() {
        let bench = Bench::new();
        let id = add(&bench.log, &bench.clock, "ada@bank.example", Role::Officer, PASSWORD).unwrap();
        assert!(bench.db.read(|c| require(c, id, Permission::DecideAlerts)).is_ok());
        assert_eq!(code(bench.db.read(|c| require(c, id, Permission::ManageUsers))), "forbidden");
        disable(&bench.log, "ada@bank.example").unwrap();
        assert_eq!(code(bench.db.read(|c| require(c, id, Permission::DecideAlerts))), "forbidden");
        assert_eq!(code(disable(&bench.log, "ada@bank.example")), "user_disabled");
        assert_eq!(code(reset(&bench.log, &bench.clock, "ada@bank.example", PASSWORD)), "user_disabled");
        assert_eq!(code(reset(&bench.log, &bench.clock, "bob@bank.example", PASSWORD)), "user_unknown");
        assert_eq!(bench.events("user.disabled")[0].1["user"], id);
    }
}
