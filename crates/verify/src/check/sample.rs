//! L1 and L0 in brief: a single leaf, or an earlier state, proven from a few tiles.

use crate::checkpoint::Checkpoint;
use crate::leaf::{self, Hash};
use crate::tile::{WIDTH, locate};
use crate::tree::{Fault, Malformed, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};

use super::Source;

/// Whether a leaf, read from the source, is in the tree of the checkpoint as its tiles have it.
///
/// # Errors
/// When the source cannot be read.
pub fn included<S: Source>(source: &mut S, newest: &Checkpoint, seq: u64) -> Result<bool, S::Error> {
    let Some((_, bytes)) = source.leaves(seq, seq + 1)?.into_iter().find(|(at, _)| *at == seq) else {
        return Ok(false);
    };
    let proof = proven(inclusion_proof(seq, newest.size, |level, index| subtree(source, newest.size, level, index)))?;
    Ok(proof.is_some_and(|proof| verify_inclusion(&leaf::hash(&bytes), seq, newest.size, &proof, &newest.root)))
}

/// Whether the tree of an earlier checkpoint is the beginning of that of the newest, as the tiles
/// have it.
///
/// # Errors
/// When the source cannot be read.
pub fn consistent<S: Source>(source: &mut S, old: &Checkpoint, newest: &Checkpoint) -> Result<bool, S::Error> {
    let proof = proven(consistency_proof(old.size, newest.size, |level, index| subtree(source, newest.size, level, index)))?;
    Ok(proof.is_some_and(|proof| verify_consistency(old.size, newest.size, &proof, &old.root, &newest.root)))
}

/// The proof; none when the tiles at hand give none.
fn proven<E>(proof: Result<Vec<Hash>, Fault<Option<E>>>) -> Result<Option<Vec<Hash>>, E> {
    match proof {
        Ok(proof) => Ok(Some(proof)),
        Err(Fault::Read(Some(e))) => Err(e),
        Err(Fault::Read(None) | Fault::Malformed(_)) => Ok(None),
    }
}

/// The root of a perfect subtree, from its tile; `None` as an error when the tile has it not.
fn subtree<S: Source>(source: &mut S, size: u64, level: u32, index: u64) -> Result<Hash, Option<S::Error>> {
    let at = locate(level, index);
    let left = (size >> (8 * u32::from(at.level))).saturating_sub(at.index * WIDTH as u64);
    let tile = source.tile(at.level, at.index, left.min(WIDTH as u64) as u16).map_err(Some)?.ok_or(None)?;
    at.root(&tile).map_err(|_: Malformed| None)
}
