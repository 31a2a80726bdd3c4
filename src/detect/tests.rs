//! Whatever the order of arrival: an entry is a hit if its window ever held enough, once, and late
//! when it was not so at its own arrival.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::clock::{MINUTE, Moment};
use crate::ids::Seq;
use crate::ledger::{Movement, PAST_MAX, Past};
use crate::money::Currency;

use super::examples::plain_entry;
use super::{Case, Check, Looks, Outcome, PerCurrency, RULES, Recent, RuleSetBody, rule};

fn check(window_seconds: i64, count: usize) -> Box<dyn Check> {
    let parameters = serde_json::json!({ "window_seconds": window_seconds, "count": count });
    rule("high-frequency").unwrap().compile(&parameters).unwrap()
}

/// As the sequencer runs it: with a memory of `reach`, looking back where that does not suffice.
fn live(check: &dyn Check, arrivals: &[(i64, i64)]) -> (BTreeMap<Seq, bool>, usize) {
    let (mut recent, mut past) = (Recent::default(), Past::default());
    let (mut hits, mut insufficient) = (BTreeMap::new(), 0);
    for (seq, (at, amount)) in (0..).zip(arrivals) {
        let entry = plain_entry("A", Moment(*at), Currency::parse("USD").unwrap(), *amount);
        let lacking = *amount > 0 && check.lacks(&recent, entry.booked_at, seq);
        let further = lacking.then(|| recent.looked_back(&past, at - check.window()));
        match check.check(&Case { entry: &entry, seq, recent: further.as_ref().unwrap_or(&recent) }) {
            Outcome::Hits(found) => found.iter().for_each(|hit| {
                assert_eq!(hit.late, hit.seq != seq);
                assert_eq!(hits.insert(hit.seq, hit.late), None, "named twice");
                assert_eq!(hit.evidence.entries.last(), Some(&hit.seq));
            }),
            Outcome::InsufficientHistory => insufficient += 1,
            _ => {}
        }
        if *amount > 0 {
            recent.add(entry.booked_at, seq, check.reach());
        }
        past.entries.push(Movement::of(seq, &entry));
        let over = past.entries.len().saturating_sub(PAST_MAX);
        past.entries.drain(..over);
    }
    (hits, insufficient)
}

/// By looking at everything, after every arrival.
fn naive(window: i64, count: usize, arrivals: &[(i64, i64)]) -> BTreeMap<Seq, bool> {
    let mut hits = BTreeMap::new();
    for now in 0..arrivals.len() {
        let there: Vec<(i64, usize)> = (0..=now).filter(|i| arrivals[*i].1 > 0).map(|i| (arrivals[i].0, i)).collect();
        for (at, i) in &there {
            let within = there.iter().filter(|other| **other <= (*at, *i) && other.0 >= at - window).count();
            if within >= count {
                hits.entry(*i as Seq).or_insert(*i != now);
            }
        }
    }
    hits
}

proptest! {
    #[test]
    fn hits_are_those_of_whoever_looks_at_everything(
        // Few instants, so that many are equal; some arrive far too late; some move nothing.
        arrivals in prop::collection::vec((0_i64..90, prop_oneof![1 => Just(0_i64), 9 => Just(1)]), 1..120),
        count in 2_usize..6, window in 1_i64..40,
    ) {
        let arrivals: Vec<(i64, i64)> = arrivals.into_iter().map(|(at, amount)| (at * MINUTE, amount)).collect();
        let (hits, insufficient) = live(check(window * 60, count).as_ref(), &arrivals);
        prop_assert_eq!(insufficient, 0);
        prop_assert_eq!(hits, naive(window * MINUTE, count, &arrivals));
    }

    #[test]
    fn mostly_in_order_with_stragglers(
        steps in prop::collection::vec((0_i64..8, 0_i64..2), 20..200), late in prop::collection::vec((0_usize..200, 1_i64..400), 0..12),
    ) {
        let mut at = 0;
        let mut arrivals: Vec<(i64, i64)> = steps.iter().map(|(step, amount)| { at += step * MINUTE; (at, *amount) }).collect();
        for (place, by) in late {
            let place = place % arrivals.len();
            arrivals.insert(place, (arrivals[place].0 - by * MINUTE, 1));
        }
        let (hits, insufficient) = live(check(3600, 6).as_ref(), &arrivals);
        prop_assert_eq!(insufficient, 0);
        prop_assert_eq!(hits, naive(60 * MINUTE, 6, &arrivals));
    }
}

#[test]
fn a_straggler_on_a_busy_account_is_judged_as_far_back_as_a_look_back_reaches_and_says_so_beyond() {
    let check = check(3600, 6);
    // An entry every 20 minutes: never six within an hour.
    let mut arrivals: Vec<(i64, i64)> = (0..6_000).map(|i| (i * 20 * MINUTE, 1)).collect();
    let near = arrivals[5_000].0;
    arrivals.extend([(near - 1, 1), (near - 2, 1)]);
    let (hits, insufficient) = live(check.as_ref(), &arrivals);
    let late: Vec<(Seq, bool)> = hits.into_iter().collect();
    assert_eq!((late, insufficient), (vec![(5_000, true), (5_001, true), (5_002, true)], 0));
    arrivals.truncate(6_000);
    arrivals.push((arrivals[1_000].0, 1));
    assert_eq!(live(check.as_ref(), &arrivals), (BTreeMap::new(), 1), "it lies beyond the bound, visibly");
}

#[test]
fn what_was_forgotten_is_not_passed_off_as_all() {
    let check = check(3600, 6);
    let arrivals: Vec<(i64, i64)> = (0..40).map(|i| (i * MINUTE, 1)).collect();
    let mut recent = Recent::default();
    for (seq, (at, _)) in (0..).zip(&arrivals) {
        recent.add(Moment(*at), seq, check.reach());
    }
    let entry = plain_entry("A", Moment(40 * MINUTE), Currency::parse("USD").unwrap(), 1);
    let Outcome::Hits(hits) = check.check(&Case { entry: &entry, seq: 40, recent: &recent }) else { panic!("41 in an hour") };
    assert_eq!(hits[0].evidence.observed, "13 or more");
}

#[test]
fn lines_are_what_the_text_says_in_every_currency() {
    for (default, own) in
        [("10000", "500000"), ("0", "1"), ("010", "7"), ("9223372036854775807", "3"), ("92233720368547759", "3")]
    {
        let own = [("JPY".to_owned(), own.to_owned()), ("EUR".to_owned(), format!("{own}.25"))].into();
        let amounts = PerCurrency { default: default.to_owned(), own };
        let lines = amounts.lines();
        for code in ["USD", "EUR", "JPY", "KRW", "KWD", "CLF", "UYW", "BHD", "VND"] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!(lines.minor(currency), amounts.minor(currency), "{default} {code}");
        }
    }
}

#[test]
fn a_rule_set_from_before_rules_on_changes_runs_on_without_them() {
    let mut old = RuleSetBody::first();
    old.rules.truncate(2);
    let set = old.compile(7).unwrap();
    assert_eq!((set.on_entries().len(), set.on_changes().count(), set.looks_back()), (2, 0, None));
    let missing = old.require_all().unwrap_err();
    assert!(missing.contains("large-change") && missing.contains("--next"), "{missing}");
    let next = old.next();
    assert_eq!((next.version, next.require_all(), old.loosened_by(&next)), (2, Ok(()), Vec::new()));
    // In whatever order a set names them, those on entries come first.
    let mut mixed = RuleSetBody::first();
    mixed.rules.reverse();
    let set = mixed.compile(7).unwrap();
    assert_eq!((set.on_entries().len(), set.on_changes().count()), (2, RULES.len() - 2));
    assert!(set.on_entries().iter().all(|active| active.rule.looks() == Looks::Entries));
}

#[test]
fn loosening_a_rule_on_changes_is_told_and_tightening_is_not() {
    for (code, present, looser, tighter) in [
        ("large-change", r#"{"percent":50}"#, r#"{"percent":51}"#, r#"{"percent":49}"#),
        ("large-change", r#"{"percent":50}"#, r#"{"percent":50,"types":["price"]}"#, r#"{"percent":50,"types":[]}"#),
        (
            "after-hours",
            r#"{"from":"07:00","to":"19:00"}"#,
            r#"{"from":"07:00","to":"19:01"}"#,
            r#"{"from":"08:00","to":"19:00"}"#,
        ),
        (
            "after-hours",
            r#"{"from":"22:00","to":"06:00"}"#,
            r#"{"from":"21:59","to":"06:00"}"#,
            r#"{"from":"23:00","to":"05:00"}"#,
        ),
        (
            "many-records",
            r#"{"count":5,"window_seconds":60}"#,
            r#"{"count":5,"window_seconds":59}"#,
            r#"{"count":4,"window_seconds":90}"#,
        ),
        ("no-reason", r#"{"class":"normal"}"#, r#"{"class":"critical"}"#, r#"{"class":"debug"}"#),
        ("own-record", r#"{"except":["customer"]}"#, r#"{"except":["customer","staff"]}"#, "{}"),
    ] {
        let rule = rule(code).unwrap();
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert!([present, looser, tighter].iter().all(|text| rule.compile(&read(text)).is_ok()), "{code}");
        assert!(rule.loosens(&read(present), &read(looser)), "{code} {looser}");
        assert!(!rule.loosens(&read(present), &read(tighter)), "{code} {tighter}");
    }
    for (code, wrong) in [
        ("large-change", r#"{"percent":0}"#),
        ("large-change", r#"{"percent":1.5}"#),
        ("after-hours", r#"{"from":"7","to":"19:00"}"#),
        ("after-hours", r#"{"from":"07:00","to":"07:00"}"#),
        ("many-records", r#"{"count":1,"window_seconds":60}"#),
        ("many-records", r#"{"count":50,"window_seconds":60,"except":["robot"]}"#),
        ("no-reason", r#"{"class":"forever"}"#),
    ] {
        assert!(rule(code).unwrap().compile(&serde_json::from_str(wrong).unwrap()).is_err(), "{code} {wrong}");
    }
}
