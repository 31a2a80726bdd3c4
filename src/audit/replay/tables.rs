//! The tables that are compared, and what of them is left out.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::db::bulk::BulkRow;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::notify::store::{OutboxRow, PENDING};
use crate::trail::store::{self as trail, LogState};

use super::super::follow::rows as follow_rows;
use super::super::store as audit_store;
use super::compare::{Comparison, Of};
use super::store;

/// Places compared at once.
const STRETCH: Seq = 10_000;

/// What replay does not compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The table.
    pub table: &'static str,
    /// The column; `None`: all of it.
    pub column: Option<&'static str>,
    /// Why.
    pub reason: &'static str,
}

const fn left_out(table: &'static str, column: Option<&'static str>, reason: &'static str) -> LeftOut {
    LeftOut { table, column, reason }
}

/// Tables and columns that are not compared; `verify` holds those that have no reason of their own against the log.
pub const LEFT_OUT: &[LeftOut] = &[
    left_out("account_states", None, "what the sequencer remembers between batches; the replay had its own"),
    left_out("index_runs", None, "sorted from the entries whenever a segment closes; `verify` compares them"),
    left_out("index_pages", None, "pages of index runs"),
    left_out("checkpoints", None, "signed notes: `verify` holds them against the tree"),
    left_out("proposals", None, "its triggers let in no proposal that is decided already; `verify` derives the table again"),
    left_out("sessions", None, "the log knows a session by a digest only; `verify` compares it"),
    left_out("reports", None, "frozen bytes, of which the log holds the digests; `verify` compares them"),
    left_out("erasures", None, "what was erased is not there to be erased again; `verify` holds it against the log"),
    left_out("erased", None, "the places of erasures; `verify` holds them against the log"),
    left_out("holds", None, "what must not be erased; `verify` compares it"),
    left_out("recovery_keys", None, "keys are of one installation; `verify` compares them"),
    left_out("data_keys", None, "keys are of one installation; `verify` compares them"),
    left_out("sealed_parts", None, "an export has nothing sealed; `verify` opens it as far as a master key is at hand"),
    left_out("record_fields", None, "values lie beside the log, and an export has none; `verify` holds them against the log"),
    left_out("record_snapshots", None, "made of the values; `verify` makes them again"),
    left_out("inbox", None, "requests on their way between two processes"),
    left_out("mail_groups", None, "until when further mail is held back"),
    left_out("day_ranges", Some("first_seq"), "ranges begin anew with every start: a date's ranges are compared as a whole"),
    left_out("users", Some("password_hash"), "the log holds a digest of it; `verify` compares that"),
    left_out("users", Some("failures"), "counts wrong passwords, without an event each"),
    left_out("users", Some("locked_until"), "follows from that count"),
    left_out("anchors", Some("signed_at"), "is in the note that came back, not in the log"),
    left_out("outbox", Some("not_before"), "when mail that waits is tried next"),
    left_out("outbox", Some("attempts"), "of mail that waits"),
    left_out("outbox", Some("last_error"), "of mail that waits"),
    left_out("outbox", Some("message_id"), "of mail that waits"),
    left_out("import_runs", Some("rows_done"), "of an import under way"),
    left_out("day_refusals", Some("rows"), "may be more than the log tells on a day with a flood that is not told yet"),
    left_out("log_state", Some("epoch"), "counts the starts of the program"),
    left_out("log_state", Some("states_from"), "where the next start reads on"),
];

/// Compares everything.
pub(super) fn compare(live: &mut Conn, built: &mut Conn, state: &LogState, root: &[u8; 32], to: &mut Comparison) -> DbResult<()> {
    if state.root != root {
        to.differ("log_state", "root", None, "root", &hex::encode(&state.root), &hex::encode(root));
    }
    if let Some(own) = trail::state(built)?
        && own.recorded_at != state.recorded_at
    {
        to.differ("log_state", "1", None, "recorded_at", &state.recorded_at.to_string(), &own.recorded_at.to_string());
    }
    let expired = std::mem::take(&mut to.expired);
    let mut from = 0;
    while from < state.size {
        let until = state.size.min(from + STRETCH);
        log_tables(live, built, (from, until), to)?;
        defined(live, built, (from, until), &expired, to)?;
        followed(live, built, (from, until), &expired, to)?;
        from = until;
    }
    tiles(live, built, state.size, to)?;
    days(live, built, to)?;
    whole(live, built, &expired, to)
}

/// A table whose rows have a place, by that place; `rest` tells rows of one place apart.
macro_rules! placed {
    ($live:expr, $built:expr, $range:expr, $to:expr, $table:ident, |$row:ident| $key:expr, $left_out:expr) => {{
        let (from, until) = $range;
        let (live, built) = (store::$table($live, from, until)?, store::$table($built, from, until)?);
        $to.placed(stringify!($table), (live, built), |$row| $key, &$left_out);
    }};
}

fn all<R>(_: &R, _: &R, _: &str) -> bool {
    false
}

/// Entries and events, with what both sides still have of their private parts.
fn log_tables(live: &mut Conn, built: &mut Conn, range: (Seq, Seq), to: &mut Comparison) -> DbResult<()> {
    placed!(live, built, range, to, entries, |row| (row.seq, String::new()), all);
    placed!(live, built, range, to, events, |row| (row.seq, String::new()), all);
    let (from, until) = range;
    // What is on one side only was erased since the export, or the export was made without it.
    let parts = Of {
        table: "entry_parts",
        key: |row: &crate::ledger::store::EntryPartRow| (row.seq, String::new()),
        placed: true,
        left_out: &all,
        one_sided: &|_| true,
    };
    to.rows(&parts, store::entry_parts(live, from, until)?, store::entry_parts(built, from, until)?);
    let parts = Of {
        table: "event_parts",
        key: |row: &trail::EventPartRow| (row.seq, String::new()),
        placed: true,
        left_out: &all,
        one_sided: &|_| true,
    };
    to.rows(&parts, store::event_parts(live, from, until)?, store::event_parts(built, from, until)?);
    Ok(())
}

/// What events define; of a definition whose private part is gone, the public columns.
fn defined(live: &mut Conn, built: &mut Conn, range: (Seq, Seq), expired: &BTreeSet<Seq>, to: &mut Comparison) -> DbResult<()> {
    placed!(live, built, range, to, sources, |row| (row.id, String::new()), all);
    placed!(live, built, range, to, rule_sets, |row| (row.id, String::new()), all);
    placed!(live, built, range, to, accounts, |row| (row.id, String::new()), |row, _, column| {
        column == "number" && expired.contains(&row.id)
    });
    placed!(live, built, range, to, contexts, |row| (row.id, String::new()), |row, _, column| {
        column != "source" && expired.contains(&row.id)
    });
    placed!(live, built, range, to, deliveries, |row| (row.id, String::new()), |row, _, column| {
        (column == "origin" || column == "fingerprint") && expired.contains(&row.id)
    });
    Ok(())
}

/// What was decided, and what officers and jobs made of it.
fn followed(live: &mut Conn, built: &mut Conn, range: (Seq, Seq), expired: &BTreeSet<Seq>, to: &mut Comparison) -> DbResult<()> {
    placed!(live, built, range, to, asides, |row| (row.seq, String::new()), all);
    placed!(live, built, range, to, reversals, |row| (row.seq, String::new()), all);
    placed!(live, built, range, to, hits, |row| (row.seq, row.rule.clone()), all);
    placed!(live, built, range, to, breaks, |row| (row.seq, row.kind.to_string()), all);
    placed!(live, built, range, to, alerts, |row| (row.id, String::new()), |row, _, column| {
        column == "comment" && row.closed_seq.is_some_and(|seq| expired.contains(&seq))
    });
    placed!(live, built, range, to, users, |row| (row.id, String::new()), |row, _, column| {
        matches!(column, "password_hash" | "failures" | "locked_until") || (column == "email" && expired.contains(&row.id))
    });
    placed!(live, built, range, to, api_keys, |row| (row.id, String::new()), all);
    placed!(live, built, range, to, acts, |row| (row.id, String::new()), all);
    placed!(live, built, range, to, feed_closings, |row| (row.seq, row.currency.clone()), all);
    placed!(live, built, range, to, anchors, |row| (row.id, String::new()), |_, _, column| column == "signed_at");
    placed!(live, built, range, to, records, |row| (row.id, String::new()), |row, _, column| {
        column == "reference" && expired.contains(&row.id)
    });
    placed!(live, built, range, to, record_changes, |row| (row.seq, String::new()), |row, _, column| {
        column == "actor" && expired.contains(&row.seq)
    });
    placed!(live, built, range, to, record_breaks, |row| (row.seq, String::new()), all);
    placed!(live, built, range, to, outbox, |row| (row.about, row.id.to_string()), |row: &OutboxRow, _, column| {
        let waits = row.state == PENDING && matches!(column, "attempts" | "last_error" | "message_id");
        waits || column == "not_before" || (matches!(column, "recipient" | "last_error") && expired.contains(&row.about))
    });
    Ok(())
}

fn tiles(live: &mut Conn, built: &mut Conn, size: Seq, to: &mut Comparison) -> DbResult<()> {
    let of = Of {
        table: "tiles",
        key: |row: &trail::TileRow| (i64::from(row.level), row.idx.to_string()),
        placed: false,
        left_out: &all,
        one_sided: &|_| false,
    };
    for level in 0..8_i16 {
        let full = size.checked_shr(8 * (level as u32 + 1)).unwrap_or(0);
        for from in (0..=full).step_by(1_000) {
            to.rows(&of, store::tiles_of(live, level, from, from + 1_000)?, store::tiles_of(built, level, from, from + 1_000)?);
        }
    }
    Ok(())
}

/// Figures and ranges, date by date.
fn days(live: &mut Conn, built: &mut Conn, to: &mut Comparison) -> DbResult<()> {
    let figures = Of {
        table: "day_figures",
        key: |row: &audit_store::FigureRow| {
            let rest = format!("{} {} {} {} {}", row.source, row.currency, row.kind, row.status, row.hour);
            (i64::from(row.business_date), rest)
        },
        placed: false,
        left_out: &all,
        one_sided: &|_| false,
    };
    let ranges = Of {
        table: "day_ranges",
        key: |row: &audit_store::RangeRow| (i64::from(row.business_date), String::new()),
        placed: false,
        left_out: &all,
        one_sided: &|_| false,
    };
    let mut dates: BTreeSet<i32> = BTreeSet::new();
    for conn in [&mut *live, &mut *built] {
        dates.extend(audit_store::figure_dates(conn)?);
        dates.extend(audit_store::range_dates(conn)?);
    }
    for date in dates {
        to.rows(&figures, audit_store::figures_of(live, date)?, audit_store::figures_of(built, date)?);
        let (one, two) = (store::range_of(live, date)?, store::range_of(built, date)?);
        to.rows(&ranges, one.into_iter().collect(), two.into_iter().collect());
    }
    Ok(())
}

/// Tables that are small.
fn whole(live: &mut Conn, built: &mut Conn, expired: &BTreeSet<Seq>, to: &mut Comparison) -> DbResult<()> {
    let refusals = Of {
        table: "day_refusals",
        key: |row: &follow_rows::RefusalRow| (i64::from(row.business_date), format!("{} {}", row.source, row.code)),
        placed: false,
        left_out: &|live, replayed, _| live.rows > replayed.rows,
        one_sided: &|_| false,
    };
    to.rows(&refusals, follow_rows::refusals(live)?, follow_rows::refusals(built)?);
    let imports = Of {
        table: "import_runs",
        key: |row: &follow_rows::ImportRunRow| (0, row.digest.clone()),
        placed: false,
        left_out: &|live, _, _| live.state == "running",
        // Without its digest a run cannot be told from another.
        one_sided: &|_| !expired.is_empty(),
    };
    to.rows(&imports, follow_rows::import_runs(live)?, follow_rows::import_runs(built)?);
    small(
        "searches",
        store::all_searches(live)?,
        store::all_searches(built)?,
        |row| (row.created_at, row.id.clone()),
        expired,
        to,
    );
    let (one, two) = (trail::generations(live)?, trail::generations(built)?);
    small("generations", one, two, |row| (row.first_seq, String::new()), &BTreeSet::new(), to);
    let (one, two) = (trail::rotations(live)?, trail::rotations(built)?);
    small("key_rotations", one, two, |row| (row.id, String::new()), &BTreeSet::new(), to);
    let (one, two) = (store::all_jobs(live)?, store::all_jobs(built)?);
    small("jobs", one, two, |row| (0, row.name.clone()), &BTreeSet::new(), to);
    Ok(())
}

fn small<R: BulkRow>(
    table: &'static str,
    live: Vec<R>,
    built: Vec<R>,
    key: fn(&R) -> (i64, String),
    expired: &BTreeSet<Seq>,
    to: &mut Comparison,
) {
    let of = Of { table, key, placed: false, left_out: &all, one_sided: &|_| !expired.is_empty() };
    to.rows(&of, live, built);
}
