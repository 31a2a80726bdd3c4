//! The last instant before another, on an account of any length.
//!
//! How far booked time had come at an entry never decreases along the account, so the last entry at
//! which it had not come to the instant is found in a logarithmic number of steps along the jump
//! pointers. What is in order ends there. Late entries have an index of their own: those that were
//! booked after that and before the instant lie side by side in it.

pub mod store;

use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;

use store::Booked;

/// Late entries that one question looks at: more can only be asked for where that many were booked before an
/// instant, but recorded after what is to be known of it.
pub const LATE_MAX: usize = 10_000;
/// Late entries read at once.
const PAGE: i64 = 256;
/// Entries of one instant that are put in order.
pub(super) const INSTANT_MAX: usize = 256;

/// What the entries of the last instant before `at` are, among those of `account` up to `newest` that
/// were recorded at or before `known_at`: the newest in the log first, at most [`INSTANT_MAX`].
/// `None` when that would take looking at more than [`LATE_MAX`] late entries.
pub(super) fn before(
    conn: &mut Conn,
    (account, newest): (Seq, Seq),
    at: Moment,
    known_at: Moment,
) -> DbResult<Option<Vec<Booked>>> {
    let Some(known) = store::last_recorded(conn, newest, known_at)? else { return Ok(Some(Vec::new())) };
    let order = store::last_reaching(conn, known, at)?;
    let in_order = order.and_then(|order| order.reached.zip(order.by));
    let from = in_order.map_or(i64::MIN, |(instant, _)| instant);
    let Some((instant, late)) = late(conn, account, (from, at.0), known)? else { return Ok(None) };
    let mut found = match in_order {
        Some((reached, by)) if instant.is_none_or(|late| late == reached) => store::of_instant(conn, by, reached)?,
        _ => Vec::new(),
    };
    found.extend(store::booked_at(conn, &late)?);
    found.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.seq));
    found.truncate(INSTANT_MAX);
    Ok(Some(found))
}

/// The latest instant of late entries, and its entries.
type Late = (Option<i64>, Vec<Seq>);

/// The late entries up to `known` of the last instant from `from` to before `to`; `None` when too many
/// must be looked at.
fn late(conn: &mut Conn, account: Seq, (from, to): (i64, i64), known: Seq) -> DbResult<Option<Late>> {
    let (mut instant, mut found, mut after, mut seen) = (None, Vec::new(), None, 0);
    loop {
        let page = crate::ledger::order::store::late(conn, account, from, to, after, PAGE)?;
        for (seq, late_at) in &page {
            if instant.is_some_and(|instant| instant != *late_at) || found.len() == INSTANT_MAX {
                return Ok(Some((instant, found)));
            }
            if *seq <= known {
                instant = Some(*late_at);
                found.push(*seq);
            }
        }
        seen += page.len();
        after = page.last().copied();
        if (page.len() as i64) < PAGE {
            return Ok(Some((instant, found)));
        }
        if seen >= LATE_MAX {
            return Ok(None);
        }
    }
}

fn broken(seq: Seq) -> DbError {
    DbError::Corrupt(format!("the pointers of entry {seq} lead nowhere; run `counterfoil verify`"))
}
