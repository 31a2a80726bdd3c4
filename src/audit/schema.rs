//! L6: triggers, indexes, views and the tables themselves, against what the migrations of this binary
//! make. An extra table or view of the bank's own is left alone; an extra trigger, index or rule on
//! one of ours is not. On PostgreSQL also who may do what, against the rights compiled in.

use std::collections::BTreeMap;

use crate::db::definitions::{self, Definition};
use crate::db::{Conn, DbResult, roles};

use super::L6;
use super::findings::Findings;

/// Compares both ways.
pub(super) fn compare(conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
    for version in definitions::strange_migrations(conn)? {
        let detail =
            format!("migration {version} is known to the database or to this program only; `counterfoil migrate status`");
        findings.add((L6, "migration_differs"), "__diesel_schema_migrations", None, detail);
    }
    let expected = definitions::expected(conn)?;
    let mut present: BTreeMap<(String, String, String), Definition> = keyed(definitions::present(conn)?);
    let owners: Vec<String> = expected.iter().map(|definition| definition.owner.clone()).collect();
    findings.checked(L6, expected.len());
    for (key, definition) in keyed(expected) {
        let detail = match present.remove(&key) {
            Some(found) if found.text == definition.text => continue,
            Some(_) => format!("the {} {} is not as this program defines it", definition.kind, definition.name),
            None => format!("the {} {} is missing", definition.kind, definition.name),
        };
        findings.add((L6, "definition_changed"), "schema", None, format!("{}: {detail}", definition.owner));
    }
    for definition in present.into_values().filter(|found| owners.contains(&found.owner)) {
        let (kind, name) = (&definition.kind, &definition.name);
        let detail = format!("{}: the {kind} {name} is not one of this program's", definition.owner);
        findings.add((L6, "definition_extra"), "schema", None, detail);
    }
    grants(conn, findings)
}

/// Who may do what. Where one role does everything, that is said: it is no tampering.
fn grants(conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
    let Some(database) = roles::database(conn)? else { return Ok(()) };
    for difference in roles::compare(conn)? {
        let detail = format!("{}; `counterfoil migrate up` sets the rights", difference.detail);
        findings.add((L6, difference.kind), "schema", None, detail);
    }
    if !roles::are_split(conn)? {
        findings.note(L6, format!("the roles of {database} are not split: whoever writes may also change the schema"));
    }
    Ok(())
}

fn keyed(definitions: Vec<Definition>) -> BTreeMap<(String, String, String), Definition> {
    definitions.into_iter().map(|d| ((d.kind.clone(), d.owner.clone(), d.name.clone()), d)).collect()
}
