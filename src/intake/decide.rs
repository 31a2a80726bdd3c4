//! What was decided with an entry: the rules' outcomes, as text for the leaf and for the receipt.

use crate::db::DbResult;
use crate::detect::{Case, Mode, Outcome, Recent, RuleSet};
use crate::ids::Seq;
use crate::ledger::continuity::{Break, Changes};
use crate::ledger::{BreakKind, NewEntry, Status};
use crate::money::{Currency, plain};

use super::ReceiptBreak;
use super::outcomes::{BreakOutcome, Named, Outcomes, RuleOutcome, evidence_digest, evidence_text};

/// Every rule that is not off, with its outcome.
pub(super) fn run_rules(rules: &RuleSet, entry: &NewEntry, seq: Seq, recent: &Recent) -> Vec<(usize, Outcome)> {
    let case = Case { entry, seq, recent };
    let running = rules.on_entries().iter().enumerate().filter(|(_, rule)| rule.mode != Mode::Off);
    let evaluated = running.map(|(i, rule)| match entry.status {
        Status::Attempted => (i, Outcome::NotApplicable),
        Status::Booked => (i, rule.check.check(&case)),
    });
    evaluated.filter(|(_, outcome)| *outcome != Outcome::Clear).collect()
}

/// What the leaf holds of it; `None` when everything was clear.
pub(super) fn outcomes_text(
    rules: &RuleSet,
    seq: Seq,
    found: &[(usize, Outcome)],
    changes: &Changes,
    notes: Vec<String>,
) -> DbResult<Option<String>> {
    if found.is_empty() && changes.is_empty() && notes.is_empty() {
        return Ok(None);
    }
    Ok(Outcomes { notes, ..outcomes_of(rules, seq, found, changes)? }.text())
}

fn outcomes_of(rules: &RuleSet, seq: Seq, found: &[(usize, Outcome)], changes: &Changes) -> DbResult<Outcomes> {
    let mut outcomes = Outcomes::default();
    for (i, outcome) in found {
        let rule = &rules.rules[*i];
        for (plain, hit) in RuleOutcome::of(rule, outcome) {
            let entry = hit.map(|hit| hit.seq).filter(|named| *named != seq);
            let evidence = hit.map(|hit| evidence_text(&hit.evidence)).transpose()?.map(|text| evidence_digest(&text));
            outcomes.rules.push(RuleOutcome { entry, evidence, ..plain });
        }
    }
    let opened = |b: &Break| BreakOutcome { kind: b.kind.text().to_owned(), seq: b.seq, expected: b.expected, found: b.found };
    outcomes.breaks = changes.opened.iter().map(opened).collect();
    outcomes.healed = changes.healed.iter().map(|(seq, kind)| Named { kind: kind.text().to_owned(), seq: *seq }).collect();
    outcomes.frozen.clone_from(&changes.frozen);
    Ok(outcomes)
}

/// A break for the receipt: money as decimals, numbers of a sequence as they are.
pub(super) fn receipt_break(found: &Break, currency: Currency) -> ReceiptBreak {
    let text = |value: i64| match found.kind {
        BreakKind::Sequence => value.to_string(),
        _ => plain(i128::from(value), currency),
    };
    ReceiptBreak {
        kind: found.kind.text().to_owned(),
        expected: found.expected.map(text),
        found: found.found.map(text),
        difference: found.difference().map(text),
    }
}
