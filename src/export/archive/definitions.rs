//! The events before the range that its leaves refer to, and the hashes between all leaves that are known.

use std::collections::{BTreeSet, HashMap};

use counterfoil_verify::archive::{CHANGED, DEFINITIONS, Definitions, PRIVATE_DEFINITIONS, references};
use counterfoil_verify::decode::Leaf;
use counterfoil_verify::export::{Opening, leaf_line, opening_line};
use counterfoil_verify::range::gaps;
use counterfoil_verify::tile::{Location, WIDTH, locate};

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::trail::generations::Origins;
use crate::trail::store::{EventPartRow, EventRow, LogState};
use crate::trail::tree::Tree;

use super::super::{ExportError, store};
use super::folder::Making;
use super::{ArchiveRequest, Counted, PROOF, Why};

/// Events read at once.
const SLICE: usize = 500;

/// Writes them; answers what they define.
pub(super) fn write(
    db: &Db,
    state: &LogState,
    request: &ArchiveRequest,
    making: &mut Making,
    counted: &mut Counted,
) -> Result<Definitions, ExportError> {
    let places: Vec<Seq> = db.read(|conn| referred(conn, request))?.into_iter().collect();
    let origins = db.read(Origins::of)?;
    let mut definitions = Definitions::default();
    let (mut lines, mut private) = (making.sink(DEFINITIONS)?, None);
    if request.private {
        private = Some(making.sink(PRIVATE_DEFINITIONS)?);
    }
    for slice in places.chunks(SLICE) {
        let (rows, mut parts) = db.read(|conn| read(conn, slice))?;
        if rows.len() != slice.len() {
            return Err(DbError::Corrupt("an event that entries refer to is missing; run `counterfoil verify`".into()).into());
        }
        for row in rows {
            let mut bytes = Vec::new();
            row.leaf().encode(origins.at(row.seq), &mut bytes).map_err(|e| DbError::Corrupt(e.to_string()))?;
            lines.add(leaf_line(row.seq.unsigned_abs(), &bytes).as_bytes())?;
            counted.definitions += 1;
            let part = parts.remove(&row.seq);
            match (&mut private, &part) {
                (Some(sink), Some(part)) => {
                    sink.add(opening_line(&opening(part)?).as_bytes())?;
                    counted.openings += 1;
                }
                (Some(_), None) if row.blind.len() == 32 => counted.parts_left[Why::Erased as usize] += 1,
                (None, _) if row.blind.len() == 32 => counted.parts_left[Why::NotAsked as usize] += 1,
                _ => {}
            }
            let part = part.filter(|_| request.private);
            definitions.take(&row.leaf(), part.as_ref().map(|part| part.body.as_str()));
        }
    }
    making.end(lines)?;
    if let Some(private) = private {
        making.end(private)?;
    }
    proof(db, state, request, making, &places)?;
    Ok(definitions)
}

fn opening(part: &EventPartRow) -> DbResult<Opening> {
    let broken = |_| DbError::Corrupt(format!("the salt of {} does not have 32 bytes; run `counterfoil verify`", part.seq));
    let salt = part.salt.as_slice().try_into().map_err(broken)?;
    Ok(Opening { seq: part.seq.unsigned_abs(), salt, parts: vec![Some(part.body.clone())] })
}

fn read(conn: &mut Conn, places: &[Seq]) -> DbResult<(Vec<EventRow>, HashMap<Seq, EventPartRow>)> {
    let rows = store::events_at(conn, places)?;
    let parts = store::event_parts_at(conn, places)?;
    Ok((rows, parts.into_iter().map(|part| (part.seq, part)).collect()))
}

/// What the range refers to before itself.
fn referred(conn: &mut Conn, request: &ArchiveRequest) -> DbResult<BTreeSet<Seq>> {
    let (from, to) = (request.from as Seq, request.to as Seq);
    let mut places = store::referred(conn, from, to)?;
    let mut after = from;
    loop {
        let rows = store::events_of_kind(conn, CHANGED, (after, to), SLICE as i64)?;
        let Some(newest) = rows.last() else { return Ok(places) };
        after = newest.seq + 1;
        for row in &rows {
            let of = references(&Leaf::Event("", row.leaf()));
            places.extend(of.into_iter().map(|(_, seq)| seq).filter(|seq| *seq < from));
        }
    }
}

/// The roots of the subtrees between the leaves that are known.
fn proof(db: &Db, state: &LogState, request: &ArchiveRequest, making: &mut Making, places: &[Seq]) -> Result<(), ExportError> {
    let single = places.iter().map(|place| (place.unsigned_abs(), place.unsigned_abs() + 1));
    let known: Vec<(u64, u64)> = single.chain([(request.from, request.to)]).collect();
    let mut sink = making.sink(PROOF)?;
    db.read(|conn| {
        let mut kept = Kept::default();
        for (level, index) in gaps(&known, state.size.unsigned_abs()) {
            let place = locate(level, index);
            let tile = kept.tile(conn, state, &place)?;
            let root = place.root(tile).map_err(|_| broken(&place))?;
            sink.add(&root)?;
        }
        Ok::<_, ExportError>(())
    })?;
    making.end(sink)?;
    Ok(())
}

fn broken(place: &Location) -> DbError {
    DbError::Corrupt(format!("tile {}/{} is missing or broken; run `counterfoil verify`", place.level, place.index))
}

/// The tile of each level that was read last: subtrees are asked for from left to right.
#[derive(Default)]
struct Kept(HashMap<u8, (u64, Vec<u8>)>);

impl Kept {
    fn tile(&mut self, conn: &mut Conn, state: &LogState, place: &Location) -> DbResult<&[u8]> {
        let known = self.0.get(&place.level).is_some_and(|(index, _)| *index == place.index);
        if !known {
            let there = state.size.unsigned_abs().checked_shr(8 * u32::from(place.level)).unwrap_or(0);
            let width = there.saturating_sub(place.index * WIDTH as u64).min(WIDTH as u64) as usize;
            let data = Tree::of(conn, state, leaves::hashes).tile(place.level, place.index, width)?;
            self.0.insert(place.level, (place.index, data.ok_or_else(|| broken(place))?));
        }
        self.0.get(&place.level).map(|(_, data)| data.as_slice()).ok_or_else(|| broken(place))
    }
}
