//! Up to where rows are settled: one line in a file that is replaced as a whole.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::{SpoolError, failed, private_file, sync_folder};

/// A place between two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The number of the segment.
    pub segment: u64,
    /// The byte in it.
    pub at: u64,
}

/// Nothing when there is none yet. One that cannot be read is as none: what is sent again is a duplicate.
pub(super) fn read(folder: &Path) -> Result<Option<Position>, SpoolError> {
    let path = folder.join("cursor");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => return Ok(None),
        Err(error) => return Err(failed(&path)(error)),
    };
    Ok(parse(text.trim_end()))
}

fn parse(text: &str) -> Option<Position> {
    let (checksum, numbers) = text.split_once(' ')?;
    let (segment, at) = numbers.split_once(' ')?;
    let intact = checksum == format!("{:08x}", crc32fast::hash(numbers.as_bytes()));
    intact.then_some(Position { segment: segment.parse().ok()?, at: at.parse().ok()? })
}

pub(super) fn write(folder: &Path, position: Position) -> Result<(), SpoolError> {
    let (path, new) = (folder.join("cursor"), folder.join("cursor.new"));
    let mut file = private_file().create(true).truncate(true).write(true).open(&new).map_err(failed(&new))?;
    let numbers = format!("{} {}", position.segment, position.at);
    let checksum = crc32fast::hash(numbers.as_bytes());
    writeln!(file, "{checksum:08x} {numbers}").and_then(|()| file.sync_all()).map_err(failed(&new))?;
    fs::rename(&new, &path).map_err(failed(&path))?;
    sync_folder(folder)
}
