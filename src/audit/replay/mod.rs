//! Replay: the log made again from its leaves in an empty database, and every table that follows
//! from it held against the live one.
//!
//! Entries are evaluated anew by the sequencer's own code ([`Rebuild`]), in other batches and with
//! empty caches; tables that follow from events alone are written by what verification derives
//! them with (`follow`): nothing is worked out in a second way. Verification asks whether the live
//! tables follow from the leaves' outcomes; replay also asks whether the outcomes follow from the entries.

mod compare;
mod leaves;
mod restore;
mod store;
mod tables;

use counterfoil_verify::check::Source;
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::export::Opening;
use serde::Serialize;

use crate::config::Config;
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::intake::{Met, Rebuild, RebuildError, RecordedLeaf};
use crate::trail::generations::Origins;
use crate::trail::store::{self as trail, EventPartRow, EventRow, LogState};

use super::follow::Follow;
use compare::Comparison;
use leaves::Leaves;

pub use compare::{Difference, TableCompared};
pub use restore::{Restored, restore, restore_values};
pub use tables::{LEFT_OUT, LeftOut};

/// Leaves in one commit unless another number is asked for: no batch that the sequencer would make.
pub const BATCH: usize = 7_919;

/// Leaves read at once: what a source of leaves gives at most.
const BLOCK: u64 = 256;

/// How to replay, and whom to tell how far it is.
pub struct ReplayOptions<'a> {
    /// Settings that the log does not say.
    pub config: &'a Config,
    /// Leaves in one commit.
    pub batch: usize,
    /// Called with leaves done and leaves in all, now and then.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What replay found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Whether nothing differs.
    pub ok: bool,
    /// Leaves in the live log.
    pub size: Seq,
    /// Of them, those read from the export; the others came from the live database.
    pub exported: Seq,
    /// The root that the leaves came to, in hex.
    pub root: String,
    /// Entries evaluated anew.
    pub entries: u64,
    /// Definitions and alerts made anew.
    pub made: u64,
    /// Other events, taken as they are.
    pub taken: u64,
    /// Commits it took.
    pub commits: u64,
    /// Private parts that are gone: what was committed to stands, and cannot be derived again.
    pub not_rederivable: u64,
    /// Tables with the rows that were compared.
    pub tables: Vec<TableCompared>,
    /// How many differences there are; of each table, the first 100 are listed.
    pub found: u64,
    /// What differs, by table, key, place and the two values.
    pub differences: Vec<Difference>,
    /// What is not compared, and why.
    pub left_out: &'static [LeftOut],
}

/// An export: its leaves, and how many there are.
pub struct Exported<'a> {
    /// Where they are read from.
    pub leaves: &'a mut dyn Source<Error = String>,
    /// As many as its checkpoint covers.
    pub size: u64,
}

/// Makes the log of `live` again in `into`, an empty database, from an export as far as it goes and
/// from there on from `live` itself; compares the tables.
///
/// # Errors
/// When a database cannot be used or the export not be read. What differs is in the outcome instead.
pub fn replay(live: &Db, into: &Db, export: Option<Exported<'_>>, options: &ReplayOptions<'_>) -> DbResult<Replayed> {
    live.connect()?.snapshot(|conn| {
        let state = trail::state(conn)?.ok_or_else(|| DbError::Unfit("there is no log here to replay".into()))?;
        let exported = export.as_ref().map_or(0, |export| export.size as Seq);
        let mut comparison = Comparison::default();
        if exported > state.size {
            let said = format!("{exported} leaves are in the export");
            comparison.differ("log_state", "size", None, "size", &state.size.to_string(), &said);
        }
        let size = state.size.max(0);
        let mut run = Run { leaves: Leaves::new(export), follow: Follow::default(), options };
        let (met, (_, root)) = match run.build(conn, into, &state)? {
            Ok(built) => built,
            Err(differs) => {
                let (column, seq) = (differs.column.as_str(), differs.seq);
                comparison.differ(differs.table, &seq.to_string(), Some(seq), column, &differs.recorded, &differs.rebuilt);
                return Ok(comparison.outcome(&state, exported.min(size), Met::default(), &[]));
            }
        };
        let mut built = into.connect()?;
        built.write(|conn| run.follow.build(conn))?;
        comparison.expired = run.leaves.expired;
        tables::compare(conn, &mut built, &state, &root, &mut comparison)?;
        Ok(comparison.outcome(&state, exported.min(size), met, &root))
    })
}

type Built = Result<(Met, (Seq, [u8; 32])), Box<crate::intake::Differs>>;

struct Run<'a, 'b> {
    leaves: Leaves<'b>,
    follow: Follow,
    options: &'a ReplayOptions<'a>,
}

impl Run<'_, '_> {
    fn build(&mut self, conn: &mut Conn, into: &Db, state: &LogState) -> DbResult<Built> {
        let size = state.size.max(0).unsigned_abs();
        let origin = Origins::of(conn)?;
        let mut rebuild = Rebuild::begin(into, self.options.config, origin.at(0), self.options.batch)?;
        for first in (0..size).step_by(BLOCK as usize) {
            (self.options.progress)(first, size);
            for leaf in self.leaves.between(conn, first, size.min(first + BLOCK))? {
                self.meet(&leaf);
                match rebuild.add(leaf) {
                    Ok(()) => {}
                    Err(RebuildError::Db(error)) => return Err(error),
                    Err(RebuildError::Differs(differs)) => return Ok(Err(differs)),
                }
            }
        }
        (self.options.progress)(size, size);
        match rebuild.finish() {
            Ok(done) => Ok(Ok(done)),
            Err(RebuildError::Db(error)) => Err(error),
            Err(RebuildError::Differs(differs)) => Ok(Err(differs)),
        }
    }

    /// Events promise rows.
    fn meet(&mut self, leaf: &RecordedLeaf) {
        let Ok(Leaf::Event(_, event)) = decode(&leaf.bytes) else { return };
        let row = EventRow::of(&event);
        if row.blind.len() == 32 && leaf.opening.is_none() {
            self.leaves.expired.insert(row.seq);
        }
        let part = |opening: &Opening| {
            let body = opening.parts.first()?.clone()?;
            Some(EventPartRow { seq: leaf.seq, salt: opening.salt.to_vec(), body })
        };
        self.follow.meet(&row, leaf.opening.as_ref().and_then(part).as_ref());
    }
}
