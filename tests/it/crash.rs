//! Power fails: what was acknowledged is there once, everything else at most once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::bank::{Home, Kind, entry};
use crate::support::program::Program;
use crate::support::rounds;

const SENDERS: usize = 8;

fn client() -> reqwest::blocking::Client {
    reqwest::blocking::Client::builder().timeout(Duration::from_secs(10)).build().unwrap()
}

fn post(http: &reqwest::blocking::Client, url: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
    let request = http.post(format!("{url}/api/v1/entries")).bearer_auth(key).json(body);
    let answer = request.send().ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.json().ok()?))
}

/// Sends all of these, and answers what became of each.
fn post_all(http: &reqwest::blocking::Client, url: &str, key: &str, bodies: &[Value]) -> Vec<Value> {
    let mut results = Vec::new();
    for some in bodies.chunks(1_000) {
        let (status, answer) = post(http, url, key, &Value::from(some.to_vec())).unwrap();
        assert_eq!(status, 200, "{answer}");
        results.extend(answer["results"].as_array().unwrap().iter().cloned());
    }
    results
}

/// Sends one entry after the other on one account until the server is gone; keeps the receipts.
fn send(
    url: &str,
    key: &str,
    sender: usize,
    numbers: &AtomicU64,
    stop: &AtomicBool,
    kept: &Mutex<HashMap<String, (Value, Value)>>,
    tried: &Mutex<Vec<Value>>,
) {
    let http = client();
    while !stop.load(Ordering::Relaxed) {
        let n = numbers.fetch_add(1, Ordering::Relaxed);
        let reference = format!("S{sender}-{n}");
        let body = entry(&reference, &format!("{sender}"), "2026-03-02T10:00:00Z", 0, n as i64);
        tried.lock().unwrap().push(body.clone());
        match post(&http, url, key, &body) {
            Some((201, receipt)) => {
                kept.lock().unwrap().insert(reference, (body, receipt));
            }
            Some((status, answer)) => panic!("{status}: {answer}"),
            None => return,
        }
    }
}

fn kills_under_load(kind: Kind) {
    let home = Home::new(kind);
    let dir = tempfile::tempdir().unwrap();
    let database = home.url();
    let issued = Program::new(dir.path()).args(["key", "issue", "--source", "core", "--database", &database]).run();
    let key = issued.succeeded().stdout.trim().to_owned();
    let numbers = AtomicU64::new(1);
    let kept = Mutex::new(HashMap::new());
    for round in 0..rounds(10) {
        let mut server = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
        let (stop, tried) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (url, key, numbers, stop, kept, tried) = (server.url(), &key, &numbers, &stop, &kept, &tried);
                scope.spawn(move || send(&url, key, sender, numbers, stop, kept, tried));
            }
            // On a machine that does much else, the first answer may take its time.
            (0..3_000).find(|_| {
                std::thread::sleep(Duration::from_millis(10));
                !kept.lock().unwrap().is_empty()
            });
            std::thread::sleep(Duration::from_millis(20 + 70 * u64::from(round % 7)));
            server.kill9();
            stop.store(true, Ordering::Relaxed);
        });
        let server = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
        let http = client();
        let receipts = std::mem::take(&mut *kept.lock().unwrap());
        assert!(!receipts.is_empty(), "{kind:?}: nothing was acknowledged in round {round}");
        let (bodies, receipts): (Vec<Value>, Vec<Value>) = receipts.into_values().unzip();
        for (mut again, receipt) in post_all(&http, &server.url(), &key, &bodies).into_iter().zip(receipts) {
            assert_eq!(again["status"].as_str(), Some("duplicate"), "{kind:?}: {again}");
            again["status"] = "recorded".into();
            assert_eq!(again, receipt, "{kind:?}");
        }
        let tried = tried.into_inner().unwrap();
        for result in post_all(&http, &server.url(), &key, &tried) {
            let status = result["status"].as_str();
            assert!(matches!(status, Some("recorded" | "duplicate")), "{kind:?}: {result}");
        }
    }
    // Entries of one instant that all begin at zero: each looks back over its whole account, which a debug build
    // takes minutes for after 200 rounds.
    let verify = Program::new(dir.path()).args(["verify", "--json", "--database", &database]);
    verify.limit(Duration::from_secs(1_200)).run().succeeded();
    let exported = Program::new(dir.path()).args(["export", "entries", "--database", &database]).run();
    let mut references: Vec<String> =
        exported.succeeded().stdout.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    let all = references.len();
    references.sort();
    references.dedup();
    assert_eq!(all, references.len(), "{kind:?}: an entry is there twice");
    if kind == Kind::Sqlite {
        assert!(all > 20, "the load was a load: {all}");
    }
}

#[test]
fn after_kill_9_under_load_every_receipt_holds_and_nothing_is_there_twice() {
    kills_under_load(Kind::Sqlite);
}

#[test]
fn the_same_holds_on_postgres() {
    kills_under_load(Kind::Postgres);
}
