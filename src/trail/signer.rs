//! Signing: the newest state of the log becomes a numbered checkpoint, and leaves the database.
//!
//! A checkpoint is signed after the commit of its size, from the committed log state. It is stored,
//! then kept beside the key, then appended to `anchor.file`: losing power in between leaves an older
//! one outside, never one that the database does not hold.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use counterfoil_verify::{Checkpoint, Note, SignerKey, VerifierKey};

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Conn, Db, DbError, DbResult, bulk};

use super::keys::KeyFolder;
use super::store::{self, CheckpointRow};
use super::{ActError, Log};

/// Signs checkpoints of one log.
#[derive(Debug)]
pub struct Signer {
    keys: KeyFolder,
    key: SignerKey,
    file: Option<PathBuf>,
    clock: Clock,
    /// The number of the last checkpoint that was kept outside; one signs at a time.
    kept: Mutex<i64>,
}

impl Signer {
    /// Reads the key of the log in `db`, or makes it; the log must have been created.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn open(db: &Db, config: &Config, clock: Clock) -> DbResult<Signer> {
        let state = db.read(store::state)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
        let keys = KeyFolder::of(config, db.address());
        if db.read(store::newest_checkpoint)?.is_some() && keys.key(&state.origin)?.is_none() {
            return Err(DbError::Unfit(format!(
                "the log {} was signed with a key that is not in {}: copy its .key file there from where the log was led, or \
                 set keys.log; a new key would not be believed",
                state.origin,
                keys.dir().display()
            )));
        }
        let key = keys.key_or_new(&state.origin, &clock)?;
        keys.set_origin(&state.origin)?;
        let file = Some(&config.anchor.file).filter(|file| !file.is_empty()).map(PathBuf::from);
        Ok(Signer { keys, key, file, clock, kept: Mutex::new(0) })
    }

    /// The public key: what a verifier must be given on paper.
    pub fn verifier(&self) -> VerifierKey {
        self.key.verifier()
    }

    /// The checkpoint of everything committed before the call; signs it if the log has grown.
    ///
    /// # Errors
    /// When it cannot be stored, or not be kept outside the database.
    pub fn sign(&self, log: &Log) -> Result<CheckpointRow, ActError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, now) = (self.key.clone(), self.clock.now().0);
        let row = log.side(move |conn| newest(conn, &key, now))?;
        if row.number > *kept {
            self.keep(&row).map_err(ActError::Db)?;
            *kept = row.number;
        }
        Ok(row)
    }

    fn keep(&self, row: &CheckpointRow) -> DbResult<()> {
        let unreadable = |e| DbError::Corrupt(format!("checkpoint {}: {e}", row.number));
        self.keys.keep(self.key.name(), &Note::parse(&row.note).map_err(unreadable)?)?;
        let Some(path) = &self.file else { return Ok(()) };
        let failed = |e: std::io::Error| DbError::Unfit(format!("anchor.file {}: {e}", path.display()));
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(format!("{}\n", row.note).as_bytes()).and_then(|()| file.sync_data()).map_err(failed)
    }
}

/// The checkpoint of the present size, signed now if there is none.
fn newest(conn: &mut Conn, key: &SignerKey, now: i64) -> DbResult<CheckpointRow> {
    let state = store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
    let last = store::newest_checkpoint(conn)?;
    let number = match last {
        Some(last) if last.size == state.size => return Ok(last),
        Some(last) if last.size > state.size => {
            let text = format!("checkpoint {} covers {} leaves, the log has {}", last.number, last.size, state.size);
            return Err(DbError::Corrupt(format!("{text}; run `counterfoil verify`")));
        }
        last => last.map_or(1, |last| last.number + 1),
    };
    let root = state.root.as_slice().try_into().map_err(|_| DbError::Corrupt("the root in the log state is broken".into()))?;
    let note = Checkpoint::new(&state.origin, state.size.unsigned_abs(), root).sign(&[key]);
    let note = note.map_err(|e| DbError::Unfit(e.to_string()))?.to_string();
    let row = CheckpointRow { number, size: state.size, root: state.root, signed_at: now, note };
    bulk::append(conn, std::slice::from_ref(&row))?;
    Ok(row)
}
