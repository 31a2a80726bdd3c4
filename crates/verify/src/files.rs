//! An export as a source: its files, however they are stored, read as leaves, tiles and openings.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Source;
use crate::export::{
    CHECKPOINT, LEAVES, LEAVES_PER_FILE, Opening, PRIVATE, REMEMBERED, ROTATIONS, leaves_path, number_of, parse_leaf,
    parse_opening, private_path,
};
use crate::tile::path as tile_path;

/// Problems with lines that are kept; the others are counted.
const MAX_PROBLEMS: usize = 100;

/// Checkpoints that are read from an export.
pub const MAX_REMEMBERED: usize = 10_000;

/// The files of an export: a folder, or a bundle.
pub trait Files {
    /// Why a file could not be read.
    type Error;

    /// The content of a file, or nothing when there is none of this path.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The paths of the files in a folder, sorted.
    ///
    /// # Errors
    /// When it cannot be listed.
    fn list(&mut self, folder: &str) -> Result<Vec<String>, Self::Error>;
}

/// An export, read through its files. One file of leaves and one of openings is held at a time.
#[derive(Debug)]
pub struct Export<F> {
    files: F,
    leaves: Lines<Vec<u8>>,
    openings: Lines<Opening>,
    /// The numbers of the files of leaves, once they were asked for.
    numbers: Option<BTreeSet<u64>>,
}

/// The lines of one file, by their `seq`.
#[derive(Debug)]
struct Lines<T> {
    number: Option<u64>,
    lines: BTreeMap<u64, T>,
    problems: Vec<String>,
    more: u64,
}

impl<T: Clone> Lines<T> {
    const fn new() -> Self {
        Self { number: None, lines: BTreeMap::new(), problems: Vec::new(), more: 0 }
    }

    /// Takes the content of the file that holds `seq`.
    fn load(&mut self, seq: u64, path: &str, content: &[u8], parse: impl Fn(&str) -> Option<(u64, T)>) {
        self.number = Some(seq / LEAVES_PER_FILE);
        self.lines.clear();
        for (line, n) in content.split(|b| *b == b'\n').zip(1..) {
            if line.is_empty() {
                continue;
            }
            let parsed = std::str::from_utf8(line).ok().and_then(&parse);
            let problem = match parsed {
                None => "cannot be read",
                Some((at, _)) if Some(at / LEAVES_PER_FILE) != self.number => "belongs into another file",
                Some((at, value)) => match self.lines.insert(at, value) {
                    None => continue,
                    Some(_) => "has the number of an earlier line",
                },
            };
            if self.problems.len() < MAX_PROBLEMS {
                self.problems.push(format!("{path}: line {n} {problem}"));
            } else {
                self.more += 1;
            }
        }
    }

    fn between(&self, first: u64, end: u64) -> impl Iterator<Item = (&u64, &T)> {
        self.lines.range(first..end)
    }
}

impl<F: Files> Export<F> {
    /// An export over its files.
    pub const fn new(files: F) -> Self {
        Self { files, leaves: Lines::new(), openings: Lines::new(), numbers: None }
    }

    /// The newest signed checkpoint.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, F::Error> {
        self.files.read(CHECKPOINT)
    }

    /// The checkpoints remembered from earlier, with their paths.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn remembered(&mut self) -> Result<Vec<(String, Vec<u8>)>, F::Error> {
        self.notes(REMEMBERED)
    }

    /// The changes of the log's key, with their paths.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn rotations(&mut self) -> Result<Vec<(String, Vec<u8>)>, F::Error> {
        self.notes(ROTATIONS)
    }

    fn notes(&mut self, folder: &str) -> Result<Vec<(String, Vec<u8>)>, F::Error> {
        let mut paths = self.files.list(folder)?;
        if paths.len() > MAX_REMEMBERED {
            self.leaves.problems.push(format!("{folder}: more than {MAX_REMEMBERED} notes, the others were not read"));
            paths.truncate(MAX_REMEMBERED);
        }
        let mut notes = Vec::with_capacity(paths.len());
        for path in paths {
            if let Some(content) = self.files.read(&path)? {
                notes.push((path, content));
            }
        }
        Ok(notes)
    }

    fn numbers(&mut self, folder: &str) -> Result<BTreeSet<u64>, F::Error> {
        Ok(self.files.list(folder)?.iter().filter_map(|path| number_of(folder, path)).collect())
    }

    /// Lines that could not be used so far, and how many beyond those listed.
    #[must_use]
    pub fn problems(&self) -> (Vec<String>, u64) {
        (self.leaves.problems.iter().chain(&self.openings.problems).cloned().collect(), self.leaves.more + self.openings.more)
    }
}

impl<F: Files> Source for Export<F> {
    type Error = F::Error;

    fn leaves(&mut self, first: u64, end: u64) -> Result<Vec<(u64, Vec<u8>)>, F::Error> {
        if self.leaves.number != Some(first / LEAVES_PER_FILE) {
            let path = leaves_path(first);
            let content = self.files.read(&path)?.unwrap_or_default();
            self.leaves.load(first, &path, &content, parse_leaf);
        }
        Ok(self.leaves.between(first, end).map(|(seq, leaf)| (*seq, leaf.clone())).collect())
    }

    fn openings(&mut self, first: u64, end: u64) -> Result<Vec<Opening>, F::Error> {
        if self.openings.number != Some(first / LEAVES_PER_FILE) {
            let path = private_path(first);
            let content = self.files.read(&path)?.unwrap_or_default();
            self.openings.load(first, &path, &content, |line| parse_opening(line).map(|o| (o.seq, o)));
        }
        Ok(self.openings.between(first, end).map(|(_, opening)| opening.clone()).collect())
    }

    fn tile(&mut self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, F::Error> {
        self.files.read(&tile_path(level, index, width))
    }

    fn next_from(&mut self, first: u64) -> Result<Option<u64>, F::Error> {
        let numbers = match self.numbers.take() {
            Some(numbers) => numbers,
            None => self.numbers(LEAVES)?,
        };
        let next = numbers.range(first / LEAVES_PER_FILE..).next().map(|number| first.max(number * LEAVES_PER_FILE));
        self.numbers = Some(numbers);
        Ok(next)
    }

    fn beyond(&mut self, size: u64) -> Result<Vec<(u64, String)>, F::Error> {
        let covered = size.div_ceil(LEAVES_PER_FILE);
        let mut beyond = Vec::new();
        for folder in [LEAVES, PRIVATE] {
            for number in self.numbers(folder)?.range(covered..) {
                beyond.push((number * LEAVES_PER_FILE, format!("{folder} has a file of number {number}")));
            }
        }
        if !size.is_multiple_of(LEAVES_PER_FILE) {
            self.leaves(size - 1, size)?;
            self.openings(size - 1, size)?;
            let end = covered.saturating_mul(LEAVES_PER_FILE);
            beyond.extend(self.leaves.between(size, end).map(|(seq, _)| (*seq, "a leaf is there".to_owned())));
            beyond.extend(self.openings.between(size, end).map(|(seq, _)| (*seq, "private parts are there".to_owned())));
        }
        Ok(beyond)
    }
}
