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
    ("new record breaks", "/continuity/records_new"),
    ("open record breaks", "/continuity/records_open"),
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

/// What of a daily report asks for a look, from its whole numbers alone: no text of it is repeated.
pub fn verdict(body: &str) -> String {
    let Ok(body) = serde_json::from_str::<Value>(body) else { return "It cannot be read: open the report.".to_owned() };
    let number = |at: &str| count(&body, at).unwrap_or(0);
    let sources = body["sources"].as_array().map_or(&[][..], Vec::as_slice);
    let unlike = sources.iter().filter(|source| ["mismatch", "not received"].iter().any(|state| source["state"] == *state));
    let asks = [
        (unlike.count() as u64, "source not matched", "sources not matched"),
        (number("/continuity/breaks_open"), "open break", "open breaks"),
        (number("/continuity/records_open"), "open record break", "open record breaks"),
        (number("/alerts/past_due"), "alert past due", "alerts past due"),
        (number("/late_total"), "late entry", "late entries"),
    ];
    let asks = asks.iter().filter(|(n, _, _)| *n > 0);
    let asks: Vec<String> = asks.map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many })).collect();
    if asks.is_empty() { "Nothing needs review.".to_owned() } else { format!("Needs review: {}.", asks.join(", ")) }
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
    fn a_verdict_is_made_of_numbers() {
        let body = r#"{"verdict":"secret","sources":[{"state":"mismatch","name":"secret"},{"state":"matched"}],
            "continuity":{"breaks_open":1},"alerts":{"past_due":2},"late_total":0}"#;
        assert_eq!(verdict(body), "Needs review: 1 source not matched, 1 open break, 2 alerts past due.");
        assert_eq!(verdict(r#"{"sources":[{"state":"matched"}]}"#), "Nothing needs review.");
    }

    #[test]
    fn only_known_whole_numbers_are_taken() {
        let body = r#"{"verdict":"text","continuity":{"breaks_new":2,"breaks_open":"3","items":[]},"high_value_total":4,
            "high_value":[1],"late":[{"seq":1},{"seq":2}],"future":"no list","alerts":{"raised":0,"open":-1,"past_due":1.5},"totals":{"EUR":{"credits":"123.45"}}}"#;
        assert_eq!(of_report(body), [("new breaks", 2), ("high-value entries", 4), ("late entries", 2), ("alerts raised", 0)]);
        assert_eq!(of_history(r#"{"read":10,"rejected":1,"file":"name"}"#), [("rows read", 10), ("rows rejected", 1)]);
        assert_eq!(of_history("not JSON"), []);
    }
}
