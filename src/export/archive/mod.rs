//! A closed range of the log as files that verify on their own: `docs/archive.md` says what each is.
//!
//! What is in them and how it is written comes from `counterfoil_verify::archive`, which the check uses
//! too; here it is read from the database, a slice at a time, so that memory is bounded whatever the
//! range. An archive is written into a folder beside its own and gets its name when it is whole.
//!
//! Invariants: an archive begins and ends with whole tiles and never reaches past the newest signed
//! checkpoint; what the leaves commit to and the archive does not hold is counted by reason.
//!
//! Not here: who may make one and the event that says so (`archive.made`, written by the caller before
//! the archive gets its name).

mod definitions;
mod folder;
mod leaves;
mod parquet;
mod range;
mod reading;
mod tables;

use std::path::Path;

use counterfoil_verify::archive::{self, LeftOut, MANIFEST, MANIFEST_SUM, Manifest, PROOF, README, tiles_path, tiles_within};
use counterfoil_verify::export::{CHECKPOINT, rotation_path};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::db::{Db, DbError};
use crate::ledger::leaves as ledger_leaves;
use crate::trail::store::{self as trail, CheckpointRow, LogState};
use crate::trail::tree::Tree;

use super::ExportError;
pub use folder::Making;
use folder::{complete, leftover};
pub use parquet::ParquetCheck;
pub use range::{ARCHIVED, Bound, Chosen, choose, is_recorded, made, next, segments_due};
pub use reading::{Reading, Wanted};

/// What an archive is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveRequest {
    /// The first leaf.
    pub from: u64,
    /// The leaf before which it ends.
    pub to: u64,
    /// Tables as NDJSON.
    pub ndjson: bool,
    /// Tables as Parquet.
    pub parquet: bool,
    /// Private parts and values: personal data.
    pub private: bool,
}

/// An archive that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Its manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest, in hexadecimal.
    pub digest: String,
}

/// What was counted while it was written.
#[derive(Default)]
struct Counted {
    entries: u64,
    events: u64,
    definitions: u64,
    openings: u64,
    values: u64,
    /// Commitments without an opening: not asked for, sealed, erased.
    parts_left: [u64; 3],
    values_left: [u64; 3],
}

/// Why something that is committed to is not in the archive.
#[derive(Clone, Copy)]
enum Why {
    NotAsked,
    Sealed,
    Erased,
}

/// Writes the archive into its folder, which the caller finishes. `progress` is told leaves done and in all.
///
/// # Errors
/// When the range is not closed, when a leaf or a tile is missing, or when a file cannot be written.
pub fn archive(
    db: &Db,
    request: &ArchiveRequest,
    making: &mut Making,
    progress: &dyn Fn(u64, u64),
) -> Result<Archived, ExportError> {
    let (state, newest) = range::signed(db)?;
    range::require(request, newest.size.unsigned_abs())?;
    making.put(CHECKPOINT, newest.note.as_bytes())?;
    for row in db.read(trail::rotations)?.iter().filter(|row| row.size <= newest.size) {
        making.put(&rotation_path(row.size.unsigned_abs()), row.note.as_bytes())?;
    }
    making.put(README, archive::readme(&state.origin, request.from, request.to, request.private).as_bytes())?;
    let mut counted = Counted::default();
    let definitions = definitions::write(db, &state, request, making, &mut counted)?;
    tiles(db, &state, request, making)?;
    leaves::write(db, request, making, definitions, &mut counted, progress)?;
    finish(request, &state, &newest, making, &counted)
}

/// What became of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Made(Box<Archived>),
    /// It had been written and recorded by a process that was killed before it could give it its name.
    Completed,
}

/// Makes an archive in the folder `out`: writes it aside, has `note` record it in the log with what the event is
/// to say, and gives it its name.
///
/// # Errors
/// When `out` is there already, when the archive cannot be written, or when `note` fails; then there is none.
pub fn make<E: From<ExportError>>(
    db: &Db,
    request: &ArchiveRequest,
    out: &Path,
    note: impl FnOnce(Value) -> Result<(), E>,
    progress: &dyn Fn(u64, u64),
) -> Result<Outcome, E> {
    if let Some(digest) = leftover(out).map_err(ExportError::Write)?
        && db.read(|conn| range::is_recorded(conn, &digest)).map_err(ExportError::from)?.is_some()
    {
        complete(out).map_err(ExportError::Write)?;
        return Ok(Outcome::Completed);
    }
    let mut making = Making::begin(out).map_err(ExportError::Write)?;
    let archived = archive(db, request, &mut making, progress)?;
    note(body(&archived))?;
    making.finish().map_err(ExportError::Write)?;
    Ok(Outcome::Made(Box::new(archived)))
}

/// What the event of an archive says.
fn body(archived: &Archived) -> Value {
    let Manifest { from, to, size, private, tables, entries, events, openings, values, left_out, .. } = &archived.manifest;
    let left = |l: &LeftOut| json!({ "what": l.what, "why": l.why, "count": l.count });
    json!({
        "from": from, "to": to, "size": size, "entries": entries, "events": events, "openings": openings, "values": values,
        "private": private, "tables": tables, "left_out": left_out.iter().map(left).collect::<Vec<_>>(),
        "manifest": archived.digest,
    })
}

/// The full tiles of each level that lie wholly in the range.
fn tiles(db: &Db, state: &LogState, request: &ArchiveRequest, making: &mut Making) -> Result<(), ExportError> {
    for level in 0_u8..8 {
        let (first, end) = tiles_within(level, request.from, request.to);
        if first == end {
            return Ok(());
        }
        let mut sink = making.sink(&tiles_path(level))?;
        for index in first..end {
            let data = db.read(|conn| Tree::of(conn, state, ledger_leaves::hashes).tile(level, index, 256))?;
            let data =
                data.ok_or_else(|| DbError::Corrupt(format!("tile {level}/{index} is missing; run `counterfoil verify`")))?;
            sink.add(&data)?;
        }
        making.end(sink)?;
    }
    Ok(())
}

fn finish(
    request: &ArchiveRequest,
    state: &LogState,
    newest: &CheckpointRow,
    making: &mut Making,
    counted: &Counted,
) -> Result<Archived, ExportError> {
    let root = newest.root.as_slice().try_into();
    let root = root.map_err(|_| DbError::Corrupt("the root of the newest checkpoint does not have 32 bytes".into()))?;
    let left = |what: &str, counts: [u64; 3]| {
        let reasons = ["not_asked", "sealed", "erased"].into_iter().zip(counts).filter(|(_, count)| *count > 0);
        reasons.map(|(why, count)| LeftOut { what: what.into(), why: why.into(), count }).collect::<Vec<_>>()
    };
    let formats = [("ndjson", request.ndjson), ("parquet", request.parquet)];
    let manifest = Manifest {
        origin: state.origin.clone(),
        from: request.from,
        to: request.to,
        size: newest.size.unsigned_abs(),
        root,
        private: request.private,
        tables: formats.iter().filter(|(_, is)| *is).map(|(name, _)| (*name).to_owned()).collect(),
        entries: counted.entries,
        events: counted.events,
        definitions: counted.definitions,
        openings: counted.openings,
        values: counted.values,
        left_out: [left("private parts", counted.parts_left), left("values", counted.values_left)].concat(),
        files: making.files(),
    };
    let text = manifest.render();
    let digest: [u8; 32] = Sha256::digest(&text).into();
    making.put_unlisted(MANIFEST_SUM, archive::sum_line(&digest).as_bytes())?;
    making.put_unlisted(MANIFEST, text.as_bytes())?;
    Ok(Archived { manifest, digest: hex::encode(digest) })
}
