//! L4: the table of hits against the outcomes that the leaves commit to.

use std::collections::{BTreeMap, HashSet};

use crate::alerts::store::{self as alerts, HitRow};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::EntryRow;

use super::L4;
use super::findings::Findings;
use super::outcomes::{Outcomes, RuleOutcome};
use super::references::{Defined, has};

/// Hits named at another entry than the one they were decided with, held until the end.
const LATE_MAX: usize = 2_000_000;

/// Place and rule.
type Key = (Seq, String);

#[derive(Debug, Default)]
pub(super) struct Hits {
    late_rows: BTreeMap<Key, HitRow>,
    late_outcomes: BTreeMap<Key, Decided>,
    alerts: HashSet<Seq>,
}

/// What the deciding entry says of a hit at another one.
#[derive(Clone, Debug)]
struct Decided {
    by: Seq,
    rules: Seq,
    account: Seq,
    severity: Option<i16>,
    late: bool,
}

impl Hits {
    /// Compares the hits of one entry with its outcomes; those decided by later entries wait.
    pub(super) fn compare(&mut self, entry: &EntryRow, outcomes: &Outcomes, rows: &[HitRow], findings: &mut Findings) {
        let mut expected: Vec<&RuleOutcome> = Vec::new();
        for outcome in outcomes.hits() {
            match outcome.entry.filter(|seq| *seq != entry.seq) {
                None => expected.push(outcome),
                Some(named) => self.expect_late(named, entry, outcome),
            }
        }
        for row in rows {
            self.meet(row, findings);
            if row.decided_by != entry.seq {
                self.wait(row, findings);
                continue;
            }
            let Some(at) = expected.iter().position(|outcome| outcome.rule == row.rule) else {
                extra(row, findings);
                continue;
            };
            let decided = decided(entry, expected.swap_remove(at));
            if row.business_date != entry.business_date || !agree(row, &decided) {
                differs(row, findings);
            }
        }
        for outcome in expected {
            missing(entry.seq, &outcome.rule, findings);
        }
    }

    /// A hit at a place that has no entry.
    pub(super) fn stray(&mut self, row: &HitRow, findings: &mut Findings) {
        self.meet(row, findings);
        extra(row, findings);
    }

    /// After the last entry: late hits, and the alerts that hits and breaks name.
    pub(super) fn finish(mut self, conn: &mut Conn, defined: &Defined, findings: &mut Findings) -> DbResult<()> {
        for (key, decided) in self.late_outcomes {
            match self.late_rows.remove(&key) {
                Some(row) if !agree(&row, &decided) => differs(&row, findings),
                Some(_) => {}
                // The entry had the hit by itself already, and one row says both.
                None if alerts::hits_of_entry(conn, key.0)?.iter().any(|row| row.rule == key.1) => {}
                None => missing(key.0, &key.1, findings),
            }
        }
        self.late_rows.values().for_each(|row| extra(row, findings));
        let mut unknown: Vec<Seq> = self.alerts.into_iter().filter(|id| !has(&defined.alerts, *id)).collect();
        unknown.sort_unstable();
        for id in unknown {
            findings.add((L4, "alert_unknown"), "hits", id, "hits or breaks name this alert, but no event opened it");
        }
        Ok(())
    }

    /// Notes an alert that a row names.
    pub(super) fn name_alert(&mut self, alert: Option<Seq>) {
        self.alerts.extend(alert);
    }

    fn meet(&mut self, row: &HitRow, findings: &mut Findings) {
        findings.checked(L4, 1);
        self.name_alert(row.alert);
    }

    fn wait(&mut self, row: &HitRow, findings: &mut Findings) {
        if self.late_rows.len() < LATE_MAX {
            self.late_rows.insert((row.seq, row.rule.clone()), row.clone());
        } else {
            findings.add((L4, "bound_reached"), "hits", row.seq, "too many late hits: this one was not compared");
        }
    }

    fn expect_late(&mut self, named: Seq, entry: &EntryRow, outcome: &RuleOutcome) {
        if self.late_outcomes.len() < LATE_MAX {
            // The first to say so is the one whose row was stored.
            self.late_outcomes.entry((named, outcome.rule.clone())).or_insert_with(|| decided(entry, outcome));
        }
    }
}

fn decided(entry: &EntryRow, outcome: &RuleOutcome) -> Decided {
    let severity = outcome.severity.map(|s| s.code());
    Decided { by: entry.seq, rules: entry.rules, account: entry.account, severity, late: outcome.late }
}

fn agree(row: &HitRow, decided: &Decided) -> bool {
    row.decided_by == decided.by
        && row.rules == decided.rules
        && row.account == decided.account
        && (row.late != 0) == decided.late
        && decided.severity.is_none_or(|severity| severity == row.severity)
}

fn extra(row: &HitRow, findings: &mut Findings) {
    findings.add((L4, "hit_extra"), "hits", row.seq, format!("no leaf commits to this hit of rule {}", row.rule));
}

fn missing(seq: Seq, rule: &str, findings: &mut Findings) {
    findings.add((L4, "hit_missing"), "hits", seq, format!("the hit of rule {rule} that a leaf commits to is not there"));
}

fn differs(row: &HitRow, findings: &mut Findings) {
    findings.add(
        (L4, "hit_changed"),
        "hits",
        row.seq,
        format!("the hit of rule {} is not the one its leaf commits to", row.rule),
    );
}
