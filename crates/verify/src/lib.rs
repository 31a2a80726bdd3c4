//! What a stranger needs to verify a Counterfoil log: the bytes of a leaf, the
//! tree over the leaves, its proofs, the tiles the tree is stored in, and the
//! signed checkpoints that hold its root; and the check of a whole log.
//!
//! The crate reads and writes nothing (but for `folder`, a feature): callers hand it values and
//! hashes.
//! `docs/log-format.md` specifies the same formats in words, with test vectors.

pub mod archive;
pub mod check;
pub mod checkpoint;
pub mod decode;
pub mod export;
pub mod files;
#[cfg(feature = "fs")]
pub mod folder;
pub mod found;
pub mod generation;
pub mod heads;
pub mod heads_proof;
pub mod key;
pub mod leaf;
mod mail;
pub mod note;
pub mod notes;
pub mod policy;
mod proof;
pub mod range;
pub mod rotation;
pub mod text;
pub mod tile;
pub mod tlog_proof;
pub mod tree;

pub use checkpoint::{Checkpoint, CheckpointError, Origin, Signed};
pub use found::Found;
pub use key::{Algorithm, KeyError, SignerKey, VerifierKey};
pub use leaf::{EntryLeaf, EventLeaf, Hash, TooLong, commitment};
pub use note::{Note, NoteError};
pub use notes::Notes;
pub use policy::{Policy, PolicyError};
pub use rotation::Rotation;
pub use tile::{FullTile, Tiles};
pub use tlog_proof::{ProofError, TlogProof};
pub use tree::{Fault, Frontier, Malformed};
