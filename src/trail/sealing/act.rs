//! What is done with keys: a recovery key made, tested, used; the master key exchanged.
//!
//! A private recovery key never leaves the command that reads it: what it opens goes on, wrapped anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::db::{Conn, DbError, DbResult, bulk};
use crate::ids::Seq;

use super::super::keys::KeyFolder;
use super::super::{ActError, ActTx, Changed, NewEvent};
use super::boxes;
use super::store::{self, DataKeyRow, RecoveryRow};
use super::{Master, Opener, PrivateKey, PublicKey, believed, digest, purpose};

/// A recovery key to be made known: its public part and a test value for its private part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewRecovery {
    /// Hex.
    pub public_key: String,
    /// Hex.
    pub challenge: String,
    /// SHA-256 of what it opens to, in hex.
    pub answer: String,
    /// Who, in private.
    pub whence: Value,
}

impl NewRecovery {
    /// Of a private key that was just made.
    pub fn of(key: &PrivateKey, clock: &Clock, whence: Value) -> Option<NewRecovery> {
        let public = key.public();
        let challenge = public.challenge(clock)?;
        Some(NewRecovery {
            public_key: hex::encode(public.0),
            challenge: hex::encode(challenge.sealed),
            answer: challenge.answer,
            whence,
        })
    }

    /// Stores it; it seals nothing before it was tested. Answers its name. Refusal: `422 key_invalid`.
    pub fn run(self, tx: &mut ActTx<'_>) -> Result<String, ActError> {
        let invalid = || ActError::refused(422, "key_invalid", "this is no recovery key");
        let bytes = |text: &str| hex::decode(text).map_err(|_| invalid());
        let (public_key, challenge) = (bytes(&self.public_key)?, bytes(&self.challenge)?);
        let name = PublicKey::of(&public_key).ok_or_else(invalid)?.name();
        let body = json!({
            "name": name, "public_key": self.public_key, "challenge": hex::encode(Sha256::digest(&challenge)), "answer": self.answer,
        });
        let id = tx.append(NewEvent::with_private("recovery.made", body, self.whence))?;
        let made_at = tx.now().0;
        let row = RecoveryRow { id, name: name.clone(), public_key, challenge, answer: self.answer, made_at, tested_at: None };
        bulk::append(tx.conn, &[row])?;
        tx.changed(Changed::Sealing);
        Ok(name)
    }
}

/// A test value that waits to be opened.
#[derive(Clone, Debug)]
pub struct Challenged {
    /// The recovery key.
    pub id: Seq,
    /// Its name.
    pub name: String,
    challenge: Vec<u8>,
}

impl Challenged {
    /// That of the newest recovery key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn newest(conn: &mut Conn) -> DbResult<Option<Challenged>> {
        let newest = store::recovery_rows(conn)?.pop();
        Ok(newest.map(|row| Challenged { id: row.id, name: row.name, challenge: row.challenge }))
    }

    /// Opens it; `None` if this is another key.
    pub fn open(&self, key: &PrivateKey, whence: Value) -> Option<Tested> {
        let answer = key.answer(&self.challenge)?;
        Some(Tested { id: self.id, answer: hex::encode(answer.as_slice()), whence })
    }
}

/// That a recovery key opened its test value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tested {
    /// The recovery key.
    pub id: Seq,
    /// What the test value opened to, in hex: good for nothing else.
    pub answer: String,
    /// Who, in private.
    pub whence: Value,
}

/// Notes that a recovery key was tested; from now on it counts, and every data key is wrapped for it.
/// Refusals: `404 no_recovery_key`, `422 recovery_key_wrong`, `409 master_key_missing`.
pub fn note_tested(tx: &mut ActTx<'_>, keys: &KeyFolder, origin: &str, tested: Tested) -> Result<String, ActError> {
    let newest = store::recovery_rows(tx.conn)?.pop().filter(|row| row.id == tested.id);
    let row = newest.ok_or_else(|| ActError::refused(404, "no_recovery_key", "there is another recovery key meanwhile"))?;
    if hex::decode(&tested.answer).map(|answer| digest(&answer)).ok().as_deref() != Some(row.answer.as_str()) {
        return Err(ActError::refused(422, "recovery_key_wrong", "this is not the key that was made last"));
    }
    let public = PublicKey::of(&row.public_key).ok_or_else(|| DbError::Corrupt("a recovery key cannot be read".into()))?;
    let opener = Opener::of(keys, origin)?;
    let mut rewrapped = Vec::new();
    for old in store::data_keys(tx.conn)?.into_iter().filter(|old| old.recovery != row.name) {
        let key = opener.unwrap(&old).ok_or_else(no_master)?;
        let sealed = public.seal(tx.clock, &purpose(origin, old.month), key.as_slice());
        let recovery_wrapped = sealed.ok_or_else(|| DbError::Corrupt("the recovery key cannot be used".into()))?;
        rewrapped.push(DataKeyRow { recovery: row.name.clone(), recovery_wrapped, ..old });
    }
    let body = json!({ "recovery": row.id, "name": row.name, "first": row.tested_at.is_none() });
    tx.append(NewEvent::with_private("recovery.tested", body, tested.whence))?;
    if row.tested_at.is_none() {
        store::set_tested(tx.conn, row.id, tx.now().0)?;
    }
    rewrap(tx, ("recovery", &row.name), &rewrapped)?;
    // The file last: as long as it is another, nothing is sealed.
    public.keep(keys, origin)?;
    tx.changed(Changed::Sealing);
    Ok(row.name)
}

fn no_master() -> ActError {
    ActError::refused(
        409,
        "master_key_missing",
        "the master key that opens the data keys is missing: put it back, or run `counterfoil keys recovery restore`",
    )
}

/// Data keys wrapped for another master key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rewrapped {
    /// The master key's name.
    pub master: String,
    /// By the id of each data key, in hex.
    pub keys: BTreeMap<Seq, String>,
    /// Who, in private.
    pub whence: Value,
}

/// Opens every data key with the private recovery key and wraps it for a fresh master key, which is
/// kept in `keys.dir`. The rows are stored by [`Rewrapped::run`].
///
/// # Errors
/// When the database or the folder of the keys fails, or a data key does not open with this key.
pub fn recovered(
    conn: &mut Conn,
    keys: &KeyFolder,
    (origin, clock): (&str, &Clock),
    private: &PrivateKey,
    whence: Value,
) -> DbResult<Rewrapped> {
    let master = Master::new(clock);
    let mut rewrapped = BTreeMap::new();
    for row in store::data_keys(conn)? {
        let purpose = purpose(origin, row.month);
        let key = private.open(&purpose, &row.recovery_wrapped);
        let key =
            key.ok_or_else(|| DbError::Unfit(format!("the data key of {} does not open with this recovery key", row.month)))?;
        let wrapped = boxes::wrap(master.key(), clock, &purpose, key.as_slice());
        rewrapped.insert(row.id, hex::encode(wrapped.ok_or_else(|| DbError::Corrupt("a key cannot be wrapped".into()))?));
    }
    let mut masters = vec![master.clone()];
    match believed(Master::load(keys, origin))? {
        Some(known) => masters.extend(known),
        None => Master::set_aside(keys, origin)?,
    }
    Master::keep(&masters, keys, origin)?;
    Ok(Rewrapped { master: master.name().to_owned(), keys: rewrapped, whence })
}

impl Rewrapped {
    /// Stores how the data keys are wrapped now; answers how many. Refusals: `409 master_key_missing`,
    /// `409 keys_changed`.
    pub fn run(self, tx: &mut ActTx<'_>, keys: &KeyFolder, origin: &str) -> Result<usize, ActError> {
        let masters = Master::load(keys, origin)?;
        if masters.first().is_none_or(|master| master.name() != self.master) {
            return Err(no_master());
        }
        let rows = store::data_keys(tx.conn)?;
        let changed = || ActError::refused(409, "keys_changed", "a data key was made meanwhile: run it again");
        let mut rewrapped = Vec::new();
        for row in rows {
            let wrapped = self.keys.get(&row.id).and_then(|text| hex::decode(text).ok()).ok_or_else(changed)?;
            rewrapped.push(DataKeyRow { master: self.master.clone(), wrapped, ..row });
        }
        rewrap_with(tx, ("master", &self.master), &rewrapped, self.whence)?;
        tx.changed(Changed::Sealing);
        Ok(rewrapped.len())
    }
}

/// Exchanges the master key: a fresh one, or, where it comes as a setting, the first of those set;
/// every data key is wrapped for it. Answers its name. Refusal: `409 master_key_missing`.
pub fn rotate_master(tx: &mut ActTx<'_>, keys: &KeyFolder, origin: &str, whence: Value) -> Result<String, ActError> {
    let known = Master::load(keys, origin)?;
    let given = keys.given_master().is_some();
    let master = if given { known.first().cloned().ok_or_else(no_master)? } else { Master::new(tx.clock) };
    let opener = Opener::of(keys, origin)?;
    let mut rewrapped = Vec::new();
    for row in store::data_keys(tx.conn)?.into_iter().filter(|row| row.master != master.name()) {
        let key = opener.unwrap(&row).ok_or_else(no_master)?;
        let wrapped = boxes::wrap(master.key(), tx.clock, &purpose(origin, row.month), key.as_slice());
        let wrapped = wrapped.ok_or_else(|| DbError::Corrupt("a key cannot be wrapped".into()))?;
        rewrapped.push(DataKeyRow { master: master.name().to_owned(), wrapped, ..row });
    }
    if !given {
        // Both, until what is wrapped for the new one is on the disk.
        let both: Vec<Master> = std::iter::once(master.clone()).chain(known.into_iter().take(1)).collect();
        Master::keep(&both, keys, origin)?;
    }
    rewrap_with(tx, ("master", master.name()), &rewrapped, whence)?;
    tx.changed(Changed::Sealing);
    Ok(master.name().to_owned())
}

/// Forgets every master key but the one of this name, unless they come as a setting.
///
/// # Errors
/// When the file cannot be read or written.
pub fn forget_others(keys: &KeyFolder, origin: &str, name: &str) -> DbResult<()> {
    if keys.given_master().is_some() {
        return Ok(());
    }
    let known = Master::load(keys, origin)?;
    let kept: Vec<Master> = known.into_iter().filter(|master| master.name() == name).collect();
    if kept.is_empty() { Ok(()) } else { Master::keep(&kept, keys, origin) }
}

fn rewrap(tx: &mut ActTx<'_>, to: (&str, &str), rows: &[DataKeyRow]) -> Result<(), ActError> {
    if rows.is_empty() { Ok(()) } else { rewrap_with(tx, to, rows, Value::Null) }
}

fn rewrap_with(tx: &mut ActTx<'_>, (what, name): (&str, &str), rows: &[DataKeyRow], whence: Value) -> Result<(), ActError> {
    let wrapped = |row: &DataKeyRow| if what == "master" { row.wrapped.clone() } else { row.recovery_wrapped.clone() };
    let digests: BTreeMap<String, String> =
        rows.iter().map(|row| (row.id.to_string(), hex::encode(Sha256::digest(wrapped(row))))).collect();
    let body = json!({ "for": what, "name": name, "keys": digests });
    let private = Some(whence).filter(|whence| !whence.is_null());
    tx.append(NewEvent { kind: "keys.rewrapped", body, private })?;
    rows.iter().try_for_each(|row| store::rewrap(tx.conn, row))?;
    Ok(())
}
