//! Consecutive archives from the first leaf on, read as one log.

use std::path::{Path, PathBuf};

use anyhow::Context;
use counterfoil_verify::archive::{MANIFEST, Manifest};
use counterfoil_verify::check::Source;
use counterfoil_verify::export::Opening;
use counterfoil_verify::files::Export;
use counterfoil_verify::folder::Folder;

/// Whether a folder is an archive.
pub(super) fn is_archive(path: &Path) -> bool {
    path.join(MANIFEST).is_file()
}

/// The archives with their ranges.
pub(super) struct Archives {
    list: Vec<(Manifest, Export<Folder>)>,
}

impl Archives {
    /// Opens them, in whatever order they are named.
    ///
    /// # Errors
    /// When one cannot be read, or they do not follow one another from leaf 0 on.
    pub(super) fn open(paths: &[PathBuf]) -> anyhow::Result<Archives> {
        let mut list = Vec::new();
        for path in paths {
            let bytes = std::fs::read(path.join(MANIFEST)).with_context(|| format!("{} is no archive", path.display()))?;
            let manifest = Manifest::parse(&bytes).with_context(|| path.display().to_string())?;
            list.push((manifest, Export::new(Folder::new(path))));
        }
        list.sort_by_key(|(manifest, _)| manifest.from);
        let mut end = 0;
        for (manifest, _) in &list {
            anyhow::ensure!(
                manifest.from == end,
                "leaves {end} to before {} are in none of these archives: a log is made again from its first leaf on",
                manifest.from
            );
            end = manifest.to;
        }
        Ok(Archives { list })
    }

    /// Leaves in all of them.
    pub(super) fn size(&self) -> u64 {
        self.list.last().map_or(0, |(manifest, _)| manifest.to)
    }

    /// The one that holds a leaf.
    fn of(&mut self, seq: u64) -> Result<&mut Export<Folder>, String> {
        let found = self.list.iter_mut().find(|(manifest, _)| (manifest.from..manifest.to).contains(&seq));
        found.map(|(_, export)| export).ok_or_else(|| format!("leaf {seq} is in none of the archives"))
    }
}

impl Source for Archives {
    type Error = String;

    // A block of 256 leaves is in one archive: each begins and ends with whole ones.
    fn leaves(&mut self, first: u64, end: u64) -> Result<Vec<(u64, Vec<u8>)>, String> {
        self.of(first)?.leaves(first, end)
    }

    fn openings(&mut self, first: u64, end: u64) -> Result<Vec<Opening>, String> {
        self.of(first)?.openings(first, end)
    }

    fn tile(&mut self, level: u8, index: u64, _: u16) -> Result<Option<Vec<u8>>, String> {
        Err(format!("tile {level}/{index} is not asked of archives"))
    }
}
