//! As it was at any instant: an account, an alert, a rule set and a report, on their pages and over the interface.

use counterfoil::access::Role;
use counterfoil::clock::{HOUR, Moment};
use counterfoil::detect::{Mode, store as rule_sets};
use counterfoil::intake::define_rules;
use counterfoil::reports::{self, Context, Made};
use reqwest::Method;
use serde_json::{Value, json};

use super::house::page;
use crate::bank::{Kind, entry, on_both};
use crate::site::{Answer, PASSWORD, SignedIn, Site};
use crate::support::browser::Browser;

fn asked(site: &Site, who: &SignedIn, path: &str) -> Answer {
    Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap())
}

/// Now, and an hour later.
fn instant(site: &Site) -> Moment {
    let now = site.bank.clock.now();
    site.bank.clock.advance(HOUR);
    now
}

#[test]
fn an_account_is_shown_as_it_was_at_an_instant() {
    on_both(|kind| {
        let site = Site::open(kind);
        let first = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 100)).seq;
        let before = instant(&site);
        // Late, and not where the one before ended: a break, and another balance at nine o'clock.
        let second = site.bank.record(entry("E2", "ACC-1", "2026-03-02T09:00:00Z", 150, 170)).seq;
        let id = site.events("account.defined").len();
        assert_eq!(id, 1);
        let officer = site.sign_in(Role::Officer);
        let account = counterfoil::ledger::store::entry;
        let account = site.app.db.read(|conn| account(conn, first)).unwrap().unwrap().account;
        let shown = |at: &str| page(&site, &officer, &format!("/accounts/{account}?at={at}")).text;
        let then = shown("2026-03-02T08:30:00Z");
        for words in ["As it was on 2026-03-02 08:30", "100.00", &format!("href=\"/entries/{first}\""), "Back to now"] {
            assert!(then.contains(words), "{kind:?} {words}: {then}");
        }
        assert!(
            shown("2026-03-02T09:00:00Z").contains(&format!("{second} (booked 2026-03-02 09:00:00)")),
            "the instant itself counts"
        );
        assert!(shown("2026-03-01T09:00").contains("No entry yet"));
        assert!(page(&site, &officer, &format!("/accounts/{account}")).text.contains("type=\"datetime-local\""), "the picker");
        assert_eq!(page(&site, &officer, &format!("/accounts/{account}?at=soon")).status, 400);
        let early = page(&site, &officer, &format!("/accounts/{account}?at=2999-01-01T00:00"));
        assert!(early.status == 400 && early.text.contains("has not come yet"), "{}", early.text);
        for path in ["accounts/ACC-1?at=", "accounts/ACC-1/balance?known_at="] {
            site.get(&format!("/api/v1/{path}2999-01-01T00:00:00Z")).problem(400, "parameter_invalid");
        }
        // By what was known: before the second came, and after.
        let over = |at: Moment| site.get(&format!("/api/v1/accounts/ACC-1?at={at}")).json()["then"].clone();
        let (early, late) = (over(before), over(site.bank.clock.now()));
        assert_eq!((&early["known"]["balance"], &early["open_breaks"]), (&json!("100.00"), &json!(0)), "{early}");
        assert_eq!((&late["known"]["balance"], &late["open_breaks"]), (&json!("170.00"), &json!(1)), "{late}");
        assert!(site.get("/api/v1/accounts/ACC-1").json()["then"].is_null(), "only where it is asked for");
    });
}

/// An entry with where it came from.
fn from(session: &str, ip: &str, mut sent: Value) -> Value {
    sent["session_id"] = json!(session);
    sent["ip"] = json!(ip);
    sent
}

#[test]
fn every_part_of_an_account_s_page_is_of_the_instant() {
    on_both(|kind| {
        let site = Site::open(kind);
        let first = entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 20_000);
        let first = site.bank.record(from("S-early", "203.0.113.7", first)).seq;
        let then = instant(&site);
        // A break, another alert's worth, another session; and the alert of then is decided.
        let second = entry("E2", "ACC-1", "2026-03-02T12:30:00Z", 20_150, 20_170);
        let second = site.bank.record(from("S-later", "203.0.113.9", second)).seq;
        let reference = site.get("/api/v1/alerts").json()["items"][0]["ref"].as_str().unwrap().to_owned();
        let officer = site.sign_in(Role::Officer);
        let form =
            [("disposition", "data_quality"), ("comment", "Looked at with the branch: a known customer's sale of a house.")];
        let decided = super::house::send(&site, &officer, &format!("/alerts/{reference}/disposition"), &form);
        assert_eq!(decided.status, 303, "{decided:?}");
        let account = site.app.db.read(|conn| counterfoil::ledger::store::entry(conn, first)).unwrap().unwrap().account;
        let shown = |query: &str| page(&site, &officer, &format!("/accounts/{account}{query}")).text;
        let now = shown("");
        let of_now = [
            "S-later",
            "203.0.113.9",
            "20,170.00",
            "1 open break",
            &format!("href=\"/entries/{second}\""),
            "of 2",
            "Download the proof",
            "hold-reason",
        ];
        for words in of_now {
            assert!(now.contains(words), "{kind:?} {words}: {now}");
        }
        assert!(!now.contains("1 open alert"), "{now}");
        let past = shown(&format!("?at={then}"));
        for words in of_now {
            assert!(!past.contains(words), "{kind:?} {words}: {past}");
        }
        for words in
            ["S-early", "203.0.113.7", "20,000.00", "1 open alert", "Entries 1 to 1 of 1", "No break", "Accounts in all, now"]
        {
            assert!(past.contains(words), "{kind:?} {words}: {past}");
        }
        assert!(past.contains("as configured now"));
        // A page of entries begins within what was recorded by then, and keeps the instant.
        assert_eq!(page(&site, &officer, &format!("/accounts/{account}?at={then}&entry={second}")).status, 404);
        let paged = shown(&format!("?at={then}&entry={first}"));
        assert!(paged.contains(&format!("/accounts/{account}?at={then}#entries")), "{paged}");
        // Before anything was recorded.
        let empty = shown("?at=2020-01-01T00:00:00Z");
        assert!(empty.contains("No entry yet") && !empty.contains("S-early") && !empty.contains("20,000.00"), "{empty}");
    });
}

/// What it looks like is kept in `target/screenshots`.
#[test]
fn an_officer_travels_with_the_picker_and_comes_back() {
    let site = Site::open(Kind::Sqlite);
    let sent = |n: i64, hour: i64| {
        let at = format!("2026-03-02T{hour:02}:{:02}:00Z", n % 60);
        from(
            &format!("S-{}", n / 9),
            &format!("203.0.113.{}", n / 9),
            entry(&format!("E{n}"), "DE-4711", &at, n * 700, n * 700 + 700),
        )
    };
    (0..12).for_each(|n| drop(site.bank.record(sent(n, 8))));
    let first = site.bank.record(entry("HIGH", "DE-4711", "2026-03-02T09:00:00Z", 8_400, 28_400)).seq;
    let then = instant(&site);
    site.bank.record(entry("GAP", "DE-4711", "2026-03-02T12:10:00Z", 28_000, 28_100));
    (41..50).for_each(|n| drop(site.bank.record(sent(n, 12))));
    let account = site.app.db.read(|conn| counterfoil::ledger::store::entry(conn, first)).unwrap().unwrap().account;
    let _ = site.sign_in(Role::Officer);
    let browser = Browser::start();
    let shoot = |name: &str| {
        browser.run(async |driver| driver.set_window_rect(0, 0, 1280, 3_200).await);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        browser.screenshot(&folder.join(format!("{name}.png")));
    };
    browser.goto(&site.url(&format!("/accounts/{account}")));
    browser.fill("#email", "officer@bank.example");
    browser.fill("#password", PASSWORD);
    browser.click("form[action='/sign-in'] button");
    assert!(browser.text("section[aria-labelledby=travel]").contains("Travel in time"));
    assert!(browser.text("main").contains("Entries 23 to 1 of 23"), "{}", browser.text("main"));
    browser.goto(&site.url(&format!("/accounts/{account}?at={then}")));
    let past = browser.text("main");
    assert!(past.contains("As it was on 2026-03-02 12:00:00") && past.contains("Entries 13 to 1 of 13"), "{past}");
    assert!(past.contains("28,400.00") && !past.contains("28,100.00") && !past.contains("S-5"), "{past}");
    shoot("20-account-then");
    browser.click("section[aria-labelledby=alerts] tbody a");
    browser.text("#decision");
    let alert = browser.url();
    browser.goto(&format!("{}?at={then}", alert.split('?').next().unwrap()));
    assert!(browser.text("main").contains("Nobody had decided yet"));
    shoot("21-alert-then");
    browser.click("section[aria-labelledby=travel] .bar a");
    assert!(browser.text("section[aria-labelledby=travel]").contains("Travel in time"), "back to now");
}

#[test]
fn an_alert_of_continuity_counts_what_had_joined_it() {
    on_both(|kind| {
        let site = Site::open(kind);
        let raise = || {
            let app = &site.app;
            let now = app.clock.now();
            counterfoil::alerts::grace::raise_overdue(&app.db, &app.log(), &app.calendar, &app.config, now).unwrap();
        };
        let broken = |reference: &str, minute: u32, before: i64, after: i64| {
            let sent = entry(reference, "ACC-1", &format!("2026-03-02T08:{minute:02}:00Z"), before, after);
            site.bank.record(sent).seq
        };
        broken("E1", 0, 0, 100);
        let one = broken("E2", 10, 150, 170);
        instant(&site);
        raise();
        let raised = instant(&site);
        let two = broken("E3", 20, 190, 200);
        let found = site.bank.clock.now();
        instant(&site);
        raise();
        let joined = instant(&site);
        // What was missing before the first break comes after all.
        site.bank.record(entry("LATE", "ACC-1", "2026-03-02T08:05:00Z", 100, 150));
        let healed = site.bank.clock.now();
        let reference = site.get("/api/v1/alerts").json()["items"][0]["ref"].as_str().unwrap().to_owned();
        let told = |at: Moment| {
            let shown = site.get(&format!("/api/v1/alerts/{reference}?at={at}")).json();
            let state = |b: &Value| (b["seq"].as_i64().unwrap(), b["state"].as_str().unwrap().to_owned());
            (shown["hits"].clone(), shown["breaks"].as_array().unwrap().iter().map(state).collect::<Vec<_>>())
        };
        let open = |seq| (seq, "open".to_owned());
        assert_eq!(told(raised), (json!(1), vec![open(one)]), "{kind:?}");
        assert_eq!(told(found), (json!(1), vec![open(one)]), "found, but still within its grace");
        assert_eq!(told(joined), (json!(2), vec![open(two), open(one)]));
        assert_eq!(told(healed), (json!(2), vec![open(two), (one, "healed".to_owned())]));
        let officer = site.sign_in(Role::Officer);
        let opened = |at: Moment| {
            let shown = page(&site, &officer, &format!("/alerts/{reference}?at={at}")).text;
            let after = shown.split("Of them open").nth(1).unwrap_or_else(|| panic!("{shown}")).to_owned();
            after.chars().find(char::is_ascii_digit).unwrap()
        };
        assert_eq!([raised, joined, healed].map(opened), ['1', '2', '1'], "{kind:?}");
    });
}

#[test]
fn an_alert_is_shown_as_it_was_at_an_instant() {
    on_both(|kind| {
        let site = Site::open(kind);
        let early = instant(&site);
        let large = |reference: &str, from: i64| entry(reference, "ACC-1", "2026-03-02T08:00:00Z", from, from + 20_000);
        site.bank.record(large("E1", 0));
        let one = instant(&site);
        site.bank.record(large("E2", 20_000));
        let two = instant(&site);
        let alert = site.get("/api/v1/alerts").json()["items"][0].clone();
        let reference = alert["ref"].as_str().unwrap().to_owned();
        assert_eq!((&alert["hits"], &alert["state"]), (&json!(2), &json!("open")));
        let officer = site.sign_in(Role::Officer);
        let form =
            [("disposition", "data_quality"), ("comment", "Looked at with the branch: the two are a known customer's salary.")];
        let decided = super::house::send(&site, &officer, &format!("/alerts/{reference}/disposition"), &form);
        assert_eq!(decided.status, 303, "{decided:?}");
        let over = |at: Moment| site.get(&format!("/api/v1/alerts/{reference}?at={at}"));
        over(early).problem(404, "not_found");
        let told = |at: Moment| {
            let found = over(at).json();
            (
                found["hits"].clone(),
                found["hit_entries"].as_array().unwrap().len(),
                found["state"].clone(),
                found["decision"].is_null(),
            )
        };
        assert_eq!(told(one), (json!(1), 1, json!("open"), true));
        assert_eq!(told(two), (json!(2), 2, json!("open"), true));
        assert_eq!(told(site.bank.clock.now()), (json!(2), 2, json!("closed"), false));
        let shown = |at: Moment| page(&site, &officer, &format!("/alerts/{reference}?at={at}"));
        assert_eq!(shown(early).status, 404, "{kind:?}");
        let then = shown(two).text;
        assert!(
            then.contains("Nobody had decided yet") && !then.contains("Decided by") && !then.contains("name=\"comment\""),
            "{then}"
        );
        assert!(shown(site.bank.clock.now()).text.contains("Decided by"));
        assert!(page(&site, &officer, &format!("/alerts/{reference}")).text.contains("As it was at"));
    });
}

#[test]
fn the_rules_in_force_at_an_instant_and_what_differs_between_two_sets() {
    on_both(|kind| {
        let site = Site::open(kind);
        let one = instant(&site);
        let mut next = site.app.db.read(rule_sets::newest).unwrap().1;
        next.version += 1;
        let stricter = next.rules.iter_mut().find(|rule| rule.code == "high-frequency").unwrap();
        stricter.parameters["count"] = 4.into();
        assert!(next.rules.iter().all(|rule| rule.mode == Mode::Live));
        define_rules(&site.app.log(), next, "stricter by order of the board".to_owned(), None).unwrap();
        let analyst = site.sign_in(Role::Analyst);
        let over = |query: &str| asked(&site, &analyst, &format!("/api/v1/rules{query}"));
        let count = |set: &Value| {
            let rules = set["rules"].as_array().unwrap();
            rules.iter().find(|rule| rule["code"] == "high-frequency").unwrap()["parameters"]["count"].clone()
        };
        let (then, now) = (over(&format!("?at={one}")).json(), over("").json());
        assert_eq!((&then["version"], count(&then), then["until"] == now["since"]), (&json!(1), json!(6), true), "{then}");
        assert_eq!((&now["version"], count(&now), now["until"].is_null()), (&json!(2), json!(4), true));
        over("?at=2001-01-01T00:00:00Z").problem(404, "not_found");
        let difference = over("/difference?from=1&to=2").json();
        assert_eq!(difference["items"], json!([{ "rule": "high-frequency", "setting": "count", "from": "6", "to": "4" }]));
        over("/difference?from=1&to=9").problem(404, "not_found");
        let shown = page(&site, &analyst, &format!("/rules?at={one}&from=1&to=2")).text;
        for words in
            ["Rule set 1", "6 or more booked entries", "1 difference between version 1 and version 2", "high-frequency count"]
        {
            assert!(shown.contains(words), "{kind:?} {words}: {shown}");
        }
        assert!(page(&site, &analyst, "/rules").text.contains("until now"));
        assert!(page(&site, &analyst, "/trail").text.contains("href=\"/rules\""));
    });
}

#[test]
fn the_report_that_counted_at_an_instant_and_what_differs_between_two_versions() {
    on_both(|kind| {
        let site = Site::open(kind);
        let date = "2026-03-02".parse().unwrap();
        let early = instant(&site);
        let make = || {
            let context = Context::new(&site.app.config, site.app.clock.clone());
            reports::make(&site.app.log(), &site.app.db, &context, date, &reports::page::frozen).unwrap()
        };
        site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 100));
        assert_eq!(make(), Made::Stored(1));
        let one = instant(&site);
        site.bank.record(entry("E2", "ACC-1", "2026-03-02T09:00:00Z", 100, 130));
        assert_eq!(make(), Made::Stored(2));
        let officer = site.sign_in(Role::Officer);
        let over = |query: &str| asked(&site, &officer, &format!("/api/v1/reports/2026-03-02{query}"));
        assert_eq!(over(&format!("?at={one}")).json()["version"], 1, "{kind:?}");
        assert_eq!(over(&format!("?at={}", site.bank.clock.now())).json()["version"], 2);
        over(&format!("?at={early}")).problem(404, "not_found");
        let items = over("/difference?from=1&to=2").json()["items"].clone();
        let credits = items.as_array().unwrap().iter().find(|item| item["figure"] == "totals.USD.credits").cloned();
        let credits = credits.unwrap_or_else(|| panic!("{items}"));
        assert_eq!((&credits["before"], &credits["after"]), (&json!("100.00"), &json!("130.00")));
        assert_eq!(over("/difference?from=2&to=1").problem(400, "parameter_invalid")["field"], "to");
        let shown = page(&site, &officer, &format!("/reports/2026-03-02?at={one}&from=1&to=2")).text;
        for words in ["Version 2 replaces this one", "between version 1 and version 2", "totals.USD.credits", "As it was on"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        assert_eq!(page(&site, &officer, &format!("/reports/2026-03-02?at={early}")).status, 404);
    });
}
