//! Index runs: closed segments sorted by reference, account and context, off the hot path.
//!
//! A run is a sorted list of (key, seq) in pages of 512. It is rebuilt from the rows at any time,
//! so losing one loses nothing. Four neighbours of one tier are merged into one of the next: a pair is written
//! once a tier, a look-up probes three runs a tier, and at most [`RUNS_MAX`] however large the log.

use counterfoil_verify::EntryLeaf;
use diesel::prelude::*;

use crate::db::schema::{index_pages, index_runs};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

use super::references::RefKey;

mod store;

pub use store::newest_places;
pub(super) use store::{accounts_between, forget_states, keys_between, placed, put_states, states_after};

/// (key, seq) pairs in one page of 8 KiB.
pub const PAGE: usize = 512;
/// Runs of one kind that a look-up may have to probe.
pub const RUNS_MAX: usize = 20;
/// Neighbours of one tier that are merged into one of the next.
const FANOUT: usize = 4;

bulk_row! {
    /// A row of `index_pages`.
    PageRow => index_pages { run: i64, page: i64, first_key: i64, data: Vec<u8> }
}
bulk_row! {
    /// A row of `index_runs`.
    RunRow => index_runs { id: i64, kind: i16, first_seq: i64, last_seq: i64, entries: i64, pages: i64, ready: i16 }
}

/// What a run is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// A digest of source and `source_ref`.
    Reference = 1,
    /// The account.
    Account = 2,
    /// The context.
    Context = 3,
}

/// Every kind.
pub const KINDS: [RunKind; 3] = [RunKind::Reference, RunKind::Account, RunKind::Context];

/// A run with its first keys, so that a look-up reads one page.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// The first place it covers.
    pub first_seq: Seq,
    /// The last place it covers.
    pub last_seq: Seq,
    /// Pairs in it.
    pub entries: i64,
    first_keys: Vec<u64>,
}

/// The (key, seq) pairs of a page.
pub fn unpack(data: &[u8]) -> impl DoubleEndedIterator<Item = (u64, Seq)> + '_ {
    let word = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    data.chunks_exact(16).map(move |pair| (word(&pair[..8]), word(&pair[8..]) as Seq))
}

fn page_data(conn: &mut Conn, run: i64, page: i64) -> DbResult<Vec<u8>> {
    let found: Option<Vec<u8>> =
        on_conn!(conn, |c| index_pages::table.find((run, page)).select(index_pages::data).first(c).optional())?;
    found.ok_or_else(|| DbError::Corrupt(format!("index run {run} has no page {page}")))
}

impl Run {
    /// Adds the places of `key` to `found`, oldest first.
    pub fn find(&self, conn: &mut Conn, key: u64, found: &mut Vec<Seq>) -> DbResult<()> {
        let mut page = self.first_keys.partition_point(|first| *first < key).saturating_sub(1);
        while page < self.first_keys.len() && self.first_keys[page] <= key {
            let data = page_data(conn, self.id, page as i64)?;
            found.extend(unpack(&data).filter(|(k, _)| *k == key).map(|(_, seq)| seq));
            page += 1;
        }
        Ok(())
    }

    /// Every pair, in order.
    pub fn for_each(&self, conn: &mut Conn, mut each: impl FnMut(u64, Seq)) -> DbResult<()> {
        for page in 0..self.first_keys.len() {
            let data = page_data(conn, self.id, page as i64)?;
            unpack(&data).for_each(|(key, seq)| each(key, seq));
        }
        Ok(())
    }
}

/// The runs of a kind, oldest first.
pub fn load(conn: &mut Conn, kind: RunKind) -> DbResult<Vec<Run>> {
    list(conn, kind)?.into_iter().map(|row| open(conn, row)).collect()
}

/// The same without their first keys.
pub(super) fn list(conn: &mut Conn, kind: RunKind) -> DbResult<Vec<RunRow>> {
    let query = index_runs::table.filter(index_runs::kind.eq(kind as i16)).filter(index_runs::ready.eq(1));
    Ok(on_conn!(conn, |c| query.order(index_runs::first_seq).select(RunRow::as_select()).load(c))?)
}

/// A run, to be looked into.
pub(super) fn open(conn: &mut Conn, row: RunRow) -> DbResult<Run> {
    let query = index_pages::table.filter(index_pages::run.eq(row.id)).order(index_pages::page);
    let first: Vec<i64> = on_conn!(conn, |c| query.select(index_pages::first_key).load(c))?;
    let first_keys = first.into_iter().map(|key| key as u64).collect();
    Ok(Run { id: row.id, first_seq: row.first_seq, last_seq: row.last_seq, entries: row.entries, first_keys })
}

/// Which neighbours of these runs are to be merged next: [`FANOUT`] of one tier, counted in segments of so many
/// places, the newest first; beyond [`RUNS_MAX`] the two smallest, whatever their tier.
pub(super) fn to_merge(runs: &[RunRow], segment: i64) -> Option<std::ops::Range<usize>> {
    let tier = |run: &RunRow| ((run.last_seq - run.first_seq + 1) / segment.max(1)).max(1).ilog(FANOUT as i64);
    let alike = |some: &[RunRow]| some.windows(2).all(|pair| tier(&pair[0]) == tier(&pair[1]));
    if let Some(first) = runs.windows(FANOUT).rposition(alike) {
        return Some(first..first + FANOUT);
    }
    if runs.len() <= RUNS_MAX {
        return None;
    }
    let sum = |first: &usize| runs[*first].entries + runs[*first + 1].entries;
    (0..runs.len() - 1).min_by_key(sum).map(|first| first..first + 2)
}

/// Everything before this place is indexed.
pub fn indexed_to(conn: &mut Conn) -> DbResult<Seq> {
    reach(conn, RunKind::Context)
}

/// Everything before this place is in a run of this kind; contexts are sorted last.
pub(super) fn reach(conn: &mut Conn, kind: RunKind) -> DbResult<Seq> {
    let query = index_runs::table.filter(index_runs::ready.eq(1)).filter(index_runs::kind.eq(kind as i16));
    let last: Option<i64> = on_conn!(conn, |c| query.select(diesel::dsl::max(index_runs::last_seq)).first(c))?;
    Ok(last.map_or(0, |seq| seq + 1))
}

/// The key of an entry in a run of this kind.
pub fn key_of(kind: RunKind, row: &EntryLeaf<'_>) -> u64 {
    key(kind, row.source, row.source_ref, row.account, row.context)
}

fn key(kind: RunKind, source: Seq, source_ref: &str, account: Seq, context: Seq) -> u64 {
    match kind {
        RunKind::Reference => RefKey::of(source, source_ref).short(),
        RunKind::Account => account as u64,
        RunKind::Context => context as u64,
    }
}

/// How pages reach the database: through the one writing connection.
pub(super) type Write<'a> = &'a dyn Fn(Vec<PageRow>, Option<RunRow>, Vec<i64>) -> DbResult<()>;

/// Collects sorted pairs into pages and writes them a few at a time.
struct Writer<'a> {
    run: i64,
    write: Write<'a>,
    pairs: Vec<u8>,
    first_keys: Vec<u64>,
    waiting: Vec<PageRow>,
}

impl Writer<'_> {
    fn push(&mut self, key: u64, seq: Seq) -> DbResult<()> {
        if self.pairs.is_empty() {
            self.first_keys.push(key);
        }
        self.pairs.extend_from_slice(&key.to_be_bytes());
        self.pairs.extend_from_slice(&(seq as u64).to_be_bytes());
        if self.pairs.len() == PAGE * 16 { self.page() } else { Ok(()) }
    }

    fn page(&mut self) -> DbResult<()> {
        let Some(first) = self.first_keys.last().filter(|_| !self.pairs.is_empty()) else { return Ok(()) };
        let page = self.first_keys.len() as i64 - 1;
        let data = std::mem::take(&mut self.pairs);
        self.waiting.push(PageRow { run: self.run, page, first_key: *first as i64, data });
        if self.waiting.len() >= 128 {
            (self.write)(std::mem::take(&mut self.waiting), None, Vec::new())?;
        }
        Ok(())
    }

    fn finish(mut self, kind: RunKind, first_seq: Seq, last_seq: Seq, entries: i64, replaced: Vec<i64>) -> DbResult<Run> {
        self.page()?;
        let pages = self.first_keys.len() as i64;
        let row = RunRow { id: self.run, kind: kind as i16, first_seq, last_seq, entries, pages, ready: 1 };
        (self.write)(std::mem::take(&mut self.waiting), Some(row), replaced)?;
        Ok(Run { id: self.run, first_seq, last_seq, entries, first_keys: self.first_keys })
    }
}

/// Writes a run over sorted pairs.
pub(super) fn build(
    write: Write<'_>,
    id: i64,
    kind: RunKind,
    first_seq: Seq,
    last_seq: Seq,
    pairs: &[(u64, Seq)],
) -> DbResult<Run> {
    let mut writer = Writer { run: id, write, pairs: Vec::new(), first_keys: Vec::new(), waiting: Vec::new() };
    for (key, seq) in pairs {
        writer.push(*key, *seq)?;
    }
    writer.finish(kind, first_seq, last_seq, pairs.len() as i64, Vec::new())
}

/// Merges neighbouring runs, oldest first, into one that replaces them.
pub(super) fn merge(conn: &mut Conn, write: Write<'_>, id: i64, kind: RunKind, runs: &[Run]) -> DbResult<()> {
    let (Some(oldest), Some(newest)) = (runs.first(), runs.last()) else { return Ok(()) };
    let mut writer = Writer { run: id, write, pairs: Vec::new(), first_keys: Vec::new(), waiting: Vec::new() };
    let mut cursors: Vec<Cursor<'_>> = runs.iter().map(Cursor::new).collect();
    for cursor in &mut cursors {
        cursor.fill(conn)?;
    }
    // Of equal pairs, which there are none, the oldest run's would come first.
    while let Some((next, pair)) =
        cursors.iter().enumerate().filter_map(|(n, cursor)| Some((n, cursor.peek()?))).min_by_key(|(_, pair)| *pair)
    {
        writer.push(pair.0, pair.1)?;
        cursors[next].pairs.pop_front();
        cursors[next].fill(conn)?;
    }
    let (first_seq, last_seq, entries) = (oldest.first_seq, newest.last_seq, runs.iter().map(|run| run.entries).sum());
    writer.finish(kind, first_seq, last_seq, entries, runs.iter().map(|run| run.id).collect())?;
    Ok(())
}

struct Cursor<'a> {
    run: &'a Run,
    page: usize,
    pairs: std::collections::VecDeque<(u64, Seq)>,
}

impl<'a> Cursor<'a> {
    fn new(run: &'a Run) -> Cursor<'a> {
        Cursor { run, page: 0, pairs: std::collections::VecDeque::new() }
    }

    /// Reads the next page once the one before is used up.
    fn fill(&mut self, conn: &mut Conn) -> DbResult<()> {
        if self.pairs.is_empty() && self.page < self.run.first_keys.len() {
            let data = page_data(conn, self.run.id, self.page as i64)?;
            self.pairs.extend(unpack(&data));
            self.page += 1;
        }
        Ok(())
    }

    fn peek(&self) -> Option<(u64, Seq)> {
        self.pairs.front().copied()
    }
}

/// Stores pages; with the last of them the run becomes visible and those it replaces go.
pub(super) fn store(conn: &mut Conn, pages: &[PageRow], ready: Option<&RunRow>, replaced: &[i64]) -> DbResult<()> {
    crate::db::bulk::append(conn, pages)?;
    crate::db::bulk::append(conn, ready.map(std::slice::from_ref).unwrap_or_default())?;
    if !replaced.is_empty() {
        on_conn!(conn, |c| diesel::delete(index_runs::table.filter(index_runs::id.eq_any(replaced))).execute(c))?;
    }
    Ok(())
}

/// Removes pages of runs that are gone, at most `limit`; answers whether more remain.
pub(super) fn sweep(conn: &mut Conn, run: i64, limit: i64) -> DbResult<bool> {
    // From the last page down: as long as page 0 is there, the rest is found again.
    let last: Option<i64> = on_conn!(conn, |c| index_pages::table
        .filter(index_pages::run.eq(run))
        .select(diesel::dsl::max(index_pages::page))
        .first(c))?;
    let Some(last) = last else { return Ok(false) };
    let gone = index_pages::table.filter(index_pages::run.eq(run)).filter(index_pages::page.gt(last - limit));
    unscrubbed(conn, |conn| Ok(on_conn!(conn, |c| diesel::delete(gone).execute(c)).map(drop)?))?;
    Ok(true)
}

/// Runs that were merged away, or being written when the process ended: their pages are waste.
pub(super) fn unfinished(conn: &mut Conn) -> DbResult<Vec<i64>> {
    let query = index_pages::table.left_join(index_runs::table.on(index_runs::id.eq(index_pages::run)));
    let query = query.filter(index_pages::page.eq(0)).filter(index_runs::id.nullable().is_null());
    Ok(on_conn!(conn, |c| query.select(index_pages::run).distinct().load(c))?)
}

/// The next free number of a run.
pub(super) fn next_id(conn: &mut Conn) -> DbResult<i64> {
    let last: Option<i64> = on_conn!(conn, |c| index_pages::table.select(diesel::dsl::max(index_pages::run)).first(c))?;
    // A run over events alone has no page.
    let empty: Option<i64> = on_conn!(conn, |c| index_runs::table.select(diesel::dsl::max(index_runs::id)).first(c))?;
    Ok(last.max(empty).map_or(1, |id| id + 1))
}

/// Deletes without having SQLite write zeros over what is deleted: digests and places are nobody's secret, and a
/// merge would be written twice.
fn unscrubbed(conn: &mut Conn, delete: impl FnOnce(&mut Conn) -> DbResult<()>) -> DbResult<()> {
    let Conn::Sqlite(_) = conn else { return delete(conn) };
    conn.execute("PRAGMA secure_delete=FAST")?;
    let deleted = delete(conn);
    conn.execute("PRAGMA secure_delete=ON")?;
    deleted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(first_seq: Seq, last_seq: Seq) -> RunRow {
        RunRow { id: first_seq, kind: 1, first_seq, last_seq, entries: last_seq - first_seq + 1, pages: 1, ready: 1 }
    }

    /// Adds a segment of 10 places and merges; answers how many places were written for it.
    fn grow(runs: &mut Vec<RunRow>) -> i64 {
        let first = runs.last().map_or(0, |last| last.last_seq + 1);
        runs.push(run(first, first + 9));
        let mut written = 10;
        while let Some(which) = to_merge(runs, 10) {
            let merged = run(runs[which.start].first_seq, runs[which.end - 1].last_seq);
            written += merged.entries;
            runs.splice(which, [merged]);
        }
        written
    }

    #[test]
    fn however_many_segments_there_are_few_runs_cover_them_and_each_pair_is_written_once_a_tier() {
        let mut runs = Vec::new();
        let mut written = 0;
        for segments in 1..=4_096_i64 {
            written += grow(&mut runs);
            let tiers = i64::from(segments.ilog(4)) + 1;
            assert!(runs.len() as i64 <= 3 * tiers, "{segments} segments: {} runs", runs.len());
            assert!(runs.windows(2).all(|pair| pair[0].last_seq + 1 == pair[1].first_seq));
            assert!(written <= segments * 10 * tiers, "{segments} segments: {written} places written");
        }
    }

    #[test]
    fn runs_of_odd_sizes_are_merged_before_they_are_too_many() {
        // What an earlier version left, and no two neighbours of one tier.
        let mut runs = Vec::new();
        let mut first = 0;
        for n in 0..40 {
            let places = if n % 2 == 0 { 10 } else { 45 };
            runs.push(run(first, first + places - 1));
            first += places;
            while let Some(which) = to_merge(&runs, 10) {
                let merged = run(runs[which.start].first_seq, runs[which.end - 1].last_seq);
                runs.splice(which, [merged]);
            }
            assert!(runs.len() <= RUNS_MAX);
        }
        assert_eq!((runs[0].first_seq, runs.last().unwrap().last_seq), (0, first - 1));
    }
}
