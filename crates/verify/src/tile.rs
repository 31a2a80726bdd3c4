//! The tiles a tree is stored in (C2SP tlog-tiles): 256 hashes wide.
//!
//! A tile of level 0 holds leaf hashes; a tile of level `k` holds the roots of
//! full tiles of level `k - 1`. The `n`-th tile of a level starts at its
//! `256 * n`-th hash.

use crate::leaf::Hash;
use crate::tree::{Fault, Frontier, Malformed, node};

/// Hashes in a full tile.
pub const WIDTH: usize = 256;

/// Bytes in a full tile.
pub const TILE_BYTES: usize = WIDTH * 32;

/// Levels of the tree that one level of tiles spans.
const SPAN: u32 = 8;

/// Levels of tiles that a tree of `u64` leaves can have.
const LEVELS: usize = 8;

/// A tile that has become full, and so never changes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// 0 for leaf hashes.
    pub level: u8,
    /// Number of the tile within its level, from 0.
    pub index: u64,
    /// Its 256 hashes one after the other: [`TILE_BYTES`].
    pub data: Vec<u8>,
}

/// The growing tree of a writer: the [`Frontier`] and the partial tile of
/// every level, of at most 255 hashes each.
///
/// The frontier alone is what a verifier needs to follow a log; the writer
/// needs the partial tiles too, which the frontier cannot give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tiles {
    frontier: Frontier,
    partial: [Vec<Hash>; LEVELS],
}

impl Tiles {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of `size` leaves from its full tiles and the hashes of the
    /// `size % 256` leaves after the last full tile of level 0.
    ///
    /// `read_full_tile(level, index)` is asked for at most 255 tiles a level.
    ///
    /// # Errors
    /// When `read_full_tile` fails or returns another length than a full
    /// tile has, or when the trailing leaves are more or fewer.
    pub fn resume<E>(
        size: u64,
        mut read_full_tile: impl FnMut(u8, u64) -> Result<Vec<u8>, E>,
        trailing_leaves: &[Hash],
    ) -> Result<Self, Fault<E>> {
        if trailing_leaves.len() != partial_width(size, 0) {
            return Err(Malformed::Trailing.into());
        }
        let mut partial: [Vec<Hash>; LEVELS] = Default::default();
        partial[0] = trailing_leaves.to_vec();
        for (hashes, below) in partial[1..].iter_mut().zip(0u8..) {
            let full = size >> (SPAN * (u32::from(below) + 1));
            for index in full - (full % WIDTH as u64)..full {
                let tile = read_full_tile(below, index).map_err(Fault::Read)?;
                hashes.push(tile_root(&tile)?);
            }
        }
        Ok(Self::assemble(size, partial)?)
    }

    /// Appends a leaf hash, and to `full` every tile that this has filled,
    /// the lowest level first.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<FullTile>) {
        self.grow(0, leaf, full);
    }

    /// Appends the 256 leaves of a full tile of level 0 by their [`tile_root`]: the same as appending
    /// each, but that `full` does not get the tile itself, only what it fills above it.
    ///
    /// # Errors
    /// When the size is no multiple of 256.
    pub fn push_tile(&mut self, root: Hash, full: &mut Vec<FullTile>) -> Result<(), Malformed> {
        if !self.size().is_multiple_of(WIDTH as u64) {
            return Err(Malformed::Tile);
        }
        self.grow(SPAN, root, full);
        Ok(())
    }

    /// Appends a perfect subtree of `2^height` leaves.
    fn grow(&mut self, height: u32, root: Hash, full: &mut Vec<FullTile>) {
        let Self { frontier, partial } = self;
        let size = frontier.size() + (1 << height);
        frontier.push_perfect(height, root, |height, hash| {
            if !height.is_multiple_of(SPAN) {
                return;
            }
            let level = height / SPAN;
            let Some(tile) = partial.get_mut(level as usize) else {
                return;
            };
            tile.push(*hash);
            if tile.len() == WIDTH {
                full.push(FullTile {
                    level: level as u8,
                    index: (size >> height) / WIDTH as u64 - 1,
                    data: tile.as_flattened().to_vec(),
                });
                tile.clear();
            }
        });
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree, as [`Frontier::root`].
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The tree as a verifier keeps it.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The hashes of the partial tile of a level; none when there is none.
    /// Its index is `size >> (8 * (level + 1))`.
    #[must_use]
    pub fn partial(&self, level: u8) -> &[Hash] {
        self.partial.get(usize::from(level)).map_or(&[], |p| p)
    }

    /// The size as eight big-endian bytes, then the partial tiles, the lowest
    /// level first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size().to_be_bytes().to_vec();
        for hashes in &self.partial {
            bytes.extend_from_slice(hashes.as_flattened());
        }
        bytes
    }

    /// The tree that [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes have another length than their size asks for.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let (size, hashes) = bytes.split_first_chunk().ok_or(Malformed::Bytes)?;
        let size = u64::from_be_bytes(*size);
        let (mut hashes, []) = hashes.as_chunks() else {
            return Err(Malformed::Bytes);
        };
        let mut partial: [Vec<Hash>; LEVELS] = Default::default();
        for (level, into) in partial.iter_mut().enumerate() {
            let width = partial_width(size, level);
            let (mine, rest) = hashes.split_at_checked(width).ok_or(Malformed::Bytes)?;
            *into = mine.to_vec();
            hashes = rest;
        }
        if !hashes.is_empty() {
            return Err(Malformed::Bytes);
        }
        Self::assemble(size, partial)
    }

    /// Adds the frontier: the peaks are subtrees within the partial tiles.
    fn assemble(size: u64, partial: [Vec<Hash>; LEVELS]) -> Result<Self, Malformed> {
        let mut peaks = Vec::new();
        for hashes in partial.iter().rev() {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (subtree, after) = rest.split_at(1 << rest.len().ilog2());
                peaks.push(perfect_root(subtree).ok_or(Malformed::Tile)?);
                rest = after;
            }
        }
        let frontier = Frontier::from_parts(size, &peaks)?;
        Ok(Self { frontier, partial })
    }
}

/// The root over the 256 hashes of a full tile.
///
/// # Errors
/// When `data` is not [`TILE_BYTES`] long.
pub fn tile_root(data: &[u8]) -> Result<Hash, Malformed> {
    let (hashes, []) = data.as_chunks() else {
        return Err(Malformed::Tile);
    };
    if hashes.len() != WIDTH {
        return Err(Malformed::Tile);
    }
    perfect_root(hashes).ok_or(Malformed::Tile)
}

/// The path of a tile below the log's address, such as
/// `tile/0/x001/x234/067.p/5`. A partial tile has a width of 1 to 255; one of
/// 256 or more is the full tile.
#[must_use]
pub fn path(level: u8, index: u64, width: u16) -> String {
    let mut number = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        number = format!("x{:03}/{number}", rest % 1000);
        rest /= 1000;
    }
    if usize::from(width) < WIDTH { format!("tile/{level}/{number}.p/{width}") } else { format!("tile/{level}/{number}") }
}

/// Where the perfect subtree that a proof asks for is found in the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Level of the tile.
    pub level: u8,
    /// Number of the tile within its level.
    pub index: u64,
    /// The first of the tile's hashes that belong to the subtree.
    pub start: usize,
    /// How many of its hashes belong to it: a power of two.
    pub width: usize,
}

/// Finds the perfect subtree over the leaves from `index << level` to before
/// `(index + 1) << level`, as the proofs of [`crate::tree`] ask for it.
#[must_use]
pub const fn locate(level: u32, index: u64) -> Location {
    let width = 1 << (level % SPAN);
    let first = index * width;
    Location {
        level: (level / SPAN) as u8,
        index: first / WIDTH as u64,
        start: (first % WIDTH as u64) as usize,
        width: width as usize,
    }
}

impl Location {
    /// The root of the subtree, from the bytes of its tile, full or partial.
    ///
    /// # Errors
    /// When the tile does not reach that far.
    pub fn root(&self, tile: &[u8]) -> Result<Hash, Malformed> {
        let (hashes, []) = tile.as_chunks() else {
            return Err(Malformed::Tile);
        };
        hashes.get(self.start..self.start + self.width).and_then(perfect_root).ok_or(Malformed::Tile)
    }
}

/// The hashes in the partial tile of a level.
const fn partial_width(size: u64, level: usize) -> usize {
    ((size >> (SPAN as usize * level)) % WIDTH as u64) as usize
}

/// The root over a power of two of hashes; none for another number.
fn perfect_root(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        let half = row.len() / 2;
        for i in 0..half {
            row[i] = node(&row[2 * i], &row[2 * i + 1]);
        }
        row.truncate(half);
    }
    row.pop()
}
