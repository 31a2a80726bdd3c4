//! What a program reads with a key is recorded: once a minute for each key, and nothing of it is lost when the
//! server is asked to leave.

use std::collections::BTreeMap;

use counterfoil::access::reads::{Read, Subject};
use counterfoil::access::{Door, Role, Scopes, keys};
use counterfoil::app::App;
use counterfoil::clock::Clock;
use counterfoil::config::Config;
use counterfoil::db::Db;
use counterfoil::trail::store as trail;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{Home, entry, on_both};
use crate::records::record_as;
use crate::site::{Answer, SignedIn, Site};
use crate::support::program::{Program, Server};

/// The public bodies and private parts of what keys read.
fn recorded(database: &str) -> Vec<(Value, Value)> {
    let db = Db::open(database, 1).unwrap();
    let rows = db.read(|c| trail::events_between(c, 0, i64::MAX, 100_000)).unwrap();
    let parts = db.read(|c| trail::event_parts_between(c, 0, i64::MAX)).unwrap();
    let private = |seq| parts.iter().find(|part| part.seq == seq).map_or(Value::Null, |p| serde_json::from_str(&p.body).unwrap());
    let read = rows.iter().filter(|row| row.kind == "key.read");
    read.map(|row| (serde_json::from_str(&row.body).unwrap(), private(row.seq))).collect()
}

/// Answered and not, by kind.
type Kinds = BTreeMap<String, (i64, i64)>;
/// How often each account and each record was shown.
type Shown = [BTreeMap<i64, i64>; 2];

/// Sums over the events of a key: a slow machine may have needed more than a minute.
fn summed(events: &[(Value, Value)]) -> (i64, Kinds, Shown) {
    let (mut counted, mut kinds, mut shown) = (0, Kinds::new(), Shown::default());
    for (body, _) in events {
        counted += body["counted"].as_i64().unwrap();
        for (kind, n) in body["kinds"].as_object().unwrap() {
            let sum = kinds.entry(kind.clone()).or_default();
            *sum = (sum.0 + n[0].as_i64().unwrap(), sum.1 + n[1].as_i64().unwrap());
        }
        for (list, name) in shown.iter_mut().zip(["accounts", "records"]) {
            for pair in body[name].as_array().unwrap() {
                *list.entry(pair[0].as_i64().unwrap()).or_default() += pair[1].as_i64().unwrap();
            }
        }
    }
    (counted, kinds, shown)
}

fn page(site: &Site, who: &SignedIn, path: &str) -> Answer {
    Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap())
}

struct Sender<'a> {
    key: &'a str,
    http: reqwest::blocking::Client,
}

impl Sender<'_> {
    fn get(&self, server: &Server, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", server.url())).bearer_auth(self.key).send().unwrap())
    }

    fn post(&self, server: &Server, path: &str, body: &Value) -> Value {
        let sent = self.http.post(format!("{}{path}", server.url())).bearer_auth(self.key).json(body).send().unwrap();
        sent.json().unwrap()
    }
}

#[test]
fn what_keys_read_is_recorded_by_the_leader_and_by_who_stands_by() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let (database, keys_dir) = (home.url(), dir.path().join("keys"));
        let mut config = Config::default();
        config.keys.dir = keys_dir.display().to_string();
        let app = App::start(config, Db::open(&database, 2).unwrap(), Clock::system()).unwrap();
        let (key, secret) = keys::issue(&app.log(), &app.clock, "core", Scopes::ALL).unwrap();
        app.stop();
        let program = Program::new(dir.path()).args(["--database", &database]).env("COUNTERFOIL_KEYS__DIR", &keys_dir);
        let mut server = program.spawn_serve();
        let sender = Sender { key: &secret, http: reqwest::blocking::Client::new() };
        let receipt = sender.post(&server, "/api/v1/entries", &entry("E1", "CANARY-77", "2026-03-02T10:00:00Z", 0, 20_000));
        let change =
            json!({ "source_ref": "C1", "type": "customer", "id": "CANARY-88", "action": "create", "after": { "n": 1 } });
        let change = sender.post(&server, "/api/v1/changes", &change);
        assert!(receipt["seq"].is_i64() && change["seq"].is_i64(), "{receipt} {change}");
        let alert = receipt["hits"][0]["alert"].as_str().unwrap();
        for path in [
            "/api/v1/accounts/CANARY-77",
            "/api/v1/accounts/CANARY-77/entries",
            "/api/v1/accounts/CANARY-77/balance",
            &format!("/api/v1/entries/{}", receipt["seq"]),
            "/api/v1/alerts",
            &format!("/api/v1/alerts/{alert}"),
            "/api/v1/reports/2026-03-02",
            "/api/v1/records/customer/CANARY-88",
            "/api/v1/records/customer/CANARY-88/changes",
            "/api/v1/records/customer/CANARY-88/difference?from=2026-03-01T00:00:00Z",
        ] {
            let answer = sender.get(&server, path);
            assert_eq!(answer.status, 200, "{kind:?} {path}: {answer:?}");
        }
        for path in ["/api/v1/accounts/NONE", "/api/v1/entries/999999", "/api/v1/accounts/CANARY-77/entries?limit=0"] {
            assert!(sender.get(&server, path).status >= 400, "{path}");
        }
        assert_eq!(server.terminate(), Some(0));
        let all = recorded(&database);
        let (counted, kinds, [accounts, records]) = summed(&all);
        assert_eq!((counted, all.iter().all(|(body, _)| body["key"] == key)), (13, true), "{kind:?}: {all:?}");
        let expected = [
            ("account", (1, 1)),
            ("account.balance", (1, 0)),
            ("account.entries", (1, 1)),
            ("alert", (1, 0)),
            ("alerts", (1, 0)),
            ("entry", (1, 1)),
            ("record", (1, 0)),
            ("record.changes", (1, 0)),
            ("record.difference", (1, 0)),
            ("report", (1, 0)),
        ];
        assert_eq!(kinds, BTreeMap::from(expected.map(|(kind, n)| (kind.to_owned(), n))));
        assert_eq!((accounts.len(), accounts.values().sum::<i64>()), (1, 6), "{all:?}");
        assert_eq!((records.len(), records.values().sum::<i64>()), (1, 3), "{all:?}");
        assert!(all.iter().all(|(body, _)| !body.to_string().contains("CANARY") && !body.to_string().contains("127.0.0.1")));
        assert!(all.iter().all(|(_, private)| private["ips"]["127.0.0.1"].is_i64()), "{all:?}");

        // What is read at an instance that stands by is recorded by the leader.
        let leader = program.spawn_serve();
        let mut standing = program.spawn_serve();
        assert_eq!(sender.get(&standing, "/api/v1/accounts/CANARY-77").status, 200);
        assert_eq!(standing.terminate(), Some(0));
        assert_eq!(summed(&recorded(&database)).0, 14, "{kind:?}");
        drop(leader);
        program.clone().args(["verify"]).run().succeeded();
    });
}

#[test]
fn who_asks_who_has_accessed_what_is_told_of_keys_too() {
    on_both(|kind| {
        let site = Site::open(kind);
        let seq = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 10)).seq;
        let account = site.app.db.read(|c| counterfoil::ledger::store::entry(c, seq)).unwrap().unwrap().account;
        let listed = site.app.db.read(keys::list).unwrap().remove(0);
        let door = Door::new(site.app.db.clone(), site.app.log(), site.app.clock.clone());
        for (kind, answered) in [("account.balance", true), ("account.balance", true), ("tile", true), ("entry", false)] {
            let subjects = if kind == "account.balance" { vec![Subject::Account(account)] } else { Vec::new() };
            door.has_read(listed.id, Read { kind, answered, subjects, ip: None });
        }
        door.tidy().unwrap();
        door.tidy().unwrap();
        assert_eq!(site.events("key.read").len(), 1, "at most one a minute for each key");
        let auditor = site.sign_in(Role::Auditor);
        let name = format!("cf_{}", listed.prefix);
        let of = |query: &str| page(&site, &auditor, &format!("/api/v1/reports/users{query}")).json();
        let report = of("?role=key");
        assert_eq!(report["items"].as_array().unwrap().len(), 1, "{report}");
        let line = &report["items"][0];
        assert_eq!((&line["name"], &line["source"], &line["role"]), (&json!(name), &json!("core"), &json!("key")), "{kind:?}");
        assert_eq!((&line["views"], &line["subjects"]), (&json!(2), &json!(1)), "{line}");
        let customer =
            json!({ "source_ref": "C1", "type": "customer", "id": "C-1", "action": "create", "after": { "name": "Ann" } });
        record_as(&site.bank, site.bank.source, &[customer]);
        assert_eq!(of("?role=key&type=customer")["items"], json!([]), "none of it was a record");
        assert!(page(&site, &auditor, "/reports/users?role=key").text.contains("Key of core"));
        let acts = page(&site, &auditor, "/api/v1/acts?from=2026-03-02&to=2026-03-03").json();
        let read = |kind: &str, answered: i64, not: i64| json!({ "key": listed.id, "kind": kind, "answered": answered, "not_answered": not });
        assert_eq!(acts["reads"], json!([read("account.balance", 2, 0), read("entry", 0, 1), read("tile", 1, 0)]), "{kind:?}");
        assert!(page(&site, &auditor, "/trail/acts").text.contains(&format!("{name} of core")));
        let trail = page(&site, &auditor, "/trail?kinds=all").text;
        assert!(trail.contains("read over the interface 4 times within a minute: 1 account and 0 records"), "{trail}");
        assert_eq!(site.get("/api/v1/reports/2026-03-02").json()["access"]["reads_by_keys"], 4);
        // What is refused to a key is counted for it.
        let poor = site.issue("core", "read");
        for (path, status) in [("/api/v1/alerts", 403), ("/api/v1/alerts/ALR-2026-000001", 403)] {
            assert_eq!(site.plain(Method::GET, path).bearer_auth(&poor).send().unwrap().status(), status, "{path}");
        }
        let denied = site.events("access.denied");
        assert!(denied.len() == 2 && denied.iter().all(|event| event["reason"] == "scope"), "{denied:?}");
        let refused: Vec<i64> =
            of("?role=key")["items"].as_array().unwrap().iter().map(|line| line["refusals"].as_i64().unwrap()).collect();
        assert_eq!(refused.iter().sum::<i64>(), 2, "{kind:?}: {refused:?}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}
