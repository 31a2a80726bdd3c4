//! L5: values that went because their time was over: each place must be a change whose days had passed when
//! the run looked, and the run's counts must be those of its places.

use std::collections::BTreeMap;

use crate::clock::{DAY, Moment};
use crate::config::Class;
use crate::ids::Seq;
use crate::privacy::retention::{PerClass, Run, read};
use crate::privacy::store::ErasureRow;
use crate::records::event::Public;
use crate::records::parse_class;

use super::L5;
use super::event::Event;
use super::findings::Findings;

/// The classes there are.
const CLASSES: [Class; 3] = [Class::Debug, Class::Normal, Class::Critical];

/// The changes of one erasure.
#[derive(Debug, Default)]
struct Aged {
    count: PerClass,
    /// The latest of recorded and changed, class by class.
    latest: [i64; 3],
}

/// Runs, and what went under them.
#[derive(Debug, Default)]
pub(super) struct Expired {
    runs: BTreeMap<Seq, (i64, Run)>,
    aged: BTreeMap<Seq, Aged>,
}

impl Expired {
    /// Meets the event of a run.
    pub(super) fn run(&mut self, event: &Event) {
        if let Some(run) = read(&event.body) {
            self.runs.insert(event.seq, (event.at, run));
        }
    }

    /// Meets a change whose values are gone under the erasure at `under`.
    pub(super) fn change(&mut self, under: Seq, event: &Event) {
        let Some(public) = Public::read(&event.body.to_string()) else { return };
        let Some(class) = parse_class(&public.class) else { return };
        let aged = self.aged.entry(under).or_default();
        aged.count = with(aged.count, class);
        let at = public.changed_at().map_or(i64::MAX, |at| at.0).max(event.at);
        if let Some(latest) = CLASSES.iter().position(|known| *known == class).and_then(|n| aged.latest.get_mut(n)) {
            *latest = (*latest).max(at);
        }
    }

    /// Holds an erasure of cause `retention` against its run.
    pub(super) fn compare(&mut self, row: &ErasureRow, event: &Event, findings: &mut Findings) {
        let aged = self.aged.remove(&row.id).unwrap_or_default();
        // Used up: under one run values go once.
        let run = self.runs.remove(&event.number("run")).filter(|(at, _)| *at <= event.at);
        let Some((at, run)) = run else {
            let text = "no run of retention before it covers this erasure";
            return findings.add((L5, "expiry_without_run"), "erasures", row.id, text);
        };
        let as_of = Moment::parse(&run.as_of).map_or(i64::MIN, |as_of| as_of.0).min(at);
        for (class, latest) in CLASSES.into_iter().zip(aged.latest) {
            if aged.count.of(class) > 0 && latest.saturating_add(run.days.of(class).saturating_mul(DAY)) > as_of {
                let text = "values were dropped whose time was not over when the run looked";
                findings.add((L5, "expired_early"), "erasures", row.id, text);
            }
        }
        if aged.count != run.dropped || aged.count.total() != row.places {
            let text = "the places are not the changes that the run says it dropped";
            findings.add((L5, "expiry_differs"), "erasures", row.id, text);
        }
    }

    /// Runs that say they dropped what no erasure took.
    pub(super) fn finish(&self, findings: &mut Findings) {
        for (seq, _) in self.runs.iter().filter(|(_, (_, run))| run.dropped.total() > 0) {
            let text = "the run says that it dropped values, and no erasure did";
            findings.add((L5, "expiry_differs"), "events", *seq, text);
        }
    }
}

fn with(mut count: PerClass, class: Class) -> PerClass {
    match class {
        Class::Critical => count.critical += 1,
        Class::Normal => count.normal += 1,
        Class::Debug => count.debug += 1,
    }
    count
}
