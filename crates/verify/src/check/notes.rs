//! L0: the signed notes. Whose they are, whether a key followed another rightly, and whether enough
//! witnesses signed.

use crate::checkpoint::{Checkpoint, Origin, Signed};
use crate::generation;
use crate::note::{Note, NoteError};
use crate::policy::Policy;
use crate::rotation::{Rotation, RotationError, retired_at};

use super::{Level, Report};

/// Checkpoints that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The newest, that of the log at hand.
    pub newest: Signed,
    /// Those remembered from earlier, the smallest first.
    pub remembered: Vec<Checkpoint>,
    /// Whether the policy accepts the key of the newest as one that did not follow from the one before.
    pub loss_known: bool,
}

/// Opens the newest checkpoint and those remembered from earlier, each with a name for the report; a
/// remembered one may stand in a saved mail.
/// `origin` is the log it must be of, when that is not the name of its key.
///
/// Nothing is returned when the newest cannot be relied on: there is nothing to hold a log against.
pub fn open_notes(
    policy: &Policy,
    origin: Option<&str>,
    newest: &[u8],
    remembered: &[(String, Vec<u8>)],
    report: &mut Report,
) -> Option<Opened> {
    let trusted = policy.trusted();
    let open = |note: Result<Note, NoteError>, origin: Origin<'_>| {
        let note = note.map_err(|e| e.to_string())?;
        Checkpoint::open(&note, &trusted, origin).map_err(|e| e.to_string())
    };
    report.note(Level::L0, 1);
    let newest = match open(Note::parse(newest), origin.map_or(Origin::OfKey, Origin::Is)) {
        Ok(signed) => {
            retired(policy, "the newest checkpoint", &signed, report);
            signed
        }
        Err(why) => {
            report.add(Level::L0, "checkpoint_untrusted", None, why);
            return None;
        }
    };
    let mut all = vec![newest];
    for (name, bytes) in remembered {
        report.note(Level::L0, 1);
        let note = Note::parse(bytes);
        let named = note.as_ref().ok().and_then(|note| note.unverified_text().lines().next().map(str::to_owned));
        let current = all[0].checkpoint.origin.clone();
        // Signed before the log went on under another name: it counts if its own key is trusted too.
        let earlier = named.filter(|name| generation::precedes(name, &current));
        if earlier.as_ref().is_some_and(|name| trusted.iter().all(|key| key.name() != name)) {
            continue;
        }
        match open(note, Origin::Is(earlier.as_deref().unwrap_or(&current))) {
            Ok(signed) => {
                retired(policy, name, &signed, report);
                all.push(signed);
            }
            Err(why) => report.add(Level::L0, "checkpoint_untrusted", None, format!("{name}: {why}")),
        }
    }
    if !policy.quorum_met(&all[0].witnesses) {
        let text =
            "fewer witnesses than the policy asks for have signed the checkpoint: get it cosigned, or ask why they did not";
        report.add(Level::L0, "quorum_missed", None, text);
    }
    succession(policy, &all, report);
    let newest = all.remove(0);
    let mut remembered: Vec<Checkpoint> = all.into_iter().map(|s| s.checkpoint).collect();
    // Both keys signed these states too.
    let changes = policy.rotations().iter().filter(|r| r.origin == newest.checkpoint.origin);
    remembered.extend(changes.map(Rotation::checkpoint));
    remembered.sort_by_key(|c| c.size);
    let loss_known = newest.log_keys.iter().any(|key| policy.accepts_discontinuity(key));
    Some(Opened { newest, remembered, loss_known })
}

impl Opened {
    /// Notes what two of them contradict each other in: of one size there is one root. Answers whether some are of
    /// another size than the newest, so that only a log can be held against them.
    pub fn compare(&self, report: &mut Report) -> bool {
        let mut all: Vec<&Checkpoint> = self.remembered.iter().chain([&self.newest.checkpoint]).collect();
        all.sort_by_key(|c| (&c.origin, c.size, c.root));
        for pair in all.windows(2) {
            let [one, other] = pair else { continue };
            if (&one.origin, one.size) == (&other.origin, other.size) && one.root != other.root {
                let text = format!("two checkpoints of {} leaves have different roots: the log shows two histories", one.size);
                report.add(Level::L0, "checkpoint_differs", None, text);
            }
        }
        let newest = &self.newest.checkpoint;
        self.remembered.iter().any(|c| (&c.origin, c.size) != (&newest.origin, newest.size))
    }
}

/// Reads changes of the key, each with a name for the report, and trusts what follows from the policy's
/// keys by them.
pub fn follow_rotations(policy: Policy, rotations: &[(String, Vec<u8>)], report: &mut Report) -> Policy {
    let mut read = Vec::new();
    for (name, bytes) in rotations {
        report.note(Level::L0, 1);
        match Note::parse(bytes).map_err(RotationError::from).and_then(|note| Rotation::open(&note)) {
            Ok(rotation) => read.push(rotation),
            Err(e) => report.add(Level::L0, "rotation_untrusted", None, format!("{name}: {e}")),
        }
    }
    for (i, one) in read.iter().enumerate() {
        if read[..i].iter().any(|other| other.old == one.old && other.new != one.new) {
            let text = format!("the key {} was replaced twice, by different keys: none is followed; ask the bank why", one.old);
            report.add(Level::L0, "key_rotated_twice", None, text);
        }
    }
    policy.following(&read)
}

/// A key that was replaced signs nothing larger any more.
fn retired(policy: &Policy, name: &str, signed: &Signed, report: &mut Report) {
    if let Some(end) = retired_at(policy.rotations(), &signed.log_keys, signed.checkpoint.size) {
        let text = format!(
            "{name} covers {} leaves and is signed only by a key that was replaced at {end}: the old key was misused",
            signed.checkpoint.size
        );
        report.add(Level::L0, "key_retired", None, text);
    }
}

/// Where a key of the caller's list signs without the one before it, some checkpoint must bear both
/// signatures, or changes lead from one to the other. What an export brings of keys that nobody
/// listed counts for nothing here: whoever forges it can invent them.
fn succession(policy: &Policy, all: &[Signed], report: &mut Report) {
    let origin = &all[0].checkpoint.origin;
    let keys: Vec<_> = policy.listed().iter().filter(|k| k.name() == origin).collect();
    for pair in keys.windows(2) {
        let [old, new] = pair else { continue };
        let used = all.iter().flat_map(|s| &s.log_keys).any(|key| key == *new || policy.leads(new, key));
        let both = all.iter().any(|s| s.log_keys.contains(old) && s.log_keys.contains(new));
        let signed = policy.leads(old, new);
        if used && !both && !signed && !policy.accepts_discontinuity(new) {
            let text = format!(
                "the key {new} followed without the signature of the one before it: if you know why, add `discontinuity {new}` to the policy"
            );
            report.add(Level::L0, "key_discontinuity", None, text);
        }
    }
}
