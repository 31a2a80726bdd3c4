//! The last instant before another, on an account of any length.
//!
//! How far booked time had come at an entry never decreases along the account, so the last entry at
//! which it had not come to the instant is found in a logarithmic number of steps along the jump
//! pointers. What is in order ends there. Late entries have an index of their own: those that were
//! booked after that and before the instant lie side by side in it.
//!
//! Which entry of an instant is its last, [`course`] says: where the instant does not show that by
//! itself, those around it are read too, [`AROUND_MAX`] each way at most.

pub mod store;

use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::Movement;
use crate::ledger::continuity::{GROUP_MAX, Proof, Standing, course, standing};

/// Late entries that one question looks at: more can only be asked for where that many were booked before an
/// instant, but recorded after what is to be known of it.
pub const LATE_MAX: usize = 10_000;
/// Late entries read at once.
const PAGE: i64 = 256;
/// Instants that are read before one, or after it, to know how it ends.
const AROUND_MAX: usize = 32;

/// The entries of the last instant before `at`, among those of `account` up to `known`, and those of
/// the instants around it that decide their order. `None` when that would take looking at more than
/// [`LATE_MAX`] late entries.
pub(super) fn deciding(conn: &mut Conn, (account, known): (Seq, Seq), at: Moment) -> DbResult<Option<Vec<Movement>>> {
    let Some(mut window) = before(conn, (account, known), at)? else { return Ok(None) };
    let Some(asked) = window.first().map(|entry| entry.booked_at) else { return Ok(Some(window)) };
    let (mut earliest, mut stands) = (asked, standing(&window));
    for _ in 0..AROUND_MAX {
        if matches!(stands, Standing::Alone | Standing::Unstated) {
            break;
        }
        let Some(earlier) = before(conn, (account, known), Moment(earliest))? else { break };
        let Some(first) = earlier.first() else { break };
        let last = stands == Standing::Broken;
        (earliest, stands) = (first.booked_at, standing(&earlier));
        window.extend(earlier);
        if last {
            break;
        }
    }
    let mut latest = asked;
    for _ in 0..AROUND_MAX {
        if !course(&window).iter().any(|instant| instant.at == asked && instant.proof == Proof::Undecided) {
            break;
        }
        let Some(next) = next(conn, (account, known), latest.saturating_add(1))? else { break };
        let Some(later) = before(conn, (account, known), Moment(next.saturating_add(1)))? else { break };
        let goes_on = standing(&later) == Standing::Loop;
        window.extend(later);
        latest = next;
        if !goes_on {
            break;
        }
    }
    Ok(Some(window))
}

/// The entries of the last instant before `at`, the newest at most [`GROUP_MAX`] of them.
fn before(conn: &mut Conn, (account, known): (Seq, Seq), at: Moment) -> DbResult<Option<Vec<Movement>>> {
    let order = store::last_reaching(conn, known, at)?;
    let in_order = order.and_then(|order| order.reached.zip(order.by));
    let from = in_order.map_or(i64::MIN, |(instant, _)| instant);
    let Some((instant, mut found)) = late(conn, account, (from, at.0), known)? else { return Ok(None) };
    if let Some((reached, by)) = in_order.filter(|(reached, _)| instant.is_none_or(|late| late == *reached)) {
        found.extend(store::of_instant(conn, by, reached)?);
    }
    found.sort_unstable_by_key(|seq| std::cmp::Reverse(*seq));
    found.truncate(GROUP_MAX);
    super::store::past(conn, &found).map(Some)
}

/// The first instant at or after `from`, as far as it can be told at once.
fn next(conn: &mut Conn, (account, known): (Seq, Seq), from: i64) -> DbResult<Option<i64>> {
    let last = super::link(conn, known)?;
    let position = match store::last_reaching(conn, known, Moment(from))? {
        Some(order) => super::link(conn, order.seq)?.position,
        None => 0,
    };
    // Booked time comes to the instant with the entry after that.
    let in_order = match position < last.position {
        true => {
            let seq = super::place(conn, last, position + 1)?;
            store::booked_at(conn, seq)?
        }
        false => None,
    };
    let late = crate::ledger::order::store::late_from(conn, account, from, in_order.unwrap_or(i64::MAX), PAGE)?;
    Ok(late.iter().find(|(seq, _)| *seq <= known).map(|(_, at)| *at).or(in_order))
}

/// The last entry of the account up to the place `to`, from `newest` back.
pub(super) fn up_to(conn: &mut Conn, newest: Seq, to: Seq) -> DbResult<Option<Seq>> {
    let mut at = newest;
    while at > to {
        let link = super::link(conn, at)?;
        match link.jump.filter(|jump| *jump > to).or(link.prev) {
            Some(back) => at = back,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
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
            if instant.is_some_and(|instant| instant != *late_at) || found.len() == GROUP_MAX {
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
