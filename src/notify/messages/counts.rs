//! The whole numbers that a mail may state of a report or an import: named here one by one, so that
//! no text and no amount gets into a mail because someone added it to a body.

use serde_json::Value;

/// A line of a mail: what is counted, and how many.
pub type Count = (&'static str, u64);

const REPORT: &[(&str, &str)] = &[
    ("accounts checked for continuity", "/continuity/accounts_checked"),
    ("entries checked for continuity", "/continuity/entries_checked"),
    ("new breaks", "/continuity/breaks_new"),
    ("open breaks", "/continuity/breaks_open"),
    ("high-value entries", "/high_value_total"),
    ("high-frequency windows", "/high_frequency_total"),
    ("late entries", "/late_total"),
    ("future-dated entries", "/future_total"),
    ("alerts raised", "/alerts/raised"),
    ("alerts open", "/alerts/open"),
    ("alerts past due", "/alerts/past_due"),
];

const HISTORY: &[(&str, &str)] = &[
    ("rows read", "/read"),
    ("entries recorded", "/recorded"),
    ("duplicates", "/duplicates"),
    ("rows rejected", "/rejected"),
    ("hits", "/hits"),
    ("breaks", "/breaks"),
    ("alerts raised", "/alerts"),
];

/// The counts of a daily report, from its JSON; what it does not state is left out.
pub fn of_report(body: &str) -> Vec<Count> {
    pick(body, REPORT)
}

/// The counts of a finished import, from its event; what it does not state is left out.
pub fn of_history(body: &str) -> Vec<Count> {
    pick(body, HISTORY)
}

fn pick(body: &str, wanted: &[(&'static str, &str)]) -> Vec<Count> {
    let Ok(body) = serde_json::from_str::<Value>(body) else { return Vec::new() };
    wanted.iter().filter_map(|(label, at)| Some((*label, count(&body, at)?))).collect()
}

/// The number at `…_total`, or else the length of the list it would total.
fn count(body: &Value, at: &str) -> Option<u64> {
    if let Some(value) = body.pointer(at) {
        return value.as_u64();
    }
    let list = body.pointer(at.strip_suffix("_total")?)?.as_array()?;
    u64::try_from(list.len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_whole_numbers_are_taken() {
        let body = r#"{"verdict":"text","continuity":{"breaks_new":2,"breaks_open":"3","items":[]},"high_value_total":4,
            "high_value":[1],"late":[{"seq":1},{"seq":2}],"future":"no list","alerts":{"raised":0,"open":-1,"past_due":1.5},"totals":{"EUR":{"credits":"123.45"}}}"#;
        assert_eq!(of_report(body), [("new breaks", 2), ("high-value entries", 4), ("late entries", 2), ("alerts raised", 0)]);
        assert_eq!(of_history(r#"{"read":10,"rejected":1,"file":"name"}"#), [("rows read", 10), ("rows rejected", 1)]);
        assert_eq!(of_history("not JSON"), []);
    }
}
