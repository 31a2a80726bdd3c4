//! What SQLite would give a query otherwise than it was hashed: values of another storage class than
//! their column's, in every table that is compared.

use crate::db::{Conn, DbResult, classes};

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

/// Looks through every table.
pub(super) fn compare(conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
    for &(table, level, _) in COMPARED {
        let key = if PLACED_BY_ID.contains(&table) { "id" } else { "seq" };
        for found in classes::misfits(conn, table, key, LISTED_MAX)? {
            let detail = format!("{}: the value is not of the column's type; queries do not see what was hashed", found.misfit);
            findings.add((level, "type_changed"), table, found.key, detail);
        }
    }
    Ok(())
}
