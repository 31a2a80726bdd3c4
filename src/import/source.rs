//! Opening a file: plain, gzip or zstd by its first bytes, as a stream.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ImportError;

/// Told how far reading has come, in bytes of the file as it lies on the disk.
pub trait Progress: Sync {
    /// A pass over the file begins: `what` it is for, and how many bytes it will read.
    fn begin(&self, _what: &str, _bytes: u64) {}
    /// This many bytes of the pass are read.
    fn at(&self, _bytes: u64) {}
}

/// Nobody watches.
impl Progress for () {}

/// A stream of the file's text.
pub(super) type Text<'a> = Box<dyn BufRead + Send + 'a>;

/// Buffer of each stage, bytes.
const BUFFER: usize = 256 * 1024;

/// First bytes of what people send by mistake, with what to do instead.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save the sheet as CSV"),
    (b"%PDF", "a PDF; ask the sender for CSV"),
    (b"\xfd7zXZ\x00", "compressed with xz; unpack it, or use gzip or zstd"),
    (b"BZh", "compressed with bzip2; unpack it, or use gzip or zstd"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
];

/// An open file that can be read more than once.
pub struct SourceFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    modified: (i64, i64),
}

impl SourceFile {
    /// Opens a regular, non-empty file.
    pub fn open(path: &Path) -> Result<SourceFile, ImportError> {
        let failed = |e| ImportError::Open(path.to_owned(), e);
        // Looked at before it is opened: opening a pipe would wait for a writer.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(ImportError::NotAFile(path.to_owned()));
        }
        let file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if meta.len() == 0 {
            return Err(ImportError::Empty(path.to_owned()));
        }
        Ok(SourceFile { path: path.to_owned(), file, bytes: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()) })
    }

    /// The file's name without its folder.
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// SHA-256 over the file's bytes and then `more`, each part after its length.
    pub fn digest(&self, more: &[&str], progress: &dyn Progress) -> Result<String, ImportError> {
        progress.begin("checking", self.bytes);
        let mut reader = self.counting(progress)?;
        let mut digest = Sha256::new_with_prefix(self.bytes.to_be_bytes());
        let mut buffer = vec![0; BUFFER];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => digest.update(&buffer[..n]),
                Err(e) => return Err(ImportError::Open(self.path.clone(), e)),
            }
        }
        for part in more {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Ok(hex::encode(digest.finalize()))
    }

    /// The text from the beginning, decompressed.
    pub(super) fn text<'a>(&self, progress: &'a dyn Progress) -> Result<Text<'a>, ImportError> {
        let failed = |e| ImportError::Open(self.path.clone(), e);
        progress.begin("reading", self.bytes);
        let mut plain = BufReader::with_capacity(BUFFER, self.counting(progress)?);
        let head = plain.fill_buf().map_err(failed)?;
        if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Err(ImportError::NotText(format!("{} is {what}", self.path.display())));
        }
        let (gzip, zstd) = (head.starts_with(b"\x1f\x8b"), head.starts_with(b"\x28\xb5\x2f\xfd"));
        Ok(match (gzip, zstd) {
            (true, _) => Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(plain))),
            (_, true) => {
                let decoder = zstd::stream::read::Decoder::with_buffer(plain).map_err(failed)?;
                Box::new(BufReader::with_capacity(BUFFER, decoder))
            }
            _ => Box::new(plain),
        })
    }

    /// Whether the file is still as long and as old as when it was opened.
    pub(super) fn is_unchanged(&self) -> bool {
        let same = |meta: Metadata| meta.len() == self.bytes && (meta.mtime(), meta.mtime_nsec()) == self.modified;
        self.file.metadata().is_ok_and(same)
    }

    /// A reader over the same open file, so that a file renamed meanwhile is still the same. It
    /// shares its place with any other: one at a time.
    fn counting<'a>(&self, progress: &'a dyn Progress) -> Result<Counting<'a>, ImportError> {
        let failed = |e| ImportError::Open(self.path.clone(), e);
        let mut file = self.file.try_clone().map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(Counting { file, read: 0, progress })
    }
}

struct Counting<'a> {
    file: File,
    read: u64,
    progress: &'a dyn Progress,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.read += n as u64;
        self.progress.at(self.read);
        Ok(n)
    }
}
