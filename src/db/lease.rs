//! The lease of the one writer: a locked file beside SQLite, an advisory lock on PostgreSQL.
//!
//! Both fall free by themselves when the holder dies. The compare-and-swap on (epoch, size) in the
//! log state stands behind it: two writers can never fork a log, even if a lease lies.

use std::fs::{File, OpenOptions, TryLockError};

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::{Address, Conn, DbError, DbResult};

/// `cntrfoil` in ASCII: the number of the advisory lock.
const ADVISORY_LOCK: i64 = 0x636e_7472_666f_696c;

/// Held as long as this lives.
#[derive(Debug)]
pub struct Lease {
    _file: Option<File>,
    conn: Option<PgConnectionBox>,
}

struct PgConnectionBox(PgConnection);

impl std::fmt::Debug for PgConnectionBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PgConnection")
    }
}

impl Lease {
    /// Takes it, or answers `None` when another process has it.
    pub(super) fn take(address: &Address) -> DbResult<Option<Lease>> {
        match address {
            Address::Sqlite(path) => {
                let mut lock = path.as_os_str().to_owned();
                lock.push(".lock");
                let open = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
                let file = open.map_err(|e| DbError::Connect(format!("{}: {e}", lock.display())))?;
                match file.try_lock() {
                    Ok(()) => Ok(Some(Lease { _file: Some(file), conn: None })),
                    Err(TryLockError::WouldBlock) => Ok(None),
                    Err(TryLockError::Error(e)) => Err(DbError::Connect(format!("{}: {e}", lock.display()))),
                }
            }
            Address::Postgres(_) => {
                let Conn::Postgres(mut conn) = address.connect()? else { return Ok(None) };
                let sql = format!("pg_try_advisory_lock({ADVISORY_LOCK})");
                let taken: bool = diesel::select(diesel::dsl::sql::<Bool>(&sql)).get_result(&mut conn)?;
                Ok(taken.then_some(Lease { _file: None, conn: Some(PgConnectionBox(conn)) }))
            }
        }
    }

    /// Whether it is still held: a PostgreSQL connection may have gone, and the lock with it.
    pub fn is_held(&mut self) -> bool {
        match &mut self.conn {
            None => true,
            Some(conn) => diesel::select(diesel::dsl::sql::<Bool>("true")).get_result::<bool>(&mut conn.0).is_ok(),
        }
    }
}
