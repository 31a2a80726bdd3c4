//! L3: an account as far as its entries have passed.

use std::sync::Arc;

use counterfoil_verify::EntryLeaf;
use counterfoil_verify::leaf::jump_position;

use crate::ids::Seq;
use crate::intake::Body;
use crate::ledger::continuity::Strictness;

use super::L3;
use super::findings::Findings;

/// See the module.
pub(super) struct Account {
    pub(super) source: Seq,
    pub(super) currency: Arc<str>,
    /// How strict the check is for entries of its own source.
    pub(super) how: Strictness,
    /// What the sequencer remembers of it.
    pub(super) state: Body,
    /// Since an entry was not where the state would place it: what the entries themselves say.
    apart: Option<Box<Apart>>,
    /// Up to which entry it is stored, and the state as of it, once entries come after that.
    pub(super) stored_to: Option<Seq>,
    pub(super) as_stored: Option<Box<Body>>,
    /// The first entry that the stored state does not cover.
    pub(super) uncovered: Option<Seq>,
}

/// Where the entries of an account stand by what they say, however wrong: only what does not follow from the one
/// before is told.
struct Apart {
    position: i64,
    last: Option<Seq>,
    /// Entries that the next jump may lead to: position and place, oldest first.
    ancestors: Vec<(i64, Seq)>,
}

impl Account {
    /// One that has no entries yet; `stored_to` says up to which entry its state is stored.
    pub(super) fn new((source, currency): (Seq, Arc<str>), how: Strictness, stored_to: Option<Seq>) -> Account {
        let state = Body::default();
        Account { source, currency, how, state, apart: None, stored_to, as_stored: None, uncovered: None }
    }

    /// Reads what the next entry will be checked with, so that it is near then.
    pub(super) fn touch(&self) -> i64 {
        self.state.touch() ^ self.source ^ self.uncovered.unwrap_or_default()
    }

    /// Position, `prev`, `jump` and currency; after a gap it goes on from what the entry says. `follows`: the state
    /// will take the entry in too.
    pub(super) fn place(&mut self, row: &EntryLeaf<'_>, follows: bool, findings: &mut Findings) {
        if *row.currency != *self.currency {
            findings.add((L3, "currency_differs"), "entries", row.seq, "not the currency of its account");
        }
        if self.apart.is_none() && follows && (row.position, row.prev, row.jump) == self.state.next() {
            return;
        }
        let state = &self.state;
        self.apart.get_or_insert_with(|| Box::new(Apart::of(state))).place(row, findings);
    }
}

impl Apart {
    fn of(state: &Body) -> Apart {
        Apart { position: state.position, last: state.head(), ancestors: state.ancestors() }
    }

    fn place(&mut self, row: &EntryLeaf<'_>, findings: &mut Findings) {
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
