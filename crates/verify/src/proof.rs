//! Inclusion and consistency proofs of RFC 6962, made and checked.

use crate::leaf::Hash;
use crate::tree::{Fault, Malformed, empty_root, fold, node};

/// The proof that leaf `index` is in the tree of `size` leaves.
///
/// `read(level, index)` returns the root of the perfect subtree over the
/// leaves from `index << level` to before `(index + 1) << level`; only
/// subtrees within the tree are asked for.
///
/// # Errors
/// When the leaf is not in the tree, or when `read` fails.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut read: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, Fault<E>> {
    if index >= size {
        return Err(Malformed::Index.into());
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range(middle, end, &mut read)?);
            end = middle;
        } else {
            proof.push(range(start, middle, &mut read)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `old` leaves is a prefix of the tree of `new`
/// leaves. It is empty when `old` is 0 or equals `new`. For `read` see
/// [`inclusion_proof`].
///
/// # Errors
/// When `old` is larger than `new`, or when `read` fails.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut read: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, Fault<E>> {
    if old > new {
        return Err(Malformed::Sizes.into());
    }
    let mut proof = Vec::new();
    if old == 0 {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range(middle, end, &mut read)?);
            end = middle;
        } else {
            proof.push(range(start, middle, &mut read)?);
            start = middle;
        }
    }
    if start != 0 {
        proof.push(range(start, end, &mut read)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` proves that leaf `index` of the tree of `size` leaves with
/// this `root` has the hash `leaf` (RFC 9162, 2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let mut walk = Walk::new(index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        match walk.step() {
            Some(Side::Left) => hash = node(sibling, &hash),
            Some(Side::Right) => hash = node(&hash, sibling),
            None => return false,
        }
    }
    walk.done() && hash == *root
}

/// Whether `proof` proves that the tree of `old` leaves with `old_root` is a
/// prefix of the tree of `new` leaves with `new_root` (RFC 9162, 2.1.4.2).
///
/// Equal sizes need equal roots and an empty proof. The tree without leaves
/// is a prefix of every tree: `old` 0 needs the empty root and an empty proof,
/// and says nothing about `new_root`.
#[must_use]
pub fn verify_consistency(old: u64, new: u64, proof: &[Hash], old_root: &Hash, new_root: &Hash) -> bool {
    if old > new || (old == 0 && *old_root != empty_root()) {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty();
    }
    // A perfect old tree is itself the first node: the proof leaves it out.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else if let Some(parts) = proof.split_first() {
        parts
    } else {
        return false;
    };
    let skip = (old - 1).trailing_ones();
    let mut walk = Walk::new((old - 1) >> skip, (new - 1) >> skip);
    let (mut left, mut whole) = (*first, *first);
    for sibling in rest {
        match walk.step() {
            Some(Side::Left) => {
                left = node(sibling, &left);
                whole = node(sibling, &whole);
            }
            Some(Side::Right) => whole = node(&whole, sibling),
            None => return false,
        }
    }
    walk.done() && left == *old_root && whole == *new_root
}

/// The way from a node up to the root: its number on its level, and the
/// number of the last node there.
struct Walk {
    at: u64,
    last: u64,
}

enum Side {
    Left,
    Right,
}

impl Walk {
    const fn new(at: u64, last: u64) -> Self {
        Self { at, last }
    }

    /// On which side the next sibling stands; `None` at the root.
    const fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.at & 1 == 1 {
            Side::Left
        } else if self.at == self.last {
            // The last node of its level has no right sibling: it rises until
            // it is a right child itself.
            let rise = self.at.trailing_zeros();
            self.at >>= rise;
            self.last >>= rise;
            Side::Left
        } else {
            Side::Right
        };
        self.at >>= 1;
        self.last >>= 1;
        Some(side)
    }

    const fn done(&self) -> bool {
        self.last == 0
    }
}

/// The largest power of two below `n`, for `n` of 2 or more.
const fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The hash over the leaves from `start` to before `end`, where `start` is a
/// multiple of the largest subtree within.
fn range<E>(start: u64, end: u64, read: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, Fault<E>> {
    let (mut at, mut peaks) = (start, Vec::new());
    while at < end {
        let level = (end - at).ilog2();
        peaks.push(read(level, at >> level).map_err(Fault::Read)?);
        at += 1 << level;
    }
    Ok(fold(&peaks).unwrap_or_else(empty_root))
}
