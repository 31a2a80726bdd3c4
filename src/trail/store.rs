//! The log's own tables.

use counterfoil_verify::{EventLeaf, Hash, Tiles, TooLong};
use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::among::among;
use crate::db::bulk::Value;
use crate::db::schema::{
    anchors, checkpoints, entries, event_parts, events, generations, jobs, key_rotations, leader, log_state, tiles,
};
use crate::db::standing::{self, Standing};
use crate::db::{Conn, DbError, DbResult, bulk};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

use super::Tail;

bulk_row! {
    /// A row of `events`.
    EventRow => events { seq: i64, recorded_at: i64, kind: String, body: String, blind: Vec<u8> }
}
bulk_row! {
    /// A row of `event_parts`.
    EventPartRow => event_parts { seq: i64, salt: Vec<u8>, body: String }
}
bulk_row! {
    /// A row of `tiles`.
    TileRow => tiles { level: i16, idx: i64, data: Vec<u8> }
}

impl EventRow {
    /// The row that a leaf was made of.
    pub fn of(leaf: &EventLeaf<'_>) -> EventRow {
        let EventLeaf { seq, recorded_at, kind, body, blind } = *leaf;
        EventRow { seq, recorded_at, kind: kind.to_owned(), body: body.to_owned(), blind: blind.to_vec() }
    }

    /// The leaf that the row gives.
    pub fn leaf(&self) -> EventLeaf<'_> {
        let EventRow { seq, recorded_at, kind, body, blind } = self;
        EventLeaf { seq: *seq, recorded_at: *recorded_at, kind, body, blind }
    }

    /// The RFC 6962 hash of the row's leaf in the log named `origin`.
    pub fn leaf_hash(&self, origin: &str) -> Result<Hash, TooLong> {
        let mut bytes = Vec::new();
        self.leaf().encode(origin, &mut bytes)?;
        Ok(counterfoil_verify::leaf::hash(&bytes))
    }
}

/// The one row of `log_state`.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = log_state)]
pub struct LogState {
    /// The log's name.
    pub origin: String,
    /// The writer's epoch: one more each time a process takes the log.
    pub epoch: i64,
    /// Leaves in the log.
    pub size: i64,
    /// The root over them.
    pub root: Vec<u8>,
    /// When the newest leaf was recorded.
    pub recorded_at: i64,
    /// Every account state stored covers at least the entries before this place.
    pub states_from: i64,
}

/// The log state, or `None` before the log was created.
pub fn state(conn: &mut Conn) -> DbResult<Option<LogState>> {
    Ok(on_conn!(conn, |c| log_state::table.find(1).select(LogState::as_select()).first(c).optional())?)
}

/// Stores the state of a log that was just created.
pub fn create_state(conn: &mut Conn, tail: &Tail) -> DbResult<()> {
    on_conn!(conn, |c| diesel::insert_into(log_state::table)
        .values((
            log_state::id.eq(1),
            log_state::origin.eq(tail.origin()),
            log_state::epoch.eq(tail.epoch()),
            log_state::size.eq(tail.next_seq()),
            log_state::root.eq(tail.root().to_vec()),
            log_state::recorded_at.eq(tail.recorded_at().0),
            log_state::states_from.eq(0),
        ))
        .execute(c))?;
    Ok(())
}

/// Moves the log state from `size` to the tail's, if nobody else did; otherwise an error.
pub fn advance(conn: &mut Conn, size: Seq, tail: &Tail) -> DbResult<()> {
    let (root, at) = (tail.root(), tail.sealed_at().0);
    let values = [Value::Int(tail.next_seq()), Value::Bytes(&root), Value::Int(at), Value::Int(tail.epoch()), Value::Int(size)];
    match standing::run::<Advance>(conn, &values)? {
        1 => Ok(()),
        _ => Err(DbError::Deposed),
    }
}

struct Advance;

impl Standing for Advance {
    const SQL: &'static str = "UPDATE log_state SET size = ?, root = ?, recorded_at = ? WHERE id = 1 AND epoch = ? AND size = ?";
}

/// Refuses a write of a process whose epoch is over; until the transaction ends, none can begin.
pub fn require_epoch(conn: &mut Conn, epoch: i64) -> DbResult<()> {
    let query = log_state::table.find(1).select(log_state::epoch);
    let present: Option<i64> = match conn {
        // The transaction holds the only write lock already.
        Conn::Sqlite(c) => query.first(c).optional()?,
        Conn::Postgres(c) => query.for_share().first(c).optional()?,
    };
    if present == Some(epoch) { Ok(()) } else { Err(DbError::Deposed) }
}

/// Which process leads.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = leader)]
pub struct LeaderRow {
    /// Its epoch.
    pub epoch: i64,
    /// Where it answers; empty for a command, which answers nowhere.
    pub url: String,
    /// Since when.
    pub since: i64,
}

/// The process that took the lease last; it may be gone.
pub fn leader(conn: &mut Conn) -> DbResult<Option<LeaderRow>> {
    Ok(on_conn!(conn, |c| leader::table.find(1).select(LeaderRow::as_select()).first(c).optional())?)
}

/// Says which process leads.
pub fn set_leader(conn: &mut Conn, row: &LeaderRow) -> DbResult<()> {
    let changing = (leader::epoch.eq(row.epoch), leader::url.eq(&row.url), leader::since.eq(row.since));
    on_conn!(conn, |c| diesel::insert_into(leader::table)
        .values((leader::id.eq(1), changing))
        .on_conflict(leader::id)
        .do_update()
        .set(changing)
        .execute(c))?;
    Ok(())
}

/// Gives the log another name from its present end on.
pub fn rename(conn: &mut Conn, from: &str, to: &str) -> DbResult<()> {
    let which = log_state::table.filter(log_state::origin.eq(from));
    on_conn!(conn, |c| diesel::update(which).set(log_state::origin.eq(to)).execute(c))?;
    Ok(())
}

/// Begins a new epoch, so that an earlier writer's commits fail from now on.
pub fn begin_epoch(conn: &mut Conn) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(log_state::table).set(log_state::epoch.eq(log_state::epoch + 1)).execute(c))?;
    Ok(())
}

/// Notes that stored account states cover everything before `seq`.
pub fn set_states_from(conn: &mut Conn, seq: Seq) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(log_state::table).set(log_state::states_from.eq(seq)).execute(c))?;
    Ok(())
}

/// Appends events with their private parts.
pub fn append_events(conn: &mut Conn, rows: &[EventRow], parts: &[EventPartRow]) -> DbResult<()> {
    bulk::append(conn, rows)?;
    bulk::append(conn, parts)
}

/// The data of a full tile.
pub fn tile(conn: &mut Conn, level: i16, idx: i64) -> DbResult<Option<Vec<u8>>> {
    let query = tiles::table.filter(tiles::level.eq(level)).filter(tiles::idx.eq(idx)).select(tiles::data);
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// One event with its private part, if that has not been erased.
pub fn event(conn: &mut Conn, seq: Seq) -> DbResult<Option<(EventRow, Option<EventPartRow>)>> {
    let row: Option<EventRow> = on_conn!(conn, |c| events::table.find(seq).select(EventRow::as_select()).first(c).optional())?;
    let part = on_conn!(conn, |c| event_parts::table.find(seq).select(EventPartRow::as_select()).first(c).optional())?;
    Ok(row.map(|row| (row, part)))
}

/// Events from `from` (inclusive) to `to` (exclusive), oldest first, at most `limit`.
pub fn events_between(conn: &mut Conn, from: Seq, to: Seq, limit: i64) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(events::seq.ge(from)).filter(events::seq.lt(to)).order(events::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}

/// The newest events before `before`, newest first, at most `limit`.
pub fn events_newest(conn: &mut Conn, before: Option<Seq>, limit: i64) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(events::seq.lt(before.unwrap_or(i64::MAX))).order(events::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}

/// The newest events before `before` whose kind is none of these, newest first, at most `limit`.
pub fn events_without(conn: &mut Conn, kinds: &[&str], before: Option<Seq>, limit: i64) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(events::seq.lt(before.unwrap_or(i64::MAX))).filter(events::kind.ne_all(kinds.to_vec()));
    let query = query.order(events::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}

/// The newest events before `before` whose kind is one of these, newest first, at most `limit`.
pub fn events_of(conn: &mut Conn, kinds: &[&str], before: Option<Seq>, limit: i64) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(events::seq.lt(before.unwrap_or(i64::MAX))).filter(events::kind.eq_any(kinds.to_vec()));
    let query = query.order(events::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}

/// Events of a kind whose body begins so, between two places (neither inclusive), oldest first, at most `limit`.
/// `begins` holds nothing that a pattern reads as more than itself.
pub fn events_that_begin(
    conn: &mut Conn,
    kind: &str,
    begins: &str,
    (after, before): (Seq, Seq),
    limit: i64,
) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(events::kind.eq(kind)).filter(events::seq.gt(after)).filter(events::seq.lt(before));
    let query = query.filter(events::body.like(format!("{begins}%"))).order(events::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}

/// Public bodies of the events of a kind from `from` to before `to`, with their places, at most `limit`.
pub fn bodies(conn: &mut Conn, kind: &str, (from, to): (Seq, Seq), limit: i64) -> DbResult<Vec<(Seq, String)>> {
    let query = events::table.filter(events::kind.eq(kind)).filter(events::seq.ge(from)).filter(events::seq.lt(to));
    let query = query.order(events::seq).limit(limit).select((events::seq, events::body));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The first event of a kind after `seq`.
pub fn event_after(conn: &mut Conn, kind: &str, seq: Seq) -> DbResult<Option<EventRow>> {
    let query = events::table.filter(events::seq.gt(seq)).filter(events::kind.eq(kind)).order(events::seq);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).first(c).optional())?)
}

/// Private parts of the events in a range.
pub fn event_parts_between(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<EventPartRow>> {
    let query = event_parts::table.filter(event_parts::seq.ge(from)).filter(event_parts::seq.lt(to));
    Ok(on_conn!(conn, |c| query.order(event_parts::seq).select(EventPartRow::as_select()).load(c))?)
}

/// How many rows entries and events have together: the log's size, if no row is missing.
pub fn rows(conn: &mut Conn) -> DbResult<i64> {
    let entries: i64 = on_conn!(conn, |c| entries::table.count().get_result(c))?;
    let events: i64 = on_conn!(conn, |c| events::table.count().get_result(c))?;
    Ok(entries + events)
}

/// Rebuilds the right edge from full tiles and the hashes of the leaves after them.
pub fn load_tail(conn: &mut Conn, state: &LogState, trailing: &[Hash]) -> DbResult<Tail> {
    let read = |level: u8, index: u64| {
        let found = tile(conn, i16::from(level), index as i64)?;
        found.ok_or_else(|| DbError::Corrupt(format!("tile {level}/{index} is missing; run `counterfoil verify`")))
    };
    let tiles = Tiles::resume(state.size as u64, read, trailing);
    let tiles =
        tiles.map_err(|e| DbError::Corrupt(format!("the tree's right edge cannot be rebuilt: {e}; run `counterfoil verify`")))?;
    if tiles.root()[..] != state.root[..] {
        let text = "the stored leaves do not have the root in the log state; nothing will be written: run `counterfoil verify`";
        return Err(DbError::Corrupt(text.into()));
    }
    Ok(Tail::new(state.origin.clone(), state.epoch, tiles, Moment(state.recorded_at)))
}

bulk_row! {
    /// A row of `jobs`.
    JobRow => jobs { name: String, started_at: i64, finished_at: Option<i64>, outcome: Option<String> }
}

/// The last run of a job; `None` if it never ran.
pub fn job(conn: &mut Conn, name: &str) -> DbResult<Option<JobRow>> {
    Ok(on_conn!(conn, |c| jobs::table.find(name).select(JobRow::as_select()).first(c).optional())?)
}

/// Jobs whose names begin so, the last to run first.
pub fn jobs_named(conn: &mut Conn, prefix: &str, limit: i64) -> DbResult<Vec<JobRow>> {
    let named = jobs::table.filter(jobs::name.like(format!("{prefix}%")));
    let newest = named.order((jobs::started_at.desc(), jobs::name.asc())).limit(limit);
    Ok(on_conn!(conn, |c| newest.select(JobRow::as_select()).load(c))?)
}

/// Notes a run of a job, over the one before. It must follow from an event of the same act.
pub fn note_job(conn: &mut Conn, row: &JobRow) -> DbResult<()> {
    let values = (jobs::started_at.eq(row.started_at), jobs::finished_at.eq(row.finished_at), jobs::outcome.eq(&row.outcome));
    on_conn!(conn, |c| diesel::insert_into(jobs::table)
        .values((jobs::name.eq(&row.name), values))
        .on_conflict(jobs::name)
        .do_update()
        .set(values)
        .execute(c))?;
    Ok(())
}

/// How many full tiles are stored.
pub fn tile_count(conn: &mut Conn) -> DbResult<i64> {
    Ok(on_conn!(conn, |c| tiles::table.count().get_result(c))?)
}

bulk_row! {
    /// A row of `checkpoints`.
    CheckpointRow => checkpoints { number: i64, size: i64, root: Vec<u8>, signed_at: i64, note: String }
}
bulk_row! {
    /// A row of `anchors`: a checkpoint that came back from outside.
    AnchorRow => anchors { id: i64, kind: String, size: i64, signed_at: i64, returned_at: i64 }
}

bulk_row! {
    /// A row of `generations`: a name of the log, and the place it begins at.
    GenerationRow => generations { first_seq: i64, origin: String }
}
bulk_row! {
    /// A row of `key_rotations`: a change of the key that signs the log.
    RotationRow => key_rotations { id: i64, origin: String, size: i64, old_key: String, new_key: String, note: String }
}

/// The names of the log, the oldest first.
pub fn generations(conn: &mut Conn) -> DbResult<Vec<GenerationRow>> {
    let query = generations::table.order(generations::first_seq);
    Ok(on_conn!(conn, |c| query.select(GenerationRow::as_select()).load(c))?)
}

/// The changes of the log's key, the oldest first.
pub fn rotations(conn: &mut Conn) -> DbResult<Vec<RotationRow>> {
    Ok(on_conn!(conn, |c| key_rotations::table.order(key_rotations::id).select(RotationRow::as_select()).load(c))?)
}

/// The newest signed checkpoint.
pub fn newest_checkpoint(conn: &mut Conn) -> DbResult<Option<CheckpointRow>> {
    let query = checkpoints::table.order(checkpoints::number.desc());
    Ok(on_conn!(conn, |c| query.select(CheckpointRow::as_select()).first(c).optional())?)
}

/// Signed checkpoints after `number`, oldest first, at most `limit`.
pub fn checkpoints_after(conn: &mut Conn, number: i64, limit: i64) -> DbResult<Vec<CheckpointRow>> {
    let query = checkpoints::table.filter(checkpoints::number.gt(number)).order(checkpoints::number).limit(limit);
    Ok(on_conn!(conn, |c| query.select(CheckpointRow::as_select()).load(c))?)
}

/// The signed checkpoint of this size.
pub fn checkpoint_of_size(conn: &mut Conn, size: i64) -> DbResult<Option<CheckpointRow>> {
    let query = checkpoints::table.filter(checkpoints::size.eq(size));
    Ok(on_conn!(conn, |c| query.select(CheckpointRow::as_select()).first(c).optional())?)
}

/// The roots of the signed checkpoints of these sizes, each with its size.
pub fn roots_of_sizes(conn: &mut Conn, sizes: &[i64]) -> DbResult<Vec<(i64, Vec<u8>)>> {
    let query = checkpoints::table.filter(among(checkpoints::size, sizes)).select((checkpoints::size, checkpoints::root));
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The largest checkpoint that came back from outside and was a state of this log.
pub fn newest_anchor(conn: &mut Conn) -> DbResult<Option<AnchorRow>> {
    let query = anchors::table.order((anchors::size.desc(), anchors::id.desc()));
    Ok(on_conn!(conn, |c| query.select(AnchorRow::as_select()).first(c).optional())?)
}

/// The newest returns of checkpoints, at most `limit`.
pub fn anchors_newest(conn: &mut Conn, limit: i64) -> DbResult<Vec<AnchorRow>> {
    let query = anchors::table.order(anchors::id.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(AnchorRow::as_select()).load(c))?)
}
