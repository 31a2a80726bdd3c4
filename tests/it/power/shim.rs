//! SQLite's way to the disk that forgets: a VFS in front of the system's. Files that are not kept
//! there are opened by the system's VFS as ever; locks and shared memory of those that are, too.
#![allow(unsafe_code, reason = "SQLite's VFS is an interface of C")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::Once;

use libsqlite3_sys as ffi;

use super::disk;

/// What SQLite holds of a file that is kept: its first field is the methods, as SQLite wants it.
#[repr(C)]
struct Kept {
    methods: *const ffi::sqlite3_io_methods,
    file: *mut File,
}

struct File {
    path: PathBuf,
    /// The system's file of the same name, for its locks.
    real: Box<[u64]>,
}

impl File {
    fn real(&mut self) -> *mut ffi::sqlite3_file {
        self.real.as_mut_ptr().cast()
    }
}

/// Puts the VFS in front, once for the process.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the system's VFS lives as long as the process; ours is leaked, as registering asks.
        unsafe {
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            let vfs = Box::leak(Box::new(std::ptr::read(real)));
            vfs.zName = c"power".as_ptr();
            vfs.pAppData = real.cast();
            vfs.pNext = std::ptr::null_mut();
            vfs.szOsFile = (*real).szOsFile.max(size_of::<Kept>() as c_int);
            vfs.xOpen = Some(x_open);
            vfs.xDelete = Some(x_delete);
            vfs.xAccess = Some(x_access);
            assert_eq!(ffi::sqlite3_vfs_register(vfs, 1), ffi::SQLITE_OK);
        }
    });
}

unsafe fn real_vfs(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: set at installation.
    unsafe { (*vfs).pAppData.cast() }
}

unsafe fn path_of<'a>(name: *const c_char) -> Option<&'a Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite hands names over as C strings that outlive the call.
    let path = Path::new(unsafe { CStr::from_ptr(name) }.to_str().ok()?);
    disk::is_kept(path).then_some(path)
}

unsafe extern "C" fn x_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: arguments are SQLite's, passed on as they are or as its interface describes them.
    unsafe {
        let real = real_vfs(vfs);
        let open = (*real).xOpen.unwrap();
        let Some(path) = path_of(name) else { return open(real, name, file, flags, out) };
        let words = (*real).szOsFile as usize / 8 + 1;
        let mut kept = Box::new(File { path: path.to_owned(), real: vec![0; words].into_boxed_slice() });
        disk::open(path);
        let result = open(real, name, kept.real(), flags, out);
        let ours = file.cast::<Kept>();
        if result == ffi::SQLITE_OK {
            (*ours).methods = &raw const METHODS;
            (*ours).file = Box::into_raw(kept);
        } else {
            (*ours).methods = std::ptr::null();
        }
        result
    }
}

unsafe extern "C" fn x_delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: as above.
    unsafe {
        if let Some(path) = path_of(name) {
            disk::remove(path);
        }
        let real = real_vfs(vfs);
        ((*real).xDelete.unwrap())(real, name, sync)
    }
}

unsafe extern "C" fn x_access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: as above.
    unsafe {
        if let (Some(there), ffi::SQLITE_ACCESS_EXISTS) = (path_of(name).and_then(disk::has_content), flags) {
            *out = c_int::from(there);
            return ffi::SQLITE_OK;
        }
        let real = real_vfs(vfs);
        ((*real).xAccess.unwrap())(real, name, flags, out)
    }
}

unsafe fn file<'a>(file: *mut ffi::sqlite3_file) -> &'a mut File {
    // SAFETY: only files that were opened above have these methods; SQLite uses one from one thread at a time.
    unsafe { &mut *(*file.cast::<Kept>()).file }
}

unsafe extern "C" fn x_close(of: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the last call on this file.
    unsafe {
        let mut kept = Box::from_raw((*of.cast::<Kept>()).file);
        (*of.cast::<Kept>()).methods = std::ptr::null();
        let real = kept.real();
        match (*real).pMethods.as_ref() {
            Some(methods) => (methods.xClose.unwrap())(real),
            None => ffi::SQLITE_OK,
        }
    }
}

unsafe extern "C" fn x_read(of: *mut ffi::sqlite3_file, into: *mut c_void, count: c_int, at: i64) -> c_int {
    // SAFETY: SQLite's buffer has `count` bytes.
    unsafe {
        let buffer = std::slice::from_raw_parts_mut(into.cast::<u8>(), count as usize);
        let read = disk::read(&file(of).path, at as usize, buffer);
        buffer[read..].fill(0);
        if read == buffer.len() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ }
    }
}

unsafe extern "C" fn x_write(of: *mut ffi::sqlite3_file, from: *const c_void, count: c_int, at: i64) -> c_int {
    // SAFETY: as above.
    unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), count as usize);
        disk::write(&file(of).path, at as usize, bytes);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_truncate(of: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: as above.
    disk::truncate(&unsafe { file(of) }.path, length as usize);
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_sync(of: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: as above.
    disk::sync(&unsafe { file(of) }.path);
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_size(of: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: as above.
    unsafe { *size = disk::size(&file(of).path) as i64 };
    ffi::SQLITE_OK
}

/// Passes a call on to the system's file.
macro_rules! passed_on {
    ($(fn $name:ident = $method:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => { $(
        unsafe extern "C" fn $name(of: *mut ffi::sqlite3_file $(, $arg: $type)*) -> $answer {
            // SAFETY: the system's file was opened together with ours.
            unsafe {
                let real = file(of).real();
                ((*(*real).pMethods).$method.unwrap())(real $(, $arg)*)
            }
        }
    )* };
}

passed_on! {
    fn x_lock = xLock(level: c_int) -> c_int;
    fn x_unlock = xUnlock(level: c_int) -> c_int;
    fn x_check_reserved_lock = xCheckReservedLock(out: *mut c_int) -> c_int;
    fn x_sector_size = xSectorSize() -> c_int;
    fn x_device_characteristics = xDeviceCharacteristics() -> c_int;
    fn x_shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int;
    fn x_shm_lock = xShmLock(offset: c_int, n: c_int, flags: c_int) -> c_int;
    fn x_shm_barrier = xShmBarrier() -> ();
    fn x_shm_unmap = xShmUnmap(delete: c_int) -> c_int;
}

/// Hints about the system's file, which is empty, would only mislead.
unsafe extern "C" fn x_file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
