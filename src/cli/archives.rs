//! Consecutive archives from the first leaf on, read as one log.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context;
use counterfoil_verify::archive::{MANIFEST, Manifest, Value, parse_value, values_path};
use counterfoil_verify::check::Source;
use counterfoil_verify::export::{LEAVES_PER_FILE, Opening};
use counterfoil_verify::files::Export;
use counterfoil_verify::folder::Folder;

/// Whether a folder is an archive.
pub(super) fn is_archive(path: &Path) -> bool {
    path.join(MANIFEST).is_file()
}

/// The archives with their ranges.
pub(super) struct Archives {
    list: Vec<(Manifest, Export<Folder>)>,
    /// Their folders, in the same order.
    folders: Vec<PathBuf>,
}

fn manifest(path: &Path) -> anyhow::Result<Manifest> {
    let bytes = std::fs::read(path.join(MANIFEST)).with_context(|| format!("{} is no archive", path.display()))?;
    Manifest::parse(&bytes).with_context(|| path.display().to_string())
}

/// Archives of one log in the order of their leaves, whatever lies between them.
///
/// # Errors
/// When one cannot be read, or two hold the same leaves.
pub(super) fn in_order(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut list = paths.iter().map(|path| Ok((manifest(path)?, path))).collect::<anyhow::Result<Vec<_>>>()?;
    list.sort_by_key(|(manifest, _)| manifest.from);
    for pair in list.windows(2) {
        let ((one, path), (two, other)) = (&pair[0], &pair[1]);
        anyhow::ensure!(two.from >= one.to, "{} and {} hold the same leaves: name one of them", path.display(), other.display());
    }
    Ok(list.into_iter().map(|(_, path)| path.clone()).collect())
}

impl Archives {
    /// Opens them, in whatever order they are named.
    ///
    /// # Errors
    /// When one cannot be read, or they do not follow one another from leaf 0 on.
    pub(super) fn open(paths: &[PathBuf]) -> anyhow::Result<Archives> {
        let mut list = Vec::new();
        for path in paths {
            list.push((manifest(path)?, path));
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
        let folders = list.iter().map(|(_, path)| (*path).clone()).collect();
        let list = list.into_iter().map(|(manifest, path)| (manifest, Export::new(Folder::new(path)))).collect();
        Ok(Archives { list, folders })
    }

    /// The values of changes in all of them, in the order of the leaves.
    pub(super) fn values(&self) -> impl Iterator<Item = Result<Value, String>> {
        let with = self.list.iter().zip(&self.folders).filter(|((manifest, _), _)| manifest.private);
        let files = with.flat_map(|((manifest, _), folder)| {
            let blocks = manifest.from / LEAVES_PER_FILE..manifest.to.div_ceil(LEAVES_PER_FILE);
            blocks.map(move |block| folder.join(values_path(block * LEAVES_PER_FILE)))
        });
        files.flat_map(|path| match File::open(&path) {
            Ok(file) => Lines::Of(path, BufReader::new(file).lines()),
            Err(e) => Lines::Unread(Some(format!("{}: {e}", path.display()))),
        })
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

/// The values in one file.
enum Lines {
    Of(PathBuf, io::Lines<BufReader<File>>),
    Unread(Option<String>),
}

impl Iterator for Lines {
    type Item = Result<Value, String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Lines::Unread(why) => why.take().map(Err),
            Lines::Of(path, lines) => {
                let line = match lines.next()? {
                    Ok(line) => line,
                    Err(e) => return Some(Err(format!("{}: {e}", path.display()))),
                };
                Some(parse_value(&line).ok_or_else(|| format!("{}: a line is no value", path.display())))
            }
        }
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
