//! Addresses, and what a fresh connection of either kind must be told.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::{Conn, DbError, DbResult, feed};

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A file of the embedded database.
    Sqlite(PathBuf),
    /// A PostgreSQL URL.
    Postgres(String),
}

/// Without the password a PostgreSQL URL may carry.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Address::Postgres(url) => write!(f, "postgres://{}", url.rsplit_once('@').map_or("…", |(_, host)| host)),
        }
    }
}

impl Address {
    /// Reads `sqlite:FILE`, `postgres://…` or `postgresql://…`.
    pub fn parse(url: &str) -> DbResult<Address> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            if file.is_empty() || file == ":memory:" {
                return Err(DbError::Address("database.url: sqlite needs a file, e.g. sqlite:counterfoil.db".into()));
            }
            return Ok(Address::Sqlite(PathBuf::from(file)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Address::Postgres(url.to_owned()));
        }
        let scheme: String = url.chars().take_while(|c| *c != ':').take(20).collect();
        Err(DbError::Address(format!(
            "database.url: `{scheme}` is not known; write sqlite:FILE or postgres://user@host/database"
        )))
    }

    /// The SQLite file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Address::Sqlite(path) => Some(path),
            Address::Postgres(_) => None,
        }
    }

    /// What tells this database from others in one folder: the file's name, or host and database without
    /// user and password.
    pub fn name(&self) -> String {
        match self {
            Address::Sqlite(path) => path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            Address::Postgres(url) => {
                let place = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
                place.split('?').next().unwrap_or(place).to_owned()
            }
        }
    }

    /// Whether a server answers behind it, which may have gone away.
    pub fn is_remote(&self) -> bool {
        matches!(self, Address::Postgres(_))
    }

    /// A fresh connection with durable settings; refuses a server that could lose commits.
    pub fn connect(&self) -> DbResult<Conn> {
        match self {
            Address::Sqlite(path) => connect_sqlite(path).map(Conn::Sqlite),
            Address::Postgres(url) => connect_postgres(url).map(Conn::Postgres),
        }
    }
}

/// WAL with `synchronous=FULL`: a commit is on the disk before it is answered. Plain triggers let
/// `INSERT OR REPLACE` pass unless triggers are recursive. Deleted private parts are overwritten.
const SQLITE_SETTINGS: &str = "PRAGMA busy_timeout=10000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
    PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; \
    PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=4000;";

fn connect_sqlite(path: &Path) -> DbResult<SqliteConnection> {
    let connect = |e: String| DbError::Connect(format!("{}: {e}", path.display()));
    let text = path.to_str().ok_or_else(|| connect("the file name is not UTF-8".into()))?;
    make_private(path).map_err(|e| connect(e.to_string()))?;
    feed::install();
    let mut conn = SqliteConnection::establish(text).map_err(|e| connect(e.to_string()))?;
    conn.batch_execute(SQLITE_SETTINGS).map_err(|e| connect(e.to_string()))?;
    Ok(conn)
}

/// An empty SQLite database that nothing is kept of.
pub fn in_memory() -> DbResult<Conn> {
    let connect = |e: ConnectionError| DbError::Connect(e.to_string());
    feed::install();
    let mut conn = SqliteConnection::establish(":memory:").map_err(connect)?;
    conn.batch_execute("PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON;")?;
    Ok(Conn::Sqlite(conn))
}

/// Makes a file that is not there yet readable by its owner alone, before anything is in it; SQLite
/// gives the files beside it the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// What every connection to PostgreSQL is told. No statement is compiled: each asks for a bounded number of rows, and where the
/// planner does not know that (autovacuum never looks at a partitioned table as a whole) compiling took seconds. Time-outs are set where neither server, role nor URL sets one:
/// no statement and no transaction of ours may hold up the writer for ever. Keepalives let the server notice
/// within 20 s that a machine is gone, and free its lease.
const POSTGRES_SETTINGS: &str = "SET TIME ZONE 'UTC'; SET client_min_messages TO warning; SET search_path TO public, pg_temp; SET jit = off; \
    SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 20000; \
    SELECT set_config(name, value, false) FROM (VALUES ('statement_timeout', '60s'), ('lock_timeout', '10s'), \
    ('idle_in_transaction_session_timeout', '120s')) AS limits (name, value) WHERE current_setting(name) = '0';";

/// Parameters of libpq that a URL gets unless it says otherwise: a server that is gone is noticed from here too.
const POSTGRES_PARAMETERS: &[(&str, &str)] = &[
    ("connect_timeout", "10"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
    ("application_name", "counterfoil"),
];

/// The URL with the parameters that it lacks.
pub(super) fn completed(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in POSTGRES_PARAMETERS {
        let query = url.split_once('?').map(|(_, query)| query);
        if !query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with(&format!("{name}=")))) {
            let sign = if query.is_some() { '&' } else { '?' };
            url.push_str(&format!("{sign}{name}={value}"));
        }
    }
    url
}

fn connect_postgres(url: &str) -> DbResult<PgConnection> {
    let mut conn = PgConnection::establish(&completed(url)).map_err(|e| DbError::Connect(e.to_string()))?;
    conn.batch_execute(POSTGRES_SETTINGS)?;
    let names = ["fsync", "full_page_writes", "synchronous_commit"];
    let sql = names.map(|name| format!("current_setting('{name}')")).join(" || ' ' || ");
    let values: String = diesel::select(diesel::dsl::sql::<Text>(&sql)).get_result(&mut conn)?;
    for (name, value) in names.iter().zip(values.split(' ')) {
        require_durable(name, value)?;
    }
    Ok(conn)
}

/// Refuses a setting with which a commit can be answered before it is on the disk.
fn require_durable(name: &str, value: &str) -> DbResult<()> {
    // `remote_write`, `remote_apply` and `local` all wait for the local disk; `off` does not.
    if value != "off" {
        return Ok(());
    }
    Err(DbError::Unfit(format!(
        "PostgreSQL runs with {name} = {value}: acknowledged entries could be lost; set {name} = on and start again"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_the_parameters_it_lacks() {
        let url = completed("postgres://bank@db1,db2/log?connect_timeout=3&sslmode=require");
        assert!(url.starts_with("postgres://bank@db1,db2/log?connect_timeout=3&sslmode=require&keepalives_idle=5"), "{url}");
        assert_eq!(url.matches("connect_timeout").count(), 1);
        assert!(completed("postgres://h/d").starts_with("postgres://h/d?connect_timeout=10&"));
    }

    #[test]
    fn a_server_that_could_lose_commits_is_refused_in_words() {
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            let refused = require_durable(name, "off").err().map(|e| e.to_string()).unwrap_or_default();
            assert!(refused.contains(&format!("set {name} = on")), "{refused}");
        }
        for value in ["on", "local", "remote_write", "remote_apply"] {
            assert!(require_durable("synchronous_commit", value).is_ok(), "{value}");
        }
    }
}
