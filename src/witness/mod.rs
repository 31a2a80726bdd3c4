//! A witness of other logs: remembers the newest checkpoint of each, and signs only what extends it.
//!
//! Run on another host under another administrator (`counterfoil witness`), it is what makes a
//! rewritten, shortened or forked log visible within minutes: C2SP tlog-witness. It has a key, a
//! folder and a clock, and no database.
//!
//! Invariants: a checkpoint is compared with the remembered one, and remembered, in one step that no
//! other request can come between; it is on the disk before it is signed; the witness never signs two
//! checkpoints of which neither extends the other.
//!
//! Not here: the server (`web`), the log's side that asks for signatures ([`client`] is what it uses).

mod alarm;
pub mod client;
mod request;
mod store;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use counterfoil_verify::tree::{empty_root, verify_consistency};
use counterfoil_verify::{Checkpoint, CheckpointError, Hash, Note, NoteError, Origin, SignerKey, VerifierKey};

use crate::clock::{Clock, Moment, SECOND};

pub use alarm::{Alarm, Watch};
pub use request::{Request, RequestError};
use store::Store;

/// The longest request: a checkpoint with its proof.
pub const BODY_MAX: usize = 64 * 1024;

/// Why a witness cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// Its folder.
    #[error("the witness' folder {0}: {1}")]
    Folder(PathBuf, std::io::Error),
    /// Something in its folder.
    #[error("{0}: {1}")]
    File(PathBuf, String),
    /// Its name, or a log's key.
    #[error("{0}")]
    Key(String),
}

/// What a witness answers; the HTTP status as C2SP tlog-witness has it.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: the cosignature line.
    Signed(String),
    /// 400: not a request.
    Malformed(String),
    /// 403: no trusted key signed it.
    Untrusted(String),
    /// 404: not a log this witness watches.
    Unknown(String),
    /// 409: the witness remembers another size; this one.
    OtherSize(u64),
    /// 409: the same size with another root: the log has forked.
    Forked(u64),
    /// 422: the proof does not show that the log was only extended.
    NotExtended(String),
    /// 500: it could not be remembered, so nothing was signed.
    Failed(String),
}

/// What is remembered of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    size: u64,
    root: Hash,
    at: Moment,
}

/// One log that is watched.
struct Watched {
    /// Its keys, each of which may have followed the one before.
    keys: Vec<VerifierKey>,
    seen: Option<Seen>,
    /// What was signed since the start, the oldest first: sent again, it says nothing new.
    signed: VecDeque<(u64, Hash)>,
}

/// Checkpoints of one log that are remembered as signed: a week of one a minute.
const SIGNED_MAX: usize = 10_080;

/// A witness.
pub struct Witness {
    key: SignerKey,
    clock: Clock,
    store: Store,
    logs: Mutex<BTreeMap<String, Watched>>,
    /// Raised since each log was last signed, as they are kept in the folder.
    alarms: Mutex<Vec<Alarm>>,
}

impl Witness {
    /// A witness named `name` over a folder, watching the logs with these keys. Its key is made at its
    /// first start.
    ///
    /// # Errors
    /// When the folder, the key or what is remembered cannot be read.
    pub fn open(folder: PathBuf, name: &str, logs: &[VerifierKey], clock: Clock) -> Result<Witness, WitnessError> {
        let store = Store::open(folder)?;
        let key = store.key(name, &clock)?;
        let mut watched = BTreeMap::new();
        let mut named: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        logs.iter().for_each(|log| named.entry(log.name().to_owned()).or_default().push(log.clone()));
        for (name, keys) in named {
            let seen = store.seen(&keys, clock.now())?;
            watched.insert(name, Watched { keys, seen, signed: VecDeque::new() });
        }
        let alarms = Mutex::new(store.alarms()?);
        Ok(Witness { key, clock, store, logs: Mutex::new(watched), alarms })
    }

    /// The public key that a log's operator is given.
    pub fn verifier(&self) -> VerifierKey {
        self.key.verifier()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Watched>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one `add-checkpoint` request.
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        let request = match Request::parse(body) {
            Ok(request) => request,
            Err(error) => return Answer::Malformed(error.to_string()),
        };
        let origin = request.note.unverified_text().lines().next().unwrap_or_default().to_owned();
        // Held over check, write and signature: two requests from one old size cannot both win.
        let mut logs = self.lock();
        let Some(watched) = logs.get_mut(&origin) else {
            return Answer::Unknown(format!("this witness does not watch the log {origin}"));
        };
        let checkpoint = match open(&request.note, &watched.keys) {
            Ok(checkpoint) => checkpoint,
            Err(answer) => return answer,
        };
        if let Some(answer) = self.refusal(watched, &request, &checkpoint) {
            return answer;
        }
        let seen = Seen { size: checkpoint.size, root: checkpoint.root, at: self.clock.now() };
        if let Err(error) = self.store.keep(&watched.keys, &request.note) {
            return Answer::Failed(error.to_string());
        }
        let at = seen.at;
        if watched.seen.as_ref().is_none_or(|before| before.size < seen.size) {
            if watched.signed.len() == SIGNED_MAX {
                watched.signed.pop_front();
            }
            watched.signed.push_back((seen.size, seen.root));
        }
        watched.seen = Some(seen);
        self.well(&origin);
        drop(logs);
        self.sign(request.note, at)
    }

    /// Why a checkpoint is not one to sign; raises an alarm where the log has misbehaved.
    fn refusal(&self, watched: &Watched, request: &Request, new: &Checkpoint) -> Option<Answer> {
        let (size, root) = watched.seen.as_ref().map_or((0, empty_root()), |seen| (seen.size, seen.root));
        if new.size < size && !watched.signed.contains(&(new.size, new.root)) {
            self.alarm(watched, request, new, Alarm::shrunk(&new.origin, size, new.size));
        }
        let forked = new.size == size && new.root != root;
        if forked {
            self.alarm(watched, request, new, Alarm::forked(&new.origin, size));
        }
        // Whatever the request says beside it: what the log signed against itself is kept before that is answered.
        if request.old > new.size {
            return Some(Answer::Malformed(format!("old {} is larger than the checkpoint's size {}", request.old, new.size)));
        }
        if forked {
            return Some(Answer::Forked(size));
        }
        if request.old != size {
            return Some(Answer::OtherSize(size));
        }
        if verify_consistency(size, new.size, &request.proof, &root, &new.root) {
            return None;
        }
        self.alarm(watched, request, new, Alarm::not_extended(&new.origin, size, new.size));
        Some(Answer::NotExtended(format!("the proof does not show that the log of {} leaves extends that of {size}", new.size)))
    }

    fn sign(&self, mut note: Note, at: Moment) -> Answer {
        let seconds = u64::try_from(at.0 / SECOND).unwrap_or_default();
        match note.cosign(&self.key, seconds) {
            Ok(()) => {
                let lines = note.to_string();
                Answer::Signed(lines.lines().last().map(|line| format!("{line}\n")).unwrap_or_default())
            }
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    /// Keeps the note, and the alarm it raises, before anything is answered. An alarm like one that was raised
    /// since the log was last signed is not raised again.
    fn alarm(&self, watched: &Watched, request: &Request, new: &Checkpoint, mut alarm: Alarm) {
        tracing::error!(log = alarm.origin, "{}", alarm.what);
        match self.store.keep_contradiction(&watched.keys, alarm.wrong, (new, &request.note)) {
            Ok(path) => alarm.note = Some(std::path::absolute(&path).unwrap_or(path).display().to_string()),
            Err(error) => tracing::error!(log = alarm.origin, %error, "the note that contradicts could not be kept"),
        }
        let mut alarms = self.alarms();
        if !alarms.iter().any(|known| known.is_like(&alarm)) {
            alarms.push(alarm);
            self.keep(&alarms);
        }
    }

    /// The log was signed again: what it may do from now on is told anew.
    fn well(&self, origin: &str) {
        let mut alarms = self.alarms();
        let before = alarms.len();
        alarms.retain(|alarm| alarm.origin != origin || !alarm.told);
        if alarms.len() < before {
            self.keep(&alarms);
        }
    }

    fn alarms(&self) -> MutexGuard<'_, Vec<Alarm>> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, alarms: &[Alarm]) {
        if let Err(error) = self.store.keep_alarms(alarms) {
            tracing::error!(%error, "alarms could not be kept: after a restart they are raised anew");
        }
    }

    /// Alarms that nobody was told of yet, also such as were raised before a restart.
    pub fn untold(&self) -> Vec<Alarm> {
        self.alarms().iter().filter(|alarm| !alarm.told).cloned().collect()
    }

    /// Somebody was told of these.
    pub fn told(&self, told: &[Alarm]) {
        if told.is_empty() {
            return;
        }
        let mut alarms = self.alarms();
        alarms.iter_mut().filter(|alarm| told.contains(alarm)).for_each(|alarm| alarm.told = true);
        self.keep(&alarms);
    }

    /// When each log was last seen to grow or to be the same; `None` if never.
    pub fn last_seen(&self) -> Vec<(String, Option<Moment>)> {
        self.lock().iter().map(|(origin, watched)| (origin.clone(), watched.seen.as_ref().map(|seen| seen.at))).collect()
    }
}

fn open(note: &Note, keys: &[VerifierKey]) -> Result<Checkpoint, Answer> {
    match Checkpoint::open(note, keys, Origin::OfKey) {
        Ok(signed) => Ok(signed.checkpoint),
        Err(CheckpointError::Note(error @ (NoteError::Untrusted { .. } | NoteError::Forged { .. }))) => {
            Err(Answer::Untrusted(error.to_string()))
        }
        Err(error) => Err(Answer::Malformed(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
