//! Officers on the command line, who have no session: they prove themselves by their password, each time anew.
//!
//! A password that is refused is an event like a refused sign-in, counts as one for its user, and makes the command
//! line wait as pages do; it makes nobody wait on a page. How long is told by what the log has of the last hour, so
//! that a process for each attempt gains nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{HOUR, Moment};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::attempts::{PROVE, store as attempts};
use crate::trail::{ActError, Log, NewEvent};

use super::door::{REFUSED, shortened};
use super::passwords::{self, Credential};
use super::sign_in::{Outcome, count_failure};
use super::store::{self, ACTIVE};
use super::throttle::wait;
use super::{User, users};

/// How far back refused passwords make the next one wait, microseconds: longer than the longest wait.
const LOOK_BACK: i64 = HOUR;
/// Refused attempts looked at: where there were so many, the next one waits whatever they were.
const LOOKED_AT: i64 = 200;

/// A password that was refused on the command line, on its way to whoever writes the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unproven {
    user: Option<Seq>,
    email: String,
    outcome: String,
    /// Who ran the command; to the private part of the event.
    whence: Value,
}

/// The active user who has this address and password at `now`, or what is to be recorded. Takes some tens of
/// milliseconds.
///
/// # Errors
/// When the database cannot be read.
pub fn prove(conn: &mut Conn, now: Moment, email: &str, password: &str, whence: Value) -> DbResult<Result<User, Unproven>> {
    let address = users::normalise_email(email).ok();
    let row = match &address {
        Some(address) => store::user_by_email(conn, address)?,
        None => None,
    };
    let user = row.as_ref().map(|row| row.id);
    let outcome = match &row {
        None => Outcome::Unknown,
        Some(row) if must_wait(conn, row.id, now)? => Outcome::Throttled,
        Some(row) if row.state != ACTIVE => Outcome::Disabled,
        Some(row) if recognises(&row.password_hash, password) => return Ok(Ok(User::from_row(row)?)),
        Some(_) => Outcome::WrongPassword,
    };
    Ok(Err(Unproven { user, email: shortened(email).to_owned(), outcome: outcome.text().to_owned(), whence }))
}

fn recognises(hash: &str, password: &str) -> bool {
    password.len() <= passwords::BYTES_MAX && Credential::from_stored(hash.to_owned()).recognises(password)
}

/// Whether the next attempt of this user must still wait; attempts made while waiting do not count.
fn must_wait(conn: &mut Conn, user: Seq, now: Moment) -> DbResult<bool> {
    let denied = attempts::denied_since(conn, (user, PROVE), now.plus(-LOOK_BACK), LOOKED_AT)?;
    let full = denied.len() as i64 == LOOKED_AT;
    let (mut failures, mut until) = (0_u32, Moment(i64::MIN));
    for at in denied {
        if at >= until {
            failures += 1;
            until = at.plus(wait(failures));
        }
    }
    Ok(full || now < until)
}

impl Unproven {
    /// Records it, and counts a wrong password; then refuses.
    ///
    /// # Errors
    /// Always: `403 not_proven` once it is recorded.
    pub fn refuse(self, log: &Log) -> Result<Value, ActError> {
        let Unproven { user, email, outcome, whence } = self;
        let counts = user.filter(|_| outcome == Outcome::WrongPassword.text());
        let body = json!({ "user": user, "outcome": outcome, "door": "command" });
        let event = NewEvent::with_private(REFUSED, body, json!({ "email": email, "whence": whence }));
        log.act(move |tx| {
            if let Some(user) = counts {
                count_failure(tx.conn, user)?;
            }
            tx.append(event)
        })?;
        let detail = "the e-mail address or the password is not right, or there were too many attempts: check both, wait a \
            little, then try again. It was recorded";
        Err(ActError::refused(403, "not_proven", detail))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::Role;
    use crate::clock::{MINUTE, SECOND};
    use crate::trail::testing::Bench;

    const EMAIL: &str = "ada@bank.example";
    const PASSWORD: &str = "tinder ocelot brick";

    fn attempt(bench: &Bench, email: &str, password: &str) -> bool {
        let now = bench.clock.now();
        match bench.read(|c| prove(c, now, email, password, json!({ "os_user": "root" }))) {
            Ok(user) => user.email == EMAIL,
            Err(unproven) => {
                let error = unproven.refuse(&bench.log).unwrap_err();
                assert!(matches!(error, ActError::Refused { code: "not_proven", .. }), "{error}");
                false
            }
        }
    }

    #[test]
    fn a_wrong_password_on_the_command_line_is_recorded_counted_and_makes_it_wait() {
        let bench = Bench::new();
        users::add(&bench.log, &bench.clock, EMAIL, Role::Officer, PASSWORD).unwrap();
        assert!(attempt(&bench, " ADA@bank.example", PASSWORD));
        assert!(bench.events(REFUSED).is_empty());
        for n in 1..=5 {
            assert!(!attempt(&bench, EMAIL, "wrong"), "{n}");
        }
        assert!(!attempt(&bench, EMAIL, PASSWORD), "five wrong ones make the right one wait");
        bench.clock.advance(6 * SECOND);
        assert!(attempt(&bench, EMAIL, PASSWORD), "what was tried while waiting does not count");
        assert!(!attempt(&bench, "bob@bank.example", PASSWORD) && !attempt(&bench, "nonsense", PASSWORD));
        let outcomes: Vec<_> = bench.events(REFUSED).iter().map(|e| e.1["outcome"].as_str().unwrap().to_owned()).collect();
        let wrong = vec!["wrong_password"; 5];
        assert_eq!(outcomes, [wrong, vec!["throttled", "unknown", "unknown"]].concat());
        let (_, body, private) = bench.events(REFUSED).remove(0);
        assert_eq!((body["door"].as_str(), body.to_string().contains("ada")), (Some("command"), false));
        assert_eq!(private.unwrap()["whence"]["os_user"], "root");
        assert_eq!(bench.read(|c| store::user_by_email(c, EMAIL)).unwrap().failures, 5);
        for _ in 0..5 {
            bench.clock.advance(2 * MINUTE);
            attempt(&bench, EMAIL, "wrong");
        }
        bench.clock.advance(29 * MINUTE);
        assert!(!attempt(&bench, EMAIL, PASSWORD), "ten make it wait half an hour");
        bench.clock.advance(HOUR);
        assert!(attempt(&bench, EMAIL, PASSWORD));
        users::disable(&bench.log, EMAIL).unwrap();
        assert!(!attempt(&bench, EMAIL, PASSWORD));
    }

    #[test]
    fn a_flood_of_attempts_hides_none() {
        let bench = Bench::new();
        users::add(&bench.log, &bench.clock, EMAIL, Role::Officer, PASSWORD).unwrap();
        for _ in 0..LOOKED_AT {
            assert!(!attempt(&bench, EMAIL, "wrong"));
        }
        bench.clock.advance(10 * MINUTE);
        assert!(!attempt(&bench, EMAIL, PASSWORD), "so many were refused that those after them are not looked at");
        bench.clock.advance(HOUR);
        assert!(attempt(&bench, EMAIL, PASSWORD));
    }
}
