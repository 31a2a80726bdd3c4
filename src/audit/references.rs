//! What the log has defined so far: every id in an entry is the place of the event that defined it.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use crate::ids::Seq;

/// Places of definitions.
pub(super) type Places = HashSet<Seq, RandomState>;

/// Places of definitions by kind.
#[derive(Debug, Default)]
pub(super) struct Defined {
    pub(super) sources: Places,
    pub(super) contexts: Places,
    pub(super) deliveries: Places,
    pub(super) rule_sets: Places,
}

impl Defined {
    /// Notes the event at `seq`.
    pub(super) fn meet(&mut self, kind: &str, seq: Seq) {
        match kind {
            "source.defined" => _ = self.sources.insert(seq),
            "context.defined" => _ = self.contexts.insert(seq),
            "delivery.defined" => _ = self.deliveries.insert(seq),
            "ruleset.defined" => _ = self.rule_sets.insert(seq),
            _ => {}
        }
    }
}
