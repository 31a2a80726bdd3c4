//! A row as a line: checksum, kind, JSON.

use crate::row::{Row, RowKind};

/// Eight hex digits and a blank.
const CHECKSUM: usize = 9;

/// The line of a row, with its end.
pub(super) fn write(row: &Row) -> Vec<u8> {
    let text = format!("{} {}", row.kind().text(), row.json());
    format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes())).into_bytes()
}

/// How long it is.
pub(super) fn length(row: &Row) -> u64 {
    (CHECKSUM + row.kind().text().len() + 1 + row.json().len() + 1) as u64
}

/// The row of a line without its end; nothing if it is not as it was written.
pub(super) fn read(line: &[u8]) -> Option<Row> {
    let text = std::str::from_utf8(line).ok()?;
    let (checksum, text) = text.split_at_checked(CHECKSUM)?;
    if format!("{:08x} ", crc32fast::hash(text.as_bytes())) != checksum {
        return None;
    }
    let (kind, json) = text.split_once(' ')?;
    Row::parse(RowKind::parse(kind)?, json).ok()
}
