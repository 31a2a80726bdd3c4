//! One file of rows.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::cursor::Position;
use super::{Depth, SpoolError, failed, line, private_file, sync_folder};
use crate::row::{ROW_MAX, Row};

/// What a file of rows is called.
const SUFFIX: &str = ".rows";

/// A file of rows.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub number: u64,
    pub path: PathBuf,
    /// Bytes of whole rows.
    pub len: u64,
}

/// The last one, to which rows are appended.
pub(super) struct Tail {
    segment: Segment,
    file: File,
}

/// The segments of a folder in their order, none missing between two.
pub(super) fn all(folder: &Path) -> Result<Vec<Segment>, SpoolError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(SUFFIX));
        let Some(Ok(number)) = name.map(str::parse) else { continue };
        let len = fs::metadata(&path).map_err(failed(&path))?.len();
        found.push(Segment { number, path, len });
    }
    found.sort_by_key(|segment| segment.number);
    if let Some(pair) = found.windows(2).find(|pair| pair[0].number + 1 != pair[1].number) {
        return Err(SpoolError::Damaged { path: pair[1].path.clone(), at: 0, what: "the file before it is missing" });
    }
    Ok(found)
}

impl Segment {
    fn damaged(&self, at: u64, what: &'static str) -> SpoolError {
        SpoolError::Damaged { path: self.path.clone(), at, what }
    }

    /// Reads whole lines from this byte on, until `each` says that it is enough; answers where it ended.
    fn lines(&self, from: u64, mut each: impl FnMut(u64, &[u8]) -> Result<bool, SpoolError>) -> Result<(), SpoolError> {
        let mut file = File::open(&self.path).map_err(failed(&self.path))?;
        file.seek(SeekFrom::Start(from)).map_err(failed(&self.path))?;
        let (mut reader, mut at, mut bytes) = (BufReader::with_capacity(ROW_MAX, file), from, Vec::new());
        while at < self.len {
            bytes.clear();
            at += reader.read_until(b'\n', &mut bytes).map_err(failed(&self.path))? as u64;
            if bytes.is_empty() || !each(at, &bytes)? {
                break;
            }
        }
        Ok(())
    }

    /// Counts the rows from this byte on. Of the last segment, what was being written when the process ended is no
    /// row yet: nobody was told that it is kept.
    pub fn check(&mut self, from: u64, last: bool) -> Result<Depth, SpoolError> {
        if from > self.len {
            return Err(self.damaged(self.len, "it is shorter than what was settled of it"));
        }
        let (mut depth, mut whole, mut torn) = (Depth::default(), from, None);
        self.lines(from, |at, bytes| {
            let row = bytes.strip_suffix(b"\n").and_then(line::read);
            match (row, torn) {
                (Some(_), None) => {
                    depth = Depth { rows: depth.rows + 1, bytes: depth.bytes + bytes.len() as u64 };
                    whole = at;
                }
                (Some(_), Some(at)) => return Err(self.damaged(at, "a row is not as it was written")),
                (None, _) => torn = torn.or(Some(whole)),
            }
            Ok(true)
        })?;
        match torn {
            Some(at) if !last => return Err(self.damaged(at, "a row is not as it was written")),
            _ => self.len = whole,
        }
        Ok(depth)
    }

    /// Adds rows from this byte on, at most so many, until `left` bytes are used up.
    pub fn read(&self, from: u64, rows: usize, left: &mut u64, into: &mut Vec<(Row, Position)>) -> Result<(), SpoolError> {
        self.lines(from, |at, bytes| {
            let Some(row) = bytes.strip_suffix(b"\n").and_then(line::read) else {
                return Err(self.damaged(at - bytes.len() as u64, "a row is not as it was written"));
            };
            into.push((row, Position { segment: self.number, at }));
            *left = left.saturating_sub(bytes.len() as u64);
            Ok(into.len() < rows && *left > 0)
        })
    }
}

impl Tail {
    /// A new file with this number.
    pub fn create(folder: &Path, number: u64) -> Result<Tail, SpoolError> {
        let path = folder.join(format!("{number:016}{SUFFIX}"));
        let file = private_file().create_new(true).append(true).open(&path).map_err(failed(&path))?;
        sync_folder(folder)?;
        Ok(Tail { segment: Segment { number, path, len: 0 }, file })
    }

    /// The last file, cut after its last whole row.
    pub fn reopen(segment: Segment) -> Result<Tail, SpoolError> {
        let file = private_file().append(true).open(&segment.path).map_err(failed(&segment.path))?;
        if file.metadata().map_err(failed(&segment.path))?.len() > segment.len {
            file.set_len(segment.len).and_then(|()| file.sync_all()).map_err(failed(&segment.path))?;
        }
        Ok(Tail { segment, file })
    }

    pub fn number(&self) -> u64 {
        self.segment.number
    }

    pub fn len(&self) -> u64 {
        self.segment.len
    }

    pub fn segment(&self) -> Segment {
        self.segment.clone()
    }

    /// Takes no more rows.
    pub fn close(self) -> Segment {
        self.segment
    }

    /// Appends a line and waits for the disk. With the error comes whether it is known what is there now.
    pub fn append(&mut self, line: &[u8]) -> Result<(), (SpoolError, bool)> {
        if let Err(error) = self.file.write_all(line) {
            let known = self.file.set_len(self.segment.len).is_ok();
            return Err((failed(&self.segment.path)(error), known));
        }
        self.file.sync_data().map_err(|error| (failed(&self.segment.path)(error), false))?;
        self.segment.len += line.len() as u64;
        Ok(())
    }
}
