//! Signing in: one question, one answer, whatever is wrong.
//!
//! After wrong passwords further attempts from the same place must wait ([`super::throttle`]); an
//! attempt made while waiting is refused even with the right password, and does not count. An
//! unknown address takes as long as a known one, waits as long, and reads the same.

use serde_json::json;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::{ActError, NewEvent};

use super::door::{Door, REFUSED, shortened};
use super::passwords::Credential;
use super::sessions::{self, NewSession, Session};
use super::store::{self, ACTIVE, UserRow};
use super::throttle::Place;
use super::{User, users};

/// Whence somebody signs in.
#[derive(Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The client's address; to the private part of the event.
    pub ip: Option<&'a str>,
    /// The browser; to the private part of the event.
    pub user_agent: Option<&'a str>,
    /// The session that this browser has already; it ends.
    pub session: Option<&'a Session>,
}

/// Someone who has just signed in.
#[derive(Clone)]
pub struct SignIn {
    /// For the cookie; stored nowhere.
    pub token: String,
    /// What every form of the session must carry.
    pub csrf: String,
    /// Who.
    pub user: User,
    /// Wrong passwords since they signed in before, from anywhere.
    pub failures: u32,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The same for every reason.
    #[error(
        "The e-mail address or the password is not right, or there were too many attempts. Check both, wait a little, then try again."
    )]
    Refused,
    /// Too many people sign in at this moment.
    #[error("Too many people are signing in at this moment. Try again in a few seconds.")]
    Busy,
    /// The attempt could not be recorded, so it does not count as one.
    #[error(transparent)]
    Failed(#[from] ActError),
}

/// What the log says of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Unknown,
    WrongPassword,
    Disabled,
    Throttled,
}

impl Outcome {
    pub(super) fn text(self) -> &'static str {
        match self {
            Outcome::Unknown => "unknown",
            Outcome::WrongPassword => "wrong_password",
            Outcome::Disabled => "disabled",
            Outcome::Throttled => "throttled",
        }
    }
}

/// Lets through, or says what is wrong.
type Checked<T> = Result<T, Outcome>;

impl Door {
    /// Lets someone in who knows their password. Blocks for some tens of milliseconds: call it from
    /// a blocking thread.
    pub fn sign_in(&self, email: &str, password: &str, from: &Origin<'_>) -> Result<SignIn, SignInError> {
        let address = users::normalise_email(email).ok();
        let row = match &address {
            Some(address) => self.db().read(|c| store::user_by_email(c, address)).map_err(ActError::from)?,
            None => None,
        };
        let session = NewSession::draw(self.clock(), from);
        let place = Place::new(address.as_deref().unwrap_or(email), from.ip);
        let outcome = match self.check(&place, row.as_ref(), password)? {
            Err(outcome) => outcome,
            Ok(row) => match self.let_in(row, session.clone())? {
                Ok((user, failures)) => {
                    self.throttle().succeeded(&place);
                    return Ok(SignIn { token: session.token, csrf: session.csrf, user, failures });
                }
                Err(outcome) => outcome,
            },
        };
        self.refuse(outcome, row.map(|row| row.id), email, session)?;
        Err(SignInError::Refused)
    }

    /// Checks the password, unless this place must wait.
    fn check<'a>(&self, place: &Place, row: Option<&'a UserRow>, password: &str) -> Result<Checked<&'a UserRow>, SignInError> {
        if !self.throttle().enter(place, row.map(|row| row.password_hash.as_str()), self.clock().now()) {
            return Ok(Err(Outcome::Throttled));
        }
        let credential = row.map(|row| Credential::from_stored(row.password_hash.clone()));
        let Ok(right) = self.verifier().verify(credential.as_ref(), password) else {
            self.throttle().undo(place);
            return Err(SignInError::Busy);
        };
        Ok(match row {
            None => Err(Outcome::Unknown),
            Some(row) if row.state != ACTIVE => Err(Outcome::Disabled),
            Some(_) if !right => Err(Outcome::WrongPassword),
            Some(row) => Ok(row),
        })
    }

    /// Opens the session, unless the user changed since the password was checked.
    fn let_in(&self, checked: &UserRow, session: NewSession) -> Result<Checked<(User, u32)>, ActError> {
        let checked = checked.clone();
        self.log().act(move |tx| {
            let Some(row) = store::user(tx.conn, checked.id)? else { return Ok(Err(Outcome::Unknown)) };
            if row.state != ACTIVE {
                return Ok(Err(Outcome::Disabled));
            }
            if row.password_hash != checked.password_hash {
                return Ok(Err(Outcome::WrongPassword));
            }
            if row.failures != 0 {
                store::set_failures(tx.conn, row.id, 0)?;
            }
            sessions::open(tx, row.id, &session)?;
            Ok(Ok((User::from_row(&row)?, row.failures.unsigned_abs())))
        })
    }

    /// Counts a wrong password and records the refusal; a flood of them is counted.
    fn refuse(&self, outcome: Outcome, user: Option<Seq>, email: &str, from: NewSession) -> Result<(), ActError> {
        let counts = user.filter(|_| outcome == Outcome::WrongPassword);
        let noted = self.refused().note(self.clock().now(), from.ip.as_deref());
        if !noted.singly {
            return match counts {
                Some(user) => self.log().side(move |conn| count_failure(conn, user)),
                None => Ok(()),
            };
        }
        let body = json!({ "user": user, "outcome": outcome.text() });
        let private = json!({ "email": shortened(email), "ip": from.ip, "user_agent": from.user_agent });
        let event = NewEvent::with_private(REFUSED, body, private);
        self.refused().write_with(self.log(), noted.earlier, Some(event), move |tx| {
            counts.map_or(Ok(()), |user| count_failure(tx.conn, user)).map_err(ActError::from)
        })
    }
}

/// Counts a wrong password, from wherever.
pub(super) fn count_failure(conn: &mut Conn, user: Seq) -> DbResult<()> {
    let Some(row) = store::user(conn, user)? else { return Ok(()) };
    store::set_failures(conn, user, row.failures.saturating_add(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::{Role, sessions};
    use crate::clock::{HOUR, MINUTE, Moment, SECOND};
    use crate::trail::testing::Bench;

    const EMAIL: &str = "ada@bank.example";
    const PASSWORD: &str = "tinder ocelot brick";

    fn house() -> (Bench, Door) {
        let bench = Bench::new();
        users::add(&bench.log, &bench.clock, EMAIL, Role::Officer, PASSWORD).unwrap();
        let door = Door::new(bench.db.clone(), bench.log.clone(), bench.clock.clone());
        (bench, door)
    }

    fn attempt(door: &Door, email: &str, password: &str) -> Result<SignIn, SignInError> {
        door.sign_in(email, password, &Origin { ip: Some("192.0.2.7"), user_agent: Some("Browser/1.0"), session: None })
    }

    #[test]
    fn a_session_is_opened_found_and_closed() {
        let (bench, door) = house();
        let signed_in = attempt(&door, " ADA@bank.example", PASSWORD).unwrap();
        assert_eq!(signed_in.user.role, Role::Officer);
        let session = door.session(&signed_in.token).unwrap().unwrap();
        assert_eq!((session.email.as_str(), session.user), (EMAIL, signed_in.user.id));
        assert!(session.csrf_matches(&signed_in.csrf) && !session.csrf_matches("") && !session.csrf_matches(&signed_in.token));
        let (_, body, private) = bench.events("session.opened").remove(0);
        assert_eq!(body["session"], session.reference());
        assert!(!body.to_string().contains("192.0.2.7") && !format!("{body}{private:?}").contains(&signed_in.token));
        assert_eq!(private.unwrap()["ip"], "192.0.2.7");
        sessions::sign_out(&bench.log, &session).unwrap();
        sessions::sign_out(&bench.log, &session).unwrap();
        assert_eq!(door.session(&signed_in.token).unwrap(), None);
        assert_eq!(bench.events("session.closed").len(), 1);
    }

    #[test]
    fn every_refusal_reads_the_same_and_is_recorded() {
        let (bench, door) = house();
        let wrong = attempt(&door, EMAIL, "wrong").err().unwrap();
        let unknown = attempt(&door, "bob@bank.example", PASSWORD).err().unwrap();
        let nonsense = attempt(&door, "\u{0}", PASSWORD).err().unwrap();
        users::disable(&bench.log, EMAIL).unwrap();
        let disabled = attempt(&door, EMAIL, PASSWORD).err().unwrap();
        for error in [&unknown, &nonsense, &disabled] {
            assert_eq!(error.to_string(), wrong.to_string());
        }
        let events = bench.events("session.refused");
        let outcomes: Vec<_> = events.iter().map(|e| e.1["outcome"].as_str().unwrap().to_owned()).collect();
        assert_eq!(outcomes, ["wrong_password", "unknown", "unknown", "disabled"]);
        assert!(events[1].1["user"].is_null() && !events[1].1.to_string().contains("bob"));
        assert_eq!(events[1].2.as_ref().unwrap()["email"], "bob@bank.example");
    }

    #[test]
    fn ten_wrong_passwords_make_their_place_wait_and_nobody_elsewhere() {
        let (bench, door) = house();
        for _ in 0..10 {
            assert!(attempt(&door, EMAIL, "wrong").is_err());
            bench.clock.advance(2 * MINUTE);
        }
        bench.clock.advance(27 * MINUTE);
        assert!(attempt(&door, EMAIL, PASSWORD).is_err(), "28 minutes and the one before are not over");
        let elsewhere = Origin { ip: Some("198.51.100.9"), ..Origin::default() };
        let signed_in = door.sign_in(EMAIL, PASSWORD, &elsewhere).unwrap();
        assert_eq!(signed_in.failures, 10, "whoever signs in is told what was tried");
        bench.clock.advance(2 * MINUTE);
        assert_eq!(attempt(&door, EMAIL, PASSWORD).unwrap().failures, 0);
        let outcomes = bench.events("session.refused");
        assert_eq!(outcomes.last().unwrap().1["outcome"], "throttled");
    }

    #[test]
    fn attempts_made_while_waiting_do_not_count() {
        let (bench, door) = house();
        for _ in 0..9 {
            assert!(attempt(&door, EMAIL, "wrong").is_err());
        }
        assert_eq!(bench.read(|c| store::user_by_email(c, EMAIL)).unwrap().failures, 5);
        assert!(attempt(&door, EMAIL, PASSWORD).is_err());
        bench.clock.advance(5 * SECOND);
        assert!(attempt(&door, EMAIL, PASSWORD).is_ok());
    }

    #[test]
    fn signing_in_again_ends_the_session_before() {
        let (bench, door) = house();
        let first = attempt(&door, EMAIL, PASSWORD).unwrap();
        let session = door.session(&first.token).unwrap();
        let again = Origin { session: session.as_ref(), ..Origin::default() };
        let second = door.sign_in(EMAIL, PASSWORD, &again).unwrap();
        assert_eq!(door.session(&first.token).unwrap(), None);
        assert!(door.session(&second.token).unwrap().is_some());
        let closed = bench.events("session.closed").remove(0).1;
        assert_eq!((closed["reason"].as_str(), closed["user"].as_i64()), (Some("replaced"), Some(second.user.id)));
    }

    #[test]
    fn a_flood_of_refusals_is_counted() {
        let (bench, door) = house();
        for _ in 0..20 {
            assert!(attempt(&door, "bob@bank.example", "wrong").is_err());
        }
        for _ in 0..5 {
            assert!(attempt(&door, EMAIL, "wrong").is_err());
        }
        assert_eq!(bench.events("session.refused").len(), 20);
        assert_eq!(bench.read(|c| store::user_by_email(c, EMAIL)).unwrap().failures, 5);
        bench.clock.advance(MINUTE);
        door.tidy().unwrap();
        let (_, body, _) = bench.events("session.refused").remove(20);
        assert_eq!((body["counted"].as_u64(), body["minute"].as_str()), (Some(5), Some("2026-11-20T12:00:00Z")));
    }

    #[test]
    fn sessions_end_idle_in_all_and_beyond_three() {
        let (bench, door) = house();
        let tokens: Vec<String> = (0..4)
            .map(|_| {
                bench.clock.advance(SECOND);
                attempt(&door, EMAIL, PASSWORD).unwrap().token
            })
            .collect();
        assert_eq!(door.session(&tokens[0]).unwrap(), None, "the fourth ended the first");
        assert_eq!(bench.events("session.closed")[0].1["reason"], "displaced");
        for _ in 0..60 {
            bench.clock.advance(12 * MINUTE);
            if bench.clock.now() < Moment::parse("2026-11-20T23:59:00Z").unwrap() {
                assert!(door.session(&tokens[3]).unwrap().is_some(), "used every 12 minutes at {}", bench.clock.now());
            }
        }
        assert_eq!(door.session(&tokens[3]).unwrap(), None, "twelve hours are over");
        assert_eq!(door.session(&tokens[1]).unwrap(), None, "not used for 15 minutes");
        door.tidy().unwrap();
        assert!(bench.read(|c| store::sessions_of(c, 1)).is_empty());
        bench.clock.advance(HOUR);
        assert_eq!(door.session("short").unwrap(), None);
    }

    #[test]
    fn disabling_and_a_new_password_end_sessions_at_once() {
        let (bench, door) = house();
        let first = attempt(&door, EMAIL, PASSWORD).unwrap();
        users::reset(&bench.log, &bench.clock, EMAIL, "velvet harbour comet").unwrap();
        assert_eq!(door.session(&first.token).unwrap(), None);
        assert!(attempt(&door, EMAIL, PASSWORD).is_err());
        let second = attempt(&door, EMAIL, "velvet harbour comet").unwrap();
        users::disable(&bench.log, EMAIL).unwrap();
        assert_eq!(door.session(&second.token).unwrap(), None);
        assert_eq!(bench.events("user.disabled")[0].1["sessions_ended"], 1);
    }
}
