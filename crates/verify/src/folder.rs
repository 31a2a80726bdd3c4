//! The files of an export: in a folder, or in one bundle. The only part of the library that reads
//! from disk; feature `fs`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use crate::archive::Store;
use crate::export::{is_bundle, parse_bundle_line};
use crate::files::Files;
use crate::text::unmarked;

/// Largest single file that is read.
pub const MAX_FILE: u64 = 4 << 30;

/// A folder on disk. Paths are made by the verifier, never read from the export, so none leads out.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The export in this folder.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Files for Folder {
    type Error = String;

    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let file = self.root.join(path);
        match fs::metadata(&file) {
            Ok(found) if found.len() > MAX_FILE => return Err(format!("{} has more than {MAX_FILE} bytes", file.display())),
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(format!("{} cannot be read: {e}", file.display())),
        }
        fs::read(&file).map(Some).map_err(|e| format!("{} cannot be read: {e}", file.display()))
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, String> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(format!("{folder} cannot be listed: {e}")),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| format!("{folder} cannot be listed: {e}"))?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| format!("{folder} has a file whose name is not UTF-8"))?;
            paths.push(format!("{folder}/{name}"));
        }
        paths.sort();
        Ok(paths)
    }
}

/// Files of an archive and folders within it that are looked at, at most.
const MAX_PATHS: usize = 20_000;

impl Store for Folder {
    fn paths(&self) -> Result<Vec<String>, String> {
        let (mut paths, mut folders) = (Vec::new(), vec![String::new()]);
        while let Some(folder) = folders.pop() {
            let at = self.root.join(&folder);
            for entry in fs::read_dir(&at).map_err(|e| format!("{} cannot be listed: {e}", at.display()))? {
                let entry = entry.map_err(|e| format!("{} cannot be listed: {e}", at.display()))?;
                let name = entry.file_name();
                let name = name.to_str().ok_or_else(|| format!("{} has a file whose name is not UTF-8", at.display()))?;
                let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                let kind = entry.file_type().map_err(|e| format!("{path} cannot be looked at: {e}"))?;
                if kind.is_dir() {
                    folders.push(path)
                } else {
                    paths.push(path)
                }
                if paths.len() + folders.len() > MAX_PATHS {
                    return Err(format!("{} has more than {MAX_PATHS} files", self.root.display()));
                }
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn BufRead>>, String> {
        let file = self.root.join(path);
        match fs::symlink_metadata(&file) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(format!("{} is no file", file.display())),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(format!("{} cannot be read: {e}", file.display())),
        }
        let opened = File::open(&file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
        Ok(Some(Box::new(BufReader::with_capacity(1 << 16, opened))))
    }
}

/// All files in memory.
#[derive(Debug)]
pub struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// When it is none, or a line of it cannot be used.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let text =
            std::str::from_utf8(unmarked(content)).map_err(|_| "the bundle is not UTF-8 text: it was changed on its way")?;
        if !is_bundle(text.lines().next().unwrap_or_default()) {
            return Err("this is no bundle of an export: its first line does not say so".into());
        }
        let mut files = BTreeMap::new();
        // Editors and transfers add empty lines at the end.
        let lines = text.lines().zip(1..).skip(1).filter(|(line, _)| !line.is_empty());
        for (line, n) in lines {
            let (path, content) = parse_bundle_line(line).ok_or_else(|| format!("line {n} of the bundle cannot be read"))?;
            if files.insert(path, content).is_some() {
                return Err(format!("line {n} of the bundle holds a file for the second time"));
            }
        }
        Ok(Self { files })
    }
}

impl Files for Bundle {
    type Error = String;

    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.files.get(path).cloned())
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, String> {
        let prefix = format!("{folder}/");
        Ok(self.files.keys().filter(|path| path.starts_with(&prefix)).cloned().collect())
    }
}
