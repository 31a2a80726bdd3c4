//! The databases: SQLite inside the binary, or PostgreSQL. The only place that knows which.
//!
//! A [`Conn`] is one connection to either; [`on_conn!`] runs the same diesel query on whichever it
//! is, so that a query is written once and checked for both. Rooms above keep their queries in
//! files named `store.rs`. Writing goes through [`Conn::write`], which takes SQLite's write lock
//! first, so that a reader never has to become a writer halfway.
//!
//! Not here: what the tables mean. That is in `migrations/` and in the rooms.

pub mod among;
pub mod backup;
pub mod bulk;
pub mod classes;
mod copy;
pub mod definitions;
mod dialect;
pub(crate) mod faults;
mod feed;
pub mod fixed;
pub mod gather;
pub mod guards;
mod lease;
pub mod migrate;
mod outside;
mod replica;
pub mod rights;
pub mod roles;
pub mod schema;
pub mod segments;
mod snapshots;
pub mod standing;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::r2d2;
use diesel::result::{DatabaseErrorKind, Error as Failure};
use diesel::{PgConnection, SqliteConnection};

pub use dialect::{Address, in_memory};
use faults::Step;
pub use lease::Lease;
pub use outside::Outside;
pub use replica::Standing;
pub use wake::{Channel, Waiter, wake};

/// A connection to one of the two databases.
pub enum Conn {
    /// The embedded default.
    Sqlite(SqliteConnection),
    /// Production.
    Postgres(PgConnection),
}

/// Runs the same block on whichever connection it is.
#[macro_export]
macro_rules! on_conn {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::db::Conn::Sqlite($c) => $body,
            $crate::db::Conn::Postgres($c) => $body,
        }
    };
}

/// A failure of the database, or a row it should not have held.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The address is not understood.
    #[error("{0}")]
    Address(String),
    /// No connection, or it was lost.
    #[error("the database cannot be reached: {0}")]
    Connect(String),
    /// The server's or file's settings would lose acknowledged entries, or the schema is another.
    #[error("{0}")]
    Unfit(String),
    /// A statement failed.
    #[error("the database refused a statement: {0}")]
    Query(diesel::result::Error),
    /// Another process has begun an epoch of its own: this one must not write any more.
    #[error("another process has written to this log: this one must not go on")]
    Deposed,
    /// A stored row is not the one that the log commits to: it is not shown.
    #[error("{0}")]
    Altered(String),
    /// A stored value that cannot be read back.
    #[error("the database holds a value that cannot be read: {0}")]
    Corrupt(String),
}

impl From<Failure> for DbError {
    /// A connection that was lost under a statement is no statement that was refused: on another, the same may well
    /// succeed.
    fn from(failure: Failure) -> DbError {
        match failure {
            Failure::DatabaseError(DatabaseErrorKind::ClosedConnection, told) => DbError::Connect(told.message().to_owned()),
            // What libpq says when it finds that out before it sends.
            Failure::DatabaseError(DatabaseErrorKind::UnableToSendCommand, told) if told.message().contains("connection") => {
                DbError::Connect(told.message().to_owned())
            }
            Failure::BrokenTransactionManager => DbError::Connect("the connection was lost in a transaction".to_owned()),
            failure => DbError::Query(failure),
        }
    }
}

impl DbError {
    /// Whether another session came in between (SQLSTATE 40001): the same again may well succeed.
    pub fn came_between(&self) -> bool {
        matches!(self, DbError::Query(Failure::DatabaseError(DatabaseErrorKind::SerializationFailure, _)))
    }
}

/// The result of anything that asks a database.
pub type DbResult<T> = Result<T, DbError>;

impl Conn {
    /// Runs `work` in one transaction that may write; commits on `Ok`, rolls back on `Err`.
    pub fn write<T, E: From<DbError>>(&mut self, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
        faults::step(Step::Begin).map_err(E::from)?;
        self.begin().map_err(E::from)?;
        let worked = work(self).and_then(|value| faults::step(Step::Commit).map_err(E::from).map(|()| value));
        match worked {
            Ok(value) => {
                self.commit().map_err(E::from)?;
                faults::step(Step::Committed).map_err(E::from)?;
                Ok(value)
            }
            Err(error) => {
                // The first error is what matters; a failed rollback breaks the connection anyway.
                let _ = self.rollback();
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> DbResult<()> {
        match self {
            Conn::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")?,
            Conn::Postgres(c) => AnsiTransactionManager::begin_transaction(c)?,
        }
        Ok(())
    }

    fn commit(&mut self) -> DbResult<()> {
        Ok(on_conn!(self, |c| AnsiTransactionManager::commit_transaction(c))?)
    }

    fn rollback(&mut self) -> DbResult<()> {
        Ok(on_conn!(self, |c| AnsiTransactionManager::rollback_transaction(c))?)
    }

    /// Runs several reads over one unchanging state of the database.
    pub fn snapshot<T, E: From<DbError>>(&mut self, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
        let begin = match self {
            Conn::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN"),
            Conn::Postgres(c) => {
                AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            }
        };
        begin.map_err(|e| E::from(DbError::from(e)))?;
        let result = work(self);
        let _ = self.rollback();
        result
    }

    /// Has the database overwrite what was removed from these tables, as far as it can while it is in
    /// use: SQLite empties its write-ahead log, PostgreSQL clears dead rows.
    pub fn forget_removed(&mut self, tables: &[&'static str]) -> DbResult<()> {
        match self {
            Conn::Sqlite(_) => self.execute("PRAGMA busy_timeout=2000; PRAGMA wal_checkpoint(TRUNCATE)"),
            Conn::Postgres(_) => tables.iter().try_for_each(|table| self.execute(&format!("VACUUM {table}"))),
        }
    }

    /// Commits from now on need not reach the disk: only for a copy that can be made again.
    pub fn relax(&mut self) -> DbResult<()> {
        match self {
            Conn::Sqlite(_) => self.execute("PRAGMA synchronous=OFF"),
            Conn::Postgres(_) => self.execute("SET synchronous_commit=off"),
        }
    }

    /// What is read from now on is read once: it need not be kept in memory.
    pub fn read_once(&mut self) -> DbResult<()> {
        match self {
            Conn::Sqlite(_) => self.execute("PRAGMA cache_size=-1024"),
            Conn::Postgres(_) => Ok(()),
        }
    }

    /// Runs SQL without results.
    pub fn execute(&mut self, sql: &str) -> DbResult<()> {
        use diesel::connection::SimpleConnection;
        Ok(on_conn!(self, |c| c.batch_execute(sql))?)
    }
}

/// A database: its address and its connections for reading.
#[derive(Clone)]
pub struct Db {
    address: Arc<Address>,
    pool: r2d2::Pool<Manager>,
    replica: Option<Arc<replica::Replica>>,
}

#[derive(Debug)]
struct Manager {
    address: Arc<Address>,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Conn;
    type Error = DbError;

    fn connect(&self) -> DbResult<Conn> {
        self.address.connect()
    }

    fn is_valid(&self, conn: &mut Conn) -> DbResult<()> {
        conn.execute("SELECT 1")
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        on_conn!(conn, |c| <AnsiTransactionManager as TransactionManager<_>>::is_broken_transaction_manager(c))
    }
}

impl Db {
    /// Opens the database at `url` with at most `readers` reading connections; makes no schema.
    pub fn open(url: &str, readers: u32) -> DbResult<Db> {
        let address = Arc::new(Address::parse(url)?);
        // One connection by hand first: the pool would hide why it cannot have one.
        drop(address.connect()?);
        let pool = r2d2::Pool::builder()
            .max_size(readers)
            .min_idle(Some(0))
            .test_on_check_out(address.is_remote())
            .connection_timeout(Duration::from_secs(10))
            .build_unchecked(Manager { address: address.clone() });
        Ok(Db { address, pool, replica: None })
    }

    /// With a replica for [`Db::look`], as long as it is at most `bound` behind.
    ///
    /// # Errors
    /// When the address is not that of a PostgreSQL replica.
    pub fn with_replica(self, url: &str, readers: u32, bound: Duration) -> DbResult<Db> {
        Ok(Db { replica: Some(Arc::new(replica::Replica::open(url, readers, bound)?)), ..self })
    }

    /// How the replica stands, if there is one.
    pub fn replica(&self) -> Option<Standing> {
        let primary = || self.pool.get().map_err(|e| DbError::Connect(e.to_string()));
        self.replica.as_ref().map(|replica| replica.standing(primary))
    }

    /// Runs `work`, which may see a moment ago, on the replica if there is one that is near enough.
    pub fn look<T, E: From<DbError>>(&self, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
        if let (Some(replica), Some(Standing::Used(_))) = (&self.replica, self.replica())
            && let Some(mut conn) = replica.get()
        {
            return work(&mut conn);
        }
        self.read(work)
    }

    /// A connection of its own, outside the pool.
    pub fn connect(&self) -> DbResult<Conn> {
        self.address.connect()
    }

    /// Runs `work` on a pooled connection.
    pub fn read<T, E: From<DbError>>(&self, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
        let mut conn = self.pool.get().map_err(|e| E::from(DbError::Connect(e.to_string())))?;
        work(&mut conn)
    }

    /// The same, waiting at most this long for a connection.
    pub fn read_within<T, E: From<DbError>>(&self, wait: Duration, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
        let mut conn = self.pool.get_timeout(wait).map_err(|e| E::from(DbError::Connect(e.to_string())))?;
        work(&mut conn)
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Takes the lease of the one writer, if nobody holds it.
    pub fn lease(&self) -> DbResult<Option<Lease>> {
        Lease::take(&self.address)
    }
}
