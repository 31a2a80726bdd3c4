//! The tree grown again, from the leaves and, where they differ from the tiles, from the tiles too:
//! whichever has the signed root tells who was changed.

use crate::checkpoint::Checkpoint;
use crate::leaf::Hash;
use crate::tile::{FullTile, Tiles, path};

use super::{Level, MAX_FINDINGS, Report, Source};

/// The two trees.
#[derive(Debug, Default)]
pub(super) struct Grown {
    leaves: Tiles,
    /// From the tiles, once a leaf differs from its tile.
    tiles: Option<Tiles>,
    /// Some leaf is in neither: there is no root from there on.
    cut: bool,
    differing: Vec<u64>,
    differing_more: u64,
    full: Vec<FullTile>,
}

impl Grown {
    /// Adds the next leaf: its hash, and the hash its tile holds for it.
    pub(super) fn push(&mut self, seq: u64, leaf: Option<Hash>, tile: Option<Hash>) {
        let (Some(by_leaf), Some(by_tile)) = (leaf.or(tile), tile.or(leaf)) else {
            self.cut = true;
            return;
        };
        if self.cut {
            return;
        }
        if by_leaf != by_tile {
            if self.differing.len() < MAX_FINDINGS {
                self.differing.push(seq);
            } else {
                self.differing_more += 1;
            }
            self.tiles.get_or_insert_with(|| self.leaves.clone());
        }
        match &mut self.tiles {
            None => self.leaves.push(by_leaf, &mut self.full),
            Some(tiles) => {
                self.leaves.push(by_leaf, &mut Vec::new());
                tiles.push(by_tile, &mut self.full);
            }
        }
    }

    /// Leaves are missing whose hash no tile holds.
    pub(super) const fn cut(&mut self) {
        self.cut = true;
    }

    /// Whether one of the two trees has this root at its present size.
    pub(super) fn has(&self, root: &Hash) -> bool {
        self.by_leaves(root) || self.by_tiles(root)
    }

    fn by_leaves(&self, root: &Hash) -> bool {
        !self.cut && self.leaves.root() == *root
    }

    fn by_tiles(&self, root: &Hash) -> bool {
        !self.cut && self.tiles.as_ref().is_some_and(|t| t.root() == *root)
    }

    /// Whether a leaf is missing whose hash no tile holds.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Compares the tiles above level 0 that the last leaves have filled.
    pub(super) fn compare_full<S: Source>(&mut self, source: &mut S, report: &mut Report) -> Result<(), S::Error> {
        for tile in std::mem::take(&mut self.full).into_iter().filter(|t| t.level > 0) {
            compare(source, tile.level, tile.index, &tile.data, report)?;
        }
        Ok(())
    }

    /// Compares the partial tiles above level 0 at the right edge.
    pub(super) fn compare_edge<S: Source>(&self, source: &mut S, report: &mut Report) -> Result<(), S::Error> {
        let tree = self.tiles.as_ref().unwrap_or(&self.leaves);
        for level in (1..8).take_while(|_| !self.cut) {
            let hashes = tree.partial(level);
            if !hashes.is_empty() {
                compare(
                    source,
                    level,
                    tree.size().checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0),
                    hashes.as_flattened(),
                    report,
                )?;
            }
        }
        Ok(())
    }

    /// Says who was changed, now that the whole log has been read.
    pub(super) fn blame(&self, newest: &Checkpoint, report: &mut Report) {
        let root = &newest.root;
        let (kind, words) = match (self.by_leaves(root), self.by_tiles(root)) {
            (true, _) => ("tile_changed", "the tile holds another hash for this leaf than the leaf gives, and the leaf is right"),
            (_, true) => ("leaf_changed", "the leaf gives another hash than the signed log has for it"),
            _ => {
                ("leaf_or_tile_changed", "the leaf gives another hash than its tile holds, and neither leads to the signed root")
            }
        };
        for seq in &self.differing {
            report.add(Level::L2, kind, *seq, words);
        }
        report.more += self.differing_more;
        if self.cut {
            report.add(
                Level::L2,
                "root_unknown",
                None,
                "leaves are missing whose hash no tile holds: there is no root to compare",
            );
        } else if !self.has(root) {
            let text =
                "the leaves and tiles do not lead to the root of the signed checkpoint: this is not the log that was signed";
            report.add(Level::L2, "root_differs", None, text);
        }
    }
}

fn compare<S: Source>(source: &mut S, level: u8, index: u64, data: &[u8], report: &mut Report) -> Result<(), S::Error> {
    let width = (data.len() / 32) as u16;
    let path = path(level, index, width);
    report.note(Level::L2, 1);
    match source.tile(level, index, width)? {
        None => report.add(Level::L2, "tile_missing", None, format!("{path} is missing")),
        Some(stored) if stored != data => {
            report.add(Level::L2, "tile_changed", None, format!("{path} is not what the tiles below it give"));
        }
        Some(_) => {}
    }
    Ok(())
}
