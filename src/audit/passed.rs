//! L3: an account as far as its entries have passed.

use counterfoil_verify::EntryLeaf;
use counterfoil_verify::leaf::jump_position;

use crate::ids::Seq;
use crate::intake::Body;
use crate::ledger::continuity::Strictness;

use super::L3;
use super::definitions::AccountBody;
use super::findings::Findings;

/// See the module.
pub(super) struct Account {
    pub(super) source: Seq,
    pub(super) currency: String,
    pub(super) position: i64,
    last: Option<Seq>,
    /// Entries that the next jump may lead to: position and place, oldest first.
    ancestors: Vec<(i64, Seq)>,
    /// How strict the check is for entries of its own source.
    pub(super) how: Strictness,
    /// What the sequencer remembers of it.
    pub(super) state: Body,
    /// Up to which entry it is stored, and the state as of it, once entries come after that.
    pub(super) stored_to: Option<Seq>,
    pub(super) as_stored: Option<Box<Body>>,
    /// The first entry that the stored state does not cover.
    pub(super) uncovered: Option<Seq>,
}

impl Account {
    /// One that has no entries yet; `stored_to` says up to which entry its state is stored.
    pub(super) fn new(body: AccountBody, how: Strictness, stored_to: Option<Seq>) -> Account {
        Account {
            source: body.source,
            how,
            currency: body.currency,
            position: 0,
            last: None,
            ancestors: Vec::new(),
            state: Body::default(),
            stored_to,
            as_stored: None,
            uncovered: None,
        }
    }

    /// Reads what the next entry will be checked with, so that it is near then.
    pub(super) fn touch(&self) -> i64 {
        let currency = i64::from(self.currency.as_bytes().first().copied().unwrap_or_default());
        self.state.touch() ^ self.position ^ currency ^ self.ancestors.last().map_or(0, |(position, _)| *position)
    }

    /// Position, `prev`, `jump` and currency; after a gap it goes on from what the entry says.
    pub(super) fn place(&mut self, row: &EntryLeaf<'_>, findings: &mut Findings) {
        if row.currency != self.currency {
            findings.add((L3, "currency_differs"), "entries", row.seq, "not the currency of its account");
        }
        let expected = self.position.saturating_add(1);
        if row.position != expected {
            let detail = format!("position {} on its account, should be {expected}", row.position);
            findings.add((L3, "position_wrong"), "entries", row.seq, detail);
        }
        if row.prev != self.last {
            findings.add((L3, "prev_wrong"), "entries", row.seq, "prev is not the entry before it on its account");
        }
        let target = jump_position(row.position);
        while self.ancestors.last().is_some_and(|(position, _)| target.is_none_or(|target| *position > target)) {
            self.ancestors.pop();
        }
        // After a gap the entry that a jump leads to may not be known.
        let known = self.ancestors.last().filter(|(position, _)| Some(*position) == target).map(|(_, seq)| *seq);
        if (target.is_none() && row.jump.is_some()) || (known.is_some() && row.jump != known) {
            findings.add((L3, "jump_wrong"), "entries", row.seq, "jump is not the entry that its position asks for");
        }
        self.ancestors.push((row.position, row.seq));
        (self.position, self.last) = (row.position, Some(row.seq));
    }
}
