//! Migrations, compiled in: the same names for both databases.

use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, DbError, DbResult};

pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// `mgrt` in ASCII: several instances that start together migrate one after the other.
const ADVISORY_LOCK: i64 = 0x6d67_7274;

fn failed(error: impl std::fmt::Display) -> DbError {
    DbError::Unfit(format!("the schema could not be changed: {error}"))
}

/// Applies what is missing; answers the names of what was applied.
pub fn up(conn: &mut Conn) -> DbResult<Vec<String>> {
    match conn {
        Conn::Sqlite(c) => {
            let applied = c.run_pending_migrations(SQLITE).map_err(failed)?;
            Ok(applied.iter().map(ToString::to_string).collect())
        }
        Conn::Postgres(c) => {
            use diesel::connection::SimpleConnection;
            c.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))?;
            let applied = c.run_pending_migrations(POSTGRES).map_err(failed);
            let applied = applied.map(|list| list.iter().map(ToString::to_string).collect());
            c.batch_execute(&format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})"))?;
            applied
        }
    }
}

/// Takes back the newest migration; answers its name.
pub fn down(conn: &mut Conn) -> DbResult<String> {
    match conn {
        Conn::Sqlite(c) => c.revert_last_migration(SQLITE).map(|v| v.to_string()).map_err(failed),
        Conn::Postgres(c) => c.revert_last_migration(POSTGRES).map(|v| v.to_string()).map_err(failed),
    }
}

/// Every migration this binary knows, oldest first, and whether it is applied.
pub fn status(conn: &mut Conn) -> DbResult<Vec<(String, bool)>> {
    match conn {
        Conn::Sqlite(c) => {
            let pending = c.pending_migrations(SQLITE).map_err(failed)?;
            let all = MigrationSource::<diesel::sqlite::Sqlite>::migrations(&SQLITE).map_err(failed)?;
            Ok(list(&names(&all), &names(&pending)))
        }
        Conn::Postgres(c) => {
            let pending = c.pending_migrations(POSTGRES).map_err(failed)?;
            let all = MigrationSource::<diesel::pg::Pg>::migrations(&POSTGRES).map_err(failed)?;
            Ok(list(&names(&all), &names(&pending)))
        }
    }
}

/// Refuses a database that is not at this binary's schema, saying what to run.
pub fn require_current(conn: &mut Conn) -> DbResult<()> {
    let missing: Vec<String> = status(conn)?.into_iter().filter(|(_, applied)| !applied).map(|(name, _)| name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(DbError::Unfit(format!("the schema lacks {}; run `counterfoil migrate up` first", missing.join(", "))))
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

fn list(all: &[String], pending: &[String]) -> Vec<(String, bool)> {
    all.iter().map(|name| (name.clone(), !pending.contains(name))).collect()
}
