//! The folder of an archive while it is written: beside its own under a name that no archive has, each file
//! synced to disk, its digest taken on the way.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use counterfoil_verify::archive::{FileEntry, MANIFEST, Manifest};
use sha2::{Digest, Sha256};

/// A folder that becomes an archive. Dropped before it is finished, it is removed.
pub struct Making {
    out: PathBuf,
    part: PathBuf,
    /// Held while the folder is written: whoever else wants to write it is refused.
    lock: Option<File>,
    files: Vec<FileEntry>,
}

/// A file being written.
pub struct Sink {
    path: String,
    file: BufWriter<File>,
    sha: Sha256,
    bytes: u64,
}

impl Sink {
    /// Appends bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn close(self) -> io::Result<FileEntry> {
        let Sink { path, file, sha, bytes } = self;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(FileEntry { path, bytes, sha256: sha.finalize().into() })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.sha.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn made(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// `.NAME.part` beside the folder.
fn part_of(out: &Path) -> io::Result<PathBuf> {
    let name = out.file_name().ok_or_else(|| io::Error::other(format!("{} names no folder", out.display())))?;
    let mut part = OsString::from(".");
    part.push(name);
    part.push(".part");
    Ok(out.with_file_name(part))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn locked(part: &Path) -> io::Result<File> {
    let folder = File::open(part)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => {
            let text = format!("{} is being written by another process: wait for it", part.display());
            Err(io::Error::new(io::ErrorKind::WouldBlock, text))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Making {
    /// Begins an archive that will be called `out`. What an earlier one that was killed left is removed.
    ///
    /// # Errors
    /// When `out` is there and not empty, when another process is writing it, or when it cannot be made.
    pub fn begin(out: &Path) -> io::Result<Making> {
        if out.exists() && fs::read_dir(out)?.next().is_some() {
            return Err(io::Error::other(format!("{} is not empty: name a new folder", out.display())));
        }
        let part = part_of(out)?;
        made(parent(out))?;
        if part.exists() {
            drop(locked(&part)?);
            fs::remove_dir_all(&part)?;
        }
        DirBuilder::new().mode(0o700).create(&part)?;
        let lock = locked(&part)?;
        Ok(Making { out: out.to_owned(), part, lock: Some(lock), files: Vec::new() })
    }

    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn sink(&self, path: &str) -> io::Result<Sink> {
        let file = self.part.join(path);
        made(parent(&file))?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        Ok(Sink { path: path.to_owned(), file: BufWriter::with_capacity(1 << 16, file), sha: Sha256::new(), bytes: 0 })
    }

    /// Ends a file: it is on disk and in the list.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(&mut self, sink: Sink) -> io::Result<()> {
        self.files.push(sink.close()?);
        Ok(())
    }

    /// A whole file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let mut sink = self.sink(path)?;
        sink.add(content)?;
        self.end(sink)
    }

    /// A whole file that the manifest does not list.
    pub(super) fn put_unlisted(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let mut sink = self.sink(path)?;
        sink.add(content)?;
        sink.close().map(drop)
    }

    /// The files so far, by their paths.
    pub(super) fn files(&self) -> Vec<FileEntry> {
        let mut files = self.files.clone();
        files.sort_by(|one, two| one.path.cmp(&two.path));
        files
    }

    /// Gives the folder its name: from here on it is an archive.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn finish(mut self) -> io::Result<()> {
        File::open(&self.part)?.sync_all()?;
        fs::rename(&self.part, &self.out)?;
        self.lock = None;
        File::open(parent(&self.out))?.sync_all()
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if self.lock.take().is_some() {
            // What cannot be removed does not have the name of an archive; the next one removes it.
            let _ = fs::remove_dir_all(&self.part);
        }
    }
}

/// An archive that was whole, and maybe recorded, when whoever made it was killed: the SHA-256 of its manifest,
/// in hexadecimal.
///
/// # Errors
/// When it is there and cannot be read.
pub fn leftover(out: &Path) -> io::Result<Option<String>> {
    let manifest = part_of(out)?.join(MANIFEST);
    if out.exists() || !manifest.exists() {
        return Ok(None);
    }
    let bytes = fs::read(manifest)?;
    Ok(Manifest::parse(&bytes).is_ok().then(|| hex::encode(Sha256::digest(&bytes))))
}

/// Gives an archive that [`leftover`] found its name.
///
/// # Errors
/// When another process is at it, or it cannot be renamed.
pub fn complete(out: &Path) -> io::Result<()> {
    let part = part_of(out)?;
    let lock = locked(&part)?;
    let making = Making { out: out.to_owned(), part, lock: Some(lock), files: Vec::new() };
    making.finish()
}
