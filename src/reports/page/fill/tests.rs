//! What the page of a report promises.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::reports::Report;
use crate::reports::page::{article, article_of, frozen, style_source};

fn body() -> Value {
    json!({
        "business_date": "2026-11-20", "version": 1, "status": "final",
        "window": { "institution": "Example <Bank>", "time_zone": "America/New_York", "cut_off": "24:00",
            "from": "2026-11-20T05:00:00Z", "to": "2026-11-21T05:00:00Z",
            "from_local": "2026-11-20T00:00:00-05:00", "to_local": "2026-11-21T00:00:00-05:00" },
        "seq_from": 0, "seq_to": 4200, "verdict": "Complete. One break is open.",
        "sources": [
            { "name": "core", "state": "matched", "expected": 3, "entries": 3, "attempted": 0, "rejected": 0,
              "rejected_by_code": {}, "duplicates": null, "closes": true, "closed_at": "2026-11-21T05:10:00Z",
              "currencies": { "USD": { "expected_entries": 3, "entries": 3, "expected_credits": "12000.00",
                "credits": "12000.00", "expected_debits": "50.00", "debits": "50.00", "state": "matched" } } },
            { "name": "cards", "state": "not received", "expected": null, "entries": null, "attempted": null, "rejected": null,
              "rejected_by_code": {}, "duplicates": null, "closes": false, "closed_at": null, "currencies": {} }],
        "totals": { "USD": { "entries": 3, "credits": "12000.00", "debits": "50.00", "opening": "100.00", "closing": "12050.00",
            "accounts": 2, "accounts_unknown": 1, "attempted": 0,
            "roll_forward": { "credits": "12000.00", "debits": "50.00", "difference": "0.00", "state": "proven" } } },
        "kinds": { "USD": { "deposit": { "entries": 3, "credits": "12000.00", "debits": "50.00" } } },
        "hours": [{ "start": "2026-11-20T19:00:00Z", "currency": "USD", "entries": 3, "value": "12050.00" }],
        "continuity": { "accounts_checked": 1, "entries_checked": 2, "breaks_new": 1, "breaks_open": 1, "items_total": 1,
            "items": [{ "seq": 77, "account": "•••• 4821", "account_id": 12, "currency": "USD", "kind": "chain",
                "expected": "100.00", "found": "-90.00", "difference": "-190.00", "state": "open",
                "business_date": "2026-11-20", "opened_at": "2026-11-20T19:03:22Z", "closed_by": null, "alert": null }] },
        "high_value": [{ "seq": 78, "account": "•••• 4821", "account_id": 12, "currency": "USD", "amount": "12000.00",
            "direction": "credit", "kind": "deposit", "booked_at": "2026-11-20T19:03:22Z", "severity": "high",
            "threshold": "10000.00", "alert": "ALR-2026-000001" }], "high_value_total": 1,
        "high_frequency": [], "high_frequency_total": 0, "cash": [], "cash_total": 0,
        "late": [], "late_total": 0, "future": [], "future_total": 0,
        "alerts": { "raised": 1, "open": 1, "past_due": 0, "closed": 0, "by_rule": { "high-value": 1 },
            "by_severity": { "high": 1 }, "severities": [{ "severity": "high", "raised": 1, "closed": 0, "open": 1, "past_due": 0 }] },
        "rules": [{ "rule": "high-value", "version": 1, "mode": "live", "severity": "high", "text": "Fires at 10,000.",
            "evaluated": 3, "hits": 1, "not_applicable": 0, "insufficient_history": 0, "errors": 0, "suppressed": 0 }],
        "access": { "sign_ins": 2, "denied": 1 },
        "notifications": { "configured": true, "recipients": 1, "sent": 1, "pending": 0, "dead": 0 },
        "integrity": { "size": 4201, "root": "ab".repeat(32), "checkpoint": null, "verified_to": null, "last_full_at": null,
            "anchor_age": null, "day_figures_agree": true, "computed_at": "2026-11-21T05:30:00Z", "program": "counterfoil 0.1.0",
            "restates": null },
        "signoff": []
    })
}

fn report(change: impl FnOnce(&mut Value)) -> Report {
    let mut body = body();
    change(&mut body);
    serde_json::from_value(body).unwrap()
}

#[test]
fn the_frozen_document_holds_the_article_byte_for_byte_and_its_own_style() {
    let report = report(|_| {});
    let (article, frozen) = (article(&report), frozen(&report));
    assert_eq!(article_of(&frozen), Some(article.trim()));
    assert!(frozen.contains("<style>") && !frozen.contains("<link") && !frozen.contains("<script"));
    assert!(style_source().starts_with("'sha256-"));
    assert!(frozen.contains("Example &#60;Bank&#62;") || frozen.contains("Example &lt;Bank&gt;"));
}

#[test]
fn figures_are_local_grouped_and_signed() {
    let text = article(&report(|_| {}));
    for shown in
        ["2026-11-20 14:03:22", "12,050.00", "\u{2212}190.00", "Proven", "Not received", "ALR-2026-000001", "High-value entry"]
    {
        assert!(text.contains(shown), "{shown}");
    }
    assert!(text.contains("href=\"/entries/77\""));
}

#[test]
fn a_day_without_entries_says_so_and_prints_no_zero_sums() {
    let text = article(&report(|body| {
        body["totals"] = json!({});
        body["kinds"] = json!({});
        body["hours"] = json!([]);
    }));
    assert!(text.contains("No entry carries this business date."));
    assert!(!text.contains("roll-c"));
}

#[test]
fn a_list_that_leaves_rows_out_says_so() {
    let text = article(&report(|body| body["high_value_total"] = json!(4812)));
    assert!(text.contains("The list holds the first 1 of 4,812."));
}

#[test]
fn no_style_attribute_stands_in_the_article() {
    assert!(!article(&report(|_| {})).contains("style="));
}
