//! L4: which entries were cancelled, and by which: the first of each source that says so.

use std::collections::{BTreeMap, HashSet};

use counterfoil_verify::EntryLeaf;

use crate::db::bulk::BulkRow;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::Status;
use crate::ledger::reversals::store::{self, ReversalRow};

use super::L4;
use super::findings::Findings;

/// Reversals held in memory; more of them are not compared, and that is said.
const HELD_MAX: usize = 4_000_000;
/// Rows read at once.
const ROWS: i64 = 10_000;

/// Every reversal the leaves give.
#[derive(Debug, Default)]
pub(super) struct Reversed {
    given: BTreeMap<Seq, ReversalRow>,
    seen: HashSet<(Seq, String)>,
    too_many: bool,
}

impl Reversed {
    /// Learns what an entry cancels.
    pub(super) fn learn(&mut self, entry: &EntryLeaf<'_>) {
        let Some(reference) = entry.reverses.filter(|_| entry.status == Status::Booked.code()) else { return };
        if self.given.len() >= HELD_MAX {
            self.too_many = true;
        } else if self.seen.insert((entry.source, reference.to_owned())) {
            let row = ReversalRow { seq: entry.seq, source: entry.source, reference: reference.to_owned() };
            self.given.insert(entry.seq, row);
        }
    }

    /// Compares with the table.
    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        if self.too_many {
            let text = format!("there are more than {HELD_MAX} reversals: they were not compared");
            findings.add((L4, "bound_reached"), "reversals", None, text);
            return Ok(());
        }
        let mut from = Seq::MIN;
        loop {
            let rows = store::between(conn, from, Seq::MAX, ROWS)?;
            let Some(last) = rows.last() else { break };
            from = last.seq.saturating_add(1);
            for row in &rows {
                findings.checked(L4, 1);
                match self.given.remove(&row.seq).map(|given| row.differing(&given)) {
                    Some(wrong) if wrong.is_empty() => {}
                    Some(wrong) => {
                        let text = format!("not what the entry says that it reverses: {}", wrong.join(", "));
                        findings.add((L4, "row_differs"), "reversals", row.seq, text);
                    }
                    None => findings.add((L4, "row_extra"), "reversals", row.seq, "no entry gives this row"),
                }
            }
        }
        for seq in self.given.into_keys() {
            findings.add((L4, "row_missing"), "reversals", seq, "the entry at this place reverses another and has no row");
        }
        Ok(())
    }
}
