//! What every rule in force answered for the entries and changes of a date.

use std::collections::BTreeMap;

use crate::db::{Conn, DbError, DbResult};
use crate::detect::{Looks, Mode, RuleEntry, RuleSetBody, rule};
use crate::ids::Seq;

use super::super::RuleCounts;
use super::super::activity::{Day, Evaluated};
use super::store::{self, RuleSetRow};

/// A row per rule of each rule set that looked at entries of the date; on a day without entries,
/// of the newest rule set.
pub fn rules(conn: &mut Conn, date: i32, seq_to: Seq, day: &Day) -> DbResult<Vec<RuleCounts>> {
    let mut hits: BTreeMap<Seq, BTreeMap<String, i64>> = BTreeMap::new();
    let spans = day.span.into_iter().chain(day.changes);
    if let Some(span) = spans.reduce(|one, two| (one.0.min(two.0), one.1.max(two.1))) {
        for (set, rule, n) in store::hit_counts(conn, date, span, seq_to)? {
            hits.entry(set).or_default().insert(rule, n);
        }
    }
    let mut sets: Vec<Seq> = day.rules.keys().chain(hits.keys()).copied().collect();
    sets.sort_unstable();
    sets.dedup();
    let mut rows = Vec::new();
    for id in &sets {
        let missing = || DbError::Corrupt(format!("rule set {id} is missing; run `counterfoil verify`"));
        rows.push(store::rule_set(conn, *id)?.ok_or_else(missing)?);
    }
    if rows.is_empty() {
        rows.extend(store::newest_rule_set(conn, seq_to)?);
    }
    let (nothing, no_hits) = (Evaluated::default(), BTreeMap::new());
    let mut out = Vec::new();
    for row in rows {
        let evaluated = day.rules.get(&row.id).unwrap_or(&nothing);
        counted(&row, evaluated, hits.get(&row.id).unwrap_or(&no_hits), &mut out)?;
    }
    Ok(out)
}

fn counted(row: &RuleSetRow, evaluated: &Evaluated, hits: &BTreeMap<String, i64>, out: &mut Vec<RuleCounts>) -> DbResult<()> {
    let body: RuleSetBody = serde_json::from_str(&row.body)
        .map_err(|e| DbError::Corrupt(format!("rule set {} cannot be read: {e}; run `counterfoil verify`", row.id)))?;
    for entry in body.rules {
        let outcomes = evaluated.outcomes.get(&entry.code).copied().unwrap_or_default();
        out.push(RuleCounts {
            text: text(&entry),
            version: row.version,
            mode: entry.mode,
            severity: entry.severity,
            evaluated: if entry.mode == Mode::Off { 0 } else { looked_at(&entry.code, evaluated) },
            hits: hits.get(&entry.code).copied().unwrap_or(0),
            not_applicable: outcomes.not_applicable,
            insufficient_history: outcomes.insufficient_history,
            errors: outcomes.errors,
            suppressed: 0,
            rule: entry.code,
        });
    }
    Ok(())
}

/// How many entries, or changes, a rule looked at.
fn looked_at(code: &str, evaluated: &Evaluated) -> i64 {
    match rule(code).map(|rule| rule.looks()) {
        Some(Looks::Changes) => evaluated.changes,
        _ => evaluated.entries,
    }
}

/// The rule's sentence, if this program still has the rule and can read its parameters.
fn text(entry: &RuleEntry) -> Option<String> {
    let check = rule(&entry.code)?.compile(&entry.parameters).ok()?;
    Some(check.text())
}
