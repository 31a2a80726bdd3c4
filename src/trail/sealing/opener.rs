//! Opening what is sealed, with the master key at hand.

use std::collections::HashMap;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::super::keys::KeyFolder;
use super::boxes::{self, KEY_BYTES, Secret};
use super::store::{self, DataKeyRow, SealedPartRow};
use super::{Master, Opened, Place, believed, parts, purpose};

/// Opens data keys, and with them what they seal. Each is opened once.
#[derive(Default)]
pub struct Opener {
    origin: String,
    masters: Vec<Master>,
    keys: HashMap<Seq, Option<Secret>>,
}

impl Opener {
    /// With the master keys of the log named `origin`; without any it opens nothing.
    ///
    /// # Errors
    /// When a key file cannot be read.
    pub fn of(keys: &KeyFolder, origin: &str) -> DbResult<Opener> {
        Ok(Opener { origin: origin.to_owned(), masters: Master::load(keys, origin)?, keys: HashMap::new() })
    }

    /// The same; from a file that holds no key, or cannot be read, it opens nothing.
    ///
    /// # Errors
    /// When the folder fails otherwise.
    pub fn at_hand(keys: &KeyFolder, origin: &str) -> DbResult<Opener> {
        Ok(believed(Opener::of(keys, origin))?.unwrap_or_default())
    }

    /// Reads every data key there is: no connection is needed afterwards.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn read(mut self, conn: &mut Conn) -> DbResult<Opener> {
        for row in store::data_keys(conn)? {
            let key = self.unwrap(&row);
            self.keys.insert(row.id, key);
        }
        Ok(self)
    }

    /// The master key in use.
    pub fn master(&self) -> Option<&Master> {
        self.masters.first()
    }

    /// The data key of a row, if a master key opens it.
    pub(super) fn unwrap(&self, row: &DataKeyRow) -> Option<Secret> {
        let master = self.masters.iter().find(|master| master.name() == row.master)?;
        let opened = boxes::unwrap(master.key(), &purpose(&self.origin, row.month), &row.wrapped)?;
        Some(Secret::new(<[u8; KEY_BYTES]>::try_from(opened.as_slice()).ok()?))
    }

    /// Opens what is sealed of an entry, whose leaf commits to `blind`; `None` if the key is not at hand
    /// or the box is not the one that was sealed there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open(&mut self, conn: &mut Conn, row: &SealedPartRow, blind: &[u8]) -> DbResult<Option<Opened>> {
        self.learn(conn, row.data_key)?;
        Ok(self.open_known(row, blind))
    }

    /// Reads a data key, unless it is known already.
    pub(super) fn learn(&mut self, conn: &mut Conn, id: Seq) -> DbResult<()> {
        if !self.keys.contains_key(&id) {
            let found = store::data_key(conn, id)?;
            let key = found.and_then(|found| self.unwrap(&found));
            self.keys.insert(id, key);
        }
        Ok(())
    }

    /// A data key that is known and could be opened.
    pub(super) fn key(&self, id: Seq) -> Option<&[u8; KEY_BYTES]> {
        self.keys.get(&id)?.as_deref()
    }

    /// The log's name.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The same with the data keys read before.
    pub fn open_known(&self, row: &SealedPartRow, blind: &[u8]) -> Option<Opened> {
        let key = self.keys.get(&row.data_key)?.as_ref()?;
        parts::open(key, &Place { origin: &self.origin, seq: row.seq, blind }, row)
    }

    /// Whether the data key of a box is at hand.
    pub fn has(&self, data_key: Seq) -> bool {
        self.keys.get(&data_key).is_some_and(Option::is_some)
    }
}
