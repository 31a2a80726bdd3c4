//! What differs between two versions of a date's report.
//!
//! Only figures of the date itself count. What goes on living after the night (which alerts are
//! open, which breaks healed, what was mailed) is no reason to restate a report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Report, SourceState};

/// One figure that differs; `null` where it is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its path in the report, `totals.USD.credits`.
    pub figure: String,
    /// In the earlier version.
    pub before: Option<String>,
    /// In the later one.
    pub after: Option<String>,
}

/// Every figure of the date that differs, by path.
pub fn changes(earlier: &Report, later: &Report) -> Vec<Change> {
    let (before, after) = (figures(earlier), figures(later));
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let change = |path: &String| {
        let (before, after) = (before.get(path), after.get(path));
        (before != after).then(|| Change { figure: path.clone(), before: before.cloned(), after: after.cloned() })
    };
    paths.into_iter().filter_map(change).collect()
}

/// The figures of the date, flat.
fn figures(report: &Report) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    rows(report, &mut out);
    let rest = json!({
        "totals": report.totals,
        "kinds": report.kinds,
        "continuity": {
            "accounts_checked": report.continuity.accounts_checked,
            "entries_checked": report.continuity.entries_checked,
            "breaks_new": report.continuity.breaks_new,
            "records_new": report.continuity.records_new,
        },
        "high_value_total": report.high_value_total,
        "high_frequency_total": report.high_frequency_total,
        "cash_total": report.cash_total,
        "alerts": {
            "raised": report.alerts.raised,
            "by_rule": raised(&report.alerts.by_rule),
            "by_severity": raised(&report.alerts.by_severity),
        },
    });
    for (name, value) in rest.as_object().into_iter().flatten() {
        flatten(name, value, &mut out);
    }
    out
}

/// The lists, each row under a key that does not depend on its place in the list.
fn rows(report: &Report, out: &mut BTreeMap<String, String>) {
    // A source made known since, from which nothing came, changes nothing about the date.
    for source in report.sources.iter().filter(|s| s.state != SourceState::NotReceived) {
        flatten(&format!("sources.{}", source.name), &json!(source), out);
        // Sending its first marker ever for another date changes nothing about this one.
        out.remove(&format!("sources.{}.closes", source.name));
    }
    for row in &report.hours {
        flatten(&format!("hours.{}.{}", row.start, row.currency), &json!([row.entries, row.value]), out);
    }
    for row in &report.cash {
        flatten(&format!("cash.{}.{}", row.account_id, row.side), &json!([row.entries, row.total]), out);
    }
    // On a day without entries the newest rule set is listed, whichever that is.
    for row in report.rules.iter().filter(|r| r.evaluated + r.hits > 0) {
        let mut row = json!(row);
        let key = format!("rules.{}.{}", row["rule"].as_str().unwrap_or_default(), row["version"]);
        if let Some(object) = row.as_object_mut() {
            object.retain(|name, _| !["rule", "version", "text"].contains(&name.as_str()));
        }
        flatten(&key, &row, out);
    }
}

/// Zeros left out: which rules are listed at all depends on the program.
fn raised(by: &BTreeMap<String, i64>) -> BTreeMap<&String, i64> {
    by.iter().filter(|(_, n)| **n != 0).map(|(name, n)| (name, *n)).collect()
}

fn flatten(path: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&format!("{path}.{name}"), value, out)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| flatten(&format!("{path}.{i}"), value, out)),
        Value::Null => {}
        Value::String(text) => {
            out.insert(path.to_owned(), text.clone());
        }
        other => {
            out.insert(path.to_owned(), other.to_string());
        }
    }
}
