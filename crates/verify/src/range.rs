//! The proof that certain leaves, a range above all, are leaves of a tree: whoever knows the hashes of
//! the leaves and one hash for each perfect subtree between them can make the root again.
//!
//! The tree of `size` leaves falls into the leaves that are known and the gaps between them. A gap is
//! covered by the fewest perfect subtrees, from left to right; their roots, gap after gap, are the
//! proof. It has no other freedom: for one set of leaves and one size there is one proof. The size must come
//! from the signed checkpoint: of a gap at the end the root alone does not tell how many leaves it has.

use crate::leaf::Hash;
use crate::tree::{fold, node};

/// The perfect subtrees that cover the leaves from `from` to before `to`, from left to right: of each
/// the level (0 for a leaf) and the number on it, as the proofs of [`crate::tree`] ask for them.
pub fn cover(from: u64, to: u64) -> impl Iterator<Item = (u32, u64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let left = to.checked_sub(at).filter(|left| *left > 0)?;
        let level = at.trailing_zeros().min(left.ilog2());
        let index = at >> level;
        at += 1 << level;
        Some((level, index))
    })
}

/// A tree made again from left to right, out of leaves and roots of perfect subtrees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    size: u64,
    /// The perfect subtrees so far with their levels, the largest first.
    peaks: Vec<(u32, Hash)>,
}

impl Joined {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends the root of the perfect subtree of 2^`level` leaves that begins here; `false`, and
    /// nothing is appended, where none of that size begins.
    pub fn push(&mut self, level: u32, root: Hash) -> bool {
        let end = 1_u64.checked_shl(level).and_then(|leaves| self.size.checked_add(leaves));
        let (Some(end), true) = (end, self.size.trailing_zeros() >= level) else { return false };
        let (mut level, mut hash) = (level, root);
        while let Some((_, left)) = self.peaks.pop_if(|(peak, _)| *peak == level) {
            hash = node(&left, &hash);
            level += 1;
        }
        self.peaks.push((level, hash));
        self.size = end;
        true
    }

    /// Fills the gap up to `to` with the next hashes of a proof; `false` where they end too early, or
    /// where the tree is past it.
    pub fn fill(&mut self, to: u64, mut next: impl FnMut() -> Option<Hash>) -> bool {
        self.size <= to && cover(self.size, to).all(|(level, _)| next().is_some_and(|hash| self.push(level, hash)))
    }

    /// The root over the leaves so far; nothing for the tree without leaves.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        let peaks: Vec<Hash> = self.peaks.iter().map(|(_, hash)| *hash).collect();
        fold(&peaks)
    }
}

/// The subtrees whose roots prove that the leaves of `known` (ranges in order, each from a number to
/// before another) are in the tree of `size` leaves.
pub fn gaps(known: &[(u64, u64)], size: u64) -> impl Iterator<Item = (u32, u64)> {
    let ends = std::iter::once(0).chain(known.iter().map(|(_, end)| *end));
    let begins = known.iter().map(|(first, _)| *first).chain([size]);
    ends.zip(begins).flat_map(|(end, begin)| cover(end, begin))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tree::{Frontier, leaf_hash};

    fn leaf(n: u64) -> Hash {
        leaf_hash(&n.to_be_bytes())
    }

    /// As RFC 6962 defines it.
    fn root(first: u64, end: u64) -> Hash {
        if end - first == 1 {
            return leaf(first);
        }
        let split = 1 << (end - first - 1).ilog2();
        node(&root(first, first + split), &root(first + split, end))
    }

    fn proof(known: &[(u64, u64)], size: u64) -> Vec<Hash> {
        gaps(known, size).map(|(level, index)| root(index << level, (index + 1) << level)).collect()
    }

    fn joined(known: &[(u64, u64)], size: u64, proof: &[Hash], leaf: impl Fn(u64) -> Hash) -> Option<Hash> {
        let (mut tree, mut rest) = (Joined::new(), proof.iter().copied());
        for (first, end) in known {
            tree.fill(*first, || rest.next()).then_some(())?;
            (*first..*end).all(|n| tree.push(0, leaf(n))).then_some(())?;
        }
        let filled = tree.fill(size, || rest.next()) && rest.next().is_none();
        filled.then(|| tree.root()).flatten()
    }

    /// The roots of all perfect subtrees over the first 256 leaves, by level.
    fn subtrees() -> Vec<Vec<Hash>> {
        let mut levels = vec![(0..256).map(leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let above = below.chunks(2).map(|pair| node(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        levels
    }

    #[test]
    fn every_range_of_every_size_gives_the_root() {
        let subtrees = subtrees();
        let at = |(level, index): (u32, u64)| subtrees[level as usize][index as usize];
        let mut whole = Frontier::new();
        for size in 1..=150_u64 {
            whole.push(leaf(size - 1));
            for first in 0..size {
                let (mut range, mut before) = (Joined::new(), cover(0, first).map(at));
                assert!(range.fill(first, || before.next()) && before.next().is_none());
                for end in first + 1..=size {
                    assert!(range.push(0, subtrees[0][end as usize - 1]));
                    let (mut tree, mut after) = (range.clone(), cover(end, size).map(at));
                    assert!(tree.fill(size, || after.next()) && after.next().is_none());
                    assert_eq!(tree.root(), Some(whole.root()), "{first}..{end} of {size}");
                }
            }
        }
    }

    #[test]
    fn no_other_range_gives_the_root() {
        for size in [1_u64, 2, 3, 7, 8, 50, 64, 65, 149] {
            let right = root(0, size);
            for (first, end) in (0..size).flat_map(|first| (first + 1..=size).map(move |end| (first, end))) {
                if !(first + end).is_multiple_of(11) && size > 8 {
                    continue;
                }
                let hashes = proof(&[(first, end)], size);
                assert_eq!(joined(&[(first, end)], size, &hashes, leaf), Some(right));
                let changed = |n| if n == first { leaf(n + 1_000) } else { leaf(n) };
                assert_ne!(joined(&[(first, end)], size, &hashes, changed), Some(right));
                // The same leaves, said to stand one further.
                let shifted = joined(&[(first + 1, end + 1)], size, &hashes, |n| leaf(n - 1));
                assert!(end == size || shifted != Some(right), "{first}..{end} of {size} shifted");
            }
        }
    }

    #[test]
    fn leaves_before_the_range_are_proven_with_it() {
        for size in [9_u64, 64, 100, 149] {
            for (one, two) in [(0, 3), (1, 2), (4, 7)] {
                let known = [(one, one + 1), (two, two + 1), (8, size)];
                let hashes = proof(&known, size);
                assert_eq!(joined(&known, size, &hashes, leaf), Some(root(0, size)));
                let fewer = [(two, two + 1), (8, size)];
                assert_ne!(joined(&fewer, size, &hashes, leaf), Some(root(0, size)));
                assert_eq!(joined(&known, size, &hashes[1..], leaf), None);
            }
        }
    }

    #[test]
    fn a_subtree_begins_only_where_it_can() {
        let mut tree = Joined::new();
        assert!(tree.root().is_none() && tree.push(0, leaf(0)));
        assert!(!tree.push(1, leaf(1)) && !tree.push(64, leaf(1)));
        assert_eq!(tree.size(), 1);
        assert!(!tree.fill(0, || None));
    }
}
