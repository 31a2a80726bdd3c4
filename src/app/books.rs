//! Several books in one process: an [`App`] for each, with a database, a lease, officers and keys of its own.
//!
//! Nothing is shared but the listener and the settings that a book does not name: no key in one database can lead
//! to a row of another book, because there is none.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::db::{Address, Db, DbError, DbResult};
use crate::trail::keys;

use super::App;

/// The books that a process serves.
#[derive(Clone)]
pub struct Books {
    /// The one whose paths have no prefix.
    pub main: App,
    /// The others, each under `/b/NAME`.
    pub others: Vec<App>,
}

impl Books {
    /// All of them, `main` first.
    pub fn all(&self) -> impl Iterator<Item = &App> {
        std::iter::once(&self.main).chain(&self.others)
    }
}

impl From<App> for Books {
    fn from(main: App) -> Books {
        Books { main, others: Vec::new() }
    }
}

/// Refuses books that would share a database, or the name under which a database's keys are filed.
///
/// # Errors
/// Names the two books and what to change.
pub fn require_apart(configs: &[Config]) -> DbResult<()> {
    let mut seen: Vec<(PathBuf, String, Address, &str)> = Vec::new();
    for config in configs {
        let address = Address::parse(&config.database.url)?;
        let (folder, name, book) = (keys::folder(config, &address), address.name(), config.book_name());
        for (other_folder, other_name, other_address, other) in &seen {
            let unfit = |text: String| Err(DbError::Unfit(format!("books `{other}` and `{book}` {text}")));
            if is_one(other_address, &address) || (address.is_remote() && *other_name == name) {
                return unfit("have the same database.url: each book has a database of its own".to_owned());
            }
            if whole(other_folder) == whole(&folder) && *other_name == name {
                return unfit(format!(
                    "would file their keys under one name, {name}, in {}: give one another file name or another keys.dir",
                    folder.display()
                ));
            }
        }
        seen.push((folder, name, address, book));
    }
    Ok(())
}

/// Whether two addresses lead to one database, however they are written.
fn is_one(one: &Address, other: &Address) -> bool {
    match (one.file(), other.file()) {
        (Some(one), Some(other)) => whole(one) == whole(other) || is_same_file(one, other),
        _ => one == other,
    }
}

/// A path from the root on, without links as far as there is something; what is not there yet keeps its name.
fn whole(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    if let Ok(target) = path.read_link() {
        return whole(&path.parent().unwrap_or(Path::new("")).join(target));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => whole(folder),
        _ => Path::new(".").canonicalize().unwrap_or_default(),
    };
    path.file_name().map_or(folder.clone(), |name| folder.join(name))
}

/// Whether both are there and one file, also by two names of it.
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// The database of a book as its settings say, with its replica if it has one.
///
/// # Errors
/// When either cannot be opened.
pub fn open_db(config: &Config) -> DbResult<Db> {
    let settings = &config.database;
    let db = Db::open(&settings.url, settings.readers)?;
    if settings.read_url.is_empty() {
        return Ok(db);
    }
    let bound = std::time::Duration::from_secs(settings.read_lag_seconds.into());
    let lacking = |e: DbError| DbError::Unfit(format!("database.read_url: {e}"));
    db.with_replica(&settings.read_url, settings.readers, bound).map_err(lacking)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str, keys: &str) -> Config {
        let mut config = Config::default();
        config.database.url = url.to_owned();
        config.keys.dir = keys.to_owned();
        config
    }

    #[test]
    fn books_share_neither_a_database_nor_the_names_of_their_keys() {
        let apart = |one: &str, other: &str, keys: &str| {
            require_apart(&[named(one, keys), named(other, keys)]).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert_eq!(apart("sqlite:a/log.db", "sqlite:b/log.db", ""), "", "each has its keys beside it");
        assert!(apart("sqlite:a/log.db", "sqlite:b/log.db", "/k").contains("another keys.dir"));
        assert!(apart("sqlite:a.db", "sqlite:a.db", "").contains("same database.url"));
        assert!(apart("postgres://u@h/d", "postgres://v:secret@h/d?connect_timeout=3", "/k").contains("same database.url"));
        assert_eq!(apart("postgres://u@h/d", "postgres://u@h/e", "/k"), "");
    }

    #[test]
    fn one_file_by_two_names_is_one_database() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| format!("sqlite:{}", dir.path().join(name).display());
        let apart = |one: &str, other: &str| require_apart(&[named(one, ""), named(other, "")]).is_ok();
        std::fs::create_dir(dir.path().join("a"))?;
        std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("b"))?;
        assert!(!apart(&at("a/log.db"), &at("b/log.db")), "through a link, before there is a file");
        assert!(!apart(&at("a/log.db"), &at("a/../a/./log.db")));
        assert!(!apart("sqlite:log.db", "sqlite:./log.db"));
        assert!(!apart("sqlite:log.db", &format!("sqlite:{}", Path::new(".").canonicalize()?.join("log.db").display())));
        std::os::unix::fs::symlink("later.db", dir.path().join("soon.db"))?;
        assert!(!apart(&at("later.db"), &at("soon.db")), "a link to what is not there yet");
        std::fs::write(dir.path().join("one.db"), "")?;
        std::fs::hard_link(dir.path().join("one.db"), dir.path().join("two.db"))?;
        assert!(!apart(&at("one.db"), &at("two.db")));
        assert!(apart(&at("a/log.db"), &at("a/other.db")) && apart(&at("one.db"), &at("three.db")));
        Ok(())
    }
}
