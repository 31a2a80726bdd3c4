//! The check of an archive: its files against the manifest, its checkpoint against the caller's key, its
//! leaves against the checkpoint, and all else against the leaves.

use std::collections::BTreeSet;
use std::io::Read;

use sha2::{Digest, Sha256};

use crate::check::{Level, Report, follow_rotations, open_notes};
use crate::checkpoint::{Checkpoint, Signed};
use crate::export::{CHECKPOINT, ROTATIONS};
use crate::generation;
use crate::leaf::Hash;
use crate::policy::Policy;
use crate::text::{decimal, hex};

use super::manifest::Manifest;
use super::rows::Row;
use super::walk::{Counted, Walk};
use super::{MANIFEST, MANIFEST_SUM, Store};

/// Files of an archive that are looked at, at most.
const MAX_FILES: usize = 10_000;
/// The largest manifest, checkpoint or change of the key.
const MAX_SMALL: u64 = 16 << 20;

/// An archive and what it is held against.
pub struct Archive<'a> {
    /// Its files.
    pub store: &'a dyn Store,
    /// Whom to trust.
    pub policy: &'a Policy,
    /// The log it must be of, when that is not the name of its key.
    pub origin: Option<&'a str>,
    /// Checkpoints kept from earlier, each with a name for the report.
    pub checkpoints: &'a [(String, Vec<u8>)],
    /// Changes of the key from elsewhere, each with a name for the report.
    pub rotations: &'a [(String, Vec<u8>)],
}

/// What an archive turned out to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Its manifest, if that can be read.
    pub manifest: Option<Manifest>,
    /// SHA-256 of the manifest.
    pub digest: Option<Hash>,
    /// The checkpoint, if it can be relied on.
    pub signed: Option<Signed>,
    /// Changes of the key that were followed.
    pub followed: Vec<crate::Rotation>,
}

/// Checks an archive. `each` is given every row of its tables, in the order of the leaves; `progress` is
/// told how many leaves are done.
///
/// # Errors
/// When it cannot be read, or `each` fails; what merely is wrong is a finding.
pub fn check(
    archive: &Archive<'_>,
    report: &mut Report,
    each: &mut dyn FnMut(&Row) -> Result<(), String>,
    progress: &mut dyn FnMut(u64),
) -> Result<Checked, String> {
    let store = archive.store;
    let bytes = small(store, MANIFEST)?.ok_or("there is no manifest.json: this is not an archive, or not a whole one")?;
    let digest: Hash = Sha256::digest(&bytes).into();
    let mut checked = Checked { digest: Some(digest), ..Checked::default() };
    report.kept_outside(archive.checkpoints.len());
    report.note(Level::L2, 1);
    if small(store, MANIFEST_SUM)?.as_deref() != Some(sum_line(&digest).as_bytes()) {
        report.add(
            Level::L2,
            "file_changed",
            None,
            format!("{MANIFEST_SUM} is not the sum of {MANIFEST}: one of them was changed"),
        );
    }
    let manifest = match Manifest::parse(&bytes) {
        Ok(manifest) => manifest,
        Err(e) => {
            report.add(Level::L2, "manifest_unreadable", None, e.to_string());
            return Ok(checked);
        }
    };
    files(store, &manifest, report)?;
    let rotations: Vec<(String, Vec<u8>)> = archive.rotations.iter().cloned().chain(brought(store, &manifest)?).collect();
    let policy = follow_rotations(archive.policy.clone(), &rotations, report);
    checked.followed = policy.rotations().to_vec();
    let Some(note) = small(store, CHECKPOINT)? else {
        checked.manifest = Some(manifest);
        return Ok(checked);
    };
    if let Some(opened) = open_notes(&policy, archive.origin, &note, archive.checkpoints, report) {
        let newest = &opened.newest.checkpoint;
        same_checkpoint(&manifest, newest, report);
        // What was signed under an earlier name may cover leaves that were lost: that is not for a part of the log to judge.
        let kept = opened.remembered.into_iter().filter(|kept| !generation::precedes(&kept.origin, &newest.origin));
        let kept: Vec<Checkpoint> = kept.collect();
        let mut walk = Walk::new(store, (&manifest, newest, &kept), report, each);
        if newest.size >= manifest.to {
            walk.run(progress)?;
            let counted = std::mem::take(&mut walk.counted);
            counts(&manifest, &counted, report);
        }
        checked.signed = Some(opened.newest);
    }
    checked.manifest = Some(manifest);
    Ok(checked)
}

/// The line that `sha256sum` prints of the manifest, with its end.
#[must_use]
pub fn sum_line(digest: &Hash) -> String {
    format!("{}  {MANIFEST}\n", hex(digest))
}

/// A file that is not long, whole.
fn small(store: &dyn Store, path: &str) -> Result<Option<Vec<u8>>, String> {
    let Some(file) = store.open(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(MAX_SMALL).read_to_end(&mut bytes).map_err(|e| format!("{path} cannot be read: {e}"))?;
    Ok(Some(bytes))
}

/// The changes of the key that the archive brings.
fn brought(store: &dyn Store, manifest: &Manifest) -> Result<Vec<(String, Vec<u8>)>, String> {
    let paths = manifest.files.iter().map(|file| &file.path).filter(|path| is_rotation(path));
    paths.filter_map(|path| small(store, path).map(|bytes| Some((path.clone(), bytes?))).transpose()).collect()
}

fn is_rotation(path: &str) -> bool {
    path.strip_prefix(ROTATIONS).and_then(|rest| rest.strip_prefix('/')).is_some_and(|size| decimal(size).is_some())
}

/// L2: the files that are there, those that must be, and their digests.
fn files(store: &dyn Store, manifest: &Manifest, report: &mut Report) -> Result<(), String> {
    let there = store.paths()?;
    if there.len() > MAX_FILES {
        return Err(format!("there are {} files, an archive has at most {MAX_FILES}", there.len()));
    }
    let listed: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    let due = manifest.paths();
    let due: BTreeSet<&str> =
        due.iter().map(String::as_str).chain(listed.iter().copied().filter(|path| is_rotation(path))).collect();
    for path in due.symmetric_difference(&listed) {
        let (kind, words) =
            if due.contains(path) { ("file_missing", "does not list") } else { ("file_added", "lists, and no archive has,") };
        report.add(Level::L2, kind, None, format!("the manifest {words} {path}"));
    }
    for path in there.iter().filter(|path| ![MANIFEST, MANIFEST_SUM].contains(&path.as_str()) && !listed.contains(path.as_str()))
    {
        report.add(Level::L2, "file_added", None, format!("{path} does not belong to the archive"));
    }
    for file in &manifest.files {
        report.note(Level::L2, 1);
        match digest(store, &file.path)? {
            None => report.add(Level::L2, "file_missing", None, format!("{} is missing", file.path)),
            Some((bytes, sha256)) if (bytes, sha256) != (file.bytes, file.sha256) => {
                let text = format!("{} is not the file that the manifest lists: {bytes} bytes, listed {}", file.path, file.bytes);
                report.add(Level::L2, "file_changed", None, text);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn digest(store: &dyn Store, path: &str) -> Result<Option<(u64, Hash)>, String> {
    let Some(mut file) = store.open(path)? else { return Ok(None) };
    let (mut sha, mut bytes) = (Sha256::new(), 0);
    loop {
        let part = file.fill_buf().map_err(|e| format!("{path} cannot be read: {e}"))?;
        if part.is_empty() {
            return Ok(Some((bytes, sha.finalize().into())));
        }
        let length = part.len();
        sha.update(part);
        bytes += length as u64;
        file.consume(length);
    }
}

fn same_checkpoint(manifest: &Manifest, newest: &Checkpoint, report: &mut Report) {
    if (&manifest.origin, manifest.size, &manifest.root) != (&newest.origin, newest.size, &newest.root) {
        let text = "the manifest names another log, size or root than the signed checkpoint beside it";
        report.add(Level::L0, "manifest_differs", None, text);
    }
}

/// What the manifest says in numbers, against what was counted.
fn counts(manifest: &Manifest, counted: &Counted, report: &mut Report) {
    let left = |what: &str| manifest.left_out.iter().filter(|l| l.what == what).map(|l| l.count).sum::<u64>();
    let pairs = [
        ("entries", manifest.entries, counted.entries),
        ("events", manifest.events, counted.events),
        ("definitions", manifest.definitions, counted.definitions),
        ("openings", manifest.openings, counted.openings),
        ("values", manifest.values, counted.values),
        ("private parts left out", left("private parts"), counted.unopened),
        ("values left out", left("values"), counted.values_missing),
    ];
    for (name, said, found) in pairs.into_iter().filter(|(_, said, found)| said != found) {
        report.add(Level::L2, "count_differs", None, format!("the manifest says {name}: {said}, and there are {found}"));
    }
    report.unopened = counted.unopened;
}
