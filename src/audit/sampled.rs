//! L1: single leaves, hashed from their rows, proven against the newest signed checkpoint over the
//! stored tiles, as an outsider proves a receipt.

use counterfoil_verify::Hash;
use counterfoil_verify::tree::verify_inclusion;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::trail::store::{self, LogState};
use crate::trail::tree::Tree;

use super::L1;
use super::findings::Findings;

/// Leaves sampled: the first, the last, and others evenly between, shifted by the root so that nobody
/// knows them beforehand.
const SAMPLES: i64 = 64;

/// Proves the samples.
pub(super) fn compare(conn: &mut Conn, state: &LogState, findings: &mut Findings) -> DbResult<()> {
    let Some(newest) = store::newest_checkpoint(conn)?.filter(|newest| (1..=state.size).contains(&newest.size)) else {
        findings.note(L1, "no checkpoint to sample against");
        return Ok(());
    };
    let Ok(root) = Hash::try_from(newest.root.as_slice()) else { return Ok(()) };
    for seq in samples(newest.size, &root) {
        findings.checked(L1, 1);
        if let Err(why) = included(conn, state, seq, newest.size, &root) {
            let (kind, why) = match why {
                Why::NotIncluded(why) => ("not_included", why),
                Why::Unproven(why) => ("inclusion_unproven", why),
            };
            let detail = format!("it is not shown to be in the tree of checkpoint {}: {why}", newest.number);
            findings.add((L1, kind), "tiles", seq, detail);
        }
    }
    findings.note(L1, format!("under checkpoint {} of {} leaves", newest.number, newest.size));
    Ok(())
}

fn samples(size: Seq, root: &Hash) -> Vec<Seq> {
    let step = (size / SAMPLES).max(1);
    let shift = i64::from(u16::from_be_bytes([root[0], root[1]])) % step;
    let mut seqs: Vec<Seq> = (0..SAMPLES).map(|i| i * step + shift).chain([0, size - 1]).filter(|seq| *seq < size).collect();
    seqs.sort_unstable();
    seqs.dedup();
    seqs
}

/// Why a leaf is not shown to be in the tree.
enum Why {
    /// The proof is wrong.
    NotIncluded(String),
    /// A row or tile that it takes is missing, which is a finding of its own and comes before this one.
    Unproven(String),
}

fn included(conn: &mut Conn, state: &LogState, seq: Seq, size: Seq, root: &Hash) -> Result<(), Why> {
    let unproven = |e: crate::db::DbError| Why::Unproven(e.to_string());
    let leaf = leaves::hashes(conn, seq, seq + 1).map_err(unproven)?;
    let Some(leaf) = leaf.first() else { return Err(Why::Unproven("there is no such row".to_owned())) };
    let (index, size) = (seq.unsigned_abs(), size.unsigned_abs());
    let proof = Tree::of(conn, state, leaves::hashes).inclusion(index, size).map_err(unproven)?;
    match verify_inclusion(leaf, index, size, &proof, root) {
        true => Ok(()),
        false => Err(Why::NotIncluded("the row, a tile or the checkpoint was changed".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_within_the_log_and_hold_its_ends() {
        for size in [1, 2, 63, 64, 65, 1_000, 1_000_000] {
            let seqs = samples(size, &[0xab; 32]);
            assert!(seqs.contains(&0) && seqs.contains(&(size - 1)), "{size}");
            assert!(seqs.iter().all(|seq| *seq < size) && seqs.len() as i64 <= SAMPLES + 2, "{size}");
        }
    }
}
