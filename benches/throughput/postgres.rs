//! PostgreSQL: a database of its own for each measurement, and what it takes of the same rows by `COPY`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use counterfoil::db::{self, Db, bulk};

use super::rows;

/// The server that `COUNTERFOIL_BENCH_POSTGRES` names, by an address of any database on it.
pub struct Server(String);

/// A database that is dropped in the end.
pub struct Database<'a> {
    server: &'a Server,
    name: String,
    pub url: String,
    keys: tempfile::TempDir,
}

impl Server {
    pub fn named() -> Option<Server> {
        std::env::var("COUNTERFOIL_BENCH_POSTGRES").ok().map(Server)
    }

    /// An empty database with the program's tables.
    pub fn database(&self) -> Database<'_> {
        let database = self.bare();
        let db = Db::open(&database.url, 1).unwrap();
        db::migrate::up(&mut db.connect().unwrap()).unwrap();
        database
    }

    /// An empty database.
    pub fn bare(&self) -> Database<'_> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name}"));
        let (address, options) = self.0.split_once('?').unwrap_or((&self.0, ""));
        let (host, _) = address.rsplit_once('/').unwrap();
        let keys = tempfile::tempdir().unwrap();
        Database { server: self, url: format!("{host}/{name}?{options}"), name, keys }
    }

    fn run(&self, sql: &str) {
        Db::open(&self.0, 1).unwrap().connect().unwrap().execute(sql).unwrap();
    }
}

impl Database<'_> {
    /// The folder of the log's keys.
    pub fn keys(&self) -> &str {
        self.keys.path().to_str().unwrap()
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        self.server.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Rows per second by binary `COPY` into a table of the same columns and primary key, without triggers.
pub fn raw_copy(url: &str, n: usize, batch: usize) -> f64 {
    let mut conn = Db::open(url, 1).unwrap().connect().unwrap();
    // Of the same name in a schema of its own.
    let table =
        "DROP SCHEMA IF EXISTS raw CASCADE; CREATE SCHEMA raw; CREATE TABLE raw.entries (LIKE public.entries INCLUDING INDEXES)";
    conn.execute(table).unwrap();
    conn.execute("SET search_path TO raw").unwrap();
    let rows = rows::stored(n);
    let began = Instant::now();
    for chunk in rows.chunks(batch) {
        conn.write(|conn| bulk::append(conn, chunk)).map_err(|e: db::DbError| e).unwrap();
    }
    n as f64 / began.elapsed().as_secs_f64()
}
