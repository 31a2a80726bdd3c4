//! The door: everything that a request needs to be let in, in one cheap handle.

use std::sync::Arc;

use serde_json::json;

use crate::clock::Clock;
use crate::db::{Db, DbResult};
use crate::ids::Seq;
use crate::trail::{ActError, Log, NewEvent};

use super::flood::{Counted, Flood};
use super::key_cache::KeyCache;
use super::keys::{self, ApiKey};
use super::passwords::Verifier;
use super::reads::{Read, Reads};
use super::sessions::{self, Session};
use super::throttle::Throttle;

/// The kind of the event of a refused sign-in.
pub(super) const REFUSED: &str = "session.refused";
/// The kind of the event of a refused request.
const DENIED: &str = "access.denied";
/// The kind of the event that counts who was shown the way in.
const REDIRECTED: &str = "access.redirected";

/// Text of a stranger that is kept with an event: at most this many characters.
const KEPT_CHARS: usize = 512;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A signed-in user.
    User(Seq),
    /// A sender with a key.
    Key(Seq),
}

/// Lets in, or records that it did not. Cheap to clone; its calls block.
#[derive(Clone)]
pub struct Door {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    log: Log,
    clock: Clock,
    verifier: Verifier,
    keys: KeyCache,
    refused: Flood,
    denied: Flood,
    redirected: Flood,
    reads: Reads,
    throttle: Throttle,
}

impl Door {
    /// Over a database and its log. One per process: it holds the bounds on floods.
    pub fn new(db: Db, log: Log, clock: Clock) -> Door {
        let verifier = Verifier::new(&clock);
        let (keys, refused, denied) = (KeyCache::new(), Flood::new(REFUSED), Flood::new(DENIED));
        let (redirected, reads, throttle) = (Flood::new(REDIRECTED), Reads::default(), Throttle::default());
        Door { inner: Arc::new(Inner { db, log, clock, verifier, keys, refused, denied, redirected, reads, throttle }) }
    }

    /// The session of a token, its use noted.
    pub fn session(&self, token: &str) -> DbResult<Option<Session>> {
        let now = self.clock().now();
        let session = self.db().read(|c| sessions::lookup(c, token, now))?;
        if let Some(session) = &session {
            // Not noted, it ends a minute or more too early, and the next request notes it.
            let _ = sessions::touch(self.log(), session, now);
        }
        Ok(session)
    }

    /// The key of a bearer text that was recognised a moment ago; asks no database, never waits.
    pub fn known(&self, bearer: &str) -> Option<Arc<ApiKey>> {
        self.inner.keys.get(bearer, self.clock().now(), self.log().acts())
    }

    /// The key of a bearer text (what follows `Bearer `), if it is one that may come in. Asks the
    /// database at most once a second for each key.
    pub fn authenticate(&self, bearer: &str) -> DbResult<Option<Arc<ApiKey>>> {
        let (now, acts) = (self.clock().now(), self.log().acts());
        if let Some(key) = self.inner.keys.get(bearer, now, acts) {
            return Ok(Some(key));
        }
        let found = self.db().read(|c| keys::authenticate(c, bearer))?.map(Arc::new);
        if let Some(key) = &found {
            self.inner.keys.put(bearer, key.clone(), now, acts);
        }
        Ok(found)
    }

    /// Records that a request was refused: the route's template and the act if it is one, who asked, a stable reason,
    /// and privately the address. An error means that it could not be recorded: answer 503, not 403.
    pub fn denied(
        &self,
        (what, act): (&'static str, Option<&'static str>),
        who: Option<Who>,
        reason: &'static str,
        ip: Option<&str>,
    ) -> Result<(), ActError> {
        let noted = self.inner.denied.note(self.clock().now(), ip);
        if !noted.singly {
            return Ok(());
        }
        let (user, key) = match who {
            Some(Who::User(user)) => (Some(user), None),
            Some(Who::Key(key)) => (None, Some(key)),
            None => (None, None),
        };
        let body = json!({ "what": what, "act": act, "user": user, "key": key, "reason": reason });
        let event = NewEvent::with_private(DENIED, body, json!({ "ip": ip.map(shortened) }));
        self.inner.denied.write(self.log(), noted.earlier, Some(event))
    }

    /// Counts a page that was asked for without a session: whoever asked is shown the way in. It is written by
    /// [`Door::tidy`], or [`Door::finish`].
    pub fn shown_the_way_in(&self, ip: Option<&str>) {
        self.inner.redirected.count(self.clock().now(), ip);
    }

    /// Notes what a key read; never waits. It is written by [`Door::tidy`], or [`Door::finish`].
    pub fn has_read(&self, key: Seq, read: Read) {
        self.inner.reads.note(self.clock().now(), key, read);
    }

    /// Whether keys may read: not while what they read could not be recorded for too long.
    pub fn records_reads(&self) -> bool {
        !self.inner.reads.overdue(self.clock().now())
    }

    /// Once a minute: writes what keys have read and what floods have left to be counted, and removes sessions that
    /// are over.
    pub fn tidy(&self) -> Result<(), ActError> {
        let now = self.clock().now();
        let read = self.inner.reads.write(self.log(), now);
        self.write_counted(|flood| flood.overdue(now))?;
        read?;
        if self.db().read(|c| sessions::are_stale(c, now)).map_err(ActError::from)? {
            match sessions::sweep(self.log(), now) {
                // Whoever leads removes them.
                Ok(_) | Err(ActError::NotWriting) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Before the process ends: writes what keys have read and what floods have left, though their minute is not over.
    pub fn finish(&self) -> Result<(), ActError> {
        let read = self.inner.reads.write(self.log(), self.clock().now());
        self.write_counted(Flood::rest)?;
        read
    }

    fn write_counted(&self, left: impl Fn(&Flood) -> Option<Counted>) -> Result<(), ActError> {
        for flood in [&self.inner.refused, &self.inner.denied] {
            if let Some(counted) = left(flood) {
                flood.write(self.log(), Some(counted), None)?;
            }
        }
        // None of these is written singly, so that none waits for its minute to end.
        if let Some(counted) = self.inner.redirected.rest() {
            self.inner.redirected.write(self.log(), Some(counted), None)?;
        }
        Ok(())
    }

    pub(super) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(super) fn log(&self) -> &Log {
        &self.inner.log
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.inner.verifier
    }

    pub(super) fn throttle(&self) -> &Throttle {
        &self.inner.throttle
    }

    pub(super) fn refused(&self) -> &Flood {
        &self.inner.refused
    }
}

/// The beginning of a text that a stranger sent, without control characters: PostgreSQL stores no NUL.
pub(super) fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(KEPT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::{Origin, Scopes};
    use crate::clock::{MINUTE, SECOND};
    use crate::trail::testing::{Bench, Nowhere};

    #[test]
    fn a_denial_is_recorded_without_anything_personal_in_public() {
        let bench = Bench::new();
        let door = Door::new(bench.db.clone(), bench.log.clone(), bench.clock.clone());
        door.denied(("/api/v1/accounts/{account}", None), Some(Who::Key(7)), "scope", Some("192.0.2.7")).unwrap();
        let (_, body, private) = bench.events("access.denied").remove(0);
        assert_eq!(body, json!({ "what": "/api/v1/accounts/{account}", "act": null, "user": null, "key": 7, "reason": "scope" }));
        assert_eq!(private.unwrap()["ip"], "192.0.2.7");
        for _ in 0..100 {
            door.denied(("/alerts", None), None, "not_signed_in", None).unwrap();
        }
        assert_eq!(bench.events("access.denied").len(), 21, "twenty of each address");
        bench.clock.advance(MINUTE);
        door.denied(("/alerts", None), None, "not_signed_in", None).unwrap();
        let events = bench.events("access.denied");
        assert_eq!((events.len(), events[21].1["counted"].as_u64()), (23, Some(80)));
        for _ in 0..25 {
            door.denied(("/alerts", None), None, "not_signed_in", None).unwrap();
        }
        door.finish().unwrap();
        let last = bench.events("access.denied").pop().unwrap();
        assert_eq!(last.1["counted"].as_u64(), Some(6));
    }

    #[test]
    fn who_was_shown_the_way_in_is_counted_once_a_minute() {
        let bench = Bench::new();
        let door = Door::new(bench.db.clone(), bench.log.clone(), bench.clock.clone());
        (0..3).for_each(|_| door.shown_the_way_in(Some("192.0.2.7")));
        door.shown_the_way_in(None);
        assert_eq!(bench.events(REDIRECTED).len(), 0);
        door.tidy().unwrap();
        door.tidy().unwrap();
        let events = bench.events(REDIRECTED);
        assert_eq!((events.len(), &events[0].1["counted"], &events[0].1["addresses"]), (1, &json!(4), &json!(2)));
        assert!(!events[0].1.to_string().contains("192.0.2.7"));
    }

    #[test]
    fn a_denial_that_cannot_be_recorded_is_an_error() {
        let bench = Bench::new();
        let door = Door::new(bench.db.clone(), Log::new(Arc::new(Nowhere)), bench.clock.clone());
        assert!(door.denied(("/alerts", None), None, "not_signed_in", None).is_err());
        assert!(door.sign_in("ada@bank.example", "wrong", &Origin::default()).is_err());
    }

    #[test]
    fn revoking_a_key_acts_within_a_second() {
        let bench = Bench::new();
        let door = Door::new(bench.db.clone(), bench.log.clone(), bench.clock.clone());
        let (_, secret) = keys::issue(&bench.log, &bench.clock, "core", Scopes::ALL).unwrap();
        assert!(door.authenticate(&secret).unwrap().is_some());
        keys::revoke(&bench.log, &secret[3..11]).unwrap();
        bench.clock.advance(SECOND);
        assert!(door.authenticate(&secret).unwrap().is_none());
    }
}
