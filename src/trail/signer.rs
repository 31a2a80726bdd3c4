//! Signing: the newest state of the log becomes a numbered checkpoint, and leaves the database.
//!
//! A checkpoint is signed after the commit of its size, from the committed log state. It is stored,
//! then kept beside the key, then appended to `anchor.file` ([`filing`](super::filing)): losing power in
//! between leaves an older one outside, never one that the database does not hold.
//!
//! When the key changes, the log says so first ([`Signer::rotate`]); the next checkpoint bears both
//! signatures, and once it is kept the old secret is put away. A stop anywhere in between is made good
//! at the next start, because which key is in force is read from the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use counterfoil_verify::{Note, SignerKey, VerifierKey};

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;

use super::filing::Filing;
use super::keys::KeyFolder;
use super::signing::{newest, rotated};
use super::store::{self, CheckpointRow, RotationRow};
use super::tree::LeafHashes;
use super::{ActError, ActTx, Log, rotations};

/// Signs checkpoints of one log.
#[derive(Debug)]
pub struct Signer {
    keys: KeyFolder,
    clock: Clock,
    leaves: LeafHashes,
    /// One signs at a time.
    hand: Mutex<Hand>,
    /// Why nothing could be appended to `anchor.file` the last time: told without waiting for a hand that waits for a disk.
    trouble: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Hand {
    key: SignerKey,
    /// The key before, until one checkpoint bears both signatures.
    beside: Option<SignerKey>,
    /// The number of the last checkpoint that was kept outside.
    kept: i64,
    filing: Filing,
}

/// What the log says of its key.
struct Said {
    origin: String,
    change: Option<RotationRow>,
    /// The size of the newest checkpoint.
    signed: i64,
}

fn said(conn: &mut Conn) -> DbResult<Said> {
    let state = store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
    let change = store::rotations(conn)?.into_iter().rev().find(|row| row.origin == state.origin);
    let signed = store::newest_checkpoint(conn)?.map_or(0, |newest| newest.size);
    Ok(Said { origin: state.origin, change, signed })
}

impl Hand {
    fn read(db: &Db, keys: &KeyFolder, clock: &Clock, leaves: LeafHashes) -> DbResult<Hand> {
        let said = db.read(said)?;
        let (key, beside) = match &said.change {
            None if said.signed > 0 && keys.key(&said.origin)?.is_none() => {
                return Err(DbError::Unfit(format!(
                    "the log {} was signed with a key that is not in {}: copy its .key file there from where the log was led, or \
                     set keys.log; a new key would not be believed",
                    said.origin,
                    keys.dir().display()
                )));
            }
            None => (keys.key_or_new(&said.origin, clock)?, None),
            Some(change) => changed(keys, change, said.signed)?,
        };
        keys.set_origin(&said.origin)?;
        Ok(Hand { key, beside, kept: 0, filing: Filing::of(leaves) })
    }
}

impl Signer {
    /// Reads the key of the log in `db`, or makes it; the log must have been created. `leaves` hashes those of the log.
    ///
    /// # Errors
    /// When the key cannot be read or made, or is not the one in force.
    pub fn open(db: &Db, config: &Config, clock: Clock, leaves: LeafHashes) -> DbResult<Signer> {
        let keys = KeyFolder::of(config, db.address());
        for path in keys.exposed() {
            tracing::warn!(path = %path.display(), "others on this machine may read or write this secret: chmod 600");
        }
        let hand = Mutex::new(Hand::read(db, &keys, &clock, leaves)?);
        Ok(Signer { keys, clock, leaves, hand, trouble: Mutex::default() })
    }

    /// Reads again which key is in force: it may have been changed while another process led.
    ///
    /// # Errors
    /// As [`Signer::open`].
    pub fn reload(&self, db: &Db) -> DbResult<()> {
        let mut hand = self.hand();
        *hand = Hand::read(db, &self.keys, &self.clock, self.leaves)?;
        Ok(())
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The public key: what a verifier must be given on paper.
    pub fn verifier(&self) -> VerifierKey {
        self.hand().key.verifier()
    }

    /// The keys of this log, those it had before included.
    ///
    /// # Errors
    /// When the changes cannot be read.
    pub fn verifiers(&self, conn: &mut Conn) -> DbResult<Vec<VerifierKey>> {
        let mut all = rotations::trusted(conn, vec![self.verifier()])?;
        for key in self.keys.earlier(conn)? {
            if !all.contains(&key) {
                all.push(key);
            }
        }
        Ok(all)
    }

    /// Why the newest checkpoint could not be appended to `anchor.file`, if it could not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The checkpoint of everything committed before the call; signs it if the log has grown. One that cannot be
    /// appended to `anchor.file` is [said](Signer::trouble) and tried again.
    ///
    /// # Errors
    /// When it cannot be stored, or not be kept beside the key.
    pub fn sign(&self, log: &Log) -> Result<CheckpointRow, ActError> {
        let mut hand = self.hand();
        let (key, beside, now) = (hand.key.clone(), hand.beside.clone(), self.clock.now().0);
        let row = log.side(move |conn| newest(conn, &key, beside.as_ref(), now))?;
        if row.number > hand.kept {
            self.keep(&row, hand.key.name()).map_err(ActError::Db)?;
            hand.kept = row.number;
        }
        if let Some(old) = &hand.beside {
            self.keys.promote(&hand.key, &old.verifier()).map_err(ActError::Db)?;
            hand.beside = None;
        }
        self.file(&mut hand, log, &row)?;
        Ok(row)
    }

    /// Lets the key `new`, which lies beside the present one, sign from now on: the log says so with a
    /// statement that both sign, together with what `also` records. Answers the event.
    ///
    /// # Errors
    /// When the new key is not there, or as [`Log::act`].
    pub fn rotate(
        &self,
        log: &Log,
        new: &VerifierKey,
        also: impl FnOnce(&mut ActTx<'_>, Seq) -> Result<(), ActError> + Send + 'static,
    ) -> Result<Seq, ActError> {
        let mut hand = self.hand();
        let fresh = self.keys.key_of(new).map_err(ActError::Db)?.ok_or_else(|| {
            let path = self.keys.next_path(new);
            let detail = format!("the new key is not in {}: put it there, or propose another", path.display());
            ActError::refused(409, "key_missing", detail)
        })?;
        let (old, next) = (hand.key.clone(), fresh.clone());
        let seq = log.act(move |tx| {
            let seq = rotated(tx, &old, &next)?;
            also(tx, seq)?;
            Ok(seq)
        })?;
        hand.beside = Some(std::mem::replace(&mut hand.key, fresh));
        Ok(seq)
    }

    fn keep(&self, row: &CheckpointRow, name: &str) -> DbResult<()> {
        let unreadable = |e| DbError::Corrupt(format!("checkpoint {}: {e}", row.number));
        self.keys.keep(name, &Note::parse(&row.note).map_err(unreadable)?)
    }

    /// What went wrong with `anchor.file` is said once, and kept for pages.
    fn tell(&self, error: Option<String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (&error, trouble.is_some()) {
            (Some(error), _) if trouble.as_ref() != Some(error) => {
                tracing::error!(error, "the newest checkpoint is not in anchor.file; it is tried again");
            }
            (None, true) => tracing::info!("checkpoints are appended to anchor.file again"),
            _ => {}
        }
        *trouble = error;
    }

    fn file(&self, hand: &mut Hand, log: &Log, row: &CheckpointRow) -> Result<(), ActError> {
        if self.keys.anchor_file().is_set() && hand.filing.is_due(row) {
            let own = hand.key.verifier();
            let keys = log.side(move |conn| rotations::trusted(conn, vec![own]))?;
            let filed = hand.filing.file(log, self.keys.anchor_file(), &keys, row);
            self.tell(filed.err());
        }
        Ok(())
    }
}

/// The key in force after a change, and the one before as long as no checkpoint bears both signatures.
fn changed(keys: &KeyFolder, change: &RotationRow, signed: i64) -> DbResult<(SignerKey, Option<SignerKey>)> {
    let read = |text: &str| {
        let broken = |e| DbError::Corrupt(format!("the change of the key in event {}: {e}", change.id));
        text.parse::<VerifierKey>().map_err(broken)
    };
    let (old, new) = (read(&change.old_key)?, read(&change.new_key)?);
    let missing = || {
        let dir = keys.dir().display();
        DbError::Unfit(format!("the key {new} signs this log since event {}, but is not in {dir}; put it back", change.id))
    };
    let key = keys.key_of(&new)?.ok_or_else(missing)?;
    if signed <= change.size
        && let Some(before) = keys.key_of(&old)?
    {
        return Ok((key, Some(before)));
    }
    if !keys.is_given() {
        keys.promote(&key, &old)?;
    }
    Ok((key, None))
}
