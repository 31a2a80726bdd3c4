//! The hashes of an archive's tiles, level by level, held against what the leaves give.

use std::io::{BufRead, Read};

use crate::check::{Level, Report};
use crate::leaf::Hash;
use crate::tile::{WIDTH, tile_root};

use super::{Store, tiles_path, tiles_within};

/// Hashes one after the other in a file; none where it is not there.
pub(super) struct Hashes {
    path: String,
    file: Option<Box<dyn BufRead>>,
    read: u64,
}

impl Hashes {
    pub(super) fn open(store: &dyn Store, path: String) -> Result<Self, String> {
        Ok(Self { file: store.open(&path)?, path, read: 0 })
    }

    /// The next one; nothing at the end, or where fewer bytes are left than a hash has.
    pub(super) fn next(&mut self) -> Result<Option<Hash>, String> {
        let Some(file) = &mut self.file else { return Ok(None) };
        let mut bytes = Vec::with_capacity(32);
        file.by_ref().take(32).read_to_end(&mut bytes).map_err(|e| format!("{} cannot be read: {e}", self.path))?;
        self.read += 1;
        Ok(bytes.try_into().ok())
    }

    /// Whether nothing is left.
    pub(super) fn is_over(&mut self) -> Result<bool, String> {
        let Some(file) = &mut self.file else { return Ok(true) };
        file.fill_buf().map(<[u8]>::is_empty).map_err(|e| format!("{} cannot be read: {e}", self.path))
    }
}

struct TileLevel {
    hashes: Hashes,
    /// Numbers of the hashes that the file holds.
    first: u64,
    end: u64,
    row: Vec<Hash>,
}

/// All levels of an archive.
pub(super) struct TileLevels {
    levels: Vec<TileLevel>,
}

impl TileLevels {
    pub(super) fn open(store: &dyn Store, from: u64, to: u64) -> Result<Self, String> {
        let mut levels = Vec::new();
        for level in 0..8 {
            let (first, end) = tiles_within(level, from, to);
            if first == end {
                break;
            }
            let hashes = Hashes::open(store, tiles_path(level))?;
            levels.push(TileLevel { hashes, first: first * WIDTH as u64, end: end * WIDTH as u64, row: Vec::new() });
        }
        Ok(Self { levels })
    }

    /// The hash that the lowest level holds for the next leaf.
    pub(super) fn leaf(&mut self) -> Result<Option<Hash>, String> {
        self.levels.first_mut().map_or(Ok(None), |level| level.hashes.next())
    }

    /// Takes the hash of number `index` at a level, and whatever tile it completes.
    pub(super) fn grow(&mut self, level: usize, index: u64, hash: Hash, report: &mut Report) -> Result<(), String> {
        let Some(at) = self.levels.get_mut(level).filter(|at| (at.first..at.end).contains(&index)) else { return Ok(()) };
        if level > 0 {
            let stored = at.hashes.next()?;
            let (path, n) = (tiles_path(level as u8), at.hashes.read);
            match stored {
                Some(stored) if stored == hash => {}
                Some(_) => {
                    let text = format!("{path}: hash {n} is not what the tile below it gives");
                    report.add_one_of_many(Level::L2, "tile_changed", index.checked_shl(8 * level as u32), text);
                }
                None => report.add_one_of_many(Level::L2, "tile_missing", None, format!("{path}: hash {n} is missing")),
            }
        }
        at.row.push(hash);
        if at.row.len() < WIDTH {
            return Ok(());
        }
        report.note(Level::L2, 1);
        let root = tile_root(at.row.as_flattened());
        at.row.clear();
        root.map_or(Ok(()), |root| self.grow(level + 1, index / WIDTH as u64, root, report))
    }

    /// Says what is left over.
    pub(super) fn finish(mut self, report: &mut Report) -> Result<(), String> {
        for (level, n) in self.levels.iter_mut().zip(0..) {
            if !level.hashes.is_over()? {
                report.add_one_of_many(
                    Level::L2,
                    "tile_changed",
                    None,
                    format!("{}: more hashes than the range has", tiles_path(n)),
                );
            }
        }
        Ok(())
    }
}
