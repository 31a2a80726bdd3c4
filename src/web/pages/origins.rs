//! Which entries came from a session or an address: closed segments over their index runs, the
//! open one by looking through it. Bounded, and the bound is told.

use std::collections::BTreeSet;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::intake::runs::{self, RunKind};
use crate::ledger::lookup;
use crate::ledger::store::{self as ledger, ContextRow, EntryRow};

/// Contexts of one session or address that are followed, the newest of them.
pub(super) const CONTEXTS_MAX: usize = 200;
/// Entries that are read, the newest of them.
pub(super) const ENTRIES_MAX: usize = 1_000;

/// What a context is looked at as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Its session.
    Session,
    /// Its address.
    Ip,
}

/// What came from there.
pub(super) struct Found {
    /// The contexts, newest first.
    pub contexts: Vec<ContextRow>,
    /// The entries, oldest first.
    pub entries: Vec<EntryRow>,
    /// Whether there are more than are shown.
    pub cut: bool,
}

/// The contexts that share the session or address of this one.
pub(super) fn contexts(conn: &mut Conn, context: &ContextRow, origin: Origin) -> DbResult<Vec<ContextRow>> {
    let limit = CONTEXTS_MAX as i64;
    match (origin, &context.session_id, &context.ip) {
        (Origin::Session, Some(session), _) => lookup::store::contexts_of_session(conn, session, limit),
        (Origin::Ip, _, Some(ip)) => lookup::store::contexts_of_ip(conn, ip, limit),
        _ => Ok(Vec::new()),
    }
}

/// Everything that came from where this context is.
pub(super) fn find(conn: &mut Conn, context: &ContextRow, origin: Origin) -> DbResult<Found> {
    let contexts = contexts(conn, context, origin)?;
    let ids: Vec<Seq> = contexts.iter().map(|c| c.id).collect();
    let places = places(conn, &ids)?;
    let cut = places.len() > ENTRIES_MAX || contexts.len() == CONTEXTS_MAX;
    let newest: Vec<Seq> = places.into_iter().rev().take(ENTRIES_MAX).collect();
    Ok(Found { contexts, entries: ledger::entries_at(conn, &newest)?, cut })
}

/// The places of these contexts' entries, the newest of them: at most one more than [`ENTRIES_MAX`]
/// of the open segment, and of closed ones run by run until there are that many.
fn places(conn: &mut Conn, ids: &[Seq]) -> DbResult<BTreeSet<Seq>> {
    let indexed_to = runs::indexed_to(conn)?;
    let open = lookup::store::entries_of_contexts(conn, ids, indexed_to, ENTRIES_MAX as i64 + 1)?;
    let mut places: BTreeSet<Seq> = open.iter().map(|entry| entry.seq).collect();
    runs::newest_places(conn, RunKind::Context, ids, ENTRIES_MAX + 1, &mut places)?;
    Ok(places)
}

/// How many accounts each group of contexts touched, and whether more entries came from them than
/// were looked at. One pass for all groups.
pub(super) fn accounts_touched(conn: &mut Conn, groups: &[Vec<Seq>]) -> DbResult<(Vec<usize>, bool)> {
    let all: Vec<Seq> = groups.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let places = places(conn, &all)?;
    let cut = places.len() > ENTRIES_MAX;
    let newest: Vec<Seq> = places.into_iter().rev().take(ENTRIES_MAX).collect();
    let entries = ledger::entries_at(conn, &newest)?;
    let touched = |ids: &Vec<Seq>| {
        let of_group = entries.iter().filter(|entry| ids.contains(&entry.context));
        of_group.map(|entry| entry.account).collect::<BTreeSet<_>>().len()
    };
    Ok((groups.iter().map(touched).collect(), cut))
}
