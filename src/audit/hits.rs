//! L4: the table of hits against the outcomes that the leaves commit to.

use std::collections::{BTreeMap, HashMap};

use crate::alerts::store::HitRow;
use crate::db::bulk::BulkRow;
use crate::db::{Conn, DbResult};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::intake::evidence_digest;
use crate::ledger::store::entries_at;

use super::L4;
use super::findings::Findings;
use super::joining::{Belongs, Joining, NewHit};
use super::outcomes::{Outcomes, RuleOutcome};

/// Hits named at another entry than the one they were decided with, held until the end.
const LATE_MAX: usize = 2_000_000;
/// Entries looked up at once.
const ENTRIES: usize = 500;

/// Place and rule.
type Key = (Seq, String);

#[derive(Debug, Default)]
pub(super) struct Hits {
    late_rows: BTreeMap<Key, HitRow>,
    late_outcomes: BTreeMap<Key, Decided>,
    /// Rows of the entry before, whose alert comes next.
    awaiting: Vec<HitRow>,
}

/// What the deciding entry says of a hit.
#[derive(Clone, Debug)]
struct Decided {
    by: Seq,
    rules: Seq,
    account: Seq,
    severity: Option<i16>,
    late: bool,
    evidence: Option<String>,
    alert: Belongs,
}

/// An entry, or a change, that was judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deciding {
    pub(super) seq: Seq,
    pub(super) rules: Seq,
    /// The account, or the record.
    pub(super) account: Seq,
    pub(super) booked_at: i64,
    pub(super) business_date: i32,
}

impl Hits {
    /// Compares the hits of one entry with its outcomes; those decided by later entries wait. `booked`
    /// says of the earlier entries that hits are named at when they were booked.
    pub(super) fn compare(
        &mut self,
        entry: &Deciding,
        (outcomes, booked): (&Outcomes, &HashMap<Seq, i64>),
        rows: &[HitRow],
        joining: &mut Joining,
        findings: &mut Findings,
    ) {
        joining.settle(findings);
        self.awaiting.clear();
        let mut expected: Vec<(&RuleOutcome, Decided)> = Vec::new();
        for outcome in outcomes.hits() {
            let decided = decided(entry, outcome, booked, joining);
            match outcome.entry.filter(|seq| *seq != entry.seq) {
                None => expected.push((outcome, decided)),
                Some(named) => self.expect_late(named, outcome, decided),
            }
        }
        for row in rows {
            findings.checked(L4, 1);
            if row.decided_by != entry.seq {
                // Decided by a later entry, or changed: at the end it is known which.
                self.wait(row, findings);
                continue;
            }
            let Some(at) = expected.iter().position(|(outcome, _)| outcome.rule == row.rule) else {
                extra(row, findings);
                continue;
            };
            let (_, decided) = expected.swap_remove(at);
            compare(row, &decided, entry.business_date, findings);
            if decided.alert == Belongs::Next {
                self.awaiting.push(row.clone());
            }
        }
        for (outcome, _) in expected {
            missing(entry.seq, &outcome.rule, findings);
        }
    }

    /// A hit at a place that has no entry.
    pub(super) fn stray(&mut self, row: &HitRow, findings: &mut Findings) {
        findings.checked(L4, 1);
        extra(row, findings);
    }

    /// The alert `id` was opened by these hits of the entry before.
    pub(super) fn opened(&mut self, id: Seq, hits: &[(Seq, String)], findings: &mut Findings) {
        for (seq, rule) in hits {
            if let Some(row) = self.awaiting.iter().find(|row| row.seq == *seq && row.rule == *rule)
                && row.alert != Some(id)
            {
                changed(row, "alert", findings);
            }
            if let Some(late) = self.late_outcomes.get_mut(&(*seq, rule.clone()))
                && late.alert == Belongs::Next
            {
                late.alert = Belongs::To(id);
            }
        }
    }

    /// After the last entry: late hits.
    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        let named: Vec<Seq> = self.late_outcomes.keys().map(|(seq, _)| *seq).collect();
        let mut dates: HashMap<Seq, i32> = HashMap::new();
        for seqs in named.chunks(ENTRIES) {
            dates.extend(entries_at(conn, seqs)?.into_iter().map(|row| (row.seq, row.business_date)));
        }
        for (key, decided) in self.late_outcomes {
            match self.late_rows.remove(&key) {
                Some(row) => compare(&row, &decided, dates.get(&key.0).copied().unwrap_or(row.business_date), findings),
                None => missing(key.0, &key.1, findings),
            }
        }
        self.late_rows.values().for_each(|row| extra(row, findings));
        Ok(())
    }

    fn wait(&mut self, row: &HitRow, findings: &mut Findings) {
        if self.late_rows.len() < LATE_MAX {
            self.late_rows.insert((row.seq, row.rule.clone()), row.clone());
        } else {
            findings.add((L4, "bound_reached"), "hits", row.seq, "too many late hits: this one was not compared");
        }
    }

    fn expect_late(&mut self, named: Seq, outcome: &RuleOutcome, decided: Decided) {
        if self.late_outcomes.len() < LATE_MAX {
            // The first to say so is the one whose row was stored.
            self.late_outcomes.entry((named, outcome.rule.clone())).or_insert(decided);
        }
    }
}

fn decided(entry: &Deciding, outcome: &RuleOutcome, booked: &HashMap<Seq, i64>, joining: &mut Joining) -> Decided {
    let severity = outcome.severity.as_deref().and_then(Severity::parse).map(Severity::code);
    let seq = outcome.entry.unwrap_or(entry.seq);
    let account = outcome.about.unwrap_or(entry.account);
    let alert = joining.hit(&NewHit {
        rule: &outcome.rule,
        rules: entry.rules,
        account,
        seq,
        booked_at: booked.get(&seq).copied().unwrap_or(entry.booked_at),
        severity: severity.unwrap_or(0),
    });
    Decided {
        by: entry.seq,
        rules: entry.rules,
        account,
        severity,
        late: outcome.late,
        evidence: outcome.evidence.clone(),
        alert,
    }
}

fn compare(row: &HitRow, decided: &Decided, business_date: i32, findings: &mut Findings) {
    let evidence = decided.evidence.as_ref().is_none_or(|digest| *digest == evidence_digest(&row.evidence));
    let expected = HitRow {
        seq: row.seq,
        rule: row.rule.clone(),
        rules: decided.rules,
        account: decided.account,
        business_date,
        severity: decided.severity.unwrap_or(row.severity),
        late: i16::from(decided.late),
        decided_by: decided.by,
        alert: match decided.alert {
            Belongs::Nowhere => None,
            Belongs::To(id) => Some(id),
            // Which one is known when the next event is met.
            Belongs::Next => row.alert,
        },
        // What the digest does not recognise differs from whatever is there.
        evidence: if evidence { row.evidence.clone() } else { format!("{}\0", row.evidence) },
    };
    let names = row.differing(&expected);
    if !names.is_empty() {
        changed(row, &names.join(", "), findings);
    }
}

fn changed(row: &HitRow, names: &str, findings: &mut Findings) {
    let detail = format!("the hit of rule {} is not the one its leaf commits to: {names}", row.rule);
    findings.add((L4, "hit_changed"), "hits", row.seq, detail);
}

fn extra(row: &HitRow, findings: &mut Findings) {
    findings.add((L4, "hit_extra"), "hits", row.seq, format!("no leaf commits to this hit of rule {}", row.rule));
}

fn missing(seq: Seq, rule: &str, findings: &mut Findings) {
    findings.add((L4, "hit_missing"), "hits", seq, format!("the hit of rule {rule} that a leaf commits to is not there"));
}
