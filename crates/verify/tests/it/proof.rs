//! Proofs: known answers, another implementation, and what must not pass.

use std::convert::Infallible;

use counterfoil_verify::tree::{consistency_proof, empty_root, inclusion_proof, node, verify_consistency, verify_inclusion};
use counterfoil_verify::{Fault, Frontier, Hash, Malformed};

use crate::tree::{KNOWN_ROOTS, known_leaves, leaf, other_tree};

/// Every perfect subtree over some leaves.
pub struct Nodes(Vec<Vec<Hash>>);

impl Nodes {
    pub fn over(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(row) = levels.last().filter(|row| row.len() > 1) {
            let (pairs, _) = row.as_chunks::<2>();
            levels.push(pairs.iter().map(|[l, r]| node(l, r)).collect());
        }
        Self(levels)
    }

    fn read(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[level as usize][index as usize])
    }

    pub fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        inclusion_proof(index, size, |l, i| self.read(l, i)).unwrap()
    }

    fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency_proof(old, new, |l, i| self.read(l, i)).unwrap()
    }
}

fn roots(leaves: u64) -> Vec<Hash> {
    let mut frontier = Frontier::new();
    let mut roots = vec![frontier.root()];
    for i in 0..leaves {
        frontier.push(leaf(i));
        roots.push(frontier.root());
    }
    roots
}

fn hex_of(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(hex::encode).collect()
}

const LEAF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const LEAVES_23: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const LEAVES_4_7: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const LEAF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const LEAVES_45: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const LEAVES_67: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";

#[test]
fn known_answers() {
    let nodes = Nodes::over(known_leaves());
    assert_eq!(hex_of(&nodes.inclusion(0, 8)), [LEAF_1, LEAVES_23, LEAVES_4_7]);
    assert_eq!(hex_of(&nodes.inclusion(0, 1)), [""; 0]);
    assert_eq!(hex_of(&nodes.consistency(1, 8)), [LEAF_1, LEAVES_23, LEAVES_4_7]);
    assert_eq!(hex_of(&nodes.consistency(6, 8)), [LEAVES_45, LEAVES_67, KNOWN_ROOTS[4]]);
    assert_eq!(hex_of(&nodes.consistency(2, 5)), [LEAVES_23, LEAF_4]);
}

#[test]
fn inclusion_agrees_with_another_implementation() {
    let (nodes, roots) = (Nodes::over((0..300).map(leaf).collect()), roots(300));
    for size in 1..=300 {
        let (other, root) = (other_tree(size), &roots[size as usize]);
        for index in 0..size {
            let proof = nodes.inclusion(index, size);
            let expected = other.prove_inclusion(index as usize);
            assert_eq!(proof.as_flattened(), expected.as_bytes(), "{index} of {size}");
            assert!(verify_inclusion(&leaf(index), index, size, &proof, root));
        }
    }
}

#[test]
fn consistency_agrees_with_another_implementation() {
    let (nodes, roots) = (Nodes::over((0..300).map(leaf).collect()), roots(300));
    for new in 1..=300 {
        let other = other_tree(new);
        for old in 0..=new {
            let proof = nodes.consistency(old, new);
            let (old_root, new_root) = (&roots[old as usize], &roots[new as usize]);
            assert!(verify_consistency(old, new, &proof, old_root, new_root), "{old} to {new}");
            if old > 0 {
                let expected = other.prove_consistency((new - old) as usize);
                assert_eq!(proof.as_flattened(), expected.as_bytes(), "{old} to {new}");
            }
        }
    }
}

#[test]
fn requests_beyond_the_tree_are_refused() {
    let read = |_, _| Ok::<_, Infallible>([0; 32]);
    assert_eq!(inclusion_proof(5, 5, read), Err(Fault::Malformed(Malformed::Index)));
    assert_eq!(inclusion_proof(0, 0, read), Err(Fault::Malformed(Malformed::Index)));
    assert_eq!(consistency_proof(6, 5, read), Err(Fault::Malformed(Malformed::Sizes)));
    assert_eq!(inclusion_proof(0, 2, |_, _| Err("gone")), Err(Fault::Read("gone")));
    assert_eq!(consistency_proof(1, 2, |_, _| Err("gone")), Err(Fault::Read("gone")));
    assert_eq!(consistency_proof(0, 0, read), Ok(Vec::new()));
}

/// Every way to spoil a proof a little: a bit of each hash, one hash less, one
/// twice, two swapped, one more.
fn spoilt(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut out = vec![[proof, &[[7; 32]]].concat(), [&[[7; 32]], proof].concat()];
    for i in 0..proof.len() {
        for bit in [0, 130, 255] {
            let mut flipped = proof.to_vec();
            flipped[i][bit / 8] ^= 1 << (bit % 8);
            out.push(flipped);
        }
        let mut without = proof.to_vec();
        out.push([proof, &[without.remove(i)]].concat());
        out.push(without);
        if i > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(i - 1, i);
            out.push(swapped);
        }
    }
    out
}

fn flipped(hash: &Hash) -> Hash {
    let mut hash = *hash;
    hash[31] ^= 1;
    hash
}

#[test]
fn spoilt_inclusion_fails() {
    let (nodes, roots) = (Nodes::over((0..40).map(leaf).collect()), roots(40));
    for size in 1..=40 {
        let root = &roots[size as usize];
        for index in 0..size {
            let proof = nodes.inclusion(index, size);
            let leaf = leaf(index);
            for bad in spoilt(&proof) {
                assert!(!verify_inclusion(&leaf, index, size, &bad, root));
            }
            assert!(!verify_inclusion(&flipped(&leaf), index, size, &proof, root));
            assert!(!verify_inclusion(&leaf, index, size, &proof, &flipped(root)));
            for other in (0..size + 3).filter(|&o| o != index) {
                assert!(!verify_inclusion(&leaf, other, size, &proof, root));
            }
        }
    }
}

#[test]
fn spoilt_consistency_fails() {
    let (nodes, roots) = (Nodes::over((0..40).map(leaf).collect()), roots(40));
    for new in 1..=40 {
        for old in 1..=new {
            let (a, b) = (&roots[old as usize], &roots[new as usize]);
            let proof = nodes.consistency(old, new);
            for bad in spoilt(&proof) {
                assert!(!verify_consistency(old, new, &bad, a, b), "{old} to {new}");
            }
            assert!(!verify_consistency(old, new, &proof, &flipped(a), b), "{old} to {new}");
            assert!(!verify_consistency(old, new, &proof, a, &flipped(b)), "{old} to {new}");
            assert!(old == new || !verify_consistency(new, old, &proof, b, a));
            assert!(old == new || !verify_consistency(old, new, &[], a, b));
        }
    }
}

#[test]
fn edges_of_consistency() {
    let (empty, root) = (empty_root(), leaf(0));
    assert!(verify_consistency(0, 0, &[], &empty, &empty));
    assert!(verify_consistency(0, 1, &[], &empty, &root));
    assert!(verify_consistency(1, 1, &[], &root, &root));
    assert!(!verify_consistency(0, 0, &[], &root, &root));
    assert!(!verify_consistency(0, 1, &[], &root, &root));
    assert!(!verify_consistency(0, 1, &[root], &empty, &root));
    assert!(!verify_consistency(1, 1, &[root], &root, &root));
    assert!(!verify_consistency(1, 2, &[], &root, &root));
    assert!(!verify_consistency(3, 5, &[], &root, &root));
    assert!(!verify_inclusion(&root, 0, 0, &[], &empty));
    let far = [[1; 32]; 70];
    assert!(!verify_consistency(u64::MAX - 1, u64::MAX, &far, &root, &root));
    assert!(!verify_inclusion(&root, u64::MAX - 1, u64::MAX, &far, &root));
}
