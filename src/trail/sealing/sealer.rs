//! Sealing while entries are recorded: the key of the month, made when the month begins.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::clock::{Clock, MINUTE, Moment};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;

use super::super::NewEvent;
use super::super::keys::KeyFolder;
use super::boxes::{self, Secret};
use super::store::{self, DataKeyRow, SealedPartRow};
use super::values::{self, SealedValue, ValuePlace};
use super::{Fields, Master, Opened, Opener, Place, PublicKey, Status, parts, purpose, status};

/// Seals for one log; reads everything anew when [`Sealer::reset`] was called.
pub struct Sealer {
    keys: KeyFolder,
    origin: String,
    /// When it was found that something may be sealed.
    ready: Option<Moment>,
    opener: Option<Opener>,
    current: Option<(i32, Seq, Secret)>,
}

/// A data key that is not stored yet: its event, and how it is wrapped.
pub struct FreshKey {
    /// The event whose place is its id.
    pub event: NewEvent,
    key: Secret,
    row: DataKeyRow,
}

/// `YYYYMM` of a time in UTC.
fn month_of(at: Moment) -> i32 {
    use chrono::Datelike;
    let date = at.utc();
    date.year() * 100 + date.month() as i32
}

fn failed(what: &str) -> DbError {
    DbError::Corrupt(format!("{what}; nothing was recorded"))
}

impl Sealer {
    /// For the log named `origin`.
    pub fn new(keys: KeyFolder, origin: &str) -> Sealer {
        Sealer { keys, origin: origin.to_owned(), ready: None, opener: None, current: None }
    }

    /// Forgets what it read: keys have changed.
    pub fn reset(&mut self) {
        (self.ready, self.opener, self.current) = (None, None, None);
    }

    /// Whether anything may be sealed; a file that was damaged while the program runs is noticed within a minute.
    ///
    /// # Errors
    /// When the database or a key file cannot be read.
    pub fn status(&mut self, conn: &mut Conn, now: Moment) -> DbResult<Status> {
        if self.ready.is_some_and(|at| (at.0..at.0 + MINUTE).contains(&now.0)) {
            return Ok(Status::Ready);
        }
        let found = status(conn, &self.keys, &self.origin)?;
        if found.is_ready() {
            self.ready = Some(now);
        } else {
            self.reset();
        }
        Ok(found)
    }

    /// The data key that the month of `now` lacks, if it does: it must be stored before anything is
    /// sealed.
    ///
    /// # Errors
    /// When the database or a key file cannot be read or made; whether anything may be sealed is then asked anew.
    pub fn wants(&mut self, conn: &mut Conn, clock: &Clock, now: Moment) -> DbResult<Option<FreshKey>> {
        let wanted = self.wanted(conn, clock, now);
        if wanted.is_err() {
            self.reset();
        }
        wanted
    }

    fn wanted(&mut self, conn: &mut Conn, clock: &Clock, now: Moment) -> DbResult<Option<FreshKey>> {
        let month = month_of(now);
        if self.current.as_ref().is_some_and(|(of, ..)| *of == month) {
            return Ok(None);
        }
        let opener = self.opener()?;
        let found = store::data_key_of(conn, month)?;
        if let Some((id, key)) = found.and_then(|row| Some((row.id, opener.unwrap(&row)?))) {
            self.current = Some((month, id, key));
            return Ok(None);
        }
        self.fresh(clock, month).map(Some)
    }

    fn opener(&mut self) -> DbResult<&mut Opener> {
        let opener = match self.opener.take() {
            Some(opener) => opener,
            None => Opener::of(&self.keys, &self.origin)?,
        };
        Ok(self.opener.insert(opener))
    }

    /// A key for a month, wrapped for the master key, which is made if there never was one, and for the
    /// recovery key.
    fn fresh(&mut self, clock: &Clock, month: i32) -> DbResult<FreshKey> {
        let master = match self.opener()?.master() {
            Some(master) => master.clone(),
            None => {
                let master = Master::new(clock);
                Master::keep(std::slice::from_ref(&master), &self.keys, &self.origin)?;
                tracing::warn!(
                    dir = %self.keys.dir().display(), master = master.name(),
                    "made the master key that opens sealed values: keep a copy outside this machine"
                );
                self.opener = None;
                master
            }
        };
        let recovery = PublicKey::load(&self.keys, &self.origin)?.ok_or_else(|| failed("there is no recovery key"))?;
        let (key, purpose) = (boxes::secret(clock), purpose(&self.origin, month));
        let wrapped =
            boxes::wrap(master.key(), clock, &purpose, key.as_slice()).ok_or_else(|| failed("a key cannot be wrapped"))?;
        let recovery_wrapped =
            recovery.seal(clock, &purpose, key.as_slice()).ok_or_else(|| failed("the recovery key cannot be used"))?;
        let row = DataKeyRow {
            id: 0,
            month,
            master: master.name().to_owned(),
            wrapped,
            recovery: recovery.name(),
            recovery_wrapped,
            made_at: 0,
        };
        let body = json!({
            "month": month, "master": row.master, "recovery": row.recovery, "wrapped": hex::encode(Sha256::digest(&row.wrapped)),
            "recovery_wrapped": hex::encode(Sha256::digest(&row.recovery_wrapped)),
        });
        Ok(FreshKey { event: NewEvent::public("datakey.made", body), key, row })
    }

    /// Takes a fresh key into use, whose event has its place now; answers its row.
    pub fn begin(&mut self, fresh: FreshKey, id: Seq, now: Moment) -> DataKeyRow {
        self.current = Some((fresh.row.month, id, fresh.key));
        DataKeyRow { id, made_at: now.0, ..fresh.row }
    }

    /// Seals some of an entry's private parts with the salt of all of them.
    ///
    /// # Errors
    /// When no key was begun for the month.
    pub fn seal(
        &self,
        clock: &Clock,
        (seq, blind): (Seq, &[u8]),
        fields: Fields,
        salted: (&[u8; 32], &[Option<&str>; 5]),
    ) -> DbResult<SealedPartRow> {
        let (_, id, key) = self.current.as_ref().ok_or_else(|| failed("there is no key to seal with"))?;
        let place = Place { origin: &self.origin, seq, blind };
        parts::seal((*id, key), clock, &place, fields, salted).ok_or_else(|| failed("a value cannot be sealed"))
    }

    /// Seals a single value with the salt of its commitment.
    ///
    /// # Errors
    /// When no key was begun for the month.
    pub fn seal_value(&self, clock: &Clock, place: &ValuePlace<'_>, salted: (&[u8; 32], Option<&str>)) -> DbResult<SealedValue> {
        let (_, id, key) = self.current.as_ref().ok_or_else(|| failed("there is no key to seal with"))?;
        values::seal((*id, key), clock, (&self.origin, place), salted).ok_or_else(|| failed("a value cannot be sealed"))
    }

    /// Opens what is sealed of an entry.
    ///
    /// # Errors
    /// When the database or a key file cannot be read.
    pub fn open(&mut self, conn: &mut Conn, row: &SealedPartRow, blind: &[u8]) -> DbResult<Option<Opened>> {
        if let Some((_, id, key)) = self.current.as_ref().filter(|(_, id, _)| *id == row.data_key) {
            debug_assert_eq!(*id, row.data_key);
            return Ok(parts::open(key, &Place { origin: &self.origin, seq: row.seq, blind }, row));
        }
        self.opener()?.open(conn, row, blind)
    }
}
