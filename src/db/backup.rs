//! A copy of the embedded database while it is written: one unchanging state of it, whole and on the disk.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::{Address, Conn, Db, DbError, DbResult};

#[derive(QueryableByName)]
struct Said {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// Copies the SQLite database of `db` into the new file `to`, readable by its owner alone, and opens the copy to see
/// that it is whole. Writers go on meanwhile; the copy is of the moment at which it began.
///
/// # Errors
/// When `to` exists, cannot be written, or is not whole; then nothing is left of it. [`DbError::Unfit`] on
/// PostgreSQL, with what to use there.
pub fn copy(db: &Db, to: &Path) -> DbResult<Db> {
    let Address::Sqlite(_) = db.address() else {
        return Err(DbError::Unfit(
            "PostgreSQL has its own ways, which also keep what is written later: pg_basebackup with archived WAL, or \
             `pg_dump --format=custom`; docs/operations.md has the commands"
                .into(),
        ));
    };
    let failed =
        |e: std::io::Error| DbError::Unfit(format!("{}: {e}; name a new file in a folder that can be written", to.display()));
    let name = to.to_str().ok_or_else(|| DbError::Connect(format!("{}: the file name is not UTF-8", to.display())))?;
    // SQLite fills an empty file, and leaves its mode as it is.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    let copied = fill(db, name).and_then(|()| {
        file.sync_all().map_err(failed)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        whole(name)
    });
    if copied.is_err() {
        // What cannot be removed is still refused by the next attempt.
        let _ = std::fs::remove_file(to);
    }
    copied
}

fn fill(db: &Db, name: &str) -> DbResult<()> {
    let mut conn = db.connect()?;
    conn.execute(&format!("VACUUM INTO '{}'", name.replace('\'', "''")))
}

/// Opens the copy and has SQLite read all of it.
fn whole(name: &str) -> DbResult<Db> {
    let copy = Db::open(&format!("sqlite:{name}"), 1)?;
    let said = copy.read(|conn| {
        let Conn::Sqlite(c) = conn else { return Ok(Vec::new()) };
        DbResult::Ok(diesel::sql_query("PRAGMA integrity_check").load::<Said>(c)?)
    })?;
    match said.first() {
        Some(said) if said.integrity_check == "ok" => Ok(copy),
        Some(said) => Err(DbError::Corrupt(format!("the copy is not whole: {}", said.integrity_check))),
        None => Err(DbError::Corrupt("the copy could not be checked".into())),
    }
}
