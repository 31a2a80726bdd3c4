//! One unchanging state of the database, seen by several connections at once.
//!
//! PostgreSQL hands a snapshot on by its name. SQLite does not; there all connections begin to read, and
//! it is looked whether anybody committed meanwhile. Where that goes on without a pause, the first
//! connection is alone.

use diesel::connection::AnsiTransactionManager;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{Conn, Db, DbError, DbResult};

/// How often SQLite is tried.
const TRIES: usize = 200;

#[derive(QueryableByName)]
struct Exported {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    data_version: i64,
}

impl Db {
    /// Runs several reads over one unchanging state, with at most `more` connections beside the first
    /// that see it too.
    pub fn snapshots<T, E: From<DbError>>(
        &self,
        more: usize,
        work: impl FnOnce(&mut Conn, Vec<Conn>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut held = self.connect()?;
        let others = self.share(&mut held, more)?;
        let result = work(&mut held, others);
        let _ = held.rollback();
        result
    }

    /// Begins a snapshot on `held` and on others.
    fn share(&self, held: &mut Conn, more: usize) -> DbResult<Vec<Conn>> {
        // As many as the server lets in: one is enough.
        let mut others: Vec<Conn> = (0..more).map_while(|_| self.connect().ok()).collect();
        let shared = match held {
            Conn::Sqlite(_) => together(held, &mut others, &mut self.connect()?)?,
            Conn::Postgres(_) => handed_on(held, &mut others)?,
        };
        if !shared {
            others.clear();
            begin(held)?;
        }
        Ok(others)
    }
}

fn begin(conn: &mut Conn) -> DbResult<()> {
    match conn {
        Conn::Sqlite(c) => {
            AnsiTransactionManager::begin_transaction_sql(c, "BEGIN")?;
            // Only a first look at the file makes it begin.
            diesel::sql_query("SELECT 1 FROM sqlite_master LIMIT 1").execute(c)?;
        }
        Conn::Postgres(c) => {
            AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        }
    }
    Ok(())
}

/// Begins on every connection between two commits of others; `false` if there never was time.
fn together(held: &mut Conn, others: &mut [Conn], watch: &mut Conn) -> DbResult<bool> {
    for _ in 0..TRIES {
        let before = version(watch)?;
        begin(held)?;
        others.iter_mut().try_for_each(begin)?;
        if version(watch)? == before {
            return Ok(true);
        }
        held.rollback()?;
        others.iter_mut().try_for_each(Conn::rollback)?;
    }
    Ok(false)
}

/// A number that is another one after each commit of another connection.
fn version(watch: &mut Conn) -> DbResult<i64> {
    let Conn::Sqlite(c) = watch else { return Ok(0) };
    let Version { data_version } = diesel::sql_query("PRAGMA data_version").get_result(c)?;
    Ok(data_version)
}

/// Begins on the first connection, and on others with its snapshot; `false` if it cannot be handed on.
fn handed_on(held: &mut Conn, others: &mut [Conn]) -> DbResult<bool> {
    begin(held)?;
    let Conn::Postgres(first) = held else { return Ok(false) };
    let exported: QueryResult<Exported> = diesel::sql_query("SELECT pg_export_snapshot() AS name").get_result(first);
    let named =
        exported.ok().map(|exported| exported.name).filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    let took = named.is_some_and(|name| {
        let take = |conn: &mut Conn| begin(conn).and_then(|()| conn.execute(&format!("SET TRANSACTION SNAPSHOT '{name}'")));
        others.iter_mut().all(|conn| take(conn).is_ok())
    });
    if !took {
        held.rollback()?;
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_connection_sees_the_same_however_much_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("shared.db").display()), 1).unwrap();
        let mut writer = db.connect().unwrap();
        writer.execute("CREATE TABLE told (n INTEGER); PRAGMA synchronous=OFF").unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    writer.execute("INSERT INTO told VALUES (1)").unwrap();
                    std::thread::sleep(std::time::Duration::from_micros(300));
                }
            });
            for _ in 0..50 {
                let count = |conn: &mut Conn| {
                    let Conn::Sqlite(c) = conn else { panic!() };
                    let count = diesel::sql_query("SELECT count(*) AS data_version FROM told");
                    count.get_result::<Version>(c).unwrap().data_version
                };
                let seen = db.snapshots(3, |held, mut others| {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    Ok::<_, DbError>(std::iter::once(held).chain(others.iter_mut()).map(count).collect::<Vec<_>>())
                });
                let seen = seen.unwrap();
                assert!(seen.iter().all(|n| *n == seen[0]), "{seen:?}");
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
