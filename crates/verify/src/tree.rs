//! The Merkle tree of RFC 6962 over SHA-256: root, proofs and their checks.

use std::error::Error;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::leaf::Hash;

pub use crate::proof::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};

const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

/// Leaves are numbered by an `i64`.
const MAX_SIZE: u64 = i64::MAX as u64;

/// What was handed in does not describe a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// A tree of this size has another number of peaks.
    Peaks,
    /// The stored bytes have a length that fits no tree of their size.
    Bytes,
    /// The leaf is not in a tree of this size.
    Index,
    /// The old tree is larger than the new one.
    Sizes,
    /// A tile has not the number of hashes it must have.
    Tile,
    /// The trailing leaves are not as many as the size leaves over.
    Trailing,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peaks => "the number of peaks does not fit the size of the tree",
            Self::Bytes => "the stored bytes do not fit the size of the tree",
            Self::Index => "the leaf is not in a tree of this size",
            Self::Sizes => "the old tree is larger than the new one",
            Self::Tile => "a tile does not have the number of hashes it must have",
            Self::Trailing => "the trailing leaves do not fit the size of the tree",
        })
    }
}

impl Error for Malformed {}

/// Why nothing could be built from hashes that are read one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault<E> {
    /// Reading failed.
    Read(E),
    /// The request, or what was read, does not describe a tree.
    Malformed(Malformed),
}

impl<E: fmt::Display> fmt::Display for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(e) => e.fmt(f),
            Self::Malformed(e) => e.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for Fault<E> {}

impl<E> From<Malformed> for Fault<E> {
    fn from(e: Malformed) -> Self {
        Self::Malformed(e)
    }
}

/// The root of the tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of a leaf: SHA-256 over `0x00` and its bytes.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([LEAF_PREFIX]).chain_update(bytes).finalize().into()
}

/// The hash of an inner node: SHA-256 over `0x01`, the left and the right child.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [NODE_PREFIX; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// The roots of the perfect subtrees a tree consists of, one for each set bit
/// of its size: enough to append and to compute the root, 32 bytes each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// A tree from its size and its peaks, the largest subtree first.
    ///
    /// # Errors
    /// When the size asks for another number of peaks, or is over 2^63 - 1.
    pub fn from_parts(size: u64, peaks: &[Hash]) -> Result<Self, Malformed> {
        if size > MAX_SIZE || size.count_ones() as usize != peaks.len() {
            return Err(Malformed::Peaks);
        }
        let peaks = peaks.to_vec();
        Ok(Self { size, peaks })
    }

    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_each(leaf, |_, _| ());
    }

    /// Appends a leaf hash and reports every perfect subtree it completes:
    /// its level, 0 for the leaf itself, and its root.
    pub(crate) fn push_each(&mut self, leaf: Hash, each: impl FnMut(u32, &Hash)) {
        self.push_perfect(0, leaf, each);
    }

    /// Appends a perfect subtree of `2^height` leaves, which the size must be a multiple of.
    pub(crate) fn push_perfect(&mut self, height: u32, root: Hash, mut each: impl FnMut(u32, &Hash)) {
        let mut hash = root;
        each(height, &hash);
        for level in height + 1..=height + (self.size >> height).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
                each(level, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1 << height;
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The peaks, the largest subtree first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks).unwrap_or_else(empty_root)
    }

    /// The size as eight big-endian bytes, then the peaks.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.peaks.as_flattened());
        bytes
    }

    /// The tree that [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes have another length than their size asks for.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let (size, peaks) = bytes.split_first_chunk().ok_or(Malformed::Bytes)?;
        let (peaks, []) = peaks.as_chunks() else {
            return Err(Malformed::Bytes);
        };
        Self::from_parts(u64::from_be_bytes(*size), peaks)
    }
}

/// Folds subtree roots, the largest first, into one root.
pub(crate) fn fold(peaks: &[Hash]) -> Option<Hash> {
    let (last, rest) = peaks.split_last()?;
    Some(rest.iter().rfold(*last, |right, left| node(left, &right)))
}
