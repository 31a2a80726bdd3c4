//! What a stranger needs to verify a Counterfoil log: the bytes of a leaf, the
//! tree over the leaves, its proofs, and the tiles the tree is stored in.
//!
//! The crate reads and writes nothing: callers hand it values and hashes.
//! `docs/log-format.md` specifies the same format in words, with test vectors.

pub mod leaf;
mod proof;
pub mod tile;
pub mod tree;

pub use leaf::{EntryLeaf, EventLeaf, Hash, TooLong, commitment};
pub use tile::{FullTile, Tiles};
pub use tree::{Fault, Frontier, Malformed};
