//! What SQLite would give a query otherwise than it was hashed: values of another storage class than
//! their column's, in every table that is compared.

use crate::db::classes::{self, Misfit};
use crate::db::{Conn, DbResult};

use super::COMPARED;
use super::findings::Findings;

/// Rows listed per table.
const LISTED_MAX: usize = 1_000;

/// Tables whose `id` is the place of the event that made the row.
const PLACED_BY_ID: &[&str] = &[
    "accounts",
    "alerts",
    "api_keys",
    "contexts",
    "data_keys",
    "deliveries",
    "erasures",
    "holds",
    "recovery_keys",
    "rule_sets",
    "sources",
    "users",
];

/// A misfit, with the level and the table it is found under.
pub(super) type Found = (&'static str, &'static str, Misfit);

/// The table that the pass over the log finds odd values in by itself.
const ENTRIES: &str = "entries";

/// Looks through every table but `entries`. It needs nothing of the pass over the log, and so can be
/// done beside it.
pub(super) fn look(conn: &mut Conn) -> DbResult<Vec<Found>> {
    look_in(conn, |table| table != ENTRIES)
}

/// Looks through `entries`: needed where the pass met a row that it could not pack, or there are rows
/// that it does not reach.
pub(super) fn of_entries(conn: &mut Conn) -> DbResult<Vec<Found>> {
    look_in(conn, |table| table == ENTRIES)
}

fn look_in(conn: &mut Conn, which: impl Fn(&str) -> bool) -> DbResult<Vec<Found>> {
    let mut found = Vec::new();
    for &(table, level, _) in COMPARED.iter().filter(|(table, ..)| which(table)) {
        let key = if PLACED_BY_ID.contains(&table) { "id" } else { "seq" };
        let misfits = classes::misfits(conn, table, key, LISTED_MAX)?;
        found.extend(misfits.into_iter().map(|misfit| (level, table, misfit)));
    }
    Ok(found)
}

/// Adds what was found.
pub(super) fn tell(found: Vec<Found>, findings: &mut Findings) {
    for (level, table, Misfit { key, misfit }) in found {
        let detail = format!("{misfit}: the value is not of the column's type; queries do not see what was hashed");
        findings.add((level, "type_changed"), table, key, detail);
    }
}
