//! A log made again where only its leaves are left: from archives, for reading.

use counterfoil_verify::archive::Value;
use counterfoil_verify::decode::{Leaf, decode};

use crate::db::{Db, DbError, DbResult, bulk};
use crate::ids::Seq;
use crate::intake::{Differs, Rebuild, RebuildError, RecordedLeaf};

use super::leaves::Leaves;
use super::{BLOCK, Exported, ReplayOptions, Run};
use crate::audit::follow::Follow;
use crate::records::store::FieldRow;

/// Values written at once.
const VALUES: usize = 5_000;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Leaves that are in the database now.
    pub size: u64,
    /// Leaves at the end that are not: an entry, and alerts of its hits, of which more may come after the last leaf.
    pub held_back: u64,
    /// The root over those restored, in hexadecimal.
    pub root: String,
    /// Entries evaluated anew.
    pub entries: u64,
    /// Private parts that are not there: what was committed to stands.
    pub not_rederivable: u64,
}

/// Makes the log again in `into`, an empty database, from its leaves alone. Every entry is evaluated anew and must
/// give its leaf; the first that does not is answered instead.
///
/// # Errors
/// When a leaf is missing, the leaves cannot be read, or the database is not empty.
pub fn restore(into: &Db, from: Exported<'_>, options: &ReplayOptions<'_>) -> DbResult<Result<Restored, Box<Differs>>> {
    let size = from.size;
    let mut run = Run { leaves: Leaves::new(Some(from)), follow: Follow::default(), options };
    let mut rebuild: Option<Rebuild> = None;
    let mut waiting: Vec<RecordedLeaf> = Vec::new();
    for first in (0..size).step_by(BLOCK as usize) {
        (options.progress)(first, size);
        for leaf in run.leaves.exported_whole(first, size.min(first + BLOCK))? {
            let rebuild = match &mut rebuild {
                Some(rebuild) => rebuild,
                none => none.insert(Rebuild::begin(into, options.config, &origin(&leaf)?, options.batch)?),
            };
            let goes_on = match decode(&leaf.bytes) {
                Ok(Leaf::Event(_, event)) => event.kind == "alert.opened" && !waiting.is_empty(),
                _ => false,
            };
            if !goes_on {
                for leaf in waiting.drain(..) {
                    if let Err(differs) = add(&mut run, rebuild, leaf)? {
                        return Ok(Err(differs));
                    }
                }
            }
            match decode(&leaf.bytes) {
                Ok(Leaf::Event(..)) if !goes_on => {
                    if let Err(differs) = add(&mut run, rebuild, leaf)? {
                        return Ok(Err(differs));
                    }
                }
                _ => waiting.push(leaf),
            }
        }
    }
    let Some(rebuild) = rebuild else { return Err(DbError::Unfit("there is no leaf to restore".into())) };
    let (met, (size, root)) = match told(rebuild.finish())? {
        Ok(done) => done,
        Err(differs) => return Ok(Err(differs)),
    };
    into.connect()?.write(|conn| run.follow.build(conn))?;
    Ok(Ok(Restored {
        size: size.unsigned_abs(),
        held_back: waiting.len() as u64,
        root: hex::encode(root),
        entries: met.entries,
        not_rederivable: met.expired,
    }))
}

/// Puts values of changes beside a restored log, as far as it goes; answers how many. What they are was verified against
/// what the leaves commit to.
///
/// # Errors
/// When they cannot be read, or not be written.
pub fn restore_values(into: &Db, size: u64, mut values: impl Iterator<Item = Result<Value, String>>) -> DbResult<u64> {
    let (mut conn, mut done) = (into.connect()?, 0);
    loop {
        let mut rows = Vec::with_capacity(VALUES);
        for value in values.by_ref().take(VALUES) {
            let value = value.map_err(DbError::Unfit)?;
            rows.extend((value.seq < size).then(|| field(value)));
        }
        if rows.is_empty() {
            return Ok(done);
        }
        done += rows.len() as u64;
        conn.write(|conn| bulk::append(conn, &rows))?;
    }
}

fn field(value: Value) -> FieldRow {
    let [path, old, new, old_digest, new_digest] = value.parts;
    FieldRow {
        seq: value.seq as Seq,
        n: i32::try_from(value.n).unwrap_or(i32::MAX),
        path: path.unwrap_or_default(),
        old,
        new,
        old_digest,
        new_digest,
        salt: Some(value.salt.to_vec()),
        data_key: None,
        nonce: None,
        sealed: None,
    }
}

/// The name in a leaf.
fn origin(leaf: &RecordedLeaf) -> DbResult<String> {
    let decoded = decode(&leaf.bytes).map_err(|e| DbError::Unfit(format!("leaf {}: {e}", leaf.seq)))?;
    Ok(decoded.origin().to_owned())
}

fn add(run: &mut Run<'_, '_>, rebuild: &mut Rebuild, leaf: RecordedLeaf) -> DbResult<Result<(), Box<Differs>>> {
    run.meet(&leaf);
    told(rebuild.add(leaf))
}

fn told<T>(done: Result<T, RebuildError>) -> DbResult<Result<T, Box<Differs>>> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(RebuildError::Db(error)) => Err(error),
        Err(RebuildError::Differs(differs)) => Ok(Err(differs)),
    }
}
