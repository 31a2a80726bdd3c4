//! L5: private parts against the commitments in their leaves.
//!
//! A blind of 32 bytes is a commitment and its part must be there, unless an erasure names its place:
//! then it must not. One of 16 bytes is random and there must be none.

use counterfoil_verify::commitment;

use crate::ids::Seq;

use super::L5;
use super::erased::Erased;
use super::findings::Findings;

/// Bytes of a commitment; a leaf without private parts has 16 random bytes.
const COMMITMENT_BYTES: usize = 32;

/// Holds the parts of a leaf (if there are any) against its blind; `table` holds the parts.
pub(super) fn check(
    table: &'static str,
    seq: Seq,
    blind: &[u8],
    part: Option<(&[u8], &[Option<&str>])>,
    erased: &mut Erased,
    findings: &mut Findings,
) {
    let committed = blind.len() == COMMITMENT_BYTES;
    match part {
        None if committed => {
            if erased.counted(seq) {
                return;
            }
            let text = "the leaf commits to a private part that is not there, and no event says that it was erased";
            findings.add((L5, "private_part_missing"), table, seq, text);
        }
        None => {}
        Some(_) if !committed => {
            let text = "a private part to which the leaf does not commit";
            findings.add((L5, "private_part_unexpected"), table, seq, text);
        }
        Some((salt, parts)) => {
            findings.checked(L5, 1);
            if let Some(event) = erased.under(seq) {
                let text = format!("event {event} erased this private part, and it is there again");
                findings.add((L5, "private_part_back"), table, seq, text);
            }
            if erased.under(seq).is_none()
                && let Some(event) = erased.registered(seq, blind)
            {
                let text = format!("the register says that event {event} erased this private part: this is an older copy");
                findings.add((L5, "erasure_undone"), table, seq, text);
            }
            if !opens(blind, salt, parts) {
                let text = "the private part is not the one the leaf commits to";
                findings.add((L5, "private_part_changed"), table, seq, text);
            }
        }
    }
}

/// Reports a private part without a leaf beside it.
pub(super) fn orphan(table: &'static str, seq: Seq, findings: &mut Findings) {
    findings.add((L5, "private_part_orphaned"), table, seq, "a private part without its leaf");
}

fn opens(blind: &[u8], salt: &[u8], parts: &[Option<&str>]) -> bool {
    let Ok(salt) = <&[u8; 32]>::try_from(salt) else { return false };
    commitment(salt, parts).is_ok_and(|hash| hash[..] == *blind)
}
