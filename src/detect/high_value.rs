//! One entry of a high amount. No cooldown: every such entry is a hit.

use serde_json::json;

use crate::money::Money;

use super::examples::Example;
use super::{Case, Check, Evidence, Hit, Lines, Outcome, PerCurrency, Rule, Severity, examples};

pub(super) struct HighValue;

struct Threshold {
    amount: PerCurrency,
    lines: Lines,
}

impl Rule for HighValue {
    fn code(&self) -> &'static str {
        "high-value"
    }
    fn title(&self) -> &'static str {
        "High-value entry"
    }
    fn family(&self) -> &'static str {
        "value"
    }
    fn typology(&self) -> &'static str {
        "Large single movements"
    }
    fn source(&self) -> &'static str {
        "FFIEC BSA/AML manual, large-item report"
    }
    fn grouping(&self) -> &'static str {
        "account"
    }
    fn severity(&self) -> Severity {
        Severity::High
    }
    fn defaults(&self) -> serde_json::Value {
        json!({ "threshold": { "default": "10000" } })
    }
    fn compile(&self, parameters: &serde_json::Value) -> Result<Box<dyn Check>, String> {
        let read: Parameters = serde_json::from_value(parameters.clone()).map_err(|e| format!("high-value: {e}"))?;
        let amount = read.threshold.checked().map_err(|e| format!("high-value: threshold: {e}"))?;
        let lines = amount.lines();
        if amount.has_zero() {
            return Err("high-value: threshold: 0 would be hit by every entry; name a line above it".to_owned());
        }
        Ok(Box::new(Threshold { lines, amount }))
    }
    fn loosens(&self, before: &serde_json::Value, after: &serde_json::Value) -> bool {
        let read = |value: &serde_json::Value| serde_json::from_value::<Parameters>(value.clone());
        match (read(before), read(after)) {
            (Ok(before), Ok(after)) => before.threshold.raised(&after.threshold),
            _ => true,
        }
    }
    fn examples(&self) -> &'static [Example] {
        examples::HIGH_VALUE
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    threshold: PerCurrency,
}

impl Check for Threshold {
    fn text(&self) -> String {
        format!("An entry of {} or more.", self.amount.text())
    }

    fn check(&self, case: &Case<'_>) -> Outcome {
        if case.entry.amount == 0 {
            return Outcome::NotApplicable;
        }
        let Some(threshold) = self.lines.minor(case.entry.currency) else {
            return Outcome::Error(format!("the threshold does not fit in {}", case.entry.currency));
        };
        if case.entry.amount < threshold {
            return Outcome::Clear;
        }
        let money = |minor| Money::new(minor, case.entry.currency).for_people();
        let evidence =
            Evidence { observed: money(case.entry.amount), threshold: money(threshold), window: None, entries: vec![case.seq] };
        Outcome::Hits(vec![Hit { seq: case.seq, late: false, evidence }])
    }

    fn explain(&self, evidence: &Evidence) -> String {
        format!("An entry of {} reaches the line of {}.", evidence.observed, evidence.threshold)
    }
}
