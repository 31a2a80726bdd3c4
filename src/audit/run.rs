//! The whole verification: threads read, one checks; then the tables that follow are compared.

use std::thread::{self, ScopedJoinHandle};

use counterfoil_verify::heads::KIND;
use serde::Deserialize;

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::generations::Origins;
use crate::trail::store::{self as trail, LogState};

use super::beside::Beside;
use super::checker::Checker;
use super::classes;
use super::entries::{Entries, Tables};
use super::erased::Erased;
use super::findings::Findings;
use super::heads::Heads;
use super::mark::Reached;
use super::ranges::Ranges;
use super::repeats::Repeats;
use super::runs::Runs;
use super::sampled;
use super::schema;
use super::sealed::Sealed;
use super::settings::Settings;
use super::states::Stored;
use super::store;
use super::stream::{Readers, stream};
use super::tree::TILE_LEAVES;
use super::{COMPARED, L2, L3, L4, Options, Outcome};

/// Leaves read at once.
pub(super) const SLICE: Seq = 40 * TILE_LEAVES;
/// Connections that read beside the first one, at most; fewer where there are fewer cores.
const READERS_MAX: usize = 7;

/// Told, as a run goes, how far the leaves were hashed again without a finding.
type Along<'a> = &'a dyn Fn(&Reached);

/// Verifies the whole database against its log, over one unchanging state of it.
///
/// # Errors
/// When the database cannot be read, or a tolerance of the configuration cannot be understood. What
/// does not hold together is in the outcome instead.
pub fn verify(db: &Db, options: Options<'_>) -> DbResult<Outcome> {
    verify_along(db, options, &|_| ())
}

/// The same; `along` is told, as it goes, how far the leaves were hashed again without a finding.
///
/// # Errors
/// As [`verify`].
pub fn verify_along(db: &Db, options: Options<'_>, along: &dyn Fn(&Reached)) -> DbResult<Outcome> {
    let settings = Settings::read(options.config)?;
    let (aside, mut beside) = (db.connect()?, db.connect()?);
    thread::scope(|scope| {
        let classes = scope.spawn(move || classes::look(&mut beside));
        let beside = Beside::read(db, options.config)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        db.snapshots((cores - 1).min(READERS_MAX), |conn, readers| {
            verify_over((conn, readers), beside, (options, along), settings, (aside, classes))
        })
    })
}

/// The verification over one state of the database, which `readers` see too; `classes` are looked at on
/// a thread of its own.
fn verify_over(
    (conn, mut readers): (&mut Conn, Vec<Conn>),
    beside: Beside,
    (options, along): (Options<'_>, Along<'_>),
    settings: Settings,
    (aside, classes): (Conn, ScopedJoinHandle<'_, DbResult<Vec<classes::Found>>>),
) -> DbResult<Outcome> {
    let mut run = Run::begin(conn, options)?;
    checkpoints(&mut run, &beside)?;
    inclusion(&mut run)?;
    if run.has_leaves() {
        let passed = pass(&mut run, (&mut readers, along), beside, aside, settings)?;
        follow(&mut run, passed, readers)?;
    } else {
        without_leaves(&mut run)?;
    }
    classes::tell(classes.join().map_err(|_| failed())??, &mut run.findings);
    schema::compare(run.conn, &mut run.findings)?;
    let root = run.state.as_ref().map(|state| state.root.clone()).unwrap_or_default();
    Ok(run.findings.outcome(run.size, &root))
}

/// Where there is no leaf, no table that follows from the leaves has a row.
fn without_leaves(run: &mut Run<'_>) -> DbResult<()> {
    for (table, ..) in COMPARED.iter().filter(|(table, level, _)| *level != "L6" && *table != "log_state") {
        if store::has_rows(run.conn, table)? {
            run.findings.add(
                (L4, "row_without_leaf"),
                table,
                None,
                "it has rows, and the log has not one leaf that they follow from",
            );
        }
    }
    Ok(())
}

pub(super) fn failed() -> DbError {
    DbError::Corrupt("a checking thread failed; run it again and report this".into())
}

/// What every level works on.
pub(super) struct Run<'a> {
    pub(super) conn: &'a mut Conn,
    pub(super) options: Options<'a>,
    pub(super) findings: Findings,
    pub(super) state: Option<LogState>,
    /// Leaves that the log state says there are; without it, those there are rows for.
    pub(super) size: Seq,
    /// One more than the last place that has a row.
    rows: Seq,
}

impl<'a> Run<'a> {
    pub(super) fn begin(conn: &'a mut Conn, options: Options<'a>) -> DbResult<Run<'a>> {
        let mut findings = Findings::default();
        let state = trail::state(conn)?;
        let last = store::last_place(conn)?;
        if state.is_none() && last.is_some() {
            findings.add((L2, "log_state_missing"), "log_state", None, "there are leaves, but no state of the log");
        }
        let rows = last.map_or(0, |last| last.saturating_add(1)).max(0);
        let size = state.as_ref().map_or(rows, |state| state.size.max(0));
        Ok(Run { conn, options, findings, state, size, rows })
    }

    fn has_leaves(&self) -> bool {
        self.state.is_some() || self.rows > 0
    }
}

/// L0: the log against what it once signed.
pub(super) fn checkpoints(run: &mut Run<'_>, beside: &Beside) -> DbResult<()> {
    match &run.state {
        Some(state) => super::checkpoints::compare(run.conn, beside, &run.options, state, &mut run.findings),
        None => {
            super::checkpoints::without_a_log(beside, &run.options, &mut run.findings);
            Ok(())
        }
    }
}

/// L1: single leaves against a checkpoint.
pub(super) fn inclusion(run: &mut Run<'_>) -> DbResult<()> {
    match &run.state {
        Some(state) => sampled::compare(run.conn, state, &mut run.findings),
        None => Ok(()),
    }
}

/// L2, L3 and L5: one pass over every leaf and all that hangs on it.
fn pass(
    run: &mut Run<'_>,
    (readers, along): (&mut [Conn], Along<'_>),
    beside: Beside,
    aside: Conn,
    settings: Settings,
) -> DbResult<Checker> {
    let mut findings = std::mem::take(&mut run.findings);
    let conn = &mut *run.conn;
    let origin = origin(conn, run.state.as_ref(), &mut findings)?;
    let tables =
        Tables { ranges: ranges(conn)?, repeats: Repeats::new(run.size), runs: Runs::read(conn)?, stored: Stored::read(conn)? };
    let closes = store::events_of(conn, KIND)?;
    let mut checker = Checker::new(origin.clone(), findings, Entries::new(aside, settings, tables));
    checker.heads = Heads::of(&closes);
    checker.erased = Erased::read(conn, beside.register)?;
    checker.sealed = Sealed::read(conn, &beside.keys, &origin)?;
    let origins = if run.state.is_some() { Origins::of(conn)? } else { Origins::one(&origin) };
    let readers = Readers { held: conn, beside: readers, learning: checker.entries.learning(), origins: &origins };
    let told = |checker: &Checker, done: u64| {
        (run.options.progress)(done, run.size.unsigned_abs());
        checker.reached().iter().for_each(along);
    };
    stream(readers, &mut checker, run.size.min(run.rows), &told)?;
    if checker.odd || !store::outside(run.conn, run.size)?.is_empty() {
        classes::tell(classes::of_entries(run.conn)?, &mut checker.findings);
    }
    let mut checker = edges(run, checker)?;
    named(run.state.as_ref(), &checker.origin, &mut checker.findings);
    checker.entries.joining.settle(&mut checker.findings);
    Ok(checker)
}

#[derive(Deserialize)]
struct CreatedBody {
    origin: String,
}

/// The name that the log began with: as its list of names says, unless leaf 0 and its tile say that was
/// changed.
fn origin(conn: &mut Conn, state: Option<&LogState>, findings: &mut Findings) -> DbResult<String> {
    let created = trail::event(conn, 0)?.map(|(row, _)| row);
    if created.as_ref().is_some_and(|row| row.kind != "log.created") {
        findings.add((L3, "first_leaf_wrong"), "events", 0, "leaf 0 is not the event log.created");
    }
    let said = created.as_ref().and_then(|row| serde_json::from_str::<CreatedBody>(&row.body).ok()).map(|body| body.origin);
    let stated = if state.is_some() { Some(Origins::of(conn)?.at(0).to_owned()) } else { None };
    let (Some(stated), Some(said), Some(row)) = (&stated, &said, &created) else {
        return Ok(stated.or(said).unwrap_or_default());
    };
    let tile = trail::tile(conn, 0, 0)?.unwrap_or_default();
    let right = stated == said || row.leaf_hash(said).is_ok_and(|hash| tile.starts_with(&hash));
    Ok(if right { said.clone() } else { stated.clone() })
}

/// The log state must have the name that the newest leaf has.
fn named(state: Option<&LogState>, origin: &str, findings: &mut Findings) {
    if state.is_some_and(|state| state.origin != origin) {
        findings.add((L2, "origin_differs"), "log_state", 0, "the log state and the leaves do not name the same origin");
    }
}

fn ranges(conn: &mut Conn) -> DbResult<Ranges> {
    let mut ranges = Ranges::default();
    for date in store::range_dates(conn)? {
        let limit = ranges.room() as i64;
        if limit == 0 {
            break;
        }
        ranges.add_date(date, store::ranges_of(conn, date, limit)?);
    }
    Ok(ranges)
}

/// What lies at and beyond the end of the log, and the root.
fn edges(run: &mut Run<'_>, mut checker: Checker) -> DbResult<Checker> {
    let (conn, size, rows, findings) = (&mut *run.conn, run.size, run.rows, &mut checker.findings);
    if size > rows {
        let text = "neither an entry nor an event has this place, nor any after it";
        findings.add_range((L2, "leaf_missing"), "entries", (rows, size), text);
        checker.tree.cut();
    }
    for (table, seq) in store::outside(conn, size)? {
        findings.add((L2, "row_outside_log"), table, seq, format!("the log has {size} leaves: this row is in none of them"));
    }
    for (level, idx) in store::tiles_beyond(conn, size)? {
        findings.add((L2, "tile_extra"), "tiles", None, format!("a log of {size} leaves has no full tile {level}/{idx}"));
    }
    let tree = std::mem::take(&mut checker.tree);
    tree.finish(run.state.as_ref().map(|state| state.root.as_slice()), &store::upper_tiles(conn)?, findings);
    if let (Some(state), Some(recorded_at)) = (&run.state, checker.recorded_at)
        && state.recorded_at != recorded_at
    {
        findings.add((L3, "time_differs"), "log_state", None, "recorded_at is not that of the newest leaf");
    }
    if let (Some(state), Some(epoch)) = (&run.state, checker.epoch)
        && state.epoch != epoch
    {
        let detail = format!("the epoch is {}, the newest start of the program says {epoch}", state.epoch);
        findings.add((L4, "epoch_differs"), "log_state", None, detail);
    }
    Ok(checker)
}

/// L4: every table that follows; with a connection `aside` that sees the same, two at once.
fn follow(run: &mut Run<'_>, passed: Checker, mut aside: Vec<Conn>) -> DbResult<()> {
    let Checker { mut findings, entries, follow, erased, sealed, .. } = passed;
    let mut opener = sealed.finish(&mut findings);
    let Entries { breaks, reversed, figures, hits, joining, ranges, repeats, runs, accounts, stored, .. } = entries;
    let (conn, size) = (&mut *run.conn, run.size);
    let findings_ref = &mut findings;
    erased.finish(findings_ref);
    ranges.finish(findings_ref);
    figures.finish(conn, findings_ref)?;
    breaks.finish(conn, None, &joining, findings_ref)?;
    reversed.finish(conn, findings_ref)?;
    hits.finish(conn, findings_ref)?;
    let states_from = run.state.as_ref().map_or(0, |state| state.states_from);
    let now = run.options.now;
    let (mut of_runs, one) = (Findings::default(), aside.pop());
    thread::scope(|scope| {
        let runs = |conn: &mut Conn| runs.finish(conn, &mut of_runs);
        let beside = match one {
            Some(mut one) => Some(scope.spawn(move || runs(&mut one))),
            None => runs(conn).map(|()| None)?,
        };
        repeats.finish(conn, size, findings_ref)?;
        stored.finish(conn, &accounts, states_from, findings_ref)?;
        follow.finish(conn, (&joining, &mut opener), now, findings_ref)?;
        beside.map_or(Ok(()), |beside| beside.join().map_err(|_| failed())?)
    })?;
    findings.merge(of_runs);
    run.findings = findings;
    Ok(())
}
