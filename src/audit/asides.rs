//! L4: the entries that stand beside the order of booked time, against what the booking times give.

use crate::db::bulk::BulkRow;
use crate::ids::Seq;
use crate::ledger::order::store::AsideRow;

use super::L4;
use super::findings::Findings;

/// Compares what is stored at a place with what should be.
pub(super) fn compare(seq: Seq, stored: Option<&AsideRow>, expected: Option<&AsideRow>, findings: &mut Findings) {
    let (kind, detail) = match (stored, expected) {
        (None, None) => return,
        (Some(_), None) => ("aside_extra", "no entry out of order has this place".to_owned()),
        (None, Some(_)) => ("aside_missing", "the entry is not in order of booked time, and no row says so".to_owned()),
        (Some(stored), Some(expected)) => {
            findings.checked(L4, 1);
            let differing = stored.differing(expected);
            if differing.is_empty() {
                return;
            }
            ("aside_differs", format!("not what the entries of the account give: {}", differing.join(", ")))
        }
    };
    findings.add((L4, kind), "asides", seq, detail);
}
