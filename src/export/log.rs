//! The log on its way out to the stand-alone verifiers: leaves, tiles, checkpoints and, when asked
//! for, private parts, in the layout of `docs/verifying.md`.

use std::io;

use counterfoil_verify::Hash;
use counterfoil_verify::export::{
    CHECKPOINT, LEAVES_PER_FILE, Opening, leaf_line, leaves_path, opening_line, private_path, readme, remembered_path,
    rotation_path,
};
use counterfoil_verify::tile::{WIDTH, path};

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::{leaves, store as ledger};
use crate::trail::store::{self as trail, CheckpointRow, LogState};
use crate::trail::tree::Tree;
use crate::trail::witnessed;

use super::ExportError;

/// Leaves read at a time.
const SLICE: u64 = 4_096;

/// Earlier checkpoints in an export; of more, evenly spaced ones are taken.
const REMEMBERED_MAX: i64 = 1_000;

/// Where the files go: a folder, or one bundle.
pub trait LogFiles {
    /// Takes a whole file; each path comes once.
    ///
    /// # Errors
    /// When it cannot be written.
    fn put(&mut self, path: &str, content: &[u8]) -> io::Result<()>;
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogExport {
    /// Name of the log.
    pub origin: String,
    /// Its leaves: as many as the newest signed checkpoint covers.
    pub size: u64,
    /// Openings of private parts.
    pub openings: u64,
}

/// Writes what the newest signed checkpoint covers, or the newest that at least so many witnesses have signed.
///
/// # Errors
/// When nothing is signed yet, or not by so many, when a leaf or a tile is missing, or when a file cannot be written.
pub fn log(db: &Db, private: bool, witnesses: usize, files: &mut impl LogFiles) -> Result<LogExport, ExportError> {
    let (state, newest) = db.read(|conn| Ok::<_, DbError>((trail::state(conn)?, witnessed::newest(conn, witnesses)?)))?;
    let (Some(mut state), Some(newest)) = (state, newest) else {
        if witnesses > 0 {
            let text = format!("no checkpoint that {witnesses} witnesses signed is known: they are asked once a minute");
            return Err(DbError::Unfit(text).into());
        }
        return Err(DbError::Unfit("nothing is signed yet: `serve` signs within seconds of its start".into()).into());
    };
    // The log as it was signed: what has come since is left for the next export.
    (state.size, state.root) = (newest.size, newest.root.clone());
    let size = newest.size.unsigned_abs();
    files.put(CHECKPOINT, newest.note.as_bytes())?;
    files.put("README.txt", readme(&state.origin, size, private).as_bytes())?;
    remembered(db, &newest, files)?;
    for row in db.read(trail::rotations)?.iter().filter(|row| row.size <= newest.size) {
        files.put(&rotation_path(row.size.unsigned_abs()), row.note.as_bytes())?;
    }
    tiles(db, &state, size, files)?;
    let mut openings = 0;
    for first in (0..size).step_by(LEAVES_PER_FILE as usize) {
        openings += page(db, first, size.min(first + LEAVES_PER_FILE), private, files)?;
    }
    Ok(LogExport { origin: state.origin, size, openings })
}

/// One file of leaves, and one of openings.
fn page(db: &Db, first: u64, end: u64, private: bool, files: &mut impl LogFiles) -> Result<u64, ExportError> {
    let (mut lines, mut opened, mut openings) = (String::new(), String::new(), 0);
    for from in (first..end).step_by(SLICE as usize) {
        let to = end.min(from + SLICE);
        let rows = db.read(|conn| leaves::bytes(conn, from as Seq, to as Seq))?;
        rows.iter().for_each(|(seq, leaf)| lines.push_str(&leaf_line(seq.unsigned_abs(), leaf)));
        if private {
            let slice = db.read(|conn| openings_between(conn, from as Seq, to as Seq))?;
            openings += slice.len() as u64;
            slice.iter().for_each(|opening| opened.push_str(&opening_line(opening)));
        }
    }
    files.put(&leaves_path(first), lines.as_bytes())?;
    if private {
        files.put(&private_path(first), opened.as_bytes())?;
    }
    Ok(openings)
}

/// What was committed to and is still there, in order; where some of it is sealed, the salt is too, and
/// nothing can be opened.
pub(super) fn openings_between(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<Opening>> {
    let mut openings = Vec::new();
    for row in ledger::entry_parts_between(conn, from, to)?.into_iter().filter(|row| !row.salt.is_empty()) {
        let parts = vec![row.party, row.counterparty, row.counterparty_name, row.counterparty_country, row.reason];
        openings.push(opening(row.seq, &row.salt, parts)?);
    }
    for row in trail::event_parts_between(conn, from, to)? {
        openings.push(opening(row.seq, &row.salt, vec![Some(row.body)])?);
    }
    openings.sort_by_key(|o| o.seq);
    Ok(openings)
}

fn opening(seq: Seq, salt: &[u8], parts: Vec<Option<String>>) -> DbResult<Opening> {
    let broken = |_| DbError::Corrupt(format!("the salt of {seq} does not have 32 bytes; run `counterfoil verify`"));
    Ok(Opening { seq: seq.unsigned_abs(), salt: salt.try_into().map_err(broken)?, parts })
}

/// Every tile, full or partial.
fn tiles(db: &Db, state: &LogState, size: u64, files: &mut impl LogFiles) -> Result<(), ExportError> {
    for level in 0_u8..8 {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        for index in 0..hashes.div_ceil(WIDTH as u64) {
            let width = (hashes - index * WIDTH as u64).min(WIDTH as u64) as usize;
            let data = db.read(|conn| Tree::of(conn, state, leaves::hashes).tile(level, index, width))?;
            let path = path(level, index, width as u16);
            let data = data.ok_or_else(|| DbError::Corrupt(format!("{path} cannot be made; run `counterfoil verify`")))?;
            files.put(&path, &data)?;
        }
    }
    Ok(())
}

/// The checkpoints before the newest.
fn remembered(db: &Db, newest: &CheckpointRow, files: &mut impl LogFiles) -> Result<(), ExportError> {
    let step = newest.number / REMEMBERED_MAX + 1;
    let mut after = 0;
    while let Some(row) = db.read(|conn| trail::checkpoints_after(conn, after, 1))?.into_iter().find(|r| r.number < newest.number)
    {
        let root: Hash = row.root.as_slice().try_into().map_err(|_| {
            DbError::Corrupt(format!("the root of checkpoint {} does not have 32 bytes; run `counterfoil verify`", row.number))
        })?;
        files.put(&remembered_path(row.size.unsigned_abs(), &root), row.note.as_bytes())?;
        after = row.number + step - 1;
    }
    Ok(())
}
