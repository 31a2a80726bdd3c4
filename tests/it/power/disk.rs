//! A disk that forgets: writes to files in a folder whose name begins with `power-` are kept in
//! memory, and only a sync makes them last. At a power cut a random part of what was not synced is
//! there, in no order, the last of it torn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A write that was not synced yet.
enum Pending {
    At(usize, Vec<u8>),
    Cut(usize),
}

#[derive(Default)]
struct Stored {
    /// As programs see it.
    current: Vec<u8>,
    /// As the last sync left it.
    lasting: Vec<u8>,
    pending: Vec<Pending>,
}

/// What a power cut at some moment leaves, and what had been acknowledged by then.
pub struct Image<T> {
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    pub noted: T,
}

type Watch = Box<dyn FnMut() + Send>;

#[derive(Default)]
struct Disk {
    files: BTreeMap<PathBuf, Stored>,
    syncs_count: bool,
    syncs: u64,
    steps: u64,
    /// Called before every step, with the disk as it is before it.
    watch: Option<Watch>,
}

static DISK: Mutex<Option<Disk>> = Mutex::new(None);
/// One story at a time.
static STORY: Mutex<()> = Mutex::new(());

fn disk() -> MutexGuard<'static, Option<Disk>> {
    DISK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<T>(work: impl FnOnce(&mut Disk) -> T) -> T {
    work(disk().get_or_insert_default())
}

/// Counts a step, and lets the watcher look at the disk before it is made.
fn step() {
    // The watcher itself looks at the disk, so it is called without the lock; the one who writes waits.
    let watch = with(|disk| {
        disk.steps += 1;
        disk.watch.take()
    });
    if let Some(mut watch) = watch {
        watch();
        with(|disk| disk.watch = Some(watch));
    }
}

/// Whether a file is kept here.
pub fn is_kept(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("power-"))
}

/// The disk for one story, empty.
pub struct Session {
    _one: MutexGuard<'static, ()>,
}

impl Session {
    /// `syncs_count`: without it a sync does nothing, which is what `synchronous=OFF` amounts to.
    pub fn begin(syncs_count: bool) -> Session {
        let one = STORY.lock().unwrap_or_else(PoisonError::into_inner);
        *disk() = Some(Disk { syncs_count, ..Disk::default() });
        Session { _one: one }
    }

    /// Has `watch` called before every write, truncation and sync.
    pub fn watch(&self, watch: impl FnMut() + Send + 'static) {
        with(|disk| disk.watch = Some(Box::new(watch)));
    }

    pub fn syncs(&self) -> u64 {
        with(|disk| disk.syncs)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        with(|disk| disk.watch = None);
    }
}

/// What a power cut now would leave of the files; `roll` answers a number below its argument.
pub fn cut(roll: &mut dyn FnMut(u64) -> u64) -> BTreeMap<PathBuf, Vec<u8>> {
    with(|disk| disk.files.iter().map(|(path, stored)| (path.clone(), stored.after_a_cut(roll))).collect())
}

impl Stored {
    fn after_a_cut(&self, roll: &mut dyn FnMut(u64) -> u64) -> Vec<u8> {
        let mut left = self.lasting.clone();
        // Now and then nothing of it, or everything.
        let kept_of_8 = roll(9);
        for pending in &self.pending {
            if roll(8) >= kept_of_8 {
                continue;
            }
            match pending {
                Pending::At(at, bytes) => {
                    let torn = if roll(6) == 0 { roll(bytes.len() as u64 + 1) as usize } else { bytes.len() };
                    put(&mut left, *at, &bytes[..torn]);
                }
                Pending::Cut(length) => left.truncate(*length),
            }
        }
        left
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    file.resize(file.len().max(at + bytes.len()), 0);
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The file is opened: what the real one holds has lasted.
pub fn open(path: &Path) {
    with(|disk| {
        disk.files.entry(path.to_owned()).or_insert_with(|| {
            let lasting = std::fs::read(path).unwrap_or_default();
            Stored { current: lasting.clone(), lasting, pending: Vec::new() }
        });
    });
}

pub fn remove(path: &Path) {
    with(|disk| drop(disk.files.remove(path)));
}

/// Whether there is something in it; `None` when it is not kept here.
pub fn has_content(path: &Path) -> Option<bool> {
    with(|disk| disk.files.get(path).map(|stored| !stored.current.is_empty()))
}

pub fn size(path: &Path) -> usize {
    with(|disk| disk.files.get(path).map_or(0, |stored| stored.current.len()))
}

/// Reads as much as there is; answers how much that was.
pub fn read(path: &Path, at: usize, into: &mut [u8]) -> usize {
    with(|disk| {
        let Some(stored) = disk.files.get(path) else { return 0 };
        let there = stored.current.get(at..).unwrap_or_default();
        let count = there.len().min(into.len());
        into[..count].copy_from_slice(&there[..count]);
        count
    })
}

pub fn write(path: &Path, at: usize, bytes: &[u8]) {
    step();
    with(|disk| {
        if let Some(stored) = disk.files.get_mut(path) {
            put(&mut stored.current, at, bytes);
            stored.pending.push(Pending::At(at, bytes.to_vec()));
        }
    });
}

pub fn truncate(path: &Path, length: usize) {
    step();
    with(|disk| {
        if let Some(stored) = disk.files.get_mut(path) {
            stored.current.truncate(length);
            stored.pending.push(Pending::Cut(length));
        }
    });
}

pub fn sync(path: &Path) {
    step();
    with(|disk| {
        disk.syncs += 1;
        if let (true, Some(stored)) = (disk.syncs_count, disk.files.get_mut(path)) {
            stored.lasting.clone_from(&stored.current);
            stored.pending.clear();
        }
    });
}
