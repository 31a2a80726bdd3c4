//! A queue on this machine's disk: what is in it survives the end of this process, of the server and of power.
//!
//! A folder of segments, files to which rows are only appended, each row synced before it counts. What was settled is
//! behind the cursor, and segments wholly behind it are removed; a row that the server refused for good goes to
//! `rejected.ndjson` first. The cursor may lag behind what was sent and never runs ahead of it: rows that are sent again
//! are duplicates to the server.
//!
//! Bounds: rows that wait ([`Limits::bytes`]) and rows that were refused ([`Limits::rejected_bytes`]); reaching one is an
//! error to whoever appends, or stops the sending. Nothing is ever dropped. One process has a spool at a time.

mod cursor;
mod line;
mod rejected;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::answer::Problem;
use crate::row::Row;

pub use cursor::Position;
use segment::{Segment, Tail};

/// Why the spool did not take something, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It has reached its bound.
    #[error("the spool {folder} is full: {rows} rows wait; see why the server does not take them, or raise its bound")]
    Full {
        /// Its folder.
        folder: PathBuf,
        /// Rows that wait.
        rows: u64,
    },
    /// The file of refused rows has reached its bound: nothing more is sent, so that no refusal is lost.
    #[error("{path} is full and {rows} more rows were refused; see to the rows in it, and move it away")]
    RejectedFull {
        /// The file.
        path: PathBuf,
        /// Rows that have no room in it.
        rows: u64,
    },
    /// Another process has it.
    #[error("the spool {0} is in use by another process; give each process a folder of its own")]
    InUse(PathBuf),
    /// The system's error.
    #[error("the spool {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file was changed by something else.
    #[error(
        "the spool's file {path} is damaged at byte {at}: {what}; move the folder away, keep it, and begin with an empty one"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Writing failed before, and nobody knows what is on the disk since.
    #[error("the spool {0} takes nothing more after a failed write; see to the disk and open it again")]
    Broken(PathBuf),
}

/// How much a spool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of rows that wait, at most: 64 MiB.
    pub bytes: u64,
    /// Bytes of rows that were refused for good, at most: 16 MiB. Empty the file when they were seen to.
    pub rejected_bytes: u64,
    /// Bytes of one segment, about: 4 MiB.
    pub segment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 64 << 20, rejected_bytes: 16 << 20, segment_bytes: 4 << 20 }
    }
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Rows that wait.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The queue on disk.
pub struct Spool {
    folder: PathBuf,
    limits: Limits,
    inside: Mutex<Inside>,
    /// Held as long as this lives.
    lock: File,
}

struct Inside {
    /// Closed segments that are not wholly behind the cursor, oldest first.
    closed: VecDeque<Segment>,
    tail: Tail,
    cursor: Position,
    depth: Depth,
    broken: bool,
}

pub(crate) fn failed(path: &Path) -> impl FnOnce(io::Error) -> SpoolError + '_ {
    move |source| SpoolError::Io { path: path.to_owned(), source }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), SpoolError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

impl Spool {
    /// Opens the spool in a folder, or makes it; only the owner can read it.
    ///
    /// # Errors
    /// When another process has it, a file of it is damaged, or the system refuses.
    pub fn open(folder: impl Into<PathBuf>, limits: Limits) -> Result<Spool, SpoolError> {
        let folder = folder.into();
        make_private(&folder)?;
        let lock = lock(&folder)?;
        let mut segments = segment::all(&folder)?;
        let known = cursor::read(&folder)?;
        if known.is_some_and(|cursor| segments.last().is_none_or(|newest| newest.number < cursor.segment)) {
            return Err(SpoolError::Damaged { path: folder.join("cursor"), at: 0, what: "it names a file that is missing" });
        }
        let cursor = known.unwrap_or(Position { segment: segments.first().map_or(1, |s| s.number), at: 0 });
        for gone in segments.extract_if(.., |segment| segment.number < cursor.segment) {
            fs::remove_file(&gone.path).map_err(failed(&gone.path))?;
        }
        let last = segments.len().saturating_sub(1);
        let mut depth = Depth::default();
        for (n, segment) in segments.iter_mut().enumerate() {
            let from = if segment.number == cursor.segment { cursor.at } else { 0 };
            let waiting = segment.check(from, n == last)?;
            depth = Depth { rows: depth.rows + waiting.rows, bytes: depth.bytes + waiting.bytes };
        }
        let tail = match segments.pop() {
            Some(segment) => Tail::reopen(segment)?,
            None => Tail::create(&folder, cursor.segment)?,
        };
        let inside = Inside { closed: segments.into(), tail, cursor, depth, broken: false };
        Ok(Spool { folder, limits, inside: Mutex::new(inside), lock })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How much waits.
    pub fn depth(&self) -> Depth {
        self.inside().depth
    }

    /// Puts a row at the end; when this returns, the row is on the disk.
    ///
    /// # Errors
    /// When the spool is full or the disk fails. The row may be on the disk all the same in the second case, so that
    /// it is sent under its reference, once.
    pub fn append(&self, row: &Row) -> Result<(), SpoolError> {
        let line = line::write(row);
        let mut inside = self.inside();
        if inside.broken {
            return Err(SpoolError::Broken(self.folder.clone()));
        }
        if inside.depth.bytes + line.len() as u64 > self.limits.bytes {
            return Err(SpoolError::Full { folder: self.folder.clone(), rows: inside.depth.rows });
        }
        if inside.tail.len() >= self.limits.segment_bytes {
            let next = Tail::create(&self.folder, inside.tail.number() + 1)?;
            let closed = std::mem::replace(&mut inside.tail, next).close();
            inside.closed.push_back(closed);
        }
        if let Err((error, known)) = inside.tail.append(&line) {
            // What a failed sync left behind is unknown: only reading it again tells.
            inside.broken |= !known;
            return Err(error);
        }
        inside.depth.rows += 1;
        inside.depth.bytes += line.len() as u64;
        Ok(())
    }

    /// The oldest rows that wait, each with the position after it; at most this many, and about this many bytes.
    ///
    /// # Errors
    /// When the disk fails, or a file was changed by something else.
    pub fn oldest(&self, rows: usize, bytes: u64) -> Result<Vec<(Row, Position)>, SpoolError> {
        let inside = self.inside();
        if inside.depth.rows == 0 {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let mut left = bytes;
        let tail = inside.tail.segment();
        for segment in inside.closed.iter().chain([&tail]) {
            let from = if segment.number == inside.cursor.segment { inside.cursor.at } else { 0 };
            segment.read(from, rows, &mut left, &mut found)?;
            if found.len() >= rows || left == 0 {
                break;
            }
        }
        Ok(found)
    }

    /// What is before this position is settled; those refused for good are kept in the file for them first.
    ///
    /// # Errors
    /// When the disk fails, or the file of refused rows is full: nothing is settled then.
    pub fn settle(&self, rows: &[(Row, Position)], refused: &[(&Row, &Problem)]) -> Result<(), SpoolError> {
        let Some((_, upto)) = rows.last() else { return Ok(()) };
        rejected::keep(&self.folder, self.limits.rejected_bytes, refused)?;
        let mut inside = self.inside();
        let ended = inside.closed.iter().any(|closed| closed.number == upto.segment && closed.len <= upto.at);
        let next = if ended { Position { segment: upto.segment + 1, at: 0 } } else { *upto };
        cursor::write(&self.folder, next)?;
        inside.cursor = next;
        inside.depth.rows = inside.depth.rows.saturating_sub(rows.len() as u64);
        let bytes: u64 = rows.iter().map(|(row, _)| line::length(row)).sum();
        inside.depth.bytes = inside.depth.bytes.saturating_sub(bytes);
        while let Some(gone) = inside.closed.pop_front_if(|first| first.number < next.segment) {
            fs::remove_file(&gone.path).map_err(failed(&gone.path))?;
        }
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Closing alone would leave it locked for as long as a process forked off this one has not begun its program.
        let _ = self.lock.unlock();
    }
}

/// Makes the folder readable by its owner alone.
fn make_private(folder: &Path) -> Result<(), SpoolError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed(folder))
}

/// A file that only its owner can read.
pub(crate) fn private_file() -> fs::OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("lock");
    let file = private_file().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(SpoolError::Io { path, source }),
    }
}
