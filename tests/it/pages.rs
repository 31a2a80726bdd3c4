//! The pages, over the wire: who sees what, what is recorded, and what a page never holds.

use counterfoil::access::Role;
use reqwest::Method;
use serde_json::json;

use crate::bank::{Kind, entry, on_both};
use crate::site::{Answer, SignedIn, Site};

const ACCOUNT: &str = "DE89370400440532013000";
const IP: &str = "203.0.113.77";

fn get(site: &Site, who: &SignedIn, path: &str) -> Answer {
    Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap())
}

fn send(site: &Site, who: &SignedIn, path: &str, fields: &[(&str, &str)]) -> Answer {
    let form: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", who.csrf.as_str())]).collect();
    Answer::of(site.plain(Method::POST, path).header("cookie", &who.cookie).form(&form).send().unwrap())
}

/// A site with one alert; answers its reference.
fn open(kind: Kind) -> (Site, String) {
    let site = Site::open(kind);
    for i in 0..130 {
        let mut sent =
            entry(&format!("E{i}"), ACCOUNT, &format!("2026-03-0{}T{:02}:00:00Z", 1 + i / 96, i % 24), i * 5, i * 5 + 5);
        sent["ip"] = json!(IP);
        sent["session_id"] = json!(format!("S-{}", i / 10));
        site.bank.record(sent);
    }
    let mut high = entry("HIGH", ACCOUNT, "2026-03-02T11:00:00Z", 650, 20_650);
    high["reason"] = json!("<script>alert(1)</script>");
    high["session_id"] = json!("<b>\"S\"</b>");
    let receipt = site.bank.record(high);
    let alert = receipt.hits.iter().find(|hit| hit.rule == "high-value").and_then(|hit| hit.alert.clone()).unwrap();
    (site, alert)
}

/// The number after `/accounts/` of the first link on a page.
fn account_id(page: &str) -> String {
    let rest = page.split("href=\"/accounts/").nth(1).unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn every_page_is_whole_and_holds_no_inline_code() {
    on_both(|kind| {
        let (site, alert) = open(kind);
        let who = site.sign_in(Role::Officer);
        let id = account_id(&get(&site, &who, &format!("/alerts/{alert}")).text);
        let account = format!("/accounts/{id}");
        let shown = get(&site, &who, &account).text;
        let context = shown.split("href=\"/contexts/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let alert = format!("/alerts/{alert}");
        let context = format!("/contexts/{context}");
        let paths = [
            "/",
            "/alerts",
            "/alerts?status=all",
            "/accounts",
            "/reports",
            "/reports/2026-03-02",
            "/trail",
            "/trail?kinds=all",
            "/docs",
            &alert,
            &account,
            &context,
        ];
        for path in paths {
            let answer = get(&site, &who, path);
            assert_eq!(answer.status, 200, "{path}: {answer:#?}");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            assert!(answer.text.trim_end().ends_with("</html>"), "{path}");
            for forbidden in [" style=", "<script>", " onclick=", "<b>\"S\"", "alert(1)"] {
                assert!(!answer.text.contains(forbidden), "{path} holds {forbidden}");
            }
            assert!(answer.text.contains("<h1"), "{path}");
        }
    });
}

#[test]
fn whoever_looks_at_a_customer_is_recorded_without_the_customer_in_public() {
    let (site, alert) = open(Kind::Sqlite);
    let who = site.sign_in(Role::Auditor);
    let id = account_id(&get(&site, &who, &format!("/alerts/{alert}")).text);
    get(&site, &who, &format!("/accounts/{id}"));
    let searched = send(&site, &who, "/accounts", &[("kind", "ip"), ("query", IP)]);
    assert_eq!(searched.status, 303, "{searched:#?}");
    let found = searched.header("location").to_owned();
    assert!(found.starts_with("/search/") && !found.contains(IP));
    assert!(get(&site, &who, &found).header("location").ends_with("/ip"));
    let viewed = site.events("customer.viewed");
    assert_eq!(viewed.len(), 2);
    assert!(viewed.iter().all(|event| event["account"].as_i64() == id.parse().ok() && event["user"].is_i64()));
    assert!(viewed[0]["alert"].is_i64());
    let made = site.events("search.made");
    assert_eq!(made[0]["kind"], "ip");
    assert!(!made[0].to_string().contains(IP));
    let other = site.sign_in(Role::Officer);
    assert_eq!(get(&site, &other, &found).status, 404, "a search is its maker's");
}

#[test]
fn entries_are_paged_by_key_and_every_page_is_the_account_s() {
    let (site, alert) = open(Kind::Sqlite);
    let who = site.sign_in(Role::Analyst);
    let id = account_id(&get(&site, &who, &format!("/alerts/{alert}")).text);
    let (mut path, mut rows, mut pages) = (format!("/accounts/{id}"), 0, 0);
    loop {
        let page = get(&site, &who, &path).text;
        let entries = page.split("id=\"entries\"").nth(1).unwrap().split("</section>").next().unwrap();
        rows += entries.matches("<tr id=\"entry-").count();
        pages += 1;
        let Some(next) = entries.split("rel=\"next\"").next().filter(|_| entries.contains("rel=\"next\"")) else { break };
        path = next.rsplit("href=\"").next().unwrap().split(['"', '#']).next().unwrap().to_owned();
    }
    assert_eq!((rows, pages), (131, 3));
    assert_eq!(get(&site, &who, &format!("/accounts/{id}?entry=0")).status, 404);
}

#[test]
fn an_alert_is_closed_once_by_whoever_may_and_what_was_typed_survives_an_error() {
    on_both(|kind| {
        let (site, alert) = open(kind);
        let path = format!("/alerts/{alert}/disposition");
        let comment = "Documents of the sale seen at the branch.";
        for role in [Role::Auditor, Role::Admin] {
            let who = site.sign_in(role);
            let refused = send(&site, &who, &path, &[("disposition", "data_quality"), ("comment", comment)]);
            assert_eq!(refused.status, 403, "{role}");
        }
        let who = site.sign_in(Role::Analyst);
        for (fields, said) in [
            ([("disposition", ""), ("comment", comment), ("duplicate_of", "")], "Choose what you found."),
            ([("disposition", "data_quality"), ("comment", "no <b>"), ("duplicate_of", "")], "The comment has 6 characters"),
            (
                [("disposition", "duplicate_of"), ("comment", comment), ("duplicate_of", "ALR-1")],
                "There is no alert with that reference",
            ),
        ] {
            let answer = send(&site, &who, &path, &fields);
            assert_eq!(answer.status, 422, "{answer:#?}");
            assert!(answer.text.contains(said), "{said}");
            assert!(answer.text.contains("no &#60;b&#62;") || answer.text.contains(comment), "what was typed is still there");
        }
        let closed = send(&site, &who, &path, &[("disposition", "explained_with_evidence"), ("comment", comment)]);
        assert_eq!((closed.status, closed.header("location")), (303, format!("/alerts/{alert}").as_str()));
        let again = send(&site, &who, &path, &[("disposition", "explained_with_evidence"), ("comment", comment)]);
        assert_eq!(again.status, 409);
        assert_eq!(site.events("alert.closed").len(), 1);
        assert!(get(&site, &who, &format!("/alerts/{alert}")).text.contains(comment));
    });
}

#[test]
fn who_administers_sees_no_customer_on_any_page() {
    let (site, _) = open(Kind::Sqlite);
    let who = site.sign_in(Role::Admin);
    for path in ["/", "/trail", "/trail?kinds=all", "/docs"] {
        let page = get(&site, &who, path);
        assert_eq!(page.status, 200, "{path}");
        // Numbers end in 3000; so may a hash.
        for secret in ["•• 3000", "0532013000", IP, "S-1", "HIGH", "20,000"] {
            let shown =
                page.text.find(secret).map(|at| page.text[..at + secret.len()].chars().rev().take(120).collect::<String>());
            let shown = shown.map(|reversed| reversed.chars().rev().collect::<String>());
            assert_eq!(shown, None, "{path} shows {secret}");
        }
    }
}

#[test]
fn every_failure_to_sign_in_reads_the_same() {
    let (site, _) = open(Kind::Sqlite);
    site.sign_in(Role::Officer);
    let attempt = |email: &str, password: &str| {
        let form = [("email", email), ("password", password), ("next", "//elsewhere.example")];
        let answer = Answer::of(site.plain(Method::POST, "/sign-in").form(&form).send().unwrap());
        (answer.status, answer.text.replace(email, "E-MAIL"))
    };
    let wrong = attempt("officer@bank.example", "wrong wrong wrong");
    assert_eq!(wrong.0, 422);
    assert_eq!(attempt("nobody@bank.example", "wrong wrong wrong"), wrong);
    for _ in 0..12 {
        assert_eq!(attempt("officer@bank.example", "wrong wrong wrong"), wrong);
    }
    assert_eq!(attempt("officer@bank.example", crate::site::PASSWORD), wrong, "locked, in the same words");
    assert!(!wrong.1.contains("elsewhere.example"));
}

#[test]
fn a_stored_report_is_shown_as_frozen_and_the_future_is_not() {
    let (site, _) = open(Kind::Sqlite);
    let who = site.sign_in(Role::Officer);
    let context = counterfoil::reports::Context::new(&site.app.config, site.app.clock.clone());
    let date = "2026-03-01".parse().unwrap();
    let render = &counterfoil::reports::page::frozen;
    counterfoil::reports::make(&site.app.log(), &site.app.db, &context, date, render).unwrap();
    let stored = site.app.db.read(|conn| counterfoil::reports::load(conn, date, None)).unwrap().unwrap();
    let article = counterfoil::reports::page::article_of(&stored.html).unwrap();
    let shown = get(&site, &who, "/reports/2026-03-01");
    assert!(shown.text.contains(article), "byte for byte");
    assert!(shown.text.contains(&stored.head.html_sha256));
    assert!(get(&site, &who, "/reports/2026-03-01?version=0").text.contains("Preview: computed at"));
    for path in ["/reports/2026-03-01?version=9", "/reports/2026-03-03", "/reports/yesterday"] {
        assert_eq!(get(&site, &who, path).status, 404, "{path}");
    }
}
