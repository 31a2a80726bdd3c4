//! One balance, whoever says it: the API, the daily report, the account's page and its chart.

use std::collections::BTreeSet;

use counterfoil::access::Role;
use counterfoil::clock::{Clock, Moment};
use counterfoil::ledger::store as ledger;
use counterfoil::reports::{self, Context};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{entry, on_both};
use crate::site::{Answer, SignedIn, Site};

/// What four places say of an account's balance after its last booked entry; whole units.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    api: Option<String>,
    proven: bool,
    headline: String,
    chart: String,
}

fn ask(site: &Site, who: &SignedIn, account: &str) -> Said {
    let view = site.get(&format!("/api/v1/accounts/{account}/balance?at=2026-12-31T00:00:00Z")).json();
    let page = page(site, who, account);
    let headline = page.split("Balance after the last booked entry").nth(1).unwrap();
    let headline = headline.split("USD ").nth(1).unwrap().split(['<', ' ']).next().unwrap();
    let chart = page.split(" USD after all ").next().unwrap().rsplit(['>', '"']).next().unwrap();
    Said {
        api: view["balance"].as_str().map(str::to_owned),
        proven: view["reason"].is_null(),
        headline: headline.replace(',', ""),
        chart: chart.replace(',', ""),
    }
}

fn page(site: &Site, who: &SignedIn, account: &str) -> String {
    let mut conn = site.bank.db.connect().unwrap();
    let id = ledger::account_by_number(&mut conn, account).unwrap().unwrap().id;
    Answer::of(site.plain(Method::GET, &format!("/accounts/{id}")).header("cookie", &who.cookie).send().unwrap()).text
}

fn agreed(balance: &str) -> Said {
    let text = format!("{balance}.00");
    Said { api: Some(text.clone()), proven: true, headline: text.clone(), chart: text }
}

/// The roll-forward of USD on a date: opening, closing, state.
fn rolled(site: &Site, date: &str) -> (Option<String>, Option<String>, String) {
    let context = Context::new(&site.bank.config, site.bank.clock.clone());
    let report = site.bank.db.read(|conn| reports::preview(conn, &context, date.parse().unwrap())).unwrap();
    let usd = &report.totals["USD"];
    (usd.opening.clone(), usd.closing.clone(), usd.roll_forward.state.clone())
}

fn some(balance: &str) -> Option<String> {
    Some(format!("{balance}.00"))
}

#[test]
fn payments_and_refunds_of_one_day_end_where_the_day_began() {
    on_both(|kind| {
        let site = Site::open(kind);
        let who = site.sign_in(Role::Officer);
        let (first, second) = ("2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z");
        site.bank.record(entry("A0", "LOOP", first, 0, 1_000));
        for (n, (before, after)) in [(950, 1_000), (1_000, 950), (980, 1_000), (1_000, 980)].into_iter().enumerate() {
            site.bank.record(entry(&format!("A{}", n + 1), "LOOP", second, before, after));
        }
        assert_eq!(ask(&site, &who, "LOOP"), agreed("1000"), "{kind:?}");
        assert_eq!(rolled(&site, "2026-03-10"), (some("1000"), some("1000"), "proven".into()));
        assert_eq!(site.bank.findings(), []);
    });
}

#[test]
fn the_senders_numbers_decide_whatever_the_order_of_arrival() {
    on_both(|kind| {
        let site = Site::open(kind);
        let who = site.sign_in(Role::Officer);
        for (number, at, before, after) in [(1, "12", 900, 1_000), (3, "13", 950, 1_000), (2, "13", 1_000, 950)] {
            let mut sent = entry(&format!("N{number}"), "NUMBERED", &format!("2026-03-{at}T00:00:00Z"), before, after);
            sent["account_seq"] = json!(number);
            site.bank.record(sent);
        }
        assert_eq!(ask(&site, &who, "NUMBERED"), agreed("1000"), "{kind:?}");
        assert_eq!(rolled(&site, "2026-03-13"), (some("1000"), some("1000"), "proven".into()));
    });
}

#[test]
fn a_late_entry_is_where_it_was_booked_on_the_page_and_a_healed_break_is_no_jump() {
    on_both(|kind| {
        let site = Site::open(kind);
        let who = site.sign_in(Role::Officer);
        for (hour, before, after) in [(10, 0, 100), (12, 200, 300), (11, 100, 200)] {
            if hour == 11 {
                let broken = page(&site, &who, "LATE");
                assert!(broken.contains("1 break in between"), "{kind:?}");
            }
            site.bank.record(entry(&format!("L{hour}"), "LATE", &format!("2026-03-09T{hour}:00:00Z"), before, after));
        }
        assert_eq!(ask(&site, &who, "LATE"), agreed("300"), "{kind:?}");
        let page = page(&site, &who, "LATE");
        assert!(page.contains("No break in between.") && page.contains("1 break, 0 still open"), "{kind:?}");
        let gap = page.split("class=\"gap\" d=\"").nth(1).map_or("", |rest| rest.split('"').next().unwrap());
        assert_eq!(gap, "", "a line drawn apart");
    });
}

/// A history without a break: (booked on which day of March, before, after), as it was.
fn history(draw: &mut impl FnMut(i64) -> i64) -> Vec<(i64, i64, i64)> {
    let (mut balance, mut day) = (draw(4) * 10, 1);
    let mut moves = Vec::new();
    for _ in 0..2 + draw(9) {
        day += i64::from(draw(5) < 2);
        let to = draw(4) * 10;
        moves.push((day, balance, to));
        balance = to;
    }
    moves
}

/// Every (opening, closing) of the last day, when all entries follow one another without a break.
fn possible(left: &[(i64, i64, i64)], balance: Option<i64>, opening: Option<i64>, found: &mut BTreeSet<(i64, i64)>) {
    let last = |left: &[(i64, i64, i64)]| left.iter().map(|m| m.0).min();
    let Some(day) = last(left) else {
        found.extend(opening.zip(balance));
        return;
    };
    let final_day = left.iter().all(|m| m.0 == day);
    for (i, (_, before, after)) in left.iter().enumerate().filter(|(_, m)| m.0 == day) {
        if balance.is_none_or(|balance| balance == *before) {
            let mut rest = left.to_vec();
            rest.remove(i);
            let opening = if final_day { opening.or(Some(*before)) } else { None };
            possible(&rest, Some(*after), opening, found);
        }
    }
}

#[test]
fn all_that_say_a_balance_say_the_same_and_the_truth_where_there_is_one() {
    on_both(|kind| {
        let clock = Clock::fixed(Moment(0), 9);
        let mut draw = |below: i64| (u64::from_be_bytes(clock.random()) % below.unsigned_abs()) as i64;
        let site = Site::open(kind);
        let who = site.sign_in(Role::Officer);
        let mut truths = 0;
        for n in 0..25 {
            let moves = history(&mut draw);
            // Each account has its own month, so that the report of a date is about one account.
            let at = |day: i64| format!("20{:02}-{:02}-{day:02}", 23 + n / 12, 1 + n % 12);
            let mut rows: Vec<Value> = Vec::new();
            for (i, (day, before, after)) in moves.iter().enumerate() {
                let row =
                    entry(&format!("P{n}-{i}"), &format!("RANDOM-{n}"), &format!("{}T00:00:00Z", at(*day)), *before, *after);
                rows.insert(draw(rows.len() as i64 + 1) as usize, row);
            }
            let chunk = 1 + draw(4) as usize;
            rows.chunks(chunk).for_each(|some| drop(site.bank.submit(some.to_vec())));
            let mut truth = BTreeSet::new();
            possible(&moves, None, None, &mut truth);
            let said = ask(&site, &who, &format!("RANDOM-{n}"));
            let about = format!("{kind:?} {moves:?} {said:?}");
            assert_eq!(said.api.as_deref(), Some(said.headline.as_str()), "{about}");
            assert_eq!(said.headline, said.chart, "{about}");
            assert_eq!(said.proven, truth.iter().map(|t| t.1).collect::<BTreeSet<_>>().len() == 1, "{about}");
            let (opening, closing, state) = rolled(&site, &at(moves.last().unwrap().0));
            if let [(begin, end)] = Vec::from_iter(&truth)[..] {
                truths += 1;
                assert_eq!(said, agreed(&end.to_string()), "{about}");
                assert_eq!(
                    (opening, closing, state.as_str()),
                    (some(&begin.to_string()), some(&end.to_string()), "proven"),
                    "{about}"
                );
            } else {
                assert_eq!((opening, closing, state.as_str()), (None, None, "not available"), "{about}");
            }
        }
        assert!((10..25).contains(&truths), "{truths} of 25 can be only one way");
    });
}

#[test]
fn an_alert_of_a_late_hit_is_dated_as_the_entry_it_names() {
    on_both(|kind| {
        let site = Site::open(kind);
        let at = |minute: i64| format!("2026-03-09T{:02}:{:02}:00Z", 10 + minute / 60, minute % 60);
        for minute in [0, 10, 20, 30, 40, 61] {
            assert!(site.bank.record(entry(&format!("H{minute}"), "HITS", &at(minute), minute, minute + 1)).hits.is_empty());
        }
        let late = site.bank.record(entry("H25", "HITS", &at(25), 500, 501));
        assert_eq!(late.hits.len(), 1, "{kind:?} {late:?}");
        let alerts = site.get("/api/v1/alerts").json();
        let alert = alerts["items"].as_array().unwrap().iter().find(|a| a["rule"] == "high-frequency").unwrap().clone();
        assert!(alert["first_booked_at"].as_str().unwrap().starts_with("2026-03-09T10:40:00"), "{alert}");
        assert_eq!(site.bank.findings(), []);
    });
}
