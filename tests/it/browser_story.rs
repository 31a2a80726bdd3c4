//! An officer's morning, in a browser: signs in, works an alert, looks at the account behind it,
//! reads yesterday's report. What the browser shows is kept in `target/screenshots`.

use std::path::Path;

use counterfoil::access::{Role, users};
use counterfoil::app::carry_out_due;
use counterfoil::approvals::{Kind as What, Submission, submit};
use counterfoil::reports;
use serde_json::json;

use crate::bank::{Kind, entry, on_both};
use crate::keys::folder;
use crate::site::{PASSWORD, Site};
use crate::support::browser::Browser;

const ACCOUNT: &str = "DE89370400440532013000";
const IP: &str = "203.0.113.77";
const SESSION: &str = "S-canary-4711";

/// Yesterday and today: ordinary entries, one of high value, one whose balance does not follow.
fn record(site: &Site) {
    let mut balance = 5_000;
    for (i, day) in (0..12).map(|i| (i, if i < 8 { "2026-03-01" } else { "2026-03-02" })) {
        let after = if i % 3 == 0 { balance + 400 } else { balance - 130 };
        // Somebody took 75 out, and nobody sent an entry for it.
        let before = if i == 9 { balance - 75 } else { balance };
        let after = if i == 9 { after - 75 } else { after };
        let mut sent = entry(&format!("B{i}"), ACCOUNT, &format!("{day}T{:02}:15:00Z", i % 8 + 1), before, after);
        sent["ip"] = json!(IP);
        sent["session_id"] = json!(SESSION);
        site.bank.record(sent);
        balance = after;
    }
    site.bank.record(entry("HIGH", ACCOUNT, "2026-03-02T10:00:00Z", balance, balance + 12_500));
    site.bank.record(entry("OTHER", "1000-2", "2026-03-02T10:30:00Z", 0, 40));
}

/// Makes the window as tall as the page, so that nothing has to be scrolled to, and keeps a picture
/// of it; one database's pages look like the other's.
fn shoot(browser: &Browser, kind: Kind, name: &str, width: u32) {
    let height: i64 = browser.run(async |driver| {
        driver.set_window_rect(0, 0, width, 900).await?;
        driver.execute("return document.documentElement.scrollHeight", vec![]).await?.convert()
    });
    let height = u32::try_from(height + 150).unwrap().min(4_500);
    browser.run(async |driver| driver.set_window_rect(0, 0, width, height).await);
    if kind == Kind::Sqlite {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        browser.screenshot(&folder.join(format!("{name}.png")));
    }
}

fn sign_in(browser: &Browser, email: &str) {
    browser.fill("#email", email);
    browser.fill("#password", PASSWORD);
    browser.click("form[action='/sign-in'] button");
    // Present only on the page after it.
    browser.text(".who");
}

fn sign_out(browser: &Browser) {
    browser.click(".who button");
    // The page before may have had something to say, too.
    let out = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        browser.text(".flash").contains("signed out")
    });
    assert!(out, "{}", browser.text(".flash"));
}

/// Waits until the browser is on a page with this in its address: what is looked for there may be on the
/// page before it too.
#[track_caller]
fn wait_for(browser: &Browser, part: &str) {
    let there = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        browser.url().contains(part)
    });
    assert!(there, "{part}: {}", browser.url());
}

/// Opens the first row of the list, and waits for this part of its page.
fn open_first(browser: &Browser, part: &str) {
    browser.click("tbody th a");
    browser.text(part);
}

/// Nothing of the customer stands in an address.
#[track_caller]
fn assert_discreet(browser: &Browser) {
    let url = browser.url();
    for secret in [ACCOUNT, "3000", IP, SESSION] {
        assert!(!url.contains(secret), "{url}");
    }
}

#[test]
fn an_officer_s_morning() {
    on_both(|kind| {
        let site = Site::open(kind);
        record(&site);
        let log = site.app.log();
        let context = reports::Context::new(&site.app.config, site.app.clock.clone());
        let yesterday = "2026-03-01".parse().unwrap();
        reports::make(&log, &site.app.db, &context, yesterday, &reports::page::frozen).unwrap();
        for role in Role::ALL {
            users::add(&log, &site.app.clock, &format!("{role}@bank.example"), role, PASSWORD).unwrap();
        }
        let browser = Browser::start();
        officer(&site, &browser, kind);
        auditor(&site, &browser, kind);
        admin(&site, &browser, kind);
    });
}

fn officer(site: &Site, browser: &Browser, kind: Kind) {
    browser.goto(&site.url("/alerts?status=open&severity=high"));
    assert_eq!(browser.text("h1"), "Sign in");
    shoot(browser, kind, "01-sign-in", 1280);
    browser.fill("#email", "officer@bank.example");
    browser.fill("#password", "not the password");
    browser.click("form[action='/sign-in'] button");
    assert!(browser.text("#errors").contains("not right"));
    sign_in(browser, "officer@bank.example");
    assert_eq!(browser.url(), site.url("/alerts?status=open&severity=high"), "back to the page that was asked for");
    shoot(browser, kind, "02-alerts", 1280);

    open_first(browser, "#decision");
    let alert = browser.url();
    assert!(browser.text("#why + p").contains("12,500.00"));
    shoot(browser, kind, "03-alert", 1280);
    browser.click("input[value=explained_with_evidence]");
    // The browser's own check stands aside, so that the server's is seen.
    browser.run(async |driver| driver.execute("document.forms[1].noValidate = true", vec![]).await.map(drop));
    browser.fill("#comment", "too short");
    browser.click("form[action$=disposition] button");
    assert!(browser.text("#errors").contains("9 characters"));
    assert_eq!(browser.text("#comment"), "too short", "what was typed is still there");
    shoot(browser, kind, "04-alert-not-closed", 1280);
    browser.fill("#comment", "The customer sold a car; the contract is in the file.");
    browser.click("form[action$=disposition] button");
    assert!(browser.text(".flash").contains("The alert is closed."));
    assert!(browser.text("blockquote").contains("sold a car"));
    shoot(browser, kind, "05-alert-closed", 1280);
    browser.goto(&alert);
    assert!(browser.run(async |driver| Ok(driver.find_all(thirtyfour::By::Css(".flash")).await?.is_empty())), "said once");

    account(browser, kind);
    search(site, browser, kind);
    approvals(site, browser, kind);
    rest(site, browser, kind);
}

/// Somebody else proposes another key for the log; the officer finds it, reads what it does, and approves.
fn approvals(site: &Site, browser: &Browser, kind: Kind) {
    browser.goto(&site.url("/approvals"));
    assert!(browser.text(".empty").contains("No open proposal"));
    shoot(browser, kind, "14-approvals-empty", 1280);
    let old = site.app.signer.verifier();
    let new = folder(&site.bank).make_next(old.name(), &site.app.clock).unwrap().verifier();
    let by = site.app.db.read(users::list).unwrap().into_iter().find(|user| user.role == Role::Admin).map(|user| user.id);
    let submission = Submission {
        kind: What::RotateKey,
        about: old.name().to_owned(),
        facts: json!({ "origin": old.name(), "old": old.to_string(), "new": new.to_string() }),
        reason: "The yearly change of the key is due, see the handbook of the data centre.".to_owned(),
        detail: None,
        by,
        whence: json!({}),
    };
    submit(&site.app.log(), submission).unwrap();
    browser.goto(&site.url("/"));
    assert!(browser.text(".nav .waiting").starts_with('1'));
    browser.goto(&site.url("/approvals"));
    shoot(browser, kind, "15-approvals", 1280);
    open_first(browser, "#does");
    assert!(browser.text("#does + p").contains(new.to_string().split('+').nth(1).unwrap()));
    shoot(browser, kind, "16-approval-phone", 480);
    shoot(browser, kind, "16-approval", 1280);
    browser.fill("#comment", "Compared the new key with the paper of the data centre.");
    browser.click("button[value=approve]");
    assert!(browser.text(".flash").contains("Recorded."));
    carry_out_due(&site.app).unwrap();
    browser.goto(&browser.url());
    assert!(browser.text(".title").contains("Carried out"));
    shoot(browser, kind, "17-approval-done", 1280);
}

fn account(browser: &Browser, kind: Kind) {
    browser.click(".facts a");
    browser.text("#contexts");
    assert!(browser.text("h1").contains(ACCOUNT));
    assert_discreet(browser);
    assert!(browser.text("#balance-t").contains("Balance in USD"));
    assert!(browser.text("caption#breaks-c").contains("Newest"));
    shoot(browser, kind, "06-account", 1280);
    shoot(browser, kind, "06-account-phone", 480);
    browser.run(async |driver| driver.set_window_rect(0, 0, 1280, 900).await);
}

fn search(site: &Site, browser: &Browser, kind: Kind) {
    for (by, query, heading) in [("account", ACCOUNT, "Accounts"), ("session", SESSION, "Session"), ("ip", IP, "IP address")] {
        browser.goto(&site.url("/accounts"));
        browser.click(&format!("input[value={by}]"));
        browser.fill("#query", query);
        browser.click("form[role=search] button");
        assert!(browser.text("tbody").contains("3000"));
        assert!(browser.text("h1").starts_with(heading), "{}", browser.text("h1"));
        assert_discreet(browser);
        shoot(browser, kind, &format!("07-search-{by}"), 1280);
    }
}

fn rest(site: &Site, browser: &Browser, kind: Kind) {
    browser.goto(&site.url("/"));
    assert!(browser.text(".lead").contains("1 break is open"), "{}", browser.text(".lead"));
    shoot(browser, kind, "08-today", 1280);
    shoot(browser, kind, "08-today-phone", 480);
    browser.goto(&site.url("/reports"));
    open_first(browser, "#report-title");
    assert!(browser.url().ends_with("/reports/2026-03-01"));
    assert_eq!(browser.text("#report-title"), "Daily compliance report");
    assert!(browser.text(".stamp").contains("v1"));
    shoot(browser, kind, "09-report", 1280);
    browser.goto(&site.url("/trail"));
    assert!(browser.text("tbody").contains("alert.closed"));
    shoot(browser, kind, "10-trail", 1280);
    browser.goto(&site.url("/docs"));
    assert!(browser.text("main").contains("/api/v1/entries"));
    sign_out(browser);
    browser.goto(&site.url("/alerts"));
    assert_eq!(browser.text("h1"), "Sign in");
}

fn auditor(site: &Site, browser: &Browser, kind: Kind) {
    sign_in(browser, "auditor@bank.example");
    browser.goto(&site.url("/alerts?status=all"));
    open_first(browser, "#decision");
    let forms = browser.run(async |driver| driver.find_all(thirtyfour::By::Css("form[action$=disposition]")).await);
    assert!(forms.is_empty(), "who audits decides nothing");
    shoot(browser, kind, "11-auditor", 1280);
    sign_out(browser);
}

fn admin(site: &Site, browser: &Browser, kind: Kind) {
    browser.goto(&site.url("/sign-in"));
    sign_in(browser, "admin@bank.example");
    assert_eq!(browser.text("h1"), "Today");
    let page = browser.text("main");
    assert!(!page.contains("3000") && page.contains("does not see customers"), "{page}");
    shoot(browser, kind, "12-admin", 1280);
    browser.goto(&site.url("/alerts"));
    assert_eq!(browser.text("h1"), "Not allowed");
    shoot(browser, kind, "13-not-allowed", 1280);
    sign_out(browser);
}

/// Customer C-1001: made the day before yesterday, changed yesterday, and today by somebody whose system
/// did not tell of a change in between.
fn customer(site: &Site) {
    let send = |reference: &str, at: &str, more: serde_json::Value| {
        let mut row = json!({
            "source_ref": reference, "type": "customer", "id": "C-1001-canary", "action": "update", "changed_at": at,
            "actor": "j.doe", "ip": IP, "session_id": SESSION, "reason": "asked for by letter",
        });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = site.post("/api/v1/changes", &row);
        assert_eq!(answer.status, 201, "{answer:#?}");
    };
    let ann = |limit: u32, city: &str| json!({ "name": "Ann Example", "address": { "city": city }, "limit": limit });
    send("C1", "2026-02-28T09:00:00Z", json!({ "action": "create", "after": ann(1_000, "Graz") }));
    send("C2", "2026-03-01T10:00:00Z", json!({ "before": ann(1_000, "Graz"), "after": ann(1_500, "Graz") }));
    send("C3", "2026-03-01T16:30:00Z", json!({ "before": ann(1_500, "Graz"), "after": ann(1_500, "Linz") }));
    send("C4", "2026-03-02T08:00:00Z", json!({ "before": ann(2_500, "Linz"), "after": ann(9_000, "Linz") }));
}

#[test]
fn a_record_is_found_read_as_it_was_yesterday_and_restored_by_two() {
    on_both(|kind| {
        let site = Site::open(kind);
        customer(&site);
        let log = site.app.log();
        for name in ["ada", "bob"] {
            users::add(&log, &site.app.clock, &format!("{name}@bank.example"), Role::Officer, PASSWORD).unwrap();
        }
        let browser = Browser::start();
        browser.goto(&site.url("/records"));
        sign_in(&browser, "ada@bank.example");
        assert!(browser.text("#breaks ~ .scroll").contains("Customer"));
        shoot(&browser, kind, "40-records", 1280);
        browser.fill("#query", "C-1001");
        browser.click("form[action='/records'] button");
        wait_for(&browser, "/records/found/");
        open_first(&browser, "#state");
        assert!(browser.text("h1").contains("C-1001-canary"));
        assert!(browser.text("#history ~ .versions").contains("It was not what we knew"));
        shoot(&browser, kind, "41-record", 1280);
        shoot(&browser, kind, "42-record-phone", 390);
        shoot(&browser, kind, "41-record", 1280);
        let record = browser.url();
        browser.goto(&format!("{record}?at=2026-03-01T12:00"));
        assert_eq!(browser.text("#state"), "As it was on 2026-03-01 12:00:00");
        let then = browser.text("[aria-labelledby=state] table");
        assert!(then.contains("1500") && then.contains("Graz"), "{then}");
        shoot(&browser, kind, "43-record-yesterday", 1280);
        browser.goto(&format!("{record}?from=2026-03-01T12:00&to=2026-03-02T09:00"));
        let compared = browser.text("[aria-labelledby=compare]");
        for word in ["2 differences", "Graz", "Linz", "1500", "9000"] {
            assert!(compared.contains(word), "{word}: {compared}");
        }
        shoot(&browser, kind, "44-record-compared", 1280);
        browser.goto(&format!("{record}?version=2"));
        browser.fill("#reason", "The limit was raised without the customer's letter.");
        browser.click("form[action$='/restore'] button");
        wait_for(&browser, "/approvals/");
        assert!(browser.text("h1").contains("Bring a record back"), "{}", browser.text("h1"));
        let proposal = browser.url();
        shoot(&browser, kind, "45-record-proposed", 1280);
        sign_out(&browser);
        browser.goto(&proposal);
        sign_in(&browser, "bob@bank.example");
        browser.fill("#comment", "I have read what it changes, and the letter is not there.");
        browser.click("button[value=approve]");
        browser.text(".flash");
        carry_out_due(&site.app).unwrap();
        browser.goto(&record);
        let now = browser.text("[aria-labelledby=state] table");
        assert!(now.contains("1500") && now.contains("Graz"), "{now}");
        assert!(browser.text(".versions > li").contains("Restored"));
        shoot(&browser, kind, "46-record-restored", 1280);
        for secret in ["canary", "Ann", IP] {
            assert!(!browser.url().contains(secret));
        }
        let event = site.events("record.changed").pop().unwrap();
        assert_eq!((&event["version"], &event["action"]), (&json!(5), &json!("update")));
        assert!(event["restores"].is_i64());
        let viewed = site.events("customer.viewed");
        assert!(viewed.iter().any(|view| view["record"].is_i64() && view["version"] == 2), "{viewed:?}");
        let outcome = crate::tamper::books::verified(&site.bank.home.url(), &site.bank.config, site.bank.clock.now());
        assert_eq!(outcome.findings, []);
    });
}
