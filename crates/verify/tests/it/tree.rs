//! The root: known answers, another implementation, the frontier.

use counterfoil_verify::tree::{empty_root, leaf_hash, node};
use counterfoil_verify::{Frontier, Hash, Malformed};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

/// The leaves that the reference implementation of RFC 6962 is tested with.
pub const KNOWN_LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

pub const KNOWN_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

pub fn known_leaves() -> Vec<Hash> {
    KNOWN_LEAVES.iter().map(|l| leaf_hash(&hex::decode(l).unwrap())).collect()
}

/// Leaf hash `i` of the trees that the tests grow.
pub fn leaf(i: u64) -> Hash {
    leaf_hash(&i.to_be_bytes())
}

/// The same leaves in the other implementation.
pub fn other_tree(size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..size).for_each(|i| tree.push(i.to_be_bytes().to_vec()));
    tree
}

/// The tree head of RFC 6962, word by word.
pub fn slow_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            node(&slow_root(left), &slow_root(right))
        }
    }
}

#[test]
fn known_answers() {
    let mut frontier = Frontier::new();
    assert_eq!(hex::encode(frontier.root()), KNOWN_ROOTS[0]);
    for (leaf, root) in known_leaves().into_iter().zip(&KNOWN_ROOTS[1..]) {
        frontier.push(leaf);
        assert_eq!(hex::encode(frontier.root()), *root);
    }
}

#[test]
fn roots_agree_with_another_implementation() {
    let mut frontier = Frontier::new();
    let mut leaves = Vec::new();
    for size in 1..=300 {
        frontier.push(leaf(size - 1));
        leaves.push(leaf(size - 1));
        assert_eq!(frontier.size(), size);
        assert_eq!(frontier.root()[..], other_tree(size).root().as_bytes()[..]);
        assert_eq!(frontier.root(), slow_root(&leaves));
    }
}

#[test]
fn a_frontier_survives_storing() {
    let mut frontier = Frontier::new();
    for size in 0..600 {
        assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Ok(frontier.clone()));
        assert_eq!(Frontier::from_parts(size, frontier.peaks()), Ok(frontier.clone()));
        frontier.push(leaf(size));
    }
}

#[test]
fn a_frontier_that_cannot_be_is_refused() {
    let bytes = {
        let mut frontier = Frontier::new();
        (0..7).for_each(|i| frontier.push(leaf(i)));
        frontier.to_bytes()
    };
    assert_eq!(bytes.len(), 8 + 3 * 32);
    for length in 0..bytes.len() {
        assert!(Frontier::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    let longer = [&bytes[..], &[0; 32]].concat();
    assert_eq!(Frontier::from_bytes(&longer), Err(Malformed::Peaks));
    assert_eq!(Frontier::from_parts(1 << 63, &[[0; 32]]), Err(Malformed::Peaks));
    assert_eq!(Frontier::from_parts(0, &[[0; 32]]), Err(Malformed::Peaks));
}
