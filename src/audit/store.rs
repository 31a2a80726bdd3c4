//! What the audit reads: everything that hangs on a place in the log, slice by slice, and the
//! tables that follow from it.

use counterfoil_verify::tile::tile_root;
use counterfoil_verify::{EntryLeaf, Hash};
use diesel::prelude::*;

use crate::alerts::store::HitRow;
use crate::db::schema::{
    account_states, accounts, asides, breaks, contexts, day_figures, day_ranges, deliveries, entries, entry_parts, event_parts,
    events, hits, index_pages, index_runs, rule_sets, sealed_parts, sources, tiles,
};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::intake::runs::{PageRow, RunRow};
use crate::ledger::order::store::{self as order, AsideRow};
use crate::ledger::store::{AccountRow, BreakRow, ContextRow, DeliveryRow, EntryPartRow, SourceRow};
use crate::trail::sealing::store::SealedPartRow;
use crate::trail::store::{EventPartRow, EventRow, TileRow};
use crate::{bulk_row, on_conn};

use super::rows::Rows;
use super::tree::TILE_LEAVES;

bulk_row! {
    /// A row of `rule_sets`.
    RuleSetRow => rule_sets { id: i64, version: i64, body: String, recorded_at: i64 }
}
bulk_row! {
    /// A row of `day_figures`.
    FigureRow => day_figures {
        business_date: i32, source: i64, currency: String, kind: i16, status: i16, hour: i64,
        entries: i64, credits: i64, debits: i64,
    }
}
bulk_row! {
    /// A row of `day_ranges`.
    RangeRow => day_ranges { business_date: i32, first_seq: i64, last_seq: i64, entries: i64 }
}

/// Everything at the places from `from` to before `to`, each list in order of place.
pub(super) struct Slice {
    pub(super) from: Seq,
    pub(super) to: Seq,
    pub(super) entries: Rows,
    pub(super) entry_parts: Vec<EntryPartRow>,
    pub(super) sealed_parts: Vec<SealedPartRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) event_parts: Vec<EventPartRow>,
    pub(super) sources: Vec<SourceRow>,
    pub(super) accounts: Vec<AccountRow>,
    pub(super) contexts: Vec<ContextRow>,
    pub(super) deliveries: Vec<DeliveryRow>,
    pub(super) rule_sets: Vec<RuleSetRow>,
    pub(super) asides: Vec<AsideRow>,
    pub(super) hits: Vec<HitRow>,
    /// The full tiles of level 0 that begin in the slice, each with the root of what it holds.
    pub(super) tiles: Vec<(TileRow, Option<Hash>)>,
}

/// Rows of a table whose key lies in a range, in order of the key.
macro_rules! between {
    ($conn:expr, $table:ident . $key:ident, $row:ty, $from:expr, $to:expr) => {{
        let query = $table::table.filter($table::$key.ge($from)).filter($table::$key.lt($to)).order($table::$key);
        on_conn!($conn, |c| query.select(<$row>::as_select()).load(c))?
    }};
}

/// Reads a slice; `from` and `to` are multiples of a tile's leaves, but for the end of the log. `origin`
/// is the name that its leaves are thought to have; `each` meets every entry,
/// and the entries take the room of those that are `spent`.
pub(super) fn slice(
    conn: &mut Conn,
    (from, to): (Seq, Seq),
    origin: &str,
    spent: Rows,
    each: impl FnMut(&EntryLeaf<'_>),
) -> DbResult<Slice> {
    Ok(Slice {
        from,
        to,
        entries: Rows::read(conn, (from, to), origin, spent, each)?,
        entry_parts: between!(conn, entry_parts.seq, EntryPartRow, from, to),
        sealed_parts: between!(conn, sealed_parts.seq, SealedPartRow, from, to),
        events: between!(conn, events.seq, EventRow, from, to),
        event_parts: between!(conn, event_parts.seq, EventPartRow, from, to),
        sources: between!(conn, sources.id, SourceRow, from, to),
        accounts: between!(conn, accounts.id, AccountRow, from, to),
        contexts: between!(conn, contexts.id, ContextRow, from, to),
        deliveries: between!(conn, deliveries.id, DeliveryRow, from, to),
        rule_sets: between!(conn, rule_sets.id, RuleSetRow, from, to),
        asides: order::between(conn, from, to)?,
        hits: between!(conn, hits.seq, HitRow, from, to),
        tiles: level_0(conn, from / TILE_LEAVES, to / TILE_LEAVES)?,
    })
}

fn level_0(conn: &mut Conn, from: i64, to: i64) -> DbResult<Vec<(TileRow, Option<Hash>)>> {
    let query = tiles::table.filter(tiles::level.eq(0)).filter(tiles::idx.ge(from)).filter(tiles::idx.lt(to)).order(tiles::idx);
    let tiles: Vec<TileRow> = on_conn!(conn, |c| query.select(TileRow::as_select()).load(c))?;
    let rooted = |tile: TileRow| {
        let root = tile_root(&tile.data).ok();
        (tile, root)
    };
    Ok(tiles.into_iter().map(rooted).collect())
}

/// Whether a table has a row.
pub(super) fn has_rows(conn: &mut Conn, table: &'static str) -> DbResult<bool> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        found: i64,
    }
    let query = diesel::sql_query(format!("SELECT count(*) AS found FROM (SELECT 1 AS one FROM {table} LIMIT 1) AS first"));
    let row: Found = on_conn!(conn, |c| query.get_result(c))?;
    Ok(row.found > 0)
}

/// The first place at or after `from` that has an entry or an event.
pub(super) fn next_place(conn: &mut Conn, from: Seq) -> DbResult<Option<Seq>> {
    let entry = entries::table.filter(entries::seq.ge(from)).select(diesel::dsl::min(entries::seq));
    let entry: Option<Seq> = on_conn!(conn, |c| entry.first(c))?;
    let event = events::table.filter(events::seq.ge(from)).select(diesel::dsl::min(events::seq));
    let event: Option<Seq> = on_conn!(conn, |c| event.first(c))?;
    Ok(entry.into_iter().chain(event).min())
}

/// The last place that has an entry or an event.
pub(super) fn last_place(conn: &mut Conn) -> DbResult<Option<Seq>> {
    let entry: Option<Seq> = on_conn!(conn, |c| entries::table.select(diesel::dsl::max(entries::seq)).first(c))?;
    let event: Option<Seq> = on_conn!(conn, |c| events::table.select(diesel::dsl::max(events::seq)).first(c))?;
    Ok(entry.into_iter().chain(event).max())
}

/// Keys outside 0 to before `size`, by table, at most 1,000 each.
pub(super) fn outside(conn: &mut Conn, size: Seq) -> DbResult<Vec<(&'static str, Seq)>> {
    let mut found = Vec::new();
    macro_rules! strays {
        ($($table:ident . $key:ident),*) => { $(
            let query = $table::table.filter($table::$key.lt(0).or($table::$key.ge(size))).select($table::$key);
            let keys: Vec<i64> = on_conn!(conn, |c| query.order($table::$key).limit(1_000).load(c))?;
            found.extend(keys.into_iter().map(|key| (stringify!($table), key)));
        )* };
    }
    strays!(entries.seq, events.seq, entry_parts.seq, event_parts.seq, sealed_parts.seq, asides.seq, hits.seq);
    strays!(sources.id, accounts.id, contexts.id, deliveries.id, rule_sets.id);
    Ok(found)
}

/// Every tile above level 0, and none of a level that cannot be.
pub(super) fn upper_tiles(conn: &mut Conn) -> DbResult<Vec<TileRow>> {
    let query = tiles::table.filter(tiles::level.between(1, 7)).order((tiles::level, tiles::idx));
    Ok(on_conn!(conn, |c| query.select(TileRow::as_select()).load(c))?)
}

/// Tiles that a log of `size` leaves cannot have: level and number, at most 1,000.
pub(super) fn tiles_beyond(conn: &mut Conn, size: Seq) -> DbResult<Vec<(i16, i64)>> {
    let mut found = Vec::new();
    for level in 0..8_i16 {
        let full = size.checked_shr(8 * (level as u32 + 1)).unwrap_or(0);
        let query = tiles::table.filter(tiles::level.eq(level)).filter(tiles::idx.lt(0).or(tiles::idx.ge(full)));
        let some: Vec<(i16, i64)> =
            on_conn!(conn, |c| query.select((tiles::level, tiles::idx)).order(tiles::idx).limit(1_000).load(c))?;
        found.extend(some);
    }
    let query = tiles::table.filter(tiles::level.lt(0).or(tiles::level.gt(7)));
    let odd: Vec<(i16, i64)> = on_conn!(conn, |c| query.select((tiles::level, tiles::idx)).limit(1_000).load(c))?;
    found.extend(odd);
    Ok(found)
}

/// Place, source and reference of the entries from `from` to before `to`.
pub(super) fn source_refs(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<(Seq, Seq, String)>> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to)).order(entries::seq);
    Ok(on_conn!(conn, |c| query.select((entries::seq, entries::source, entries::source_ref)).load(c))?)
}

/// Breaks named at `from` or later, in order, at most `limit`.
pub(super) fn breaks_from(conn: &mut Conn, from: Seq, limit: i64) -> DbResult<Vec<BreakRow>> {
    let query = breaks::table.filter(breaks::seq.ge(from)).order((breaks::seq, breaks::kind)).limit(limit);
    Ok(on_conn!(conn, |c| query.select(BreakRow::as_select()).load(c))?)
}

/// The dates that have figures.
pub(super) fn figure_dates(conn: &mut Conn) -> DbResult<Vec<i32>> {
    let query = day_figures::table.select(day_figures::business_date).distinct().order(day_figures::business_date);
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The figures of a date.
pub(super) fn figures_of(conn: &mut Conn, date: i32) -> DbResult<Vec<FigureRow>> {
    let query = day_figures::table.filter(day_figures::business_date.eq(date));
    Ok(on_conn!(conn, |c| query.select(FigureRow::as_select()).load(c))?)
}

/// The dates that have ranges.
pub(super) fn range_dates(conn: &mut Conn) -> DbResult<Vec<i32>> {
    let query = day_ranges::table.select(day_ranges::business_date).distinct().order(day_ranges::business_date);
    Ok(on_conn!(conn, |c| query.load(c))?)
}

/// The ranges of a date, in order, at most `limit`.
pub(super) fn ranges_of(conn: &mut Conn, date: i32, limit: i64) -> DbResult<Vec<RangeRow>> {
    let query = day_ranges::table.filter(day_ranges::business_date.eq(date)).order(day_ranges::first_seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(RangeRow::as_select()).load(c))?)
}

/// The stored rule sets.
pub(super) fn rule_set_bodies(conn: &mut Conn) -> DbResult<Vec<String>> {
    Ok(on_conn!(conn, |c| rule_sets::table.order(rule_sets::id).select(rule_sets::body).load(c))?)
}

/// Accounts with a stored state, and up to which entry it goes.
pub(super) fn states_as_of(conn: &mut Conn) -> DbResult<Vec<(Seq, Seq)>> {
    Ok(on_conn!(conn, |c| account_states::table.select((account_states::account, account_states::as_of)).load(c))?)
}

/// Stored states of the accounts after `after`, in order, at most `limit`.
pub(super) fn states_after(conn: &mut Conn, after: Seq, limit: i64) -> DbResult<Vec<(Seq, Seq, Vec<u8>)>> {
    let query = account_states::table.filter(account_states::account.gt(after)).order(account_states::account).limit(limit);
    let columns = (account_states::account, account_states::as_of, account_states::body);
    Ok(on_conn!(conn, |c| query.select(columns).load(c))?)
}

/// Every index run, by kind and first entry.
pub(super) fn index_runs(conn: &mut Conn) -> DbResult<Vec<RunRow>> {
    let query = index_runs::table.order((index_runs::kind, index_runs::first_seq));
    Ok(on_conn!(conn, |c| query.select(RunRow::as_select()).load(c))?)
}

/// Pages of a run from `from` on, in order, at most `limit`.
pub(super) fn index_pages(conn: &mut Conn, run: i64, from: i64, limit: i64) -> DbResult<Vec<PageRow>> {
    let query = index_pages::table.filter(index_pages::run.eq(run)).filter(index_pages::page.ge(from));
    let query = query.order(index_pages::page).limit(limit);
    Ok(on_conn!(conn, |c| query.select(PageRow::as_select()).load(c))?)
}

/// Every event of a kind, oldest first.
pub(super) fn events_of(conn: &mut Conn, kind: &str) -> DbResult<Vec<EventRow>> {
    let query = events::table.filter(events::kind.eq(kind)).order(events::seq);
    Ok(on_conn!(conn, |c| query.select(EventRow::as_select()).load(c))?)
}
