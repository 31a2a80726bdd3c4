//! The witness' folder: its key, the newest checkpoint of each log, notes that contradict one, and alarms.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use counterfoil_verify::{Checkpoint, CheckpointError, Note, NoteError, Origin, SignerKey, VerifierKey};

use crate::clock::{Clock, Moment};
use crate::trail::kept;

use super::alarm::Wrong;
use super::{Alarm, Seen, WitnessError};

const KEY: &str = "witness.key";
/// What logs did that they must not, and whether it was told.
const ALARMS: &str = "alarms.json";
/// Notes kept of one log and kind of contradiction: whoever has a log's key could make any number, and whoever has
/// an old note of it could send it.
const NOTES_MAX: usize = 100;

pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub fn open(folder: PathBuf) -> Result<Store, WitnessError> {
        fs::create_dir_all(&folder).map_err(|e| WitnessError::Folder(folder.clone(), e))?;
        Ok(Store { folder })
    }

    /// The witness' key, made at the first start.
    pub fn key(&self, name: &str, clock: &Clock) -> Result<SignerKey, WitnessError> {
        let path = self.folder.join(KEY);
        if let Some(text) = self.read(&path)? {
            let key: SignerKey = text.trim().parse().map_err(|e| WitnessError::File(path.clone(), format!("{e}")))?;
            if key.name() != name {
                let words = format!("it is the key of the witness {}; start it with --name {0}", key.name());
                return Err(WitnessError::File(path, words));
            }
            return Ok(key);
        }
        let key = SignerKey::witness_from_seed(name, clock.random()).map_err(|e| WitnessError::Key(format!("--name: {e}")))?;
        kept::replace(&path, &format!("{}\n", key.secret())).map_err(|e| WitnessError::Folder(self.folder.clone(), e))?;
        tracing::warn!(path = %path.display(), verifier = %key.verifier(), "made the key of this witness: keep a copy elsewhere");
        Ok(key)
    }

    /// The newest checkpoint remembered of a log with these keys. How long it has been silent is not known
    /// after a start, so silence counts from `now`.
    pub fn seen(&self, keys: &[VerifierKey], now: Moment) -> Result<Option<Seen>, WitnessError> {
        let mut newest: Option<Seen> = None;
        for path in keys.iter().map(|key| self.path(key)) {
            let Some(text) = self.read(&path)? else { continue };
            let unfit = |e: String| WitnessError::File(path.clone(), e);
            let note = Note::parse(text).map_err(|e| unfit(e.to_string()))?;
            let signed = match Checkpoint::open(&note, keys, Origin::OfKey) {
                Ok(signed) => signed.checkpoint,
                // Kept when a key was still known that has since been left out: what was seen stays seen.
                Err(CheckpointError::Note(NoteError::Untrusted { .. })) => {
                    Checkpoint::parse(note.unverified_text()).map_err(|e| unfit(e.to_string()))?
                }
                Err(error) => return Err(unfit(error.to_string())),
            };
            if newest.as_ref().is_none_or(|newest| newest.size < signed.size) {
                newest = Some(Seen { size: signed.size, root: signed.root, at: now });
            }
        }
        Ok(newest)
    }

    /// Remembers a checkpoint, under each key of the log, so that one of them can be left out later; it is on
    /// the disk when this returns.
    pub fn keep(&self, keys: &[VerifierKey], note: &Note) -> io::Result<()> {
        keys.iter().try_for_each(|key| kept::replace(&self.path(key), &note.to_string()))
    }

    /// Keeps a note that contradicts what is remembered of a log, and beside it what was remembered; both are on
    /// the disk when this returns. Answers the file.
    ///
    /// # Errors
    /// When it cannot be written, or as many are kept as there may be.
    pub fn keep_contradiction(
        &self,
        keys: &[VerifierKey],
        wrong: Wrong,
        (new, note): (&Checkpoint, &Note),
    ) -> io::Result<PathBuf> {
        let (log, kind) = (kept::file_name(&new.origin), format!(".{}", wrong.text()));
        let name = format!("{log}.{}.{}{kind}", new.size, hex::encode(new.root));
        let path = self.folder.join(name);
        if path.exists() {
            return Ok(path);
        }
        if self.contradictions(&log, &kind)? >= NOTES_MAX {
            return Err(io::Error::other(format!("{NOTES_MAX} such notes of this log are kept already")));
        }
        if let Some(seen) = keys.iter().find_map(|key| kept::read(&self.path(key)).ok().flatten()) {
            kept::replace(&path.with_added_extension("remembered"), &seen)?;
        }
        kept::replace(&path, &note.to_string())?;
        Ok(path)
    }

    fn contradictions(&self, log: &str, kind: &str) -> io::Result<usize> {
        let named = |name: &str| name.starts_with(log) && name.ends_with(kind);
        let files = fs::read_dir(&self.folder)?.flatten();
        Ok(files.filter(|file| file.file_name().to_str().is_some_and(named)).count())
    }

    /// The alarms raised since each log was last signed, told or not.
    pub fn alarms(&self) -> Result<Vec<Alarm>, WitnessError> {
        let path = self.folder.join(ALARMS);
        let Some(text) = self.read(&path)? else { return Ok(Vec::new()) };
        serde_json::from_str(&text).map_err(|error| WitnessError::File(path, error.to_string()))
    }

    /// Keeps the alarms; they are on the disk when this returns.
    pub fn keep_alarms(&self, alarms: &[Alarm]) -> io::Result<()> {
        kept::replace(&self.folder.join(ALARMS), &serde_json::to_string_pretty(alarms)?)
    }

    fn path(&self, log: &VerifierKey) -> PathBuf {
        // The id tells apart names that become the same.
        self.folder.join(format!("{}.{}.checkpoint", kept::file_name(log.name()), hex::encode(log.id())))
    }

    fn read(&self, path: &Path) -> Result<Option<String>, WitnessError> {
        kept::read(path).map_err(|error| WitnessError::File(path.to_owned(), error.to_string()))
    }
}
