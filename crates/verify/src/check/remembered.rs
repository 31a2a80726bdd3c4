//! The checkpoints remembered from earlier, held against the tree while it grows.

use crate::checkpoint::Checkpoint;
use crate::generation::Recovery;

use super::leaves::Scope;
use super::tree::Grown;
use super::{Level, Report};

pub(super) struct Remembered<'a> {
    rest: Vec<&'a Checkpoint>,
    /// Of an earlier name of the log and larger than it: judged by what was lost.
    beyond: Vec<&'a Checkpoint>,
    loss_known: bool,
    /// The recoveries met, each with its place.
    recoveries: Vec<(u64, Recovery)>,
}

impl<'a> Remembered<'a> {
    pub(super) fn new(scope: Scope<'a>, report: &mut Report) -> Self {
        let (mut rest, beyond): (Vec<_>, Vec<_>) = scope.remembered.iter().partition(|c| c.size <= scope.newest.size);
        let (mine, beyond): (Vec<_>, Vec<_>) = beyond.into_iter().partition(|c| c.origin == scope.newest.origin);
        for checkpoint in mine {
            let text = format!(
                "a checkpoint of {} leaves is remembered, but the log has {}: it was cut, or an older copy is shown",
                checkpoint.size, scope.newest.size
            );
            report.add(Level::L0, "log_shorter", None, text);
        }
        rest.sort_by_key(|c| std::cmp::Reverse(c.size));
        Self { rest, beyond, loss_known: scope.loss_known, recoveries: Vec::new() }
    }

    /// The log goes on under a new name from this place on.
    pub(super) fn recovered(&mut self, seq: u64, recovery: Recovery) {
        self.recoveries.push((seq, recovery));
    }

    /// The tree has grown to a size; `origin` is the name in its last leaf.
    pub(super) fn at(&mut self, size: u64, origin: &str, grown: &Grown, report: &mut Report) {
        // Smaller ones were passed over with leaves that are missing.
        while let Some(checkpoint) = self.rest.pop_if(|c| c.size <= size) {
            report.note(Level::L0, 1);
            if checkpoint.size == size && !origin.is_empty() && checkpoint.origin != origin {
                self.beyond.push(checkpoint);
            } else if grown.is_cut() {
                unchecked(checkpoint, report);
            } else if !grown.has(&checkpoint.root) {
                let text = format!(
                    "the checkpoint remembered of {size} leaves was never a state of this log: its history was rewritten"
                );
                report.add(Level::L0, "checkpoint_differs", None, text);
            }
        }
    }

    /// Those signed under an earlier name that cover more than the log had when it went on under another.
    pub(super) fn finish(self, report: &mut Report) {
        self.rest.iter().for_each(|checkpoint| unchecked(checkpoint, report));
        for checkpoint in self.beyond {
            let recovery = self.recoveries.iter().find(|(_, recovery)| recovery.previous == checkpoint.origin);
            let lost = recovery.and_then(|(seq, recovery)| Some((*seq, recovery.lost?.1)));
            match lost {
                Some((from, to)) if checkpoint.size <= to => {
                    let text = format!(
                        "the checkpoint of {} leaves, signed as {}: leaves {from} to before {} were lost, as the recovery in leaf \
                         {from} records; what came before is as it was",
                        checkpoint.size, checkpoint.origin, checkpoint.size
                    );
                    match self.loss_known {
                        true => report.said.push(text),
                        false => report.add(Level::L0, "leaves_lost", from, text),
                    }
                }
                _ => {
                    let text = format!(
                        "a checkpoint of {} leaves, signed as {}, is remembered, and no recovery says that so many were lost",
                        checkpoint.size, checkpoint.origin
                    );
                    report.add(Level::L0, "log_shorter", None, text);
                }
            }
        }
    }
}

fn unchecked(checkpoint: &Checkpoint, report: &mut Report) {
    let text = format!("leaves before {} are missing: the checkpoint remembered of it cannot be compared", checkpoint.size);
    report.add(Level::L0, "checkpoint_unchecked", None, text);
}
