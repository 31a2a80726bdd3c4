//! The master key of a log: it opens the data keys while the program runs. It lies in `keys.dir`
//! (mode 0600) or comes as `keys.master`, and never in the database.

use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::db::{DbError, DbResult};

use super::super::keys::KeyFolder;
use super::boxes::{self, KEY_BYTES, Secret};

/// What the text of a master key begins with.
const PREFIX: &str = "counterfoil-master-1:";
/// How its file ends.
const FILE: &str = "master";

/// A master key.
#[derive(Clone)]
pub struct Master {
    key: Secret,
    name: String,
}

impl Master {
    /// A fresh one.
    pub fn new(clock: &Clock) -> Master {
        Master::of(boxes::secret(clock))
    }

    fn of(key: Secret) -> Master {
        Master { name: boxes::name(&key), key }
    }

    /// Those the log named `origin` has, the one in use first: the setting, else the file. While it is
    /// exchanged, there are two.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn load(keys: &KeyFolder, origin: &str) -> DbResult<Vec<Master>> {
        let (text, from) = match keys.given_master() {
            Some(text) => (Some(text.to_owned()), "keys.master".to_owned()),
            None => (keys.text(origin, FILE)?, keys.file(origin, FILE).display().to_string()),
        };
        let text = Zeroizing::new(text.unwrap_or_default());
        let read = text.split_whitespace().map(Master::parse).collect::<Option<_>>();
        read.ok_or_else(|| DbError::Unfit(format!("{from} holds what is no master key of this program")))
    }

    /// Renames the file of the log named `origin`, which holds no key that can be read, so that another takes its place
    /// and nothing is lost.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn set_aside(keys: &KeyFolder, origin: &str) -> DbResult<()> {
        let path = keys.file(origin, FILE);
        let aside = path.with_added_extension("unreadable");
        let renamed = std::fs::rename(&path, &aside);
        renamed.map_err(|e| DbError::Unfit(format!("{} cannot be renamed to {}: {e}", path.display(), aside.display())))
    }

    /// Keeps these as those of the log named `origin`.
    ///
    /// # Errors
    /// When they cannot be written, or when the setting would win over the file.
    pub fn keep(masters: &[Master], keys: &KeyFolder, origin: &str) -> DbResult<()> {
        if keys.given_master().is_some() {
            let text = "the master key comes from the setting keys.master: change it there";
            return Err(DbError::Unfit(text.into()));
        }
        let lines: Zeroizing<String> = Zeroizing::new(masters.iter().map(|master| format!("{}\n", &*master.text())).collect());
        keys.set_text(origin, FILE, &lines)
    }

    fn parse(text: &str) -> Option<Master> {
        let mut key = Secret::default();
        hex::decode_to_slice(text.trim().strip_prefix(PREFIX)?, key.as_mut_slice()).ok()?;
        Some(Master::of(key))
    }

    /// As it is kept.
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", hex::encode(self.key.as_slice())))
    }

    /// Its name, which gives nothing of it away.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bytes.
    pub(super) fn key(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "master key {}", self.name)
    }
}
