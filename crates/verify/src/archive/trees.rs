//! The tree made again over an archive.

use crate::check::{Level, MAX_FINDINGS, Report};
use crate::export::leaves_path;
use crate::leaf::Hash;
use crate::range::Joined;

use super::tiles::Hashes;

/// The tree made again: as the leaves give it and, where a tile says otherwise, as the tiles do.
#[derive(Debug, Default)]
pub(super) struct Trees {
    leaves: Joined,
    tiles: Option<Joined>,
    /// A leaf or a hash of the proof is missing: there is no root from there on.
    cut: bool,
    differing: Vec<u64>,
    more: u64,
}

impl Trees {
    /// Appends a leaf: its hash, and the hash that its tile holds.
    pub(super) fn push(&mut self, seq: u64, by_leaf: Hash, by_tile: Hash) {
        if by_leaf != by_tile {
            if self.differing.len() < MAX_FINDINGS {
                self.differing.push(seq)
            } else {
                self.more += 1
            }
            self.tiles.get_or_insert_with(|| self.leaves.clone());
        }
        let pushed = self.leaves.push(0, by_leaf);
        self.cut |= !(pushed && self.tiles.as_mut().is_none_or(|tiles| tiles.push(0, by_tile)));
    }

    /// Fills the gap up to `to` from the proof.
    pub(super) fn fill(&mut self, to: u64, proof: &mut Hashes) -> Result<(), String> {
        let mut failed = None;
        let mut read = Vec::new();
        let filled = self.leaves.fill(to, || {
            let hash = proof.next().unwrap_or_else(|error| {
                failed = Some(error);
                None
            });
            read.extend(hash);
            hash
        });
        self.cut |= !filled;
        let mut again = read.into_iter();
        if let Some(tiles) = self.tiles.as_mut().filter(|_| filled) {
            tiles.fill(to, || again.next());
        }
        failed.map_or(Ok(()), Err)
    }

    /// Whether one of the two has this root at the present size.
    pub(super) fn has(&self, root: &Hash) -> bool {
        self.by_leaves(root) || self.by_tiles(root)
    }

    fn by_leaves(&self, root: &Hash) -> bool {
        !self.cut && self.leaves.root() == Some(*root)
    }

    fn by_tiles(&self, root: &Hash) -> bool {
        !self.cut && self.tiles.as_ref().is_some_and(|tiles| tiles.root() == Some(*root))
    }

    /// Leaves so far.
    pub(super) const fn size(&self) -> u64 {
        self.leaves.size()
    }

    /// A leaf is missing whose hash nothing holds.
    pub(super) const fn cut(&mut self) {
        self.cut = true;
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Says who was changed.
    pub(super) fn blame(&self, root: &Hash, report: &mut Report) {
        let (kind, words) = match (self.by_leaves(root), self.by_tiles(root)) {
            (true, _) => ("tile_changed", "tiles/0 holds another hash for this leaf than the leaf gives, and the leaf is right"),
            (_, true) => ("leaf_changed", "the leaf gives another hash than the signed log has for it"),
            _ => ("leaf_or_tile_changed", "the leaf gives another hash than tiles/0 holds, and neither leads to the signed root"),
        };
        for seq in &self.differing {
            report.add_one_of_many(Level::L2, kind, *seq, format!("{}: {words}", leaves_path(*seq)));
        }
        report.more += self.more;
        if !self.cut && !self.has(root) {
            let text = "leaves and proof do not lead to the root of the signed checkpoint: this is not the log that was signed";
            report.add(Level::L2, "root_differs", None, text);
        }
    }
}
