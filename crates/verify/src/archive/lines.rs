//! Lines of an archive's files, one after the other and file after file.

use std::io::{BufRead, Read};

use super::Store;

/// The longest line that is read: of a leaf with every field as long as it can be, and more.
const MAX_LINE: u64 = 8 << 20;

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub path: String,
    pub line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} line {}", self.path, self.line)
    }
}

/// The lines of some files. A file that is not there has none: that is found by its absence.
pub(super) struct Lines<'s> {
    store: &'s dyn Store,
    paths: std::vec::IntoIter<String>,
    file: Option<Box<dyn BufRead>>,
    at: Place,
    peeked: Option<Option<(Place, String)>>,
}

impl<'s> Lines<'s> {
    pub(super) fn new(store: &'s dyn Store, paths: Vec<String>) -> Self {
        Self { store, paths: paths.into_iter(), file: None, at: Place { path: String::new(), line: 0 }, peeked: None }
    }

    /// The next line, without its end; it is still the next.
    pub(super) fn peek(&mut self) -> Result<Option<&(Place, String)>, String> {
        if self.peeked.is_none() {
            let read = self.read()?;
            self.peeked = Some(read);
        }
        Ok(self.peeked.as_ref().and_then(Option::as_ref))
    }

    pub(super) fn skip(&mut self) {
        self.peeked = None;
    }

    pub(super) fn next(&mut self) -> Result<Option<(Place, String)>, String> {
        match self.peeked.take() {
            Some(peeked) => Ok(peeked),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<(Place, String)>, String> {
        loop {
            let Some(file) = &mut self.file else {
                let Some(path) = self.paths.next() else { return Ok(None) };
                self.file = self.store.open(&path)?;
                self.at = Place { path, line: 0 };
                continue;
            };
            let mut bytes = Vec::new();
            let read = file.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes);
            if read.map_err(|e| format!("{} cannot be read: {e}", self.at.path))? == 0 {
                self.file = None;
                continue;
            }
            self.at.line += 1;
            // A line that does not end is none: what is added keeps it from being taken for one.
            if bytes.pop_if(|end| *end == b'\n').is_none() {
                bytes.extend_from_slice("\u{fffd}".as_bytes());
            }
            return Ok(Some((self.at.clone(), String::from_utf8_lossy(&bytes).into_owned())));
        }
    }
}
