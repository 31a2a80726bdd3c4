//! Every table is held against the log or exempt with a reason, and the definitions that are compiled
//! in are those that the migrations make.

use std::collections::BTreeSet;
use std::path::Path;

use counterfoil::audit::{COMPARED, EXEMPT};
use counterfoil::db::{Db, definitions, migrate};

use super::edits::{columns, lines};
use crate::bank::{Home, Kind, on_both};

#[test]
fn every_table_is_compared_or_exempt_with_a_reason() {
    on_both(|kind| {
        let home = Home::new(kind);
        let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
        migrate::up(&mut conn).unwrap();
        let tables = lines(
            &mut conn,
            "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            "SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public'",
        );
        let live: BTreeSet<String> = tables.into_iter().collect();
        let whole = EXEMPT.iter().filter(|exempt| exempt.column.is_none()).map(|exempt| exempt.table);
        let listed: BTreeSet<String> = COMPARED.iter().map(|(table, ..)| *table).chain(whole).map(str::to_owned).collect();
        assert_eq!(
            live, listed,
            "{kind:?}: a table must be in COMPARED (and src/audit/ must compare it) or in EXEMPT, with its reason"
        );
        for exempt in EXEMPT {
            assert!(exempt.reason.len() > 20, "{exempt:?} needs a reason");
            if let Some(column) = exempt.column.filter(|_| exempt.table != "__diesel_schema_migrations") {
                assert!(columns(&mut conn, exempt.table).iter().any(|c| c.name == column), "{exempt:?} is not in the schema");
            }
        }
    });
}

#[test]
fn the_catalogue_compiled_in_is_the_one_the_migrations_make() {
    let home = Home::new(Kind::Postgres);
    let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
    let present: Vec<String> = definitions::present(&mut conn).unwrap().iter().map(definitions::Definition::line).collect();
    let text = present.join("\n") + "\n";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("src/db/postgres_catalogue.txt");
    if std::fs::read_to_string(&file).unwrap() != text {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres_catalogue.txt");
        std::fs::write(&fresh, text).unwrap();
        panic!(
            "a migration changed PostgreSQL's catalogue: look at the difference, then\n  cp {} {}",
            fresh.display(),
            file.display()
        );
    }
    assert_eq!(definitions::expected(&conn).unwrap().len(), present.len());
}
