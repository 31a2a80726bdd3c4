//! The leaves of the range with what is left of their private parts, and the rows of the tables.

use std::collections::{HashMap, HashSet};

use counterfoil_verify::archive::{Definitions, Value, committed, rows_of, value_line, values_path};
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::export::{LEAVES_PER_FILE, Opening, leaf_line, leaves_path, opening_line, private_path};
use counterfoil_verify::leaf;

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::{leaves, store as ledger};
use crate::records::store::{self as records, FieldRow};
use crate::trail::sealing;

use super::super::ExportError;
use super::super::log::openings_between;
use super::folder::{Making, Sink};
use super::tables::Tables;
use super::{ArchiveRequest, Counted, Why};

/// Leaves read at a time.
const SLICE: u64 = 4_096;

/// What a slice of the log has.
struct Slice {
    leaves: Vec<(Seq, Vec<u8>)>,
    openings: HashMap<u64, Opening>,
    /// Entries of which something is sealed.
    sealed: HashSet<Seq>,
    fields: HashMap<Seq, Vec<FieldRow>>,
}

/// The files of a stretch of leaves.
struct Page {
    leaves: Sink,
    private: Option<(Sink, Sink)>,
}

pub(super) fn write(
    db: &Db,
    request: &ArchiveRequest,
    making: &mut Making,
    mut definitions: Definitions,
    counted: &mut Counted,
    progress: &dyn Fn(u64, u64),
) -> Result<(), ExportError> {
    let mut tables = Tables::begin(making, request)?;
    let mut first = request.from;
    while first < request.to {
        let end = ((first / LEAVES_PER_FILE + 1) * LEAVES_PER_FILE).min(request.to);
        let mut page = Page { leaves: making.sink(&leaves_path(first))?, private: None };
        if request.private {
            page.private = Some((making.sink(&private_path(first))?, making.sink(&values_path(first))?));
        }
        for from in (first..end).step_by(SLICE as usize) {
            let to = end.min(from + SLICE);
            let slice = db.read(|conn| read(conn, from as Seq, to as Seq, request.private))?;
            let mut expected = from;
            for (seq, bytes) in &slice.leaves {
                if seq.unsigned_abs() != expected {
                    break;
                }
                expected += 1;
                write_leaf(*seq, bytes, &slice, &mut page, &mut tables, &mut definitions, counted)?;
            }
            if expected != to {
                return Err(DbError::Corrupt(format!("leaf {expected} is missing; run `counterfoil verify`")).into());
            }
            progress(to - request.from, request.to - request.from);
        }
        making.end(page.leaves)?;
        if let Some((private, values)) = page.private {
            making.end(private)?;
            making.end(values)?;
        }
        first = end;
    }
    tables.finish(making)
}

fn read(conn: &mut Conn, from: Seq, to: Seq, private: bool) -> DbResult<Slice> {
    let leaves = leaves::bytes(conn, from, to)?;
    let (mut openings, mut sealed, mut fields) = (HashMap::new(), HashSet::new(), HashMap::new());
    if private {
        openings = openings_between(conn, from, to)?.into_iter().map(|o| (o.seq, o)).collect();
        let half = ledger::entry_parts_between(conn, from, to)?;
        sealed.extend(half.iter().filter(|row| row.salt.is_empty()).map(|row| row.seq));
        sealed.extend(sealing::store::sealed_parts_between(conn, from, to)?.iter().map(|row| row.seq));
        let rows: Vec<FieldRow> = records::fields_between(conn, from, to)?;
        for row in rows {
            fields.entry(row.seq).or_insert_with(Vec::new).push(row);
        }
    }
    Ok(Slice { leaves, openings, sealed, fields })
}

fn write_leaf(
    seq: Seq,
    bytes: &[u8],
    slice: &Slice,
    page: &mut Page,
    tables: &mut Tables,
    definitions: &mut Definitions,
    counted: &mut Counted,
) -> Result<(), ExportError> {
    page.leaves.add(leaf_line(seq.unsigned_abs(), bytes).as_bytes())?;
    let leaf = decode(bytes).map_err(|e| DbError::Corrupt(format!("leaf {seq}: {e}")))?;
    let opening = slice.openings.get(&seq.unsigned_abs());
    match (&mut page.private, opening) {
        (Some((sink, _)), Some(opening)) => {
            sink.add(opening_line(opening).as_bytes())?;
            counted.openings += 1;
        }
        (private, _) if leaf.blind().len() == 32 => {
            let why = match private {
                None => Why::NotAsked,
                Some(_) if slice.sealed.contains(&seq) => Why::Sealed,
                Some(_) => Why::Erased,
            };
            counted.parts_left[why as usize] += 1;
        }
        _ => {}
    }
    let opened = opening.map(|opening| opening.parts.as_slice());
    let values = match &leaf {
        Leaf::Entry(..) => {
            counted.entries += 1;
            Vec::new()
        }
        Leaf::Event(_, event) => {
            counted.events += 1;
            definitions.take(event, opened.and_then(|parts| parts.first()?.as_deref()));
            values(seq, committed(event.kind, event.body).len(), slice, page, counted)?
        }
    };
    for row in rows_of(&leaf, &leaf::hash(bytes), opened, &values, definitions) {
        tables.row(&row)?;
    }
    Ok(())
}

/// The values of a change that are still there in clear.
fn values(seq: Seq, fields: usize, slice: &Slice, page: &mut Page, counted: &mut Counted) -> Result<Vec<Value>, ExportError> {
    let rows = slice.fields.get(&seq).map_or(&[][..], Vec::as_slice);
    let mut values = Vec::new();
    for n in 0..fields {
        let row = rows.iter().find(|row| usize::try_from(row.n) == Ok(n));
        let salt = row.and_then(|row| row.salt.as_deref()).and_then(|salt| salt.try_into().ok());
        match (&mut page.private, row, salt) {
            (Some((_, sink)), Some(row), Some(salt)) => {
                let FieldRow { path, old, new, old_digest, new_digest, .. } = row.clone();
                let parts = [Some(path), old, new, old_digest, new_digest];
                let value = Value { seq: seq.unsigned_abs(), n: n as u64, salt, parts };
                sink.add(value_line(&value).as_bytes())?;
                counted.values += 1;
                values.push(value);
            }
            (None, ..) => counted.values_left[Why::NotAsked as usize] += 1,
            (_, Some(_), _) => counted.values_left[Why::Sealed as usize] += 1,
            (_, None, _) => counted.values_left[Why::Erased as usize] += 1,
        }
    }
    Ok(values)
}
