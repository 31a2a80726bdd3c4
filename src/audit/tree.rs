//! L2: the tree over the leaves as they are, against the tiles as they are, up to the root.
//!
//! Two trees are grown: one from the rows, one from the stored tiles; they are the same until a row
//! and its tile differ. Whichever has the root of the log state tells who was changed.

use std::collections::HashMap;

use counterfoil_verify::tile::{TILE_BYTES, WIDTH};
use counterfoil_verify::{FullTile, Hash, Tiles};

use crate::ids::Seq;
use crate::trail::store::TileRow;

use super::L2;
use super::findings::Findings;

/// Leaves in a full tile of level 0.
pub(super) const TILE_LEAVES: i64 = WIDTH as i64;

/// Places remembered at which a row and its tile differ; findings are bounded far below it.
const DIFFERING_MAX: usize = 10_000;

/// A leaf made from its row again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    /// `entries` or `events`.
    pub(super) table: &'static str,
    /// What the row hashes to.
    pub(super) hash: Hash,
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    rows: Grown,
    tiles: Option<Grown>,
    /// A leaf is neither in the rows nor in the tiles: from there on there is no root.
    cut: bool,
    differing: Vec<(Seq, &'static str)>,
}

/// A tree and the tiles above level 0 that it has filled.
#[derive(Clone, Debug, Default)]
struct Grown {
    tiles: Tiles,
    upper: HashMap<(u8, u64), Vec<u8>>,
}

impl Grown {
    fn push(&mut self, hash: Hash) {
        let mut full = Vec::new();
        self.tiles.push(hash, &mut full);
        self.keep(full);
    }

    /// Adds a whole tile by its root; `false` where the tree does not end with one.
    fn push_tile(&mut self, root: Hash) -> bool {
        let mut full = Vec::new();
        let pushed = self.tiles.push_tile(root, &mut full).is_ok();
        self.keep(full);
        pushed
    }

    fn keep(&mut self, full: Vec<FullTile>) {
        self.upper.extend(full.into_iter().filter(|t| t.level > 0).map(|t| ((t.level, t.index), t.data)));
    }
}

impl Tree {
    /// One that goes on from a tree whose leaves are not looked at again.
    pub(super) fn resumed(tiles: Tiles) -> Tree {
        Tree { rows: Grown { tiles, upper: HashMap::new() }, ..Tree::default() }
    }

    /// Adds the leaves of one tile of level 0 (fewer at the end of the log), `None` where the row is
    /// missing, and the stored tile with the root of what it holds, which must be there when the leaves
    /// fill it.
    pub(super) fn add_tile(
        &mut self,
        first: Seq,
        leaves: &[Option<Leaf>],
        stored: Option<(&[u8], Option<Hash>)>,
        findings: &mut Findings,
    ) {
        let full = leaves.len() == WIDTH;
        let (stored, root) = stored.filter(|_| full).map_or((None, None), |(data, root)| (Some(data), root));
        let path = format!("tile 0/{}", first / TILE_LEAVES);
        if full {
            findings.checked(L2, 1);
        }
        if full && stored.is_none() {
            findings.add((L2, "tile_missing"), "tiles", first, format!("{path} is missing"));
        }
        let hashes = stored.and_then(|data| data.as_chunks::<32>().0.get(..WIDTH).filter(|_| data.len() == TILE_BYTES));
        if stored.is_some() && hashes.is_none() {
            findings.add((L2, "tile_changed"), "tiles", first, format!("{path} does not have 256 hashes"));
        }
        let same = |hashes: &[Hash]| leaves.iter().zip(hashes).all(|(leaf, hash)| leaf.is_some_and(|leaf| leaf.hash == *hash));
        if let (Some(root), true) = (root, hashes.is_some_and(same))
            && self.tiles.is_none()
            && !self.cut
            && self.rows.push_tile(root)
        {
            return;
        }
        for (i, leaf) in leaves.iter().enumerate() {
            self.add(first + i as i64, *leaf, hashes.map(|h| h[i]));
        }
    }

    fn add(&mut self, seq: Seq, leaf: Option<Leaf>, stored: Option<Hash>) {
        let (Some(row), Some(tile)) = (leaf.map(|l| l.hash).or(stored), stored.or(leaf.map(|l| l.hash))) else {
            self.cut = true;
            return;
        };
        if let Some(leaf) = leaf.filter(|_| row != tile)
            && self.differing.len() < DIFFERING_MAX
        {
            self.differing.push((seq, leaf.table));
        }
        if self.cut {
            return;
        }
        if row != tile && self.tiles.is_none() {
            self.tiles = Some(self.rows.clone());
        }
        self.rows.push(row);
        if let Some(tiles) = &mut self.tiles {
            tiles.push(tile);
        }
    }

    /// The root so far, as long as rows and tiles are the same.
    pub(super) fn root(&self) -> Option<Hash> {
        (!self.cut && self.tiles.is_none() && self.differing.is_empty()).then(|| self.rows.tiles.root())
    }

    /// Notes that leaves are missing of which not even the tiles are there.
    pub(super) fn cut(&mut self) {
        self.cut = true;
    }

    /// Compares the root (if the log state has one) and the stored tiles above level 0.
    pub(super) fn finish(self, root: Option<&[u8]>, upper: &[TileRow], findings: &mut Findings) {
        let by_rows = root == Some(&self.rows.tiles.root()[..]);
        let by_tiles = self.tiles.as_ref().is_some_and(|t| root == Some(&t.tiles.root()[..]));
        self.blame(by_rows, by_tiles, findings);
        if self.cut {
            let text = "leaves are missing of which no tile holds the hash: there is no root to compare";
            findings.add((L2, "root_unknown"), "log_state", None, text);
        } else if root.is_some() && !by_rows && !by_tiles {
            findings.add((L2, "root_differs"), "log_state", None, self.unproven());
        }
        self.compare_upper(upper, findings);
    }

    /// What a wrong root alone can mean: no tile holds the newest leaves yet.
    fn unproven(&self) -> String {
        let size = self.rows.tiles.size() as i64;
        let first = size - size % TILE_LEAVES;
        let text = "the leaves do not have the root in the log state";
        match first < size && self.differing.is_empty() {
            true => format!("{text}: one of the leaves {first} to {} or the log state was changed", size - 1),
            false => text.to_owned(),
        }
    }

    fn blame(&self, by_rows: bool, by_tiles: bool, findings: &mut Findings) {
        let mut last_tile = None;
        for (seq, table) in &self.differing {
            let tile = seq / TILE_LEAVES;
            if by_rows {
                if last_tile != Some(tile) {
                    findings.add((L2, "tile_changed"), "tiles", tile * TILE_LEAVES, format!("tile 0/{tile} was changed"));
                }
                last_tile = Some(tile);
                continue;
            }
            let detail = match by_tiles {
                true => "the row was changed: it does not have the hash that its tile and the root hold".to_owned(),
                false => format!("the row does not have the hash in tile 0/{tile}: one of them was changed"),
            };
            findings.add((L2, "leaf_changed"), table, *seq, detail);
        }
    }

    fn compare_upper(&self, upper: &[TileRow], findings: &mut Findings) {
        if self.cut {
            return;
        }
        let stored: HashMap<(u8, u64), &[u8]> =
            upper.iter().map(|t| ((t.level as u8, t.idx as u64), t.data.as_slice())).collect();
        for (place @ (level, index), data) in &self.rows.upper {
            findings.checked(L2, 1);
            let first = (*index as i64) << (8 * (u32::from(*level) + 1));
            match stored.get(place) {
                None => findings.add((L2, "tile_missing"), "tiles", first, format!("tile {level}/{index} is missing")),
                Some(found) if found == data || self.is_by_tiles(place, found) => {}
                Some(_) => findings.add((L2, "tile_changed"), "tiles", first, format!("tile {level}/{index} was changed")),
            }
        }
    }

    fn is_by_tiles(&self, place: &(u8, u64), found: &[u8]) -> bool {
        self.tiles.as_ref().and_then(|t| t.upper.get(place)).is_some_and(|data| data == found)
    }
}
