//! What is kept beside the keys: the last checkpoint, the register of erasures; and how far `anchor.file`
//! reaches.
//!
//! All are written after what they speak of was committed. So they are read before the state of the
//! database that they are held against begins: it knows of everything that they say, however much is
//! recorded meanwhile.

use counterfoil_verify::Note;

use crate::config::Config;
use crate::db::{Db, DbResult};
use crate::privacy::register::Register;
use crate::trail::keys::KeyFolder;
use crate::trail::store;

/// See the module.
pub(super) struct Beside {
    /// The folder itself.
    pub(super) keys: KeyFolder,
    /// The last checkpoint that was signed.
    pub(super) kept: Option<Kept>,
    /// How long `anchor.file` was, in bytes, if one is configured; else why it cannot be read.
    pub(super) filed: Result<Option<u64>, String>,
    /// What was erased.
    pub(super) register: Register,
}

/// A checkpoint kept beside the key.
pub(super) struct Kept {
    /// The name of its log.
    pub(super) origin: String,
    /// The checkpoint itself.
    pub(super) note: Note,
}

impl Beside {
    /// Reads it; to be called before the snapshot.
    ///
    /// # Errors
    /// When the database cannot be read or the register is damaged.
    pub(super) fn read(db: &Db, config: &Config) -> DbResult<Beside> {
        let keys = KeyFolder::of(config, db.address());
        let filed = keys.anchor_file().end();
        let stated = store::state(&mut db.connect()?)?.map(|state| state.origin);
        // A database without a log is known by what was noted beside the keys.
        let Some(origin) = stated.or(keys.origin().ok().flatten()) else {
            return Ok(Beside { keys, kept: None, filed, register: Register::default() });
        };
        let register = Register::read(&keys, &origin)?;
        // One that cannot be read is as good as none: the database's own are compared all the same.
        let note = keys.checkpoint(&origin).ok().flatten();
        Ok(Beside { kept: note.map(|note| Kept { origin, note }), filed, keys, register })
    }
}
