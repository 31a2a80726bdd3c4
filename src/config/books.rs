//! Several books in one installation: each is a log with a sequencer, a database and officers of its own, and has the
//! settings of the installation except for those that its own section names.

use std::collections::BTreeSet;
use std::path::Path;

use figment::Figment;
use figment::providers::Serialized;

use super::{Capture, Config, ConfigError};

/// The book without a section of its own.
pub const MAIN: &str = "main";
/// Letters in the name of a book: it stands in addresses and file names.
const NAME_MAX: usize = 30;
/// Books beside the main one.
const BOOKS_MAX: usize = 100;
/// What a book cannot say for itself: the listener is the installation's.
const COMMON: [&str; 2] = ["server", "book"];
/// What a book does not take over from the installation, besides `capture`: it is about one database.
const OWN: [&str; 4] = ["database.url", "database.read_url", "keys.log", "keys.master"];

/// One `[book.NAME]`: sections as of the whole file, with the keys that differ.
pub type BookSettings = figment::value::Dict;

impl ConfigError {
    fn of_book(self, book: &str) -> ConfigError {
        match self {
            ConfigError::Refused(text) => ConfigError::Refused(format!("[book.{book}]: {text}")),
            other => ConfigError::Book(book.to_owned(), Box::new(other)),
        }
    }
}

impl Config {
    /// The book's name: `main`, or that of its section.
    pub fn book_name(&self) -> &str {
        if self.name.is_empty() { MAIN } else { &self.name }
    }

    /// What the addresses of this book's pages begin with: nothing for `main`, else `/b/NAME`.
    pub fn root(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!("/b/{}", self.name) }
    }

    /// Every book of the installation, `main` first; empty where that is the only one.
    pub fn books(&self) -> &[String] {
        &self.books
    }

    /// Reads the settings of one book as [`Config::load`] does; `database` is that book's.
    ///
    /// # Errors
    /// Also when there is no book of this name.
    pub fn load_book(file: Option<&Path>, database: Option<&str>, book: &str) -> Result<Config, ConfigError> {
        if book == MAIN {
            return Config::load(file, database);
        }
        let base = Config::layers(file)?;
        let main = Config::read(&base, None)?;
        if !main.book.contains_key(book) {
            let known: Vec<&str> = main.book.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "it names none".to_owned() } else { format!("it names {}", known.join(", ")) };
            return Err(ConfigError::Refused(format!("there is no [book.{book}]: besides `{MAIN}` {known}")));
        }
        main.of_book(&base, book, database)
    }

    /// The books beside `main`, by name, each with its settings.
    ///
    /// # Errors
    /// As [`Config::load`], naming the book.
    pub fn load_books(file: Option<&Path>) -> Result<Vec<Config>, ConfigError> {
        let base = Config::layers(file)?;
        let main = Config::read(&base, None)?;
        let books = main.book.keys().map(|book| main.of_book(&base, book, None)).collect::<Result<Vec<Config>, ConfigError>>()?;
        // Two books would each take a part of one queue.
        let mut captured = BTreeSet::new();
        for capture in std::iter::once(&main).chain(&books).flat_map(|book| &book.capture) {
            if let Some(table) = capture.table.iter().find(|table| !captured.insert((&capture.url, &table.table))) {
                let refused =
                    format!("[[capture]] {}: {} is captured for two books; it has one queue", capture.name, table.table);
                return Err(ConfigError::Refused(refused));
            }
        }
        Ok(books)
    }

    fn of_book(&self, base: &Figment, book: &str, database: Option<&str>) -> Result<Config, ConfigError> {
        let settings = self.book.get(book).cloned().unwrap_or_default();
        let mut figment = base.clone();
        for key in OWN {
            figment = figment.merge(Serialized::default(key, ""));
        }
        // A captured table is drained into one log.
        figment = figment.merge(Serialized::default("capture", Vec::<Capture>::new()));
        figment = figment.merge(Serialized::defaults(settings));
        let mut config = Config::read(&figment, database).map_err(|e| e.of_book(book))?;
        if config.database.url.is_empty() {
            let refused = "database.url must be set: each book has a database of its own".to_owned();
            return Err(ConfigError::Refused(refused).of_book(book));
        }
        config.name = book.to_owned();
        config.book.clear();
        config.books = self.books.clone();
        config.server.public_url = format!("{}{}", self.public_url(), config.root());
        Ok(config)
    }

    /// The names of all books, once the settings are known to be sound.
    pub(super) fn with_books(mut self) -> Config {
        if !self.book.is_empty() {
            self.books = std::iter::once(MAIN).chain(self.book.keys().map(String::as_str)).map(str::to_owned).collect();
        }
        self
    }

    /// What is wrong with the sections of the books themselves.
    pub(super) fn unfit_books(&self) -> Option<String> {
        if self.book.len() > BOOKS_MAX {
            return Some(format!("{} books are too many for one process; at most {BOOKS_MAX}", self.book.len()));
        }
        self.book.iter().find_map(|(name, settings)| {
            let shown: String = name.chars().take(80).collect();
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if name == MAIN || name.len() > NAME_MAX || !name.bytes().all(plain) || !name.starts_with(|c: char| c.is_ascii_lowercase())
            {
                return Some(format!(
                    "[book.{shown}]: the name of a book is at most {NAME_MAX} lower-case letters, digits and hyphens, beginning with \
                     a letter; `{MAIN}` is the one without a section"
                ));
            }
            let common = COMMON.into_iter().find(|section| settings.contains_key(*section))?;
            Some(format!("[book.{name}.{common}]: section `{common}` is the installation's, not a book's"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str, book: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).map_err(|e| e.to_string())?;
        Config::load_book(Some(&path), None, book).map_err(|e| e.to_string())
    }

    const TWO: &str = "[server]\npublic_url = \"https://monitor.bank.example/\"\n[bank]\nname = \"Bank\"\nweekend = [\"Sun\"]\n\
        [database]\nurl = \"sqlite:main.db\"\nreaders = 7\nread_url = \"postgres://r/d\"\n\
        [book.savings.database]\nurl = \"sqlite:savings.db\"\n[book.savings.bank]\nname = \"Savings\"\n";

    #[test]
    fn a_book_has_the_settings_of_the_installation_but_for_its_own() -> Result<(), String> {
        let main = loaded(TWO, MAIN)?;
        assert_eq!((main.book_name(), main.root().as_str(), main.book.len()), ("main", "", 1));
        let book = loaded(TWO, "savings")?;
        assert_eq!((book.book_name(), book.root().as_str()), ("savings", "/b/savings"));
        assert_eq!((book.bank.name.as_str(), &book.bank.weekend), ("Savings", &main.bank.weekend));
        assert_eq!((book.database.url.as_str(), book.database.readers), ("sqlite:savings.db", 7));
        assert_eq!(book.database.read_url, "", "the replica of another database is not this one's");
        assert_eq!(book.public_url(), "https://monitor.bank.example/b/savings");
        assert!(book.is_https() && book.book.is_empty());
        let capture = "[[capture]]\nname = \"core\"\nurl = \"postgres://c@h/d\"\n";
        let with = format!("{TWO}{capture}");
        assert_eq!(
            (loaded(&with, MAIN)?.capture.len(), loaded(&with, "savings")?.capture.len()),
            (1, 0),
            "a queue is one book's"
        );
        Ok(())
    }

    #[test]
    fn the_database_of_the_command_line_is_the_book_s() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("c.toml");
        std::fs::write(&path, TWO)?;
        let copy = Config::load_book(Some(&path), Some("sqlite:copy.db"), "savings")?;
        assert_eq!((copy.database.url.as_str(), copy.bank.name.as_str()), ("sqlite:copy.db", "Savings"));
        Ok(())
    }

    #[test]
    fn what_a_book_cannot_be_is_refused_by_name() {
        let refused = |text: &str, book: &str| loaded(text, book).err().unwrap_or_default();
        assert!(refused(TWO, "credit").contains("it names savings"));
        assert!(refused("[book.main.bank]\nname = \"x\"", "main").contains("the one without a section"));
        assert!(refused("[book.\"../x\".bank]\nname = \"x\"", "main").contains("lower-case"));
        assert!(refused("[book.a.server]\nlisten = \"x\"", "main").contains("[book.a.server]"));
        assert!(refused("[book.a.bank]\nname = \"x\"", "a").contains("[book.a]: database.url must be set"));
        let misspelt = refused("[book.a.database]\nurll = \"x\"", "a");
        assert!(misspelt.contains("[book.a]") && misspelt.contains("urll"), "{misspelt}");
    }
}
