//! A table that SQLite reads from memory: how it takes many rows at once.
//!
//! `INSERT INTO t (…) SELECT c0, c1, … FROM counterfoil_feed` is one statement for any number of
//! rows: no parameter is bound and reset per value, no statement stepped and reset per row. Every
//! connection that is opened knows the table (SQLite's automatic extensions); it is empty except
//! on the thread that is inside [`feeding`]. Measured (`docs/performance.md`): a row of `entries`
//! takes less of the processor this way than through a prepared statement of the C interface, and
//! less than half of what diesel's own statements take.
//!
//! This is the one file with `unsafe` in it; it has nothing but the callbacks of SQLite's virtual
//! table interface (<https://sqlite.org/vtab.html>). What makes it sound:
//! - SQLite calls back on the thread that steps the statement, and [`Feed`]s are found through a
//!   thread-local, set for the time of one call and taken back even if that panics.
//! - Texts and bytes are handed over without a copy (`SQLITE_STATIC`). They outlive the call, and
//!   nothing reads a finished statement's registers.
//! - The two structs SQLite gives back to us are boxes that only we make and free.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::Once;

use libsqlite3_sys as ffi;

use super::bulk::Value;

/// The table's name in SQL.
pub(super) const TABLE: &str = "counterfoil_feed";
/// What is read, row by row, out of memory that outlives it.
pub(super) trait Feed<'r> {
    /// Goes to the next row, the first at the first call; `Ok(false)` after the last.
    fn next(&mut self) -> Result<bool, Stopped>;
    /// A value of the present row.
    fn value(&self, column: usize) -> Value<'r>;
}

/// The feed cannot go on; it knows why.
pub(super) struct Stopped;

type Current = NonNull<dyn Feed<'static>>;

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

/// Makes the table known to every connection opened from now on; and has them opened without a lock
/// of their own, which each call would take: diesel lets one thread at a time reach a connection.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    // SAFETY: the callback is a function of the process and stays one. SQLite refuses the setting
    // where something else has started it already, and is as it was then.
    ONCE.call_once(|| unsafe {
        ffi::sqlite3_config(ffi::SQLITE_CONFIG_MULTITHREAD);
        ffi::sqlite3_auto_extension(Some(register));
    });
}

/// Runs `work`, during which the first to read the table finds the rows of `feed` in it. `work` must
/// be done with every statement that reads them when it returns.
pub(super) fn feeding<'r, T>(feed: &mut (dyn Feed<'r> + '_), work: impl FnOnce() -> T) -> T {
    struct Before(Option<Current>);
    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    // SAFETY: only lifetimes are changed. The pointer is gone when this function returns; `feed` is
    // borrowed until then, so that nobody else reaches it.
    let feed = unsafe { std::mem::transmute::<NonNull<dyn Feed<'r> + '_>, Current>(NonNull::from(feed)) };
    let _before = Before(CURRENT.replace(Some(feed)));
    work()
}

/// Our cursor; SQLite knows its first field.
#[repr(C)]
struct Cursor {
    base: ffi::sqlite3_vtab_cursor,
    feed: Option<Current>,
    row: i64,
    ended: bool,
}

impl Cursor {
    fn advance(&mut self) -> c_int {
        self.row += 1;
        // SAFETY: the feed is the one of the call of `feeding` we are inside of: `open` took it there.
        match self.feed.map(|mut feed| unsafe { feed.as_mut() }.next()) {
            Some(Ok(more)) => self.ended = !more,
            None => self.ended = true,
            Some(Err(Stopped)) => return ffi::SQLITE_ERROR,
        }
        ffi::SQLITE_OK
    }
}

static MODULE: ffi::sqlite3_module = ffi::sqlite3_module {
    iVersion: 0,
    // Without `xCreate` the table exists by its name alone and cannot be made again under another.
    xCreate: None,
    xConnect: Some(connect),
    xBestIndex: Some(best_index),
    xDisconnect: Some(disconnect),
    xDestroy: None,
    xOpen: Some(open),
    xClose: Some(close),
    xFilter: Some(filter),
    xNext: Some(next),
    xEof: Some(eof),
    xColumn: Some(column),
    xRowid: Some(rowid),
    xUpdate: None,
    xBegin: None,
    xSync: None,
    xCommit: None,
    xRollback: None,
    xFindFunction: None,
    xRename: None,
    xSavepoint: None,
    xRelease: None,
    xRollbackTo: None,
    xShadowName: None,
    xIntegrity: None,
};

unsafe extern "C" fn register(db: *mut ffi::sqlite3, _error: *mut *mut c_char, _api: *const ffi::sqlite3_api_routines) -> c_int {
    // SAFETY: SQLite hands us the connection it is opening; the module is static.
    unsafe { ffi::sqlite3_create_module_v2(db, c"counterfoil_feed".as_ptr(), &raw const MODULE, null_mut(), None) }
}

unsafe extern "C" fn connect(
    db: *mut ffi::sqlite3,
    _aux: *mut c_void,
    _argc: c_int,
    _argv: *const *const c_char,
    table: *mut *mut ffi::sqlite3_vtab,
    _error: *mut *mut c_char,
) -> c_int {
    let declaration = c"CREATE TABLE feed (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, \
        c17, c18, c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31)";
    // SAFETY: called by SQLite with its own connection and a place for the answer.
    unsafe {
        // Not for triggers and views: what stands in a file that somebody else made cannot read it.
        ffi::sqlite3_vtab_config(db, ffi::SQLITE_VTAB_DIRECTONLY);
        let code = ffi::sqlite3_declare_vtab(db, declaration.as_ptr());
        if code == ffi::SQLITE_OK {
            let empty = ffi::sqlite3_vtab { pModule: std::ptr::null(), nRef: 0, zErrMsg: null_mut() };
            *table = Box::into_raw(Box::new(empty));
        }
        code
    }
}

unsafe extern "C" fn disconnect(table: *mut ffi::sqlite3_vtab) -> c_int {
    // SAFETY: `connect` made this box, and SQLite gives it back once.
    drop(unsafe { Box::from_raw(table) });
    ffi::SQLITE_OK
}

/// There is one way to read it: from the first row to the last.
unsafe extern "C" fn best_index(_table: *mut ffi::sqlite3_vtab, _info: *mut ffi::sqlite3_index_info) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn open(_table: *mut ffi::sqlite3_vtab, cursor: *mut *mut ffi::sqlite3_vtab_cursor) -> c_int {
    let base = ffi::sqlite3_vtab_cursor { pVtab: null_mut() };
    let ours = Box::new(Cursor { base, feed: CURRENT.take(), row: -1, ended: false });
    // SAFETY: a place for the answer; the struct begins with the base that SQLite knows.
    unsafe { *cursor = Box::into_raw(ours).cast() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: `open` made this box, and SQLite gives it back once.
    drop(unsafe { Box::from_raw(cursor.cast::<Cursor>()) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn filter(
    cursor: *mut ffi::sqlite3_vtab_cursor,
    _number: c_int,
    _name: *const c_char,
    _argc: c_int,
    _argv: *mut *mut ffi::sqlite3_value,
) -> c_int {
    // SAFETY: the cursor is one of `open`.
    unsafe { &mut *cursor.cast::<Cursor>() }.advance()
}

unsafe extern "C" fn next(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: the cursor is one of `open`.
    unsafe { &mut *cursor.cast::<Cursor>() }.advance()
}

unsafe extern "C" fn eof(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: the cursor is one of `open`.
    c_int::from(unsafe { &*cursor.cast::<Cursor>() }.ended)
}

unsafe extern "C" fn rowid(cursor: *mut ffi::sqlite3_vtab_cursor, row: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: the cursor is one of `open`; a place for the answer.
    unsafe { *row = (*cursor.cast::<Cursor>()).row };
    ffi::SQLITE_OK
}

unsafe extern "C" fn column(cursor: *mut ffi::sqlite3_vtab_cursor, context: *mut ffi::sqlite3_context, number: c_int) -> c_int {
    // SAFETY: the cursor is one of `open`, its feed that of the call of `feeding` we are inside of.
    // What a value points to outlives that call, hence no destructor (`SQLITE_STATIC`).
    unsafe {
        let Some(feed) = (*cursor.cast::<Cursor>()).feed else { return ffi::SQLITE_OK };
        match feed.as_ref().value(number as usize) {
            Value::Null => ffi::sqlite3_result_null(context),
            Value::Int(value) => ffi::sqlite3_result_int64(context, value),
            Value::Text(text) => {
                let Ok(length) = c_int::try_from(text.len()) else { return ffi::SQLITE_TOOBIG };
                ffi::sqlite3_result_text(context, text.as_ptr().cast(), length, None);
            }
            Value::Bytes(bytes) => {
                let Ok(length) = c_int::try_from(bytes.len()) else { return ffi::SQLITE_TOOBIG };
                ffi::sqlite3_result_blob(context, bytes.as_ptr().cast(), length, None);
            }
        }
    }
    ffi::SQLITE_OK
}
