//! Figures, on small databases filled by hand.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::clock::HOUR;
use crate::db::bulk;
use crate::ledger::store::ContextRow;
use crate::ledger::{BreakState, Kind, Status as EntryStatus};
use crate::notify::store::{DEAD, OutboxRow, PENDING, SENT};

use super::testing::{DAY, House, Put};
use super::{Report, SourceState};

const FIRST_LEVEL: &[&str] = &[
    "business_date",
    "version",
    "status",
    "window",
    "seq_from",
    "seq_to",
    "verdict",
    "sources",
    "totals",
    "kinds",
    "hours",
    "continuity",
    "high_value",
    "high_value_total",
    "high_frequency",
    "high_frequency_total",
    "cash",
    "cash_total",
    "late",
    "late_total",
    "future",
    "future_total",
    "alerts",
    "rules",
    "access",
    "erasures",
    "notifications",
    "integrity",
    "signoff",
];

#[test]
fn the_first_level_is_the_contracts() {
    let house = House::new();
    let json: Value = serde_json::from_str(&super::formats::json(&house.preview(DAY)).unwrap()).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, FIRST_LEVEL);
    assert_eq!((json["version"].as_i64(), json["status"].as_str()), (Some(0), Some("preview")));
    let read: Report = serde_json::from_value(json).unwrap();
    assert_eq!(read, house.preview(DAY));
}

#[test]
fn a_day_without_entries_says_so_and_unknown_is_not_zero() {
    let house = House::new();
    house.source("core");
    let report = house.preview(DAY);
    assert!(report.verdict.starts_with("No entries with this business date; "), "{}", report.verdict);
    assert!(report.verdict.contains("not received: core"), "{}", report.verdict);
    assert!(report.totals.is_empty() && report.hours.is_empty());
    let source = &report.sources[0];
    assert_eq!((source.state, source.entries, source.rejected), (SourceState::NotReceived, None, None));
    assert_eq!(report.rules.len(), crate::detect::RULES.len());
    assert_eq!(report.rules[0].evaluated, 0);
    assert_eq!(report.integrity.day_figures_agree, Some(true));
    // Before the source was known, it is no gap that nothing came.
    assert!(house.preview("2026-10-20").sources.is_empty());
}

#[test]
fn currencies_are_never_mixed_and_the_roll_forward_claims_only_what_it_covers() {
    let house = House::new();
    let core = house.source("core");
    let (dollars, yen, blank) =
        (house.account(core, "10000001", "USD"), house.account(core, "10000002", "JPY"), house.account(core, "10000003", "USD"));
    house.entry(Put::new(core, dollars, 50_050, Some(100_000)));
    house.entry(Put { at: 11 * HOUR, ..Put::new(core, dollars, -20_000, Some(150_050)) });
    house.entry(Put { currency: "JPY", ..Put::new(core, yen, 700, Some(1_000)) });
    house.entry(Put::new(core, blank, 99, None));
    house.entry(Put { status: EntryStatus::Attempted, ..Put::new(core, dollars, -99_999, None) });
    let report = house.preview(DAY);
    let usd = &report.totals["USD"];
    assert_eq!((usd.entries, usd.attempted, usd.accounts, usd.accounts_unknown), (3, 1, 2, 1));
    assert_eq!((usd.credits.as_str(), usd.debits.as_str()), ("501.49", "200.00"));
    assert_eq!((usd.opening.as_deref(), usd.closing.as_deref()), (Some("1000.00"), Some("1300.50")));
    assert_eq!((usd.roll_forward.state.as_str(), usd.roll_forward.difference.as_deref()), ("partial", Some("0.00")));
    assert_eq!(usd.roll_forward.credits, "500.50");
    let jpy = &report.totals["JPY"];
    assert_eq!((jpy.entries, jpy.credits.as_str(), jpy.closing.as_deref()), (1, "700", Some("1700")));
    assert_eq!(jpy.roll_forward.state, "proven");
    assert_eq!(report.kinds["USD"]["deposit"].entries, 2);
    assert_eq!(report.kinds["USD"]["withdrawal"].debits, "200.00");
    let hours: Vec<(&str, &str, &str)> =
        report.hours.iter().map(|h| (h.start.as_str(), h.currency.as_str(), h.value.as_str())).collect();
    let ten = "2026-11-20T10:00:00Z";
    assert_eq!(hours, [(ten, "JPY", "700"), (ten, "USD", "501.49"), ("2026-11-20T11:00:00Z", "USD", "200.00")]);
    assert_eq!((report.continuity.accounts_checked, report.continuity.entries_checked), (2, 3));
    assert_eq!(report.integrity.day_figures_agree, Some(true));
}

#[test]
fn what_does_not_roll_forward_is_a_difference() {
    let house = House::new();
    let core = house.source("core");
    let account = house.account(core, "10000001", "USD");
    house.entry(Put::new(core, account, 100, Some(1_000)));
    house.entry(Put { at: 11 * HOUR, ..Put::new(core, account, 100, Some(1_050)) });
    let report = house.preview(DAY);
    let proof = &report.totals["USD"].roll_forward;
    assert_eq!((proof.state.as_str(), proof.difference.as_deref()), ("difference", Some("-0.50")));
    assert!(report.verdict.contains("1 roll-forward that does not add up"), "{}", report.verdict);
}

#[test]
fn sums_above_two_to_the_53_and_63_are_exact() {
    let house = House::new();
    let core = house.source("core");
    for (i, amount) in [9_007_199_254_740_993, i64::MAX, i64::MAX].into_iter().enumerate() {
        let account = house.account(core, &format!("2000000{i}"), "USD");
        house.entry(Put { at: i as i64 * HOUR, ..Put::new(core, account, amount, None) });
    }
    let usd = &house.preview(DAY).totals["USD"];
    // 9007199254740993 + 2 × 9223372036854775807
    assert_eq!(usd.credits, "184557512729642926.07");
    assert_eq!((usd.opening.as_ref(), usd.roll_forward.state.as_str()), (None, "not available"));
}

#[test]
fn control_totals_match_or_not() {
    let house = House::new();
    let (core, cards) = (house.source("core"), house.source("cards"));
    let account = house.account(core, "10000001", "USD");
    house.entry(Put::new(core, account, 500, None));
    house.close(core, DAY, &[("USD", 9, 0, 500)]);
    house.close(core, DAY, &[("USD", 1, 0, 500)]); // the newest marker counts
    house.close(cards, "2026-11-19", &[("USD", 1, 0, 500)]);
    house.place("test.refused", move |c, _| {
        c.execute(&format!("INSERT INTO day_refusals VALUES (20777, {core}, 'direction_required', 2)")).unwrap();
    });
    let report = house.preview(DAY);
    assert_eq!((report.sources[0].state, report.sources[0].expected), (SourceState::Matched, Some(1)));
    assert_eq!(report.sources[0].rejected, Some(2));
    assert_eq!(report.sources[0].rejected_by_code["direction_required"], 2);
    assert_eq!(report.sources[1].state, SourceState::NotReceived);
    assert!(report.verdict.starts_with("Incomplete: 1 entry, 1 of 2 sources matched, not received: cards"), "{}", report.verdict);
    house.close(cards, DAY, &[("", 0, 0, 0)]);
    let report = house.preview(DAY);
    assert!(report.verdict.starts_with("Complete: 1 entry, 2 of 2 sources matched, 0 continuity breaks"), "{}", report.verdict);
}

#[test]
fn breaks_count_by_date_and_keep_the_state_of_then() {
    let house = House::new();
    let core = house.source("core");
    let account = house.account(core, "DE89370400440532013000", "USD");
    let old = house.entry(Put { date: "2026-11-18", ..Put::new(core, account, 1, Some(0)) });
    let first = house.entry(Put::new(core, account, 1, Some(5)));
    let second = house.entry(Put::new(core, account, 1, Some(9)));
    let healer = house.entry(Put::new(core, account, 1, Some(10)));
    house.broken(old, account, "2026-11-18", BreakState::Open, None);
    house.broken(first, account, DAY, BreakState::Healed, Some(healer));
    house.broken(second, account, DAY, BreakState::Healed, Some(1_000_000));
    let found = house.preview(DAY).continuity;
    assert_eq!((found.breaks_new, found.breaks_open, found.items_total), (2, 2, 3));
    let states: Vec<(i64, &str)> = found.items.iter().map(|i| (i.seq, i.state.as_str())).collect();
    assert_eq!(states, [(old, "open"), (second, "open"), (first, "healed")]);
    let item = &found.items[0];
    assert_eq!((item.account.as_str(), item.kind.as_str()), ("•••• 3000", "chain"));
    assert_eq!((item.expected.as_deref(), item.difference.as_deref()), (Some("1500.00"), Some("-510.00")));
    assert_eq!(house.preview("2026-11-18").continuity.breaks_new, 1);
}

/// Four mails about an alert: two sent, one dead, one waiting.
fn owe_mail(house: &House, alert: i64) {
    for (id, state) in [(1, SENT), (2, SENT), (3, DEAD), (4, PENDING)] {
        let row = OutboxRow {
            id,
            kind: "alert".into(),
            about: alert,
            recipient: "officer@bank.example".into(),
            severity: 3,
            state,
            created_at: 0,
            not_before: 0,
            attempts: 0,
            last_error: None,
            message_id: None,
            done_at: None,
        };
        house.place("test.mail", move |c, _| crate::db::bulk::append(c, &[row]).unwrap());
    }
}

#[test]
fn hits_outcomes_and_alerts_are_counted() {
    let house = House::new();
    let core = house.source("core");
    let account = house.account(core, "DE89370400440532013000", "USD");
    let alert = house.alert(account, DAY, 3, "2026-11-17T08:00:00Z");
    house.alert(account, "2026-11-19", 4, "2026-11-20T08:00:00Z");
    let outcomes = r#"{"rules":[{"rule":"high-value","outcome":"hit","severity":"high"},{"rule":"high-frequency","outcome":"insufficient_history"}]}"#;
    let seq = house.entry(Put { outcomes: Some(outcomes), ..Put::new(core, account, 1_000_000, None) });
    let small = house.entry(Put { amount: -700, kind: Kind::Fee, ..Put::new(core, account, -700, None) });
    let evidence = format!(r#"{{"observed":"USD 10,000.00","threshold":"USD 10,000.00","entries":[{seq}]}}"#);
    house.hit(seq, account, "high-value", Some(alert), &evidence);
    let evidence = format!(r#"{{"observed":"2","threshold":"2","window":"60 min","entries":[{seq},{small}]}}"#);
    house.hit(small, account, "high-frequency", None, &evidence);
    let failed = r#"{"rules":[{"rule":"high-value","outcome":"error"}]}"#;
    house.entry(Put { status: EntryStatus::Attempted, outcomes: Some(failed), ..Put::new(core, account, 1, None) });
    owe_mail(&house, alert);
    let report = house.preview(DAY);
    assert_eq!((report.high_value_total, report.high_value[0].amount.as_str()), (1, "10000.00"));
    assert_eq!((report.high_value[0].seq, report.high_value[0].alert.as_deref()), (seq, Some("ALR-2026-000004")));
    let fast = &report.high_frequency[0];
    assert_eq!((fast.seq, fast.count, fast.threshold, fast.value.as_str()), (small, 2, 2, "10007.00"));
    let rule = &report.rules[0];
    assert_eq!((rule.evaluated, rule.hits, rule.errors, rule.insufficient_history), (3, 1, 1, 0));
    assert_eq!((report.rules[1].hits, report.rules[1].insufficient_history), (1, 1));
    let alerts = &report.alerts;
    assert_eq!((alerts.raised, alerts.open, alerts.past_due), (1, 2, 1));
    assert_eq!((alerts.by_rule["high-value"], alerts.by_severity["high"], alerts.by_severity["critical"]), (1, 1, 0));
    let mail = &report.notifications;
    assert_eq!((mail.sent, mail.dead, mail.pending), (2, 1, 1));
    assert!(
        report.verdict.contains("1 alert raised (1 past due), 1 rule evaluation failed, 1 mail given up"),
        "{}",
        report.verdict
    );
    assert!(!super::formats::json(&report).unwrap().contains("0440532013000"));
}

#[test]
fn cash_is_summed_per_account_side_and_currency_and_listed_above_the_line() {
    let house = House::new();
    let core = house.source("core");
    let (busy, even) = (house.account(core, "10000001", "USD"), house.account(core, "10000002", "USD"));
    for (account, amount) in [(busy, 600_000), (busy, 400_001), (busy, -900_000), (even, 500_000), (even, 500_000)] {
        house.entry(Put { cash: true, ..Put::new(core, account, amount, None) });
    }
    house.entry(Put::new(core, even, 5_000_000, None)); // no cash
    let report = house.preview(DAY);
    assert_eq!(report.cash_total, 1);
    let row = &report.cash[0];
    assert_eq!((row.side.as_str(), row.total.as_str(), row.largest.as_str()), ("in", "10000.01", "6000.00"));
    assert_eq!((row.entries, row.threshold.as_str(), row.account_id), (2, "10000.00", busy));
}

#[test]
fn entries_dated_ahead_are_listed_and_counted_on_their_own_date() {
    let house = House::new();
    let core = house.source("core");
    let account = house.account(core, "10000001", "USD");
    house.entry(Put::new(core, account, 1, None));
    house.entry(Put { date: "2026-11-23", ..Put::new(core, account, 2, None) });
    let report = house.preview(DAY);
    assert_eq!((report.totals["USD"].entries, report.future_total, report.late_total), (1, 1, 0));
    assert_eq!((report.future[0].business_date.to_string().as_str(), report.future[0].amount.as_str()), ("2026-11-23", "0.02"));
    assert_eq!(house.preview("2026-11-23").totals["USD"].credits, "0.02");
}

#[test]
fn day_figures_that_differ_from_the_entries_are_said() {
    let house = House::new();
    let core = house.source("core");
    let account = house.account(core, "10000001", "USD");
    house.entry(Put::new(core, account, 100, None));
    house.place("test.tamper", |c, _| c.execute("UPDATE day_figures SET credits = 999").unwrap());
    let report = house.preview(DAY);
    assert_eq!((report.integrity.day_figures_agree, report.totals["USD"].credits.as_str()), (Some(false), "1.00"));
    assert!(report.verdict.contains("run `counterfoil verify`"), "{}", report.verdict);
}

#[test]
fn the_last_full_verification_is_named() {
    let house = House::new();
    house.place("test.job", |c, _| {
        let row = r#"INSERT INTO jobs VALUES ('verify', 0, 1, '{"size":42,"at":"2026-11-20T03:00:00Z"}')"#;
        c.execute(row).unwrap();
    });
    house.place("session.opened", |_, _| {});
    let report = house.preview(DAY);
    assert_eq!(
        (report.integrity.verified_to, report.integrity.last_full_at.as_deref()),
        (Some(42), Some("2026-11-20T03:00:00Z"))
    );
    assert_eq!((report.access["sign_ins"], report.access["denied"]), (1, 0));
    assert_eq!(report.integrity.root.len(), 64);
    assert_eq!(report.seq_to, report.integrity.size - 1);
}

#[test]
fn a_break_says_when_its_entry_was_booked_and_whence_it_came() {
    let house = House::new();
    let core = house.source("core");
    let account = house.account(core, "DE89370400440532013000", "USD");
    let seq = house.entry(Put::new(core, account, 100, Some(500)));
    house.place("context.defined", move |c, _| {
        let session_id = Some("S-9".to_owned());
        let row = ContextRow {
            id: 0,
            source: core,
            session_id,
            ip: Some("192.0.2.7".to_owned()),
            user_agent: None,
            device_id: None,
            actor: None,
            actor_kind: None,
            fingerprint: 0,
        };
        bulk::append(c, &[row]).unwrap();
    });
    house.broken(seq, account, DAY, BreakState::Open, None);
    let item = house.preview(DAY).continuity.items.remove(0);
    assert!(item.booked_at.as_deref().is_some_and(|at| at.starts_with(DAY)), "{item:?}");
    assert_eq!((item.session.as_deref(), item.ip.as_deref(), item.context), (Some("S-9"), Some("192.0.2.7"), Some(0)));
    assert_ne!(item.booked_at.as_deref(), Some(item.opened_at.as_str()), "booked is not recorded");
}

#[test]
fn access_counts_what_happened_within_the_window_and_floods_with_their_number() {
    let house = House::new();
    house.source("core");
    house.place("session.opened", |_, _| {});
    house.place_with("session.refused", json!({ "user": null, "outcome": "unknown" }), |_, _| {});
    house.place_with("session.refused", json!({ "counted": 480, "addresses": 3, "minute": "2026-11-20T12:00:00Z" }), |_, _| {});
    let access = house.preview(DAY).access;
    assert_eq!((access["sign_ins"], access["sign_ins_refused"], access["denied"]), (1, 481, 0));
    for other in ["2026-11-19", "2026-11-21"] {
        let access = house.preview(other).access;
        assert_eq!((access["sign_ins"], access["sign_ins_refused"]), (0, 0), "{other}");
    }
}

#[test]
fn a_date_before_the_book_says_so() {
    let house = House::new();
    house.source("core");
    let report = house.preview("2020-01-01");
    assert!(report.verdict.starts_with("This date lies before the book's start on 2026-11-"), "{}", report.verdict);
    assert!(!house.preview(DAY).verdict.contains("before the book"));
}
