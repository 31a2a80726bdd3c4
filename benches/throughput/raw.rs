//! The yardstick: one prepared statement of SQLite's C interface, bound and stepped row by row.
#![allow(unsafe_code)] // SQLite's C interface, for the yardstick alone

use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr::null_mut;
use std::time::Instant;

use counterfoil::db::bulk::{BulkRow, Value};
use counterfoil::ledger::store::EntryRow;
use libsqlite3_sys as ffi;

/// Rows per second into a fresh file, WAL and FULL, one transaction per `batch` rows.
pub fn sqlite(path: &Path, rows: &[EntryRow], batch: usize) -> f64 {
    rows.len() as f64 / Raw::create(path).append(rows, batch)
}

/// A file with the table and the prepared statement.
pub struct Raw {
    db: *mut ffi::sqlite3,
    statement: *mut ffi::sqlite3_stmt,
}

impl Raw {
    pub fn create(path: &Path) -> Raw {
        let schema = include_str!("../../migrations/sqlite/2026-11-22-000001_log/up.sql");
        let table = schema.split("CREATE TABLE entries").nth(1).unwrap().split(");").next().unwrap();
        let file = CString::new(path.to_str().unwrap()).unwrap();
        let (mut db, mut statement) = (null_mut(), null_mut());
        // SAFETY: every pointer comes from SQLite and is used on this thread until it is dropped.
        unsafe {
            assert_eq!(ffi::sqlite3_open(file.as_ptr(), &raw mut db), ffi::SQLITE_OK);
            let settings =
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-65536";
            exec(db, settings);
            exec(db, &format!("CREATE TABLE entries{table})"));
            let sql = format!("{}VALUES ({})", EntryRow::INSERT, vec!["?"; EntryRow::WIDTHS.len()].join(","));
            let sql = CString::new(sql).unwrap();
            assert_eq!(ffi::sqlite3_prepare_v2(db, sql.as_ptr(), -1, &raw mut statement, null_mut()), ffi::SQLITE_OK);
        }
        Raw { db, statement }
    }

    /// Appends the rows; answers the seconds it took.
    pub fn append(&mut self, rows: &[EntryRow], batch: usize) -> f64 {
        let began = Instant::now();
        for chunk in rows.chunks(batch) {
            // SAFETY: connection and statement are open.
            unsafe {
                exec(self.db, "BEGIN IMMEDIATE");
                chunk.iter().for_each(|row| insert(self.statement, row));
                exec(self.db, "COMMIT");
            }
        }
        began.elapsed().as_secs_f64()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: nobody uses them after this.
        unsafe {
            ffi::sqlite3_finalize(self.statement);
            ffi::sqlite3_close(self.db);
        }
    }
}

unsafe fn exec(db: *mut ffi::sqlite3, sql: &str) {
    let sql = CString::new(sql).unwrap();
    // SAFETY: `db` is open.
    let code = unsafe { ffi::sqlite3_exec(db, sql.as_ptr(), None, null_mut(), null_mut()) };
    assert_eq!(code, ffi::SQLITE_OK);
}

unsafe fn insert(statement: *mut ffi::sqlite3_stmt, row: &EntryRow) {
    let mut values = Vec::with_capacity(32);
    row.values(&mut values);
    // SAFETY: texts and bytes live until the statement has been stepped.
    unsafe {
        for (i, value) in (1..).zip(&values) {
            match value {
                Value::Null => ffi::sqlite3_bind_null(statement, i),
                Value::Int(n) => ffi::sqlite3_bind_int64(statement, i, *n),
                Value::Text(t) => ffi::sqlite3_bind_text(statement, i, t.as_ptr().cast::<c_char>(), t.len() as i32, None),
                Value::Bytes(b) => ffi::sqlite3_bind_blob(statement, i, b.as_ptr().cast(), b.len() as i32, None),
            };
        }
        assert_eq!(ffi::sqlite3_step(statement), ffi::SQLITE_DONE);
        ffi::sqlite3_reset(statement);
    }
}
