//! Passwords: what one must be, and how it is recognised without being stored.
//!
//! Argon2id with 19 MiB, two passes, one lane. No composition rules, nothing forced to change;
//! compared exactly as typed.

use std::sync::{Condvar, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::trail::ActError;

/// Shortest password, in characters.
pub const CHARS_MIN: usize = 12;
/// Longest password, in bytes.
pub const BYTES_MAX: usize = 1024;
/// Passwords hashed at the same time: 19 MiB each.
const AT_ONCE: usize = 4;
/// How many more may wait for their turn.
const WAITING_MAX: usize = 64;

/// Long enough, and yet the first that anyone would try.
const OBVIOUS: [&str; 12] = [
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789012345",
    "1234567890123456",
    "password1234",
    "passwordpassword",
    "changemechangeme",
    "letmeinletmein",
    "qwertyuiop12",
    "qwertyuiopasdfgh",
    "counterfoilcounterfoil",
];

/// A password as it is stored: a PHC string with its own salt and parameters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential(String);

/// Without what it recognises.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(…)")
    }
}

impl Credential {
    /// Of a password that [`check`] has passed.
    pub(super) fn of(clock: &Clock, password: &str) -> Result<Credential, ActError> {
        let failed =
            |e: String| ActError::refused(500, "password_hashing_failed", format!("the password could not be hashed: {e}"));
        let params = Params::new(19 * 1024, 2, 1, None).map_err(|e| failed(e.to_string()))?;
        let salt = clock.random::<16>();
        let hash: PasswordHash =
            Argon2::default().hash_password_with_params(password.as_bytes(), &salt, params).map_err(|e| failed(e.to_string()))?;
        Ok(Credential(hash.to_string()))
    }

    /// As stored.
    pub(super) fn from_stored(phc: String) -> Credential {
        Credential(phc)
    }

    /// The PHC string.
    pub(super) fn stored(&self) -> &str {
        &self.0
    }

    /// What the log commits to: SHA-256 of the PHC string, in hex. Its random salt is only in the
    /// string, so that nothing can be guessed from this.
    pub(super) fn commitment(&self) -> String {
        hex::encode(super::digest(self.0.as_bytes()))
    }

    /// Whether `password` is the one; takes as long for a wrong one as for the right one.
    pub(super) fn recognises(&self, password: &str) -> bool {
        let Ok(hash) = PasswordHash::new(&self.0) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    }
}

/// Refuses what anyone would try first; `email` is in lower case.
pub(super) fn check(password: &str, email: &str) -> Result<(), ActError> {
    let refuse = |code, detail: String| Err(ActError::refused(422, code, detail));
    let chars = password.chars().count();
    if chars < CHARS_MIN {
        return refuse("password_too_short", format!("the password has {chars} characters; choose at least {CHARS_MIN}"));
    }
    if password.len() > BYTES_MAX {
        return refuse("password_too_long", format!("the password has more than {BYTES_MAX} bytes; choose a shorter one"));
    }
    let lower = password.to_lowercase();
    let first = lower.chars().next();
    let same = lower.chars().all(|c| Some(c) == first);
    if same || lower.trim() == email || OBVIOUS.contains(&lower.as_str()) {
        let detail = "the password is one of the first that anyone would try; choose several unrelated words";
        return refuse("password_too_obvious", detail.to_owned());
    }
    Ok(())
}

/// Verifies passwords, a few at a time: each takes 19 MiB.
#[derive(Debug)]
pub(super) struct Verifier {
    decoy: Option<Credential>,
    queue: Mutex<Queue>,
    free: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    running: usize,
    waiting: usize,
}

/// Too many sign-ins wait already.
#[derive(Debug)]
pub(super) struct Crowded;

impl Verifier {
    pub(super) fn new(clock: &Clock) -> Verifier {
        let decoy = Credential::of(clock, "nobody has this password").ok();
        Verifier { decoy, queue: Mutex::default(), free: Condvar::new() }
    }

    /// Whether `credential` recognises `password`. Without a credential the answer is no, after the
    /// same work.
    pub(super) fn verify(&self, credential: Option<&Credential>, password: &str) -> Result<bool, Crowded> {
        self.enter()?;
        let fits = password.len() <= BYTES_MAX;
        // What is too long to be a password costs no more than what is not.
        let password = if fits { password } else { "" };
        let known = credential.filter(|_| fits);
        let right = known.or(self.decoy.as_ref()).is_some_and(|credential| credential.recognises(password));
        self.leave();
        Ok(right && known.is_some())
    }

    fn enter(&self) -> Result<(), Crowded> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.running >= AT_ONCE && queue.waiting >= WAITING_MAX {
            return Err(Crowded);
        }
        queue.waiting += 1;
        let mut queue = self.free.wait_while(queue, |q| q.running >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        queue.waiting -= 1;
        queue.running += 1;
        Ok(())
    }

    fn leave(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        self.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::Moment;
    use crate::trail::testing::code;

    #[test]
    fn a_password_is_long_and_not_the_first_guess() {
        assert!(check("tinder ocelot brick", "ada@bank.example").is_ok());
        assert!(check("ÄÖÜäöüßéèêë€", "a@b.example").is_ok(), "twelve characters, more bytes");
        assert_eq!(code(check("elevenchars", "a@b.example")), "password_too_short");
        assert_eq!(code(check(&"x".repeat(1025), "a@b.example")), "password_too_long");
        for guess in ["Password1234", "Ada@Bank.Example", "aaaaaaaaaaaaaaaa", "123456789012"] {
            assert_eq!(code(check(guess, "ada@bank.example")), "password_too_obvious", "{guess}");
        }
    }

    #[test]
    fn a_password_is_recognised_exactly_and_only_with_its_credential() {
        let clock = Clock::fixed(Moment(0), 1);
        let credential = Credential::of(&clock, "tinder ocelot brick").unwrap();
        assert!(credential.stored().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!format!("{credential:?}").contains("argon2"));
        let verifier = Verifier::new(&clock);
        let says = |c, p| verifier.verify(c, p).unwrap();
        assert!(says(Some(&credential), "tinder ocelot brick"));
        assert!(!says(Some(&credential), "Tinder ocelot brick"));
        assert!(!says(Some(&credential), "tinder ocelot brick "));
        assert!(!says(None, "nobody has this password"), "the decoy lets nobody in");
        assert!(!says(Some(&credential), &"x".repeat(5000)));
        assert_eq!(verifier.queue.lock().unwrap().running, 0);
    }

    #[test]
    fn a_queue_that_is_full_says_so() {
        let verifier = Verifier::new(&Clock::fixed(Moment(0), 1));
        *verifier.queue.lock().unwrap() = Queue { running: AT_ONCE, waiting: WAITING_MAX };
        assert!(verifier.verify(None, "x").is_err());
    }
}
