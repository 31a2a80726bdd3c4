//! What the log has defined so far: every id in an entry is the place of the event that defined it.

use crate::ids::Seq;

/// Places of definitions by kind; ascending, because they are met in order.
#[derive(Debug, Default)]
pub(super) struct Defined {
    pub(super) sources: Vec<Seq>,
    pub(super) contexts: Vec<Seq>,
    pub(super) deliveries: Vec<Seq>,
    pub(super) rule_sets: Vec<Seq>,
}

impl Defined {
    /// Notes the event at `seq`.
    pub(super) fn meet(&mut self, kind: &str, seq: Seq) {
        match kind {
            "source.defined" => self.sources.push(seq),
            "context.defined" => self.contexts.push(seq),
            "delivery.defined" => self.deliveries.push(seq),
            "ruleset.defined" => self.rule_sets.push(seq),
            _ => {}
        }
    }
}

/// Whether `seq` is among the definitions.
pub(super) fn has(list: &[Seq], seq: Seq) -> bool {
    // Most entries refer to what was defined last.
    list.last() == Some(&seq) || list.binary_search(&seq).is_ok()
}
