//! Rows that the server refused for good, with its problem: one JSON object a line, for people to see to.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{SpoolError, failed, private_file, sync_folder};
use crate::answer::Problem;
use crate::row::Row;
use crate::time::rfc3339;

#[derive(Serialize)]
struct Rejected<'a> {
    at: String,
    kind: &'static str,
    problem: &'a Problem,
    row: &'a RawValue,
}

/// The file.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("rejected.ndjson")
}

/// Appends the rows and waits for the disk. After a crash a row may stand there twice.
pub(super) fn keep(folder: &Path, limit: u64, refused: &[(&Row, &Problem)]) -> Result<(), SpoolError> {
    if refused.is_empty() {
        return Ok(());
    }
    let path = path(folder);
    let mut lines = Vec::new();
    for (row, problem) in refused {
        let unreadable = |e: serde_json::Error| failed(&path)(e.into());
        let json: &RawValue = serde_json::from_str(row.json()).map_err(unreadable)?;
        let line = Rejected { at: rfc3339(SystemTime::now()), kind: row.kind().text(), problem, row: json };
        serde_json::to_writer(&mut lines, &line).map_err(|e| failed(&path)(e.into()))?;
        lines.push(b'\n');
    }
    let mut file = private_file().create(true).append(true).open(&path).map_err(failed(&path))?;
    let before = file.metadata().map_err(failed(&path))?.len();
    if before + lines.len() as u64 > limit {
        let rows = refused.len() as u64;
        return Err(SpoolError::RejectedFull { path, rows });
    }
    let written = file.write_all(&lines).and_then(|()| file.sync_all());
    if written.is_err() {
        // What was half written would spoil the line after it.
        let _ = file.set_len(before);
    }
    written.map_err(failed(&path))?;
    sync_folder(folder)
}
