//! Every route, tried by nobody, by every role, by keys of every scope, and by a key of another
//! source.

use counterfoil::access::{Permission, Role, Scope};
use counterfoil::web::routes::{self, Entry, Who};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{Kind, entry, on_both};
use crate::site::{Answer, SignedIn, Site};

/// A site with something behind every parameter.
struct Table {
    site: Site,
    seq: Value,
    alert: String,
}

impl Table {
    fn open(kind: Kind) -> Table {
        let site = Site::open(kind);
        let receipt = site.post("/api/v1/entries", &entry("H1", "900", "2026-03-02T10:00:00Z", 0, 10_000)).json();
        let alert = receipt["hits"][0]["alert"].as_str().unwrap().to_owned();
        Table { site, seq: receipt["seq"].clone(), alert }
    }

    /// A path of this route that leads to something of source `core`.
    fn path(&self, route: &Entry) -> String {
        let values = [
            ("{seq}", self.seq.to_string()),
            ("{account}", "900".into()),
            ("{ref}", self.alert.clone()),
            ("{reference}", self.alert.clone()),
            ("{business_date}", "2026-03-02".into()),
            ("{date}", "2026-03-02".into()),
            ("{source}", "core".into()),
            ("{name}", "app.css".into()),
            ("{id}", "1".into()),
            ("{type}", "customer".into()),
            ("{kind}", "chain".into()),
            ("{tile:.+}", "0/000.p/1".into()),
        ];
        let path = values.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
        assert!(!path.contains('{'), "a parameter of {path} is not known here: add it to the list");
        path
    }

    fn ask(&self, route: &Entry, key: Option<&str>, session: Option<&SignedIn>, token: bool) -> Answer {
        let mut request = self.site.plain(route.method.as_str().parse::<Method>().unwrap(), &self.path(route));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(session) = session {
            request = request.header("cookie", &session.cookie);
            if token {
                request = request.header("x-csrf-token", &session.csrf);
            }
        }
        if *route.method.as_str() == *"POST" {
            request = match route.is_api() {
                true => request.json(&json!({})),
                false => request.header("content-type", "application/x-www-form-urlencoded").body("a=b"),
            };
        }
        Answer::of(request.send().unwrap())
    }
}

/// Let through: whatever the handler then says, it is neither 401 nor 403 nor the way in.
fn is_in(answer: &Answer) -> bool {
    !matches!(answer.status, 401 | 403) && !answer.header("location").starts_with("/sign-in?")
}

#[track_caller]
fn assert_out(route: &Entry, answer: &Answer, status: u16) {
    let what = format!("{} {}: {answer:#?}", route.method, route.path);
    if status == 401 && !route.is_api() && route.method.as_str() == "GET" {
        assert!(answer.status == 303 && answer.header("location").starts_with("/sign-in?next="), "{what}");
    } else {
        assert_eq!(answer.status, status, "{what}");
    }
}

#[test]
fn nobody_comes_in_where_someone_is_asked_for() {
    on_both(|kind| {
        let table = Table::open(kind);
        for route in routes::all() {
            let answer = table.ask(route, None, None, false);
            match route.who {
                Who::Anyone => assert!(is_in(&answer), "{} {}: {answer:#?}", route.method, route.path),
                _ => assert_out(route, &answer, 401),
            }
        }
        assert!(!table.site.events("access.denied").is_empty());
    });
}

#[test]
fn every_role_gets_exactly_what_it_may() {
    on_both(|kind| {
        let table = Table::open(kind);
        for role in Role::ALL {
            let mut session = table.site.sign_in(role);
            for route in routes::all() {
                let answer = table.ask(route, None, Some(&session), true);
                let what = format!("{role}: {} {}: {answer:#?}", route.method, route.path);
                match route.who {
                    Who::Anyone => assert!(is_in(&answer), "{what}"),
                    Who::Key(_) => assert_out(route, &answer, 401),
                    Who::Officer(permission) | Who::OfficerOrKey(permission, _) | Who::AnyoneIfPublic(permission, _)
                        if role.may(permission) =>
                    {
                        assert!(is_in(&answer), "{what}")
                    }
                    Who::Officer(_) | Who::OfficerOrKey(..) | Who::AnyoneIfPublic(..) => assert_out(route, &answer, 403),
                }
                if route.path == "/sign-out" {
                    session = table.site.sign_in(role);
                }
            }
        }
    });
}

#[test]
fn nothing_is_changed_without_the_form_s_token() {
    let table = Table::open(Kind::Sqlite);
    let session = table.site.sign_in(Role::Officer);
    let changing = |route: &&'static Entry| route.method.as_str() != "GET";
    for route in routes::all().filter(changing) {
        let Who::Officer(permission) = route.who else { continue };
        if Role::Officer.may(permission) {
            assert_out(route, &table.ask(route, None, Some(&session), false), 403);
        }
    }
    let mut crossed = table.site.plain(Method::POST, "/sign-out").header("cookie", &session.cookie);
    crossed = crossed.header("x-csrf-token", &session.csrf).header("sec-fetch-site", "cross-site");
    assert_eq!(crossed.send().unwrap().status().as_u16(), 403);
    let foreign = table
        .site
        .plain(Method::POST, "/sign-in")
        .header("origin", "https://elsewhere.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("email=a");
    assert_eq!(foreign.send().unwrap().status().as_u16(), 403);
}

#[test]
fn a_key_does_what_its_scopes_say_and_nothing_else() {
    on_both(|kind| {
        let table = Table::open(kind);
        for scope in Scope::ALL {
            let key = table.site.issue("core", scope.text());
            for route in routes::all() {
                let answer = table.ask(route, Some(&key), None, false);
                let what = format!("{}: {} {}: {answer:#?}", scope.text(), route.method, route.path);
                match route.who {
                    Who::Anyone => assert!(is_in(&answer), "{what}"),
                    // A program is told that a key will never do; a page sends everyone to sign in.
                    Who::Officer(_) => assert_out(route, &answer, if route.path.starts_with("/api/") { 403 } else { 401 }),
                    // Alerts need a second scope: whoever may not know of hits may not know of alerts.
                    Who::OfficerOrKey(Permission::ReadCustomers, _) => assert_out(route, &answer, 403),
                    Who::Key(needed) | Who::OfficerOrKey(_, needed) | Who::AnyoneIfPublic(_, needed) if needed == scope => {
                        assert!(is_in(&answer), "{what}")
                    }
                    Who::Key(_) | Who::OfficerOrKey(..) | Who::AnyoneIfPublic(..) => assert_out(route, &answer, 403),
                }
            }
        }
    });
}

#[test]
fn a_key_of_another_source_finds_nothing_and_the_attempt_is_recorded() {
    on_both(|kind| {
        let table = Table::open(kind);
        let key = table.site.issue("cards", "entries:write changes:write totals:write read receipt:full");
        for route in routes::all().filter(|route| route.path.starts_with("/api/v1/")) {
            let named = ["{seq}", "{account}", "{ref}", "{source}"].iter().any(|name| route.path.contains(name));
            if matches!(route.who, Who::Officer(_)) || !named {
                continue;
            }
            let answer = table.ask(route, Some(&key), None, false);
            answer.problem(404, "not_found");
            assert!(!answer.text.contains("900"), "{answer:#?}");
        }
        let denied = table.site.events("access.denied");
        assert!(
            denied.iter().any(|event| event["reason"] == "other_source" && event["what"] == "/api/v1/accounts/{account}"),
            "{denied:?}"
        );
        let list = table.site.plain(Method::GET, "/api/v1/alerts").bearer_auth(&key).send().unwrap();
        assert_eq!(Answer::of(list).json()["items"], json!([]));
        let unknown = table.site.plain(Method::GET, "/api/v1/alerts").bearer_auth("cf_00000000_wrong").send().unwrap();
        Answer::of(unknown).problem(401, "key_unknown");
    });
}
