//! Tiles: when they fill, what they hold, and how a writer starts again.

use std::collections::HashMap;
use std::convert::Infallible;

use counterfoil_verify::tile::{TILE_BYTES, WIDTH, locate, path, tile_root};
use counterfoil_verify::tree::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
use counterfoil_verify::{Fault, Frontier, FullTile, Hash, Malformed, Tiles};
use proptest::prelude::*;

use crate::tree::{leaf, slow_root};

type Store = HashMap<(u8, u64), Vec<u8>>;

/// A writer and the full tiles it has stored.
#[derive(Default)]
struct Writer {
    tiles: Tiles,
    store: Store,
}

impl Writer {
    fn push(&mut self, hash: Hash) -> Vec<FullTile> {
        let mut full = Vec::new();
        self.tiles.push(hash, &mut full);
        for tile in &full {
            let before = self.store.insert((tile.level, tile.index), tile.data.clone());
            assert!(before.is_none());
        }
        full
    }

    fn with(size: u64) -> Self {
        let mut writer = Self::default();
        (0..size).for_each(|i| drop(writer.push(leaf(i))));
        writer
    }

    fn resumed(&self) -> Result<Tiles, Fault<&'static str>> {
        let read = |level, index| self.store.get(&(level, index)).cloned().ok_or("no such tile");
        Tiles::resume(self.tiles.size(), read, self.tiles.partial(0))
    }

    /// Reads a subtree for a proof, from a full tile or from the right edge.
    fn read(&self, level: u32, index: u64) -> Result<Hash, Malformed> {
        let at = locate(level, index);
        match self.store.get(&(at.level, at.index)) {
            Some(tile) => at.root(tile),
            None => at.root(self.tiles.partial(at.level).as_flattened()),
        }
    }
}

#[test]
fn a_tile_at_once_is_the_same_as_its_leaves() {
    let (mut writer, mut at_once) = (Writer::default(), Tiles::new());
    for tile in 0..300_u64 {
        let mut each = Vec::new();
        (tile * 256..(tile + 1) * 256).for_each(|i| each.extend(writer.push(leaf(i))));
        let (own, above) = each.split_first().unwrap();
        let mut full = Vec::new();
        at_once.push_tile(tile_root(&own.data).unwrap(), &mut full).unwrap();
        assert_eq!((own.level, full.as_slice()), (0, above), "tile {tile}");
        assert_eq!(at_once, writer.tiles);
    }
    at_once.push(leaf(0), &mut Vec::new());
    assert_eq!(at_once.push_tile(leaf(1), &mut Vec::new()), Err(Malformed::Tile));
}

#[test]
fn resuming_equals_having_run_on() {
    let (mut writer, mut frontier) = (Writer::default(), Frontier::new());
    for i in 0..=1000 {
        assert_eq!(writer.resumed().as_ref(), Ok(&writer.tiles), "at {i}");
        assert_eq!(Tiles::from_bytes(&writer.tiles.to_bytes()).as_ref(), Ok(&writer.tiles));
        assert_eq!(writer.tiles.frontier(), &frontier);
        assert_eq!(writer.tiles.root(), frontier.root());
        let full = writer.push(leaf(i));
        assert_eq!(full.len(), usize::from((i + 1) % 256 == 0));
        frontier.push(leaf(i));
    }
}

#[test]
fn two_levels_of_full_tiles() {
    let mut writer = Writer::with(65_535);
    assert_eq!(writer.store.len(), 255);
    assert_eq!(writer.resumed().as_ref(), Ok(&writer.tiles));
    let full = writer.push(leaf(65_535));
    let names: Vec<_> = full.iter().map(|t| (t.level, t.index)).collect();
    assert_eq!(names, [(0, 255), (1, 0)]);
    assert_eq!(tile_root(&full[1].data), Ok(writer.tiles.root()));
    assert_eq!(writer.tiles.partial(2), [writer.tiles.root()]);
    assert_eq!(writer.resumed().as_ref(), Ok(&writer.tiles));
    (65_536..66_100).for_each(|i| drop(writer.push(leaf(i))));
    assert_eq!(writer.resumed().as_ref(), Ok(&writer.tiles));
    assert_eq!(Tiles::from_bytes(&writer.tiles.to_bytes()).as_ref(), Ok(&writer.tiles));
    let leaves: Vec<_> = (0..66_100).map(leaf).collect();
    assert_eq!(writer.tiles.root(), slow_root(&leaves));
    let (blocks, trailing) = leaves.as_chunks::<WIDTH>();
    let roots: Vec<_> = blocks.iter().map(|block| slow_root(block)).collect();
    for (block, index) in blocks.iter().zip(0..) {
        assert_eq!(writer.store[&(0, index)], block.as_flattened());
    }
    assert_eq!(writer.store[&(1, 0)], roots[..256].as_flattened());
    assert_eq!(writer.tiles.partial(1), &roots[256..]);
    assert_eq!(writer.tiles.partial(0), trailing);
    assert!(writer.tiles.partial(8).is_empty());
}

#[test]
fn what_does_not_fit_is_refused() {
    let writer = Writer::with(300);
    let leaves = writer.tiles.partial(0);
    let read = |_, _| Ok::<_, Infallible>(writer.store[&(0, 0)].clone());
    let trailing = Err(Fault::Malformed(Malformed::Trailing));
    assert_eq!(Tiles::resume(300, read, &leaves[1..]), trailing);
    assert_eq!(Tiles::resume(301, read, leaves), trailing);
    let short = |_, _| Ok::<_, Infallible>(vec![0; TILE_BYTES - 32]);
    assert_eq!(Tiles::resume(300, short, leaves), Err(Fault::Malformed(Malformed::Tile)));
    let gone = |_, _| Err("gone");
    assert_eq!(Tiles::resume(300, gone, leaves), Err(Fault::Read("gone")));
    for bad in [0, 31, 32, TILE_BYTES - 32, TILE_BYTES - 1, TILE_BYTES + 32] {
        assert_eq!(tile_root(&vec![0; bad]), Err(Malformed::Tile));
    }
    let bytes = writer.tiles.to_bytes();
    for length in (0..bytes.len()).chain([bytes.len() + 1, bytes.len() + 32]) {
        let mut bytes = bytes.clone();
        bytes.resize(length, 0);
        assert_eq!(Tiles::from_bytes(&bytes), Err(Malformed::Bytes), "{length}");
    }
}

#[test]
fn a_changed_tile_changes_the_root() {
    let mut writer = Writer::with(300);
    let honest = writer.tiles.root();
    writer.store.get_mut(&(0, 0)).unwrap()[4_000] ^= 1;
    assert_ne!(writer.resumed().unwrap().root(), honest);
}

#[test]
fn paths_follow_the_specification() {
    assert_eq!(path(0, 0, 256), "tile/0/000");
    assert_eq!(path(0, 999, 1), "tile/0/999.p/1");
    assert_eq!(path(1, 1_000, 256), "tile/1/x001/000");
    assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(0, 1_234_067, 5), "tile/0/x001/x234/067.p/5");
    assert_eq!(path(2, 1_000_000, 255), "tile/2/x001/x000/000.p/255");
}

#[test]
fn proofs_are_read_from_tiles() {
    let writer = Writer::with(66_100);
    let (size, root) = (writer.tiles.size(), writer.tiles.root());
    let mut frontier = Frontier::new();
    for i in 0..size {
        let near = [0, 255, 256, 257, 511, 65_535, 65_536, 66_099].contains(&i);
        if near || i % 997 == 0 {
            let proof = inclusion_proof(i, size, |l, n| writer.read(l, n)).unwrap();
            assert!(verify_inclusion(&leaf(i), i, size, &proof, &root), "{i}");
            let proof = consistency_proof(i, size, |l, n| writer.read(l, n)).unwrap();
            assert!(verify_consistency(i, size, &proof, &frontier.root(), &root), "{i}");
        }
        frontier.push(leaf(i));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn proofs_between_any_two_sizes(new in 1_u64..3_000, part in 0.0..1.0, at in 0.0..1.0) {
        let (old, index) = ((new as f64 * part) as u64, (new as f64 * at) as u64);
        let (writer, earlier) = (Writer::with(new), Writer::with(old));
        let (root, old_root) = (writer.tiles.root(), earlier.tiles.root());
        let proof = inclusion_proof(index, new, |l, n| writer.read(l, n)).unwrap();
        prop_assert!(verify_inclusion(&leaf(index), index, new, &proof, &root));
        let proof = consistency_proof(old, new, |l, n| writer.read(l, n)).unwrap();
        prop_assert!(verify_consistency(old, new, &proof, &old_root, &root));
        let mut resumed = earlier.resumed().unwrap();
        (old..new).for_each(|i| resumed.push(leaf(i), &mut Vec::new()));
        prop_assert_eq!(resumed, writer.tiles);
    }
}
