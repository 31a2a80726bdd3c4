//! A table that SQLite reads from memory, and a function that takes what it reads: many rows at once, in and out.
//!
//! `INSERT INTO t (…) SELECT c0, c1, … FROM counterfoil_feed` is one statement for any number of
//! rows: no parameter is bound and reset per value, no statement stepped and reset per row. Every
//! connection that is opened knows the table (SQLite's automatic extensions); it is empty except
//! on the thread that is inside [`feeding`]. Measured (`docs/performance.md`): a row of `entries`
//! takes less of the processor this way than through a prepared statement of the C interface, and
//! less than half of what diesel's own statements take. The other way round,
//! `SELECT count(counterfoil_sink(a, b, …)) FROM t` hands every row to the [`Sink`] of the thread that is inside
//! [`draining`], its values where SQLite has them.
//!
//! This is the one file with `unsafe` in it; it has nothing but the callbacks of SQLite's virtual
//! table interface (<https://sqlite.org/vtab.html>) and of one function (<https://sqlite.org/appfunc.html>). What makes it sound:
//! - SQLite calls back on the thread that steps the statement, and [`Feed`]s and [`Sink`]s are found through
//!   thread-locals, set for the time of one call and taken back even if that panics.
//! - Values handed to a sink are borrowed for that one call of it, during which SQLite keeps them.
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

/// The feed cannot go on; it knows why. Or the sink takes no more.
pub(super) struct Stopped;

/// Takes rows, one by one.
pub(super) trait Sink {
    /// A row: its values in order.
    fn take(&mut self, values: &[Value<'_>]) -> Result<(), Stopped>;
}

/// Values in a row at most.
const ROW_MAX: usize = 32;

type Current = NonNull<dyn Feed<'static>>;
type CurrentSink = NonNull<dyn Sink + 'static>;

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
    static SINK: Cell<Option<CurrentSink>> = const { Cell::new(None) };
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

/// Runs `work`, during which the function hands its rows to `sink`.
pub(super) fn draining<T>(sink: &mut (dyn Sink + '_), work: impl FnOnce() -> T) -> T {
    struct Before(Option<CurrentSink>);
    impl Drop for Before {
        fn drop(&mut self) {
            SINK.set(self.0);
        }
    }
    // SAFETY: only the lifetime is changed. The pointer is gone when this function returns; `sink` is
    // borrowed until then, so that nobody else reaches it.
    let sink = unsafe { std::mem::transmute::<NonNull<dyn Sink + '_>, CurrentSink>(NonNull::from(sink)) };
    let _before = Before(SINK.replace(Some(sink)));
    work()
}

/// `counterfoil_sink(…)`: hands its arguments over and is 1; an error where nobody drains or the sink takes no more.
unsafe extern "C" fn sink(context: *mut ffi::sqlite3_context, count: c_int, values: *mut *mut ffi::sqlite3_value) {
    let mut row = [Value::Null; ROW_MAX];
    let count = (count.max(0) as usize).min(ROW_MAX);
    // SAFETY: SQLite hands us so many values, which it keeps while this function runs. The sink is the one of the
    // call of `draining` we are inside of, and nobody else reaches it meanwhile.
    unsafe {
        for (place, value) in row.iter_mut().zip(std::slice::from_raw_parts(values, count)) {
            *place = value_of(*value);
        }
        let taken = SINK.get().map(|mut sink| sink.as_mut().take(&row[..count]));
        match taken {
            Some(Ok(())) => ffi::sqlite3_result_int(context, 1),
            _ => ffi::sqlite3_result_error(context, c"nothing takes these rows".as_ptr(), -1),
        }
    }
}

/// A value where SQLite has it. What is neither a whole number nor text in UTF-8 is bytes: no column of ours reads it
/// as anything else.
///
/// # Safety
/// `value` must be one of a running call, and the answer must not outlive that.
unsafe fn value_of<'a>(value: *mut ffi::sqlite3_value) -> Value<'a> {
    // SAFETY: as promised by the caller. The pointer is asked for before the length, as SQLite wants it.
    unsafe {
        let bytes = |start: *const u8| match (start.is_null(), ffi::sqlite3_value_bytes(value)) {
            (false, length @ 1..) => std::slice::from_raw_parts(start, length as usize),
            _ => &[],
        };
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_NULL => Value::Null,
            ffi::SQLITE_INTEGER => Value::Int(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_TEXT => {
                let text = bytes(ffi::sqlite3_value_text(value));
                std::str::from_utf8(text).map_or(Value::Bytes(text), Value::Text)
            }
            _ => Value::Bytes(bytes(ffi::sqlite3_value_blob(value).cast())),
        }
    }
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
    // SAFETY: SQLite hands us the connection it is opening; module and function are static.
    unsafe {
        let name = c"counterfoil_sink".as_ptr();
        match ffi::sqlite3_create_function_v2(db, name, -1, flags, null_mut(), Some(sink), None, None, None) {
            ffi::SQLITE_OK => {
                ffi::sqlite3_create_module_v2(db, c"counterfoil_feed".as_ptr(), &raw const MODULE, null_mut(), None)
            }
            code => code,
        }
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
