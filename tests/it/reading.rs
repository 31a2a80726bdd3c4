//! Finding one's way: every link leads somewhere, an address that makes no sense says so, one entry
//! shows all that is known of it, and what was not checked is not shown as checked.

use std::collections::BTreeSet;

use counterfoil::access::Role;
use reqwest::Method;
use serde_json::json;

use crate::bank::{Kind, entry, on_both};
use crate::site::{Answer, SignedIn, Site};

const ACCOUNT: &str = "DE89370400440532013000";

fn get(site: &Site, who: &SignedIn, path: &str) -> Answer {
    Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap())
}

fn send(site: &Site, who: &SignedIn, path: &str, fields: &[(&str, &str)]) -> Answer {
    let form: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", who.csrf.as_str())]).collect();
    Answer::of(site.plain(Method::POST, path).header("cookie", &who.cookie).form(&form).send().unwrap())
}

/// A site with an entry that carries every field, one before it and one after it that breaks.
fn open(kind: Kind) -> (Site, i64) {
    let site = Site::open(kind);
    site.bank.record(entry("FIRST", ACCOUNT, "2026-03-02T08:00:00Z", 0, 100));
    let mut full = entry("FULL-1", ACCOUNT, "2026-03-02T09:00:00Z", 100, 12_600);
    for (field, value) in [
        ("transaction_ref", "TX-77"),
        ("session_id", "S-<b>9"),
        ("ip", "203.0.113.77"),
        ("user_agent", "Browser/7"),
        ("device_id", "dev-5"),
        ("actor", "john_doe"),
        ("actor_kind", "customer"),
        ("channel", "online"),
        ("instrument", "transfer"),
        ("party", "P-1"),
        ("counterparty", "DE02-OTHER"),
        ("counterparty_name", "Ann <i>Other"),
        ("counterparty_country", "DE"),
        ("reason", "salary of March"),
        ("value_date", "2026-03-03"),
    ] {
        full[field] = json!(value);
    }
    let seq = site.bank.record(full).seq;
    site.bank.record(entry("BROKEN", ACCOUNT, "2026-03-02T10:00:00Z", 12_000, 12_100));
    (site, seq)
}

#[test]
fn an_entry_s_page_shows_all_that_is_known_of_it() {
    on_both(|kind| {
        let (site, seq) = open(kind);
        let who = site.sign_in(Role::Analyst);
        let page = get(&site, &who, &format!("/entries/{seq}"));
        assert_eq!(page.status, 200, "{page:#?}");
        let leaf = site.get(&format!("/api/v1/entries/{seq}")).json()["leaf"].as_str().unwrap().to_owned();
        for shown in [
            "FULL-1",
            ACCOUNT,
            "USD 12,500.00",
            "USD 100.00",
            "USD 12,600.00",
            "TX-77",
            "S-&#60;b&#62;9",
            "203.0.113.77",
            "Browser/7",
            "dev-5",
            "john_doe",
            "Customer",
            "Online",
            "P-1",
            "DE02-OTHER",
            "Ann &#60;i&#62;Other",
            "salary of March",
            "2026-03-03",
            "derived from when it was booked",
            "10.0.0.9",
            "High-value entry",
            "ALR-2026-000001",
            &leaf,
            "Entry before",
            "Entry after",
        ] {
            assert!(page.text.contains(shown), "{shown} is not on the page: {}", page.text);
        }
        let viewed = site.events("customer.viewed");
        assert_eq!(viewed[0]["entry"], seq);
        assert!(!viewed[0].to_string().contains(ACCOUNT));
        let after = page.text.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let next = get(&site, &who, &after);
        assert!(
            next.text.contains("Chain") && next.text.contains("12,600.00") && next.text.contains("\u{2212}600.00"),
            "{after}"
        );
        for (path, said) in
            [("/entries/0", "an event"), ("/entries/9999", "no entry at this place"), ("/entries/x", "no such entry")]
        {
            let missing = get(&site, &who, path);
            assert!(missing.status == 404 && missing.text.contains(said), "{path}: {missing:#?}");
        }
        assert_eq!(get(&site, &site.sign_in(Role::Admin), &format!("/entries/{seq}")).status, 403);
    });
}

#[test]
fn what_an_address_gets_wrong_is_said_on_a_page_with_its_frame() {
    let (site, _) = open(Kind::Sqlite);
    let who = site.sign_in(Role::Officer);
    for (path, status, said) in [
        ("/trail?before=abc", 400, "before"),
        ("/trail?before=-1", 400, "before"),
        ("/trail?kinds=bogus", 400, "kinds"),
        ("/trail?kind=bogus", 400, "kind"),
        ("/reports?before=yesterday", 400, "before"),
        ("/reports/2026-03-01?version=x", 400, "version"),
        ("/accounts/4?at=x", 400, "at"),
        ("/contexts/4/ip?after=x", 400, "after"),
        ("/accounts/abc", 404, "nothing at this address"),
        ("/nowhere", 404, "nothing at this address"),
    ] {
        let page = get(&site, &who, path);
        assert_eq!(page.status, status, "{path}: {}", page.text);
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(page.text.contains("aria-label=\"Main\""), "{path} has lost its navigation");
        assert!(page.text.contains(said) && !page.text.contains("deserialize"), "{path}: {}", page.text);
    }
}

#[test]
fn every_link_of_a_role_s_pages_is_open_to_that_role() {
    let (site, seq) = open(Kind::Sqlite);
    for role in Role::ALL {
        let who = site.sign_in(role);
        let mut known: BTreeSet<String> = BTreeSet::from(["/".to_owned()]);
        let mut waiting = vec!["/".to_owned(), "/trail?kinds=all".to_owned()];
        if role != Role::Admin {
            waiting.extend([format!("/entries/{seq}"), "/reports/2026-03-02".to_owned(), "/alerts?status=all".to_owned()]);
        }
        while let Some(path) = waiting.pop().filter(|_| known.len() < 150) {
            let page = get(&site, &who, &path);
            assert!(matches!(page.status, 200 | 303), "{role}: {path} answers {}", page.status);
            let links = page.text.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            for link in links.filter(|link| link.starts_with('/') && !link.starts_with("/assets/")) {
                let link = link.split('#').next().unwrap().replace("&#38;", "&");
                if known.insert(link.clone()) {
                    waiting.push(link);
                }
            }
        }
        assert!(known.len() > 3, "{role}: {known:?}");
    }
}

#[test]
fn every_id_a_page_refers_to_is_there_and_no_heading_is_skipped() {
    let (site, seq) = open(Kind::Sqlite);
    let who = site.sign_in(Role::Officer);
    let account = get(&site, &who, &format!("/entries/{seq}")).text.split("href=\"/accounts/").nth(1).unwrap().to_owned();
    let account = format!("/accounts/{}", account.split('"').next().unwrap());
    let entry = format!("/entries/{seq}");
    let paths =
        ["/", "/alerts", "/alerts/ALR-2026-000001", "/accounts", &account, &entry, "/reports/2026-03-02", "/trail", "/docs"];
    for path in paths {
        let page = get(&site, &who, path).text;
        let ids: BTreeSet<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for attribute in [" aria-describedby=\"", " aria-labelledby=\"", " for=\""] {
            for value in page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                for id in value.split_whitespace() {
                    assert!(ids.contains(id), "{path}: {attribute}{id} leads nowhere");
                }
            }
        }
        let levels = page.match_indices("<h").filter_map(|(at, _)| page[at + 2..].chars().next()?.to_digit(10));
        let levels: Vec<u32> = levels.collect();
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{path}: headings {levels:?}");
    }
}

#[test]
fn an_account_without_balances_is_not_shown_as_checked() {
    let site = Site::open(Kind::Sqlite);
    for n in 0..3 {
        let mut bare = entry(&format!("B{n}"), "BARE-0001", "2026-03-02T10:00:00Z", 0, 5);
        bare.as_object_mut().unwrap().retain(|name, _| !name.starts_with("balance"));
        site.bank.record(bare);
    }
    let who = site.sign_in(Role::Officer);
    let found = send(&site, &who, "/accounts", &[("kind", "account"), ("query", "BARE-0001")]);
    let results = get(&site, &who, found.header("location")).text;
    let account = results.split("href=\"/accounts/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = get(&site, &who, &format!("/accounts/{account}")).text;
    assert!(page.contains("Not checked") && page.contains("none of the newest 3 entries carries what the check needs"), "{page}");
    assert!(!page.contains("without a break") && !page.contains("chart ribbon"), "{page}");
}

#[test]
fn a_search_needs_three_characters_or_the_whole_number_and_no_spaces() {
    on_both(|kind| {
        let (site, _) = open(kind);
        site.bank.record(entry("SHORT", "77", "2026-03-02T10:00:00Z", 0, 5));
        let who = site.sign_in(Role::Officer);
        let find = |kind: &str, query: &str| {
            let sent = send(&site, &who, "/accounts", &[("kind", kind), ("query", query)]);
            if sent.status == 303 { get(&site, &who, sent.header("location")) } else { sent }
        };
        for (query, masked) in
            [("DE89 3704 0044 0532 0130 00", "3000"), ("de89 37", "3000"), ("77", "\u{2022}\u{2022}\u{2022}\u{2022}")]
        {
            let page = find("account", query);
            assert!(page.text.contains("1 account matches") && page.text.contains(masked), "{query}: {}", page.text);
        }
        for query in ["D", "7", "DE"] {
            assert!(find("account", query).text.contains("at least 3 characters"), "{query}");
            assert!(!find("account", query).text.contains("3000"), "{query}");
        }
        let refused = find("bogus", "DE89");
        assert!(refused.status == 422 && refused.text.contains("Search by one of these"), "{}", refused.text);
    });
}

#[test]
fn all_that_is_wrong_with_a_form_is_said_at_once() {
    let (site, _) = open(Kind::Sqlite);
    let who = site.sign_in(Role::Officer);
    let path = "/alerts/ALR-2026-000001/disposition";
    let answer = send(&site, &who, path, &[("disposition", ""), ("comment", "short"), ("duplicate_of", "")]);
    assert_eq!(answer.status, 422);
    for shown in ["Please correct these 2 points", "href=\"#disposition\"", "href=\"#comment\"", "5 characters"] {
        assert!(answer.text.contains(shown), "{shown}: {}", answer.text);
    }
    let answer = send(&site, &who, path, &[("disposition", "duplicate_of"), ("comment", ""), ("duplicate_of", "")]);
    assert!(answer.text.contains("href=\"#duplicate_of\"") && answer.text.contains("href=\"#comment\""), "{}", answer.text);
    let expired = SignedIn { csrf: "of another session".to_owned(), ..who.clone() };
    let answer = send(&site, &expired, path, &[("disposition", "data_quality")]);
    assert!(answer.status == 403 && answer.text.contains("This form has expired"), "{}", answer.text);
    assert!(answer.text.contains("aria-label=\"Main\"") && !answer.text.contains("Not allowed"), "{}", answer.text);
}

#[test]
fn the_trail_is_sentences_and_an_administrator_sees_security_only() {
    let (site, seq) = open(Kind::Sqlite);
    let officer = site.sign_in(Role::Officer);
    get(&site, &officer, &format!("/entries/{seq}"));
    let page = get(&site, &officer, "/trail").text;
    for said in
        ["officer@bank.example signed in.", &format!("officer@bank.example looked at entry {seq}."), "was raised by High-value"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    let admin = site.sign_in(Role::Admin);
    assert_eq!(get(&site, &admin, "/alerts").status, 403);
    let page = get(&site, &admin, "/trail").text;
    for said in
        ["officer@bank.example signed in.", "admin@bank.example was refused /alerts: the role does not allow it.", "was issued"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    for hidden in ["looked at", "was raised", "ALR-", "/accounts/", ACCOUNT, "203.0.113.77"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    assert!(!get(&site, &site.sign_in(Role::Analyst), "/trail").text.contains("signed in."));
}

#[test]
fn an_alert_of_continuity_says_what_was_expected_and_marks_the_entry() {
    let (site, _) = open(Kind::Sqlite);
    let app = &site.app;
    let later = app.clock.now().plus(counterfoil::clock::HOUR);
    counterfoil::alerts::grace::raise_overdue(&app.db, &app.log(), &app.calendar, &app.config, later).unwrap();
    let who = site.sign_in(Role::Officer);
    let page = get(&site, &who, "/alerts/ALR-2026-000002").text;
    for shown in [
        "Expected",
        "USD 12,600.00",
        "Found",
        "USD 12,000.00",
        "Difference",
        "USD \u{2212}600.00",
        "Chain break",
        "Does not follow",
        "class=\"crossed\"",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("<dt>Observed</dt>") && !page.contains("<dt>Limit</dt>"), "{page}");
}

#[test]
fn whoever_reads_a_report_or_a_list_of_alerts_is_recorded() {
    let (site, _) = open(Kind::Sqlite);
    let who = site.sign_in(Role::Officer);
    for path in ["/reports/2026-03-02", "/api/v1/reports/2026-03-02.csv?version=0", "/api/v1/alerts"] {
        assert_eq!(get(&site, &who, path).status, 200, "{path}");
    }
    let read = site.events("report.read");
    let formats: Vec<_> = read.iter().map(|event| event["format"].as_str().unwrap()).collect();
    assert_eq!(formats, ["page", "csv"]);
    assert!(read.iter().all(|event| event["user"].is_i64() && event["date"] == "2026-03-02"), "{read:?}");
    let viewed = site.events("customer.viewed");
    assert_eq!((viewed[0]["list"].as_str(), viewed[0]["user"].is_i64()), (Some("alerts"), true));
}
