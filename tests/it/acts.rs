//! Acts: whatever an officer or a command does is in the log before it is done and after.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use counterfoil::access::{Role, users};
use counterfoil::app::App;
use counterfoil::clock::{MINUTE, Moment};
use counterfoil::trail::attempts::{self, Attempt, Outcome};
use counterfoil::trail::store as trail;
use counterfoil::web::routes::{self, Entry};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{Kind, entry, on_both};
use crate::site::{Answer, SignedIn, Site};
use crate::support::program::Program;

/// Posts of officers that change nothing but the record of who asked.
const ASKING: &[&str] = &["/accounts", "/records"];

fn act(site: &Site, session: &SignedIn, route: &Entry, alert: &str) -> Answer {
    let values = [
        ("{reference}", alert),
        ("{ref}", alert),
        ("{seq}", "3"),
        ("{kind}", "chain"),
        ("{id}", "1"),
        ("{account}", "900"),
        ("{source}", "core"),
    ];
    let path = values.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!path.contains('{'), "a parameter of {path} is not known here: add it to the list");
    let request = site.plain(Method::POST, &path).header("cookie", &session.cookie).header("x-csrf-token", &session.csrf);
    let request = match route.is_api() {
        true => request.json(&json!({})),
        false => request.header("content-type", "application/x-www-form-urlencoded").body("a=b"),
    };
    Answer::of(request.send().unwrap())
}

/// Kind, place and body of every event from `from` on.
fn events(site: &Site, from: i64) -> Vec<(String, i64, Value)> {
    let rows = site.app.db.read(|conn| trail::events_between(conn, from, i64::MAX, 100_000)).unwrap();
    rows.into_iter().map(|row| (row.kind, row.seq, serde_json::from_str(&row.body).unwrap())).collect()
}

fn size(site: &Site) -> i64 {
    site.app.db.read(trail::state).unwrap().unwrap().size
}

#[test]
fn every_route_that_changes_something_leaves_its_attempt_and_its_end() {
    on_both(|kind| {
        let site = Site::open(kind);
        let receipt = site.post("/api/v1/entries", &entry("H1", "900", "2026-03-02T10:00:00Z", 0, 10_000)).json();
        let alert = receipt["hits"][0]["alert"].as_str().unwrap();
        let mut tried = 0;
        for route in routes::all().filter(|route| route.method.as_str() != "GET" && route.who.by_session()) {
            let Some(name) = route.act else {
                assert!(ASKING.contains(&route.path), "{} changes something under a session and is no act", route.path);
                continue;
            };
            assert!(name.contains('.'), "{name}");
            for role in Role::ALL {
                // Of a flood within a minute not every denial is an event of its own.
                site.bank.clock.advance(MINUTE);
                let session = site.sign_in(role);
                let from = size(&site);
                let answer = act(&site, &session, route, alert);
                let events = events(&site, from);
                let what = format!("{kind:?} {role} {}: {answer:?} {events:#?}", route.path);
                let user = site.app.db.read(users::list).unwrap().into_iter().find(|user| user.role == role).unwrap().id;
                if answer.status == 403 && events[0].0 == "access.denied" {
                    assert_eq!((&events[0].2["act"], &events[0].2["user"]), (&name.into(), &user.into()), "{what}");
                    continue;
                }
                let (first, last) = (&events[0], &events[events.len() - 1]);
                assert_eq!((first.0.as_str(), last.0.as_str()), ("act.attempted", "act.ended"), "{what}");
                assert_eq!(
                    (&first.2["act"], &first.2["door"], &first.2["user"]),
                    (&name.into(), &route.path.into(), &user.into())
                );
                assert!(first.2["session"].as_str().is_some_and(|session| session.len() == 16), "{what}");
                let outcome = Outcome::of_status(answer.status).text();
                assert_eq!(last.2, json!({ "attempt": first.1, "outcome": outcome, "status": answer.status }), "{what}");
                tried += 1;
            }
        }
        assert!(tried > 10, "{tried}");
        let counts = site.app.db.read(|conn| attempts::counts(conn, Moment(0), Moment(i64::MAX))).unwrap().0;
        let begun: i64 = counts.iter().map(|c| c.refused + c.succeeded + c.failed).sum();
        let signed_in: i64 = counts.iter().filter(|c| c.act == attempts::SIGN_IN).map(|c| c.succeeded).sum();
        assert_eq!(begun, tried + signed_in, "{counts:?}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    on_both(|kind| {
        let site = Site::open(kind);
        let session = site.sign_in(Role::Officer);
        site.bank.intake.halt();
        let from = size(&site);
        let sign_out = routes::all().find(|route| route.path == "/sign-out").unwrap();
        let answer = act(&site, &session, sign_out, "");
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.text.contains("nothing was done") && answer.header("set-cookie").is_empty(), "{answer:?}");
        assert_eq!(size(&site), from);
    });
}

#[test]
fn whoever_goes_away_in_the_middle_leaves_an_end_all_the_same() {
    let site = Site::open(Kind::Sqlite);
    let session = site.sign_in(Role::Officer);
    let from = size(&site);
    let mut stream = TcpStream::connect(site.address).unwrap();
    let head = format!(
        "POST /trail/checkpoints HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\nx-csrf-token: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\ntext=half",
        site.address, session.cookie, session.csrf
    );
    stream.write_all(head.as_bytes()).unwrap();
    let began = Instant::now();
    let has = |kind: &str| events(&site, from).iter().any(|event| event.0 == kind);
    while !has("act.attempted") && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(stream);
    while !has("act.ended") && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let events = events(&site, from);
    let ended = events.iter().find(|event| event.0 == "act.ended").unwrap_or_else(|| panic!("no end: {events:?}"));
    assert_eq!(ended.2["outcome"], "refused", "{events:?}");
}

#[test]
fn what_a_dead_process_began_is_of_unknown_outcome_at_the_next_start() {
    on_both(|kind| {
        let site = Site::open(kind);
        let attempt = Attempt { act: "alert.decide", door: "/alerts", user: None, session: None, whence: json!({}) };
        let seq = attempts::begin(&site.app.log(), attempt).unwrap();
        assert_eq!(site.bank.findings(), [], "an attempt without an end is no tampering");
        site.bank.intake.stop();
        let again = App::start(site.bank.config.clone(), site.bank.db.clone(), site.bank.clock.clone()).unwrap();
        let ended = site.events("act.ended");
        assert_eq!(ended, [json!({ "attempt": seq, "outcome": "unknown", "status": null })], "{kind:?}");
        again.stop();
        let again = App::start(site.bank.config.clone(), site.bank.db.clone(), site.bank.clock.clone()).unwrap();
        assert_eq!(site.events("act.ended").len(), 1, "ended once");
        again.stop();
        assert_eq!(site.bank.findings(), []);
    });
}

#[test]
fn a_command_s_act_says_who_ran_it() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("bank.db").display());
    let command = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database]);
    command(&["key", "issue", "--source", "core"]).run().succeeded();
    command(&["key", "revoke", "00000000"]).run().failed_with(2);
    let db = counterfoil::db::Db::open(&database, 1).unwrap();
    let rows = db.read(|conn| trail::events_between(conn, 0, i64::MAX, 1_000)).unwrap();
    let of = |kind: &str| -> Vec<(i64, Value)> {
        let rows = rows.iter().filter(|row| row.kind == kind);
        rows.map(|row| (row.seq, serde_json::from_str(&row.body).unwrap())).collect()
    };
    let (attempted, ended) = (of("act.attempted"), of("act.ended"));
    let acts: Vec<&Value> = attempted.iter().map(|(_, body)| &body["act"]).collect();
    assert_eq!(acts, ["key.issue", "key.revoke"]);
    let outcomes: Vec<(&Value, &Value)> = ended.iter().map(|(_, body)| (&body["attempt"], &body["outcome"])).collect();
    assert_eq!(outcomes, [(&attempted[0].0.into(), &"succeeded".into()), (&attempted[1].0.into(), &"refused".into())]);
    let issued = of("key.issued")[0].0;
    assert!(attempted[0].0 < issued && issued < ended[0].0, "before and after");
    let whence = db.read(|conn| trail::event_parts_between(conn, attempted[0].0, attempted[0].0 + 1)).unwrap().remove(0);
    let whence: Value = serde_json::from_str(&whence.body).unwrap();
    assert!(whence["uid"].is_u64() && whence["host"].is_string(), "{whence}");
}

#[test]
fn attempts_are_counted_by_user_and_kind_on_a_page_and_over_the_interface() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (analyst, auditor) = (site.sign_in(Role::Analyst), site.sign_in(Role::Auditor));
        let route = |path: &str| routes::all().find(|route| route.path == path && route.method.as_str() == "POST").unwrap();
        act(&site, &analyst, route("/alerts/{reference}/disposition"), "ALR-2026-000001");
        act(&site, &analyst, route("/entries/{seq}/reveal"), "");
        let get =
            |path: &str, who: &SignedIn| Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap());
        let told = get("/api/v1/acts?from=2026-03-02&to=2026-03-03", &auditor).json();
        let lines = told["items"].as_array().unwrap();
        let of = |act: &str| lines.iter().find(|line| line["act"] == act && line["user"] != Value::Null).unwrap();
        let decided = of("alert.decide");
        assert_eq!((&decided["attempted"], &decided["refused"], &decided["denied"]), (&1.into(), &1.into(), &0.into()), "{told}");
        let revealed = of("entry.reveal");
        assert_eq!(
            (&revealed["attempted"], &revealed["refused"], &revealed["denied"]),
            (&1.into(), &0.into(), &1.into()),
            "{told}"
        );
        assert_eq!((&told["truncated"], of("session.open")["succeeded"].as_i64()), (&false.into(), Some(1)));
        for empty in ["from=2026-03-01&to=2026-03-02", "from=2026-03-03&to=2026-03-04"] {
            assert_eq!(get(&format!("/api/v1/acts?{empty}"), &auditor).json()["items"], json!([]), "{empty}");
        }
        get("/api/v1/acts?from=2026-03-03&to=2026-03-03", &auditor).problem(400, "parameter_invalid");
        get("/api/v1/acts", &analyst).problem(403, "role");
        let page = get("/trail/acts", &auditor);
        assert_eq!(page.status, 200);
        for text in ["analyst@bank.example (analyst)", "Decide alert", "Reveal entry", "Sign in", "Command line"] {
            assert_eq!(page.text.contains(text), text != "Command line", "{text}: {}", page.text);
        }
        assert!(get("/trail/acts?from=2026-03-01&through=2026-03-01", &auditor).text.contains("No act in this period"));
    });
}
