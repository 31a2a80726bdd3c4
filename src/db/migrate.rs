//! Migrations, compiled in: the same names for both databases.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, DbError, DbResult, roles};

pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// `mgrt` in ASCII: several instances that start together migrate one after the other.
const ADVISORY_LOCK: i64 = 0x6d67_7274;

fn failed(error: impl std::fmt::Display) -> DbError {
    DbError::Unfit(format!("the schema could not be changed: {error}"))
}

/// Applies what is missing; answers the names of what was applied. On PostgreSQL it runs as the owner of a
/// database whose roles are split, and sets the rights of the other roles.
pub fn up(conn: &mut Conn) -> DbResult<Vec<String>> {
    match conn {
        Conn::Sqlite(c) => {
            let applied = c.run_pending_migrations(SQLITE).map_err(failed)?;
            Ok(applied.iter().map(ToString::to_string).collect())
        }
        Conn::Postgres(c) => in_turn(c, |c| {
            let applied = c.run_pending_migrations(POSTGRES).map_err(failed)?;
            Ok(applied.iter().map(ToString::to_string).collect())
        }),
    }
}

/// Takes back the newest migration; answers its name.
pub fn down(conn: &mut Conn) -> DbResult<String> {
    match conn {
        Conn::Sqlite(c) => c.revert_last_migration(SQLITE).map(|v| v.to_string()).map_err(failed),
        Conn::Postgres(c) => {
            let owner = roles::become_owner(c)?;
            let name = c.revert_last_migration(POSTGRES).map(|v| v.to_string()).map_err(failed);
            if owner {
                c.batch_execute("RESET ROLE")?;
            }
            name
        }
    }
}

/// Changes the schema while no other process does, however long that takes.
fn in_turn<T>(conn: &mut PgConnection, work: impl FnOnce(&mut PgConnection) -> DbResult<T>) -> DbResult<T> {
    conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")?;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))?;
    let done = roles::become_owner(conn).and_then(|owner| {
        let done = work(conn)?;
        if owner {
            roles::grant_and_leave(conn)?;
        }
        Ok(done)
    });
    conn.batch_execute(&format!("RESET ROLE; SELECT pg_advisory_unlock({ADVISORY_LOCK})"))?;
    done
}

/// The newest migration that is applied, by its name; none in an empty database.
pub fn newest(conn: &mut Conn) -> DbResult<Option<String>> {
    Ok(status(conn)?.into_iter().rev().find(|(_, applied)| *applied).map(|(name, _)| name))
}

/// Every migration this binary knows, oldest first, and whether it is applied. Changes nothing.
pub fn status(conn: &mut Conn) -> DbResult<Vec<(String, bool)>> {
    let applied = applied(conn)?;
    let known = names_known(conn)?;
    Ok(known.into_iter().map(|name| (name.clone(), applied.contains(&version(&name)))).collect())
}

/// Refuses a database that lacks something of this binary's schema, saying what to run.
pub fn require_current(conn: &mut Conn) -> DbResult<()> {
    let missing: Vec<String> = status(conn)?.into_iter().filter(|(_, applied)| !applied).map(|(name, _)| name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(DbError::Unfit(format!("the schema lacks {}; run `counterfoil migrate up` first", missing.join(", "))))
}

/// Refuses a database whose schema is not this binary's: older, or newer.
pub fn require_own(conn: &mut Conn) -> DbResult<()> {
    require_current(conn)?;
    let mut newer = applied(conn)?;
    for name in names_known(conn)? {
        newer.remove(&version(&name));
    }
    let Some(first) = newer.first() else { return Ok(()) };
    Err(DbError::Unfit(format!(
        "the schema has migration {first}, which this program ({}) does not know: it is of a newer release; start that one",
        env!("CARGO_PKG_VERSION")
    )))
}

/// A version is the digits of its name.
pub(super) fn version(name: &str) -> String {
    name.split('_').next().unwrap_or_default().replace('-', "")
}

/// The versions that the database says it has had; none before the first.
pub(super) fn applied(conn: &mut Conn) -> DbResult<BTreeSet<String>> {
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let there = match conn {
        Conn::Sqlite(_) => "SELECT name AS version FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
        Conn::Postgres(_) => {
            "SELECT relname::text AS version FROM pg_class WHERE oid = to_regclass('public.__diesel_schema_migrations')"
        }
    };
    let there: Vec<Applied> = crate::on_conn!(conn, |c| diesel::sql_query(there).load(c))?;
    if there.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = "SELECT version FROM __diesel_schema_migrations";
    let rows: Vec<Applied> = crate::on_conn!(conn, |c| diesel::sql_query(sql).load(c))?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// The names of every migration this binary knows.
pub(super) fn names_known(conn: &Conn) -> DbResult<Vec<String>> {
    Ok(match conn {
        Conn::Sqlite(_) => names(&MigrationSource::<diesel::sqlite::Sqlite>::migrations(&SQLITE).map_err(failed)?),
        Conn::Postgres(_) => names(&MigrationSource::<diesel::pg::Pg>::migrations(&POSTGRES).map_err(failed)?),
    })
}

fn names<DB: diesel::backend::Backend>(migrations: &[Box<dyn Migration<DB>>]) -> Vec<String> {
    let mut names: Vec<String> = migrations.iter().map(|m| m.name().to_string()).collect();
    names.sort();
    names
}
