//! How SQLite takes many rows at once, and how it gives them.
//!
//! `INSERT INTO t (…) SELECT c0, c1, … FROM counterfoil_feed` is one statement for any number of
//! rows: no parameter is bound and reset per value, no statement stepped and reset per row. Every
//! connection that is opened knows the table (SQLite's automatic extensions); it is empty except
//! on the thread that is inside [`feeding`]. Measured (`docs/performance.md`): a row of `entries`
//! takes less of the processor this way than through a prepared statement of the C interface, and
//! less than half of what diesel's own statements take.
//!
//! The other way, `SELECT counterfoil_pack(c0, c1, …) FROM t` hands every row of one statement to the
//! [`Packer`] of the call of [`packing`] the thread is inside of, and says how many they were.
//!
//! This is the one file with `unsafe` in it; it has nothing but the callbacks of SQLite's virtual
//! table interface (<https://sqlite.org/vtab.html>) and of one aggregate function, and what every connection
//! is set to where they are made known. What makes it sound:
//! - SQLite calls back on the thread that steps the statement, and [`Feed`]s and [`Packer`]s are found
//!   through thread-locals, set for the time of one call and taken back even if that panics.
//! - What SQLite hands over is copied before the callback returns.
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
use super::gather::Packer;

/// The table's name in SQL.
pub(super) const TABLE: &str = "counterfoil_feed";
/// The function's name in SQL.
pub(super) const PACK: &str = "counterfoil_pack";

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
    static PACKER: Cell<Option<NonNull<Packer>>> = const { Cell::new(None) };
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

/// Runs `work`, during which the rows that are packed come to `packer`. One statement at a time: `work`
/// must not read with another that packs.
pub(super) fn packing<T>(packer: &mut Packer, work: impl FnOnce() -> T) -> T {
    struct Before(Option<NonNull<Packer>>);
    impl Drop for Before {
        fn drop(&mut self) {
            PACKER.set(self.0);
        }
    }
    let _before = Before(PACKER.replace(Some(NonNull::from(packer))));
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
    // Not for triggers and views: what stands in a file that somebody else made cannot call it.
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DIRECTONLY;
    // SAFETY: SQLite hands us the connection it is opening; the module is static, and so are the functions.
    unsafe {
        let code = ffi::sqlite3_create_module_v2(db, c"counterfoil_feed".as_ptr(), &raw const MODULE, null_mut(), None);
        if code != ffi::SQLITE_OK {
            return code;
        }
        // A plan does not depend on what is bound. Otherwise SQLite looks at the value of every `LIMIT ?`, and a
        // statement that is kept is compiled anew each time it runs.
        let code = ffi::sqlite3_db_config(db, ffi::SQLITE_DBCONFIG_ENABLE_QPSG, 1, null_mut::<c_int>());
        if code != ffi::SQLITE_OK {
            return code;
        }
        let (name, step, last) = (c"counterfoil_pack".as_ptr(), Some(pack as _), Some(packed as _));
        ffi::sqlite3_create_function_v2(db, name, -1, flags, null_mut(), None, step, last, None)
    }
}

unsafe extern "C" fn pack(context: *mut ffi::sqlite3_context, count: c_int, values: *mut *mut ffi::sqlite3_value) {
    // SAFETY: eight bytes that SQLite keeps for this run of the function, zero at first, aligned
    // for any number; null where it has no memory.
    let rows = unsafe { ffi::sqlite3_aggregate_context(context, size_of::<i64>() as c_int) }.cast::<i64>();
    let (Some(mut packer), false) = (PACKER.get(), rows.is_null()) else { return };
    // SAFETY: the packer is the one of the call of `packing` we are inside of, which nobody else reaches
    // until that returns; SQLite hands over as many values as it says, and they stay as they are until
    // they are read in another form, which is done once and in the form that they have.
    unsafe {
        *rows += 1;
        let packer = packer.as_mut();
        packer.begin();
        for value in std::slice::from_raw_parts(values, count as usize) {
            match ffi::sqlite3_value_type(*value) {
                ffi::SQLITE_NULL => packer.null(),
                ffi::SQLITE_INTEGER => packer.int(ffi::sqlite3_value_int64(*value)),
                ffi::SQLITE_TEXT => packer.text(bytes(ffi::sqlite3_value_text(*value), *value)),
                ffi::SQLITE_BLOB => packer.blob(bytes(ffi::sqlite3_value_blob(*value).cast(), *value)),
                _ => packer.other(),
            }
        }
        packer.end();
    }
}

/// The bytes of a value that begin at `start`, if there are any.
unsafe fn bytes<'v>(start: *const u8, value: *mut ffi::sqlite3_value) -> &'v [u8] {
    // SAFETY: the caller has just had SQLite say where the value begins; it says how long it is. An empty
    // one begins nowhere.
    unsafe {
        let length = ffi::sqlite3_value_bytes(value) as usize;
        if start.is_null() { &[] } else { std::slice::from_raw_parts(start, length) }
    }
}

unsafe extern "C" fn packed(context: *mut ffi::sqlite3_context) {
    // SAFETY: as in `pack`; where that never ran, there is nothing and nothing is made.
    unsafe {
        let rows = ffi::sqlite3_aggregate_context(context, 0).cast::<i64>();
        ffi::sqlite3_result_int64(context, if rows.is_null() { 0 } else { *rows });
    }
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
