//! The sender's own numbering of an account: gaps, repeats, and gaps that are filled later.

use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::ledger::BreakKind;

use super::{Break, Changes};

/// Gaps remembered per account; the oldest is given up beyond it and its break stays open.
const GAPS_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbering {
    last: Option<i64>,
    gaps: Vec<Gap>,
}

/// Numbers not seen yet, and the entry whose break they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    from: i64,
    to: i64,
    named_at: Seq,
}

impl Numbering {
    pub(super) fn add(&mut self, seq: Seq, number: i64, changes: &mut Changes) {
        let Some(last) = self.last else {
            self.last = Some(number);
            return;
        };
        let expected = last.checked_add(1);
        let broken = Break { seq, kind: BreakKind::Sequence, expected, found: Some(number) };
        if number > last {
            if Some(number) != expected {
                changes.opened.push(broken);
                self.gaps.push(Gap { from: last.saturating_add(1), to: number - 1, named_at: seq });
                if self.gaps.len() > GAPS_MAX {
                    self.gaps.remove(0);
                }
            }
            self.last = Some(number);
        } else if !self.fill(number, changes) {
            changes.opened.push(broken);
        }
    }

    fn fill(&mut self, number: i64, changes: &mut Changes) -> bool {
        let Some(i) = self.gaps.iter().position(|gap| (gap.from..=gap.to).contains(&number)) else { return false };
        let gap = self.gaps.remove(i);
        let left = Gap { to: number - 1, ..gap };
        let right = Gap { from: number + 1, ..gap };
        self.gaps.extend([left, right].into_iter().filter(|g| g.from <= g.to));
        if !self.gaps.iter().any(|g| g.named_at == gap.named_at) {
            changes.healed.push((gap.named_at, BreakKind::Sequence));
        }
        true
    }
}
