//! Rule sets over time: which was in force, and what differs between two. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{RuleEntry, RuleSetBody};

/// A setting of a rule that differs between two rule sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDifference {
    /// The rule's code.
    pub rule: String,
    /// `mode`, `severity`, or a parameter such as `count`; parts of a parameter by points.
    pub setting: String,
    /// In the one; `None`: it has no such rule or setting.
    pub from: Option<String>,
    /// In the other.
    pub to: Option<String>,
}

/// Every setting that differs, in order of rule and setting.
pub fn differences(from: &RuleSetBody, to: &RuleSetBody) -> Vec<RuleDifference> {
    let (one, two) = (settings(from), settings(to));
    let names: BTreeSet<&(String, String)> = one.keys().chain(two.keys()).collect();
    let differs = |name: &&(String, String)| one.get(*name) != two.get(*name);
    let told = |name: &(String, String)| RuleDifference {
        rule: name.0.clone(),
        setting: name.1.clone(),
        from: one.get(name).cloned(),
        to: two.get(name).cloned(),
    };
    names.into_iter().filter(differs).map(told).collect()
}

fn settings(set: &RuleSetBody) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for RuleEntry { code, mode, severity, parameters } in &set.rules {
        let mut put = |setting: &str, value: String| drop(found.insert((code.clone(), setting.to_owned()), value));
        put("mode", serde_json::json!(mode).as_str().unwrap_or_default().replace('_', " "));
        put("severity", severity.text().to_owned());
        flatten("", parameters, &mut put);
    }
    found
}

fn flatten(path: &str, value: &Value, put: &mut dyn FnMut(&str, String)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, put);
            }
        }
        Value::String(text) => put(path, text.clone()),
        Value::Null => {}
        // A list is one value.
        other => put(path, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::*;

    #[test]
    fn what_differs_between_two_rule_sets_is_told_setting_by_setting() {
        let first = RuleSetBody::first();
        assert_eq!(differences(&first, &first), []);
        let mut other = first.clone();
        for rule in &mut other.rules {
            match rule.code.as_str() {
                "high-frequency" => rule.parameters["count"] = 9.into(),
                "no-reason" => rule.mode = Mode::DryRun,
                _ => {}
            }
        }
        other.rules.retain(|rule| rule.code != "own-record");
        let told: Vec<String> = differences(&first, &other)
            .into_iter()
            .map(|d| format!("{} {}: {:?} {:?}", d.rule, d.setting, d.from.as_deref(), d.to.as_deref()))
            .collect();
        assert_eq!(
            told[..2],
            [r#"high-frequency count: Some("6") Some("9")"#, r#"no-reason mode: Some("live") Some("dry run")"#]
        );
        assert!(told[2..].iter().all(|line| line.starts_with("own-record") && line.ends_with("None")), "{told:?}");
    }
}
