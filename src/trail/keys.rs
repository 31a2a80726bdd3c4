//! What is kept outside the database: the key that signs checkpoints, the last signed checkpoint of
//! each log, and which log a database held.
//!
//! All of it lies in `keys.dir`, so that whoever can rewrite the database alone can neither sign nor
//! make the newest state forgotten. Files are named after the log, or after the database:
//! `LOG.key` (mode 0600), `LOG.checkpoint`, `DATABASE.log`. A key that is to sign next lies in
//! `LOG.ID.key` until it does; `LOG.retired` lists the verifier keys of those that no longer sign. Of the
//! book, whatever generation its log is: `BOOK.master`, `BOOK.recovery`, `BOOK.erased`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use counterfoil_verify::{Checkpoint, Note, SignerKey, VerifierKey};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Address, Conn, DbError, DbResult};

use super::filed::AnchorFile;
use super::generations::Origins;
use super::kept::{self, file_name};

/// The folder of `keys.dir`, seen by one database.
#[derive(Clone, Debug)]
pub struct KeyFolder {
    dir: PathBuf,
    database: String,
    given: Option<String>,
    master: Option<Zeroizing<String>>,
    anchors: AnchorFile,
}

/// The name of the book that a log belongs to: that of the log without its generation (`…/g2`).
pub fn book(origin: &str) -> &str {
    match origin.rsplit_once("/g") {
        Some((book, number)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => book,
        _ => origin,
    }
}

/// What the names of a book's logs begin with.
pub fn origin_of_book(book: &str) -> String {
    format!("counterfoil/{book}/")
}

/// The folder of the keys: the one configured, else `keys` beside the SQLite file.
pub fn folder(config: &Config, address: &Address) -> PathBuf {
    if !config.keys.dir.is_empty() {
        return PathBuf::from(&config.keys.dir);
    }
    let beside = address.file().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    beside.join("keys")
}

impl KeyFolder {
    /// Where the keys of the database at `address` are.
    pub fn of(config: &Config, address: &Address) -> KeyFolder {
        let given = Some(config.keys.log.trim().to_owned()).filter(|key| !key.is_empty());
        let anchors = AnchorFile::of(&config.anchor.file);
        let master = Some(config.keys.master.trim().to_owned()).filter(|key| !key.is_empty()).map(Zeroizing::new);
        KeyFolder { dir: folder(config, address), database: file_name(&address.name()), given, master, anchors }
    }

    /// Where every checkpoint is appended besides.
    pub fn anchor_file(&self) -> &AnchorFile {
        &self.anchors
    }

    /// Secrets in the folder that others than their owner may read or write. A folder that cannot be listed has none to
    /// tell of: reading a key then says why.
    pub fn exposed(&self) -> Vec<PathBuf> {
        let secret = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "key" || ending == "master");
        let open = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        let files = std::fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|file| file.path());
        let mut exposed: Vec<PathBuf> = files.filter(secret).filter(open).collect();
        exposed.sort();
        exposed
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The key that signs the log named `origin`, if there is one.
    ///
    /// # Errors
    /// When the file or the setting holds no key of this log.
    pub fn key(&self, origin: &str) -> DbResult<Option<SignerKey>> {
        let path = self.key_path(origin);
        let (text, from) = match &self.given {
            Some(text) => (Some(text.clone()), "keys.log".to_owned()),
            None => (self.read(&path)?, path.display().to_string()),
        };
        let Some(text) = text else { return Ok(None) };
        let key: SignerKey = text.trim().parse().map_err(|e| DbError::Unfit(format!("{from}: {e}")))?;
        if key.name() == origin {
            return Ok(Some(key));
        }
        Err(DbError::Unfit(format!("{from} holds the key of {}, but the database holds the log {origin}", key.name())))
    }

    /// The key that signs the log named `origin`, made and said loudly if there is none.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn key_or_new(&self, origin: &str, clock: &Clock) -> DbResult<SignerKey> {
        if let Some(key) = self.key(origin)? {
            return Ok(key);
        }
        let key = SignerKey::from_seed(origin, clock.random::<32>()).map_err(|e| DbError::Unfit(e.to_string()))?;
        let path = self.key_path(origin);
        self.replace(&path, &format!("{}\n", key.secret()))?;
        tracing::warn!(
            path = %path.display(), verifier = %key.verifier(),
            "made the key that signs this log: keep a copy outside this machine and print the verifier key on paper"
        );
        Ok(key)
    }

    /// Whether the key comes from the setting `keys.log`, and not from a file.
    pub fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// The secret key that belongs to this verifier key: the one that signs, or one that is to sign next.
    ///
    /// # Errors
    /// When a file or the setting holds no key.
    pub fn key_of(&self, verifier: &VerifierKey) -> DbResult<Option<SignerKey>> {
        if let Some(key) = self.key(verifier.name())?.filter(|key| key.verifier() == *verifier) {
            return Ok(Some(key));
        }
        for path in [self.next_path(verifier), self.key_path(verifier.name())] {
            let Some(text) = self.read(&path)? else { continue };
            let key: SignerKey = text.trim().parse().map_err(|e| DbError::Unfit(format!("{}: {e}", path.display())))?;
            if key.verifier() == *verifier {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Makes a key that is to sign the log named `origin` next, in a file of its own.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_next(&self, origin: &str, clock: &Clock) -> DbResult<SignerKey> {
        let key = SignerKey::from_seed(origin, clock.random::<32>()).map_err(|e| DbError::Unfit(e.to_string()))?;
        self.replace(&self.next_path(&key.verifier()), &format!("{}\n", key.secret()))?;
        Ok(key)
    }

    /// Where [`KeyFolder::make_next`] put a key.
    pub fn next_path(&self, key: &VerifierKey) -> PathBuf {
        self.dir.join(format!("{}.{}.key", file_name(key.name()), hex::encode(key.id())))
    }

    /// The verifier keys of earlier generations of the log whose keys still lie here, with those that
    /// follow from them by changes; and those that were replaced, by the list beside each key.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn earlier(&self, conn: &mut Conn) -> DbResult<Vec<VerifierKey>> {
        let state = super::store::state(conn)?;
        let now = state.map_or_else(String::new, |state| state.origin);
        let names: Vec<String> = Origins::of(conn)?.names().filter(|name| **name != now).map(str::to_owned).collect();
        let (mut keys, mut retired) = (Vec::new(), self.retired(&now)?);
        for name in names {
            let text = self.read(&self.key_path(&name))?;
            keys.extend(text.and_then(|text| text.trim().parse::<SignerKey>().ok()).map(|key| key.verifier()));
            retired.extend(self.retired(&name)?);
        }
        let mut keys = super::rotations::trusted(conn, keys)?;
        retired.retain(|key| !keys.contains(key));
        keys.extend(retired);
        Ok(keys)
    }

    /// The verifier keys that signed the log named `origin` and do so no longer, as noted here: a copy of the database
    /// from before a change of the key does not know of it. A line that is no key is passed over.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn retired(&self, origin: &str) -> DbResult<Vec<VerifierKey>> {
        let list = self.read(&self.retired_path(origin))?.unwrap_or_default();
        Ok(list.lines().filter_map(|line| line.parse().ok()).filter(|key: &VerifierKey| key.name() == origin).collect())
    }

    /// The last checkpoints, unverified, of logs that no database noted here holds.
    ///
    /// # Errors
    /// When a file cannot be read. A folder that is not there yet has none.
    pub fn unclaimed(&self) -> DbResult<Vec<Checkpoint>> {
        let files = || std::fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|file| file.path());
        let of = |ending: &'static str| files().filter(move |path| path.extension().is_some_and(|found| found == ending));
        let mut claimed = Vec::new();
        for path in of("log") {
            claimed.extend(self.read(&path)?.map(|text| book(text.trim()).to_owned()));
        }
        let mut unclaimed = Vec::new();
        for path in of("checkpoint") {
            let note = self.read(&path)?.and_then(|text| Note::parse(text).ok());
            unclaimed.extend(note.and_then(|note| Checkpoint::parse(note.unverified_text()).ok()));
        }
        unclaimed.retain(|last| !claimed.iter().any(|log| log == book(&last.origin)));
        Ok(unclaimed)
    }

    /// Removes a key that will not sign.
    pub fn drop_next(&self, key: &VerifierKey) {
        let _ = std::fs::remove_file(self.next_path(key));
    }

    /// Lets a key that was to sign next be the one that signs; of the old one the verifier key is kept. May be
    /// done again after half of it was done.
    ///
    /// # Errors
    /// When a file cannot be written: the old state then holds, or the new one.
    pub fn promote(&self, key: &SignerKey, old: &VerifierKey) -> DbResult<()> {
        let retired = self.retired_path(key.name());
        let list = self.read(&retired)?.unwrap_or_default();
        if !list.lines().any(|line| line == old.to_string()) {
            self.replace(&retired, &format!("{list}{old}\n"))?;
        }
        self.replace(&self.key_path(key.name()), &format!("{}\n", key.secret()))?;
        self.drop_next(&key.verifier());
        Ok(())
    }

    /// The last checkpoint signed of the log named `origin`, as kept here.
    pub fn checkpoint(&self, origin: &str) -> DbResult<Option<Note>> {
        let path = self.dir.join(format!("{}.checkpoint", file_name(origin)));
        let Some(text) = self.read(&path)? else { return Ok(None) };
        let note = Note::parse(text).map_err(|e| DbError::Unfit(format!("{}: {e}", path.display())))?;
        Ok(Some(note))
    }

    /// Keeps a signed checkpoint of the log named `origin` as the last one.
    pub fn keep(&self, origin: &str, note: &Note) -> DbResult<()> {
        self.replace(&self.dir.join(format!("{}.checkpoint", file_name(origin))), &note.to_string())
    }

    /// The name of the log that this database is known to hold.
    pub fn origin(&self) -> DbResult<Option<String>> {
        Ok(self.read(&self.origin_path())?.map(|text| text.trim().to_owned()))
    }

    /// Notes which log this database holds.
    pub fn set_origin(&self, origin: &str) -> DbResult<()> {
        if self.origin()?.as_deref() == Some(origin) {
            return Ok(());
        }
        self.replace(&self.origin_path(), &format!("{origin}\n"))
    }

    /// The file that says which log this database holds.
    pub fn origin_path(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.database))
    }

    /// The file of the book that the log named `origin` belongs to, by how it ends.
    pub fn file(&self, origin: &str, ending: &str) -> PathBuf {
        self.dir.join(format!("{}.{ending}", file_name(book(origin))))
    }

    /// The text of such a file; `None` if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn text(&self, origin: &str, ending: &str) -> DbResult<Option<String>> {
        self.read(&self.file(origin, ending))
    }

    /// Writes such a file whole or not at all, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_text(&self, origin: &str, ending: &str, text: &str) -> DbResult<()> {
        self.replace(&self.file(origin, ending), text)
    }

    /// The master keys that the settings give.
    pub fn given_master(&self) -> Option<&str> {
        self.master.as_ref().map(|text| text.as_str())
    }

    fn retired_path(&self, origin: &str) -> PathBuf {
        self.dir.join(format!("{}.retired", file_name(origin)))
    }

    fn key_path(&self, origin: &str) -> PathBuf {
        self.dir.join(format!("{}.key", file_name(origin)))
    }

    fn read(&self, path: &Path) -> DbResult<Option<String>> {
        kept::read(path).map_err(|e| DbError::Unfit(format!("{} cannot be read: {e}", path.display())))
    }

    fn replace(&self, path: &Path, text: &str) -> DbResult<()> {
        kept::replace(path, text).map_err(|e| DbError::Unfit(format!("{} cannot be written: {e}", path.display())))
    }
}
