//! PostgreSQL goes away and comes back, and a replica is read from as long as it keeps up.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use counterfoil::db::rights::WRITER;
use serde_json::Value;

use crate::bank::{Ending, entry};
use crate::support::cluster::Cluster;
use crate::support::program::Program;
use crate::support::rounds;

const SENDERS: usize = 4;

/// A cluster of its own with the database `counterfoil`, its roles split.
fn bank() -> (Cluster, String) {
    let cluster = Cluster::start();
    cluster.run_script(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/postgres-setup.sql"));
    let dir = tempfile::tempdir().unwrap();
    let admin = cluster.url("postgres", "counterfoil");
    Program::new(dir.path()).args(["migrate", "up", "--database", &admin]).run().succeeded();
    let writer = cluster.url(WRITER, "counterfoil");
    (cluster, writer)
}

fn http() -> reqwest::blocking::Client {
    reqwest::blocking::Client::builder().timeout(Duration::from_secs(40)).build().unwrap()
}

#[test]
fn a_server_that_crashes_and_comes_back_under_load_costs_no_entry_and_doubles_none() {
    let (cluster, database) = bank();
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(dir.path()).args(["--database", &database]);
    let key = program.clone().args(["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
    let server = program.spawn_serve();
    let (next, stop, kept) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Vec::<(Value, Value)>::new()));
    let refused = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (next, stop, kept, refused, key, url) = (&next, &stop, &kept, &refused, &key, server.url());
            scope.spawn(move || {
                let http = http();
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let body = entry(&format!("S{sender}-{n}"), &sender.to_string(), "2026-03-02T10:00:00Z", 0, n as i64);
                    // Until it is taken: the same reference, so that sending again is safe.
                    while !stop.load(Ordering::Relaxed) {
                        let answer = http.post(format!("{url}/api/v1/entries")).bearer_auth(key).json(&body).send();
                        match answer.map(|a| (a.status().as_u16(), a.json::<Value>())) {
                            Ok((200 | 201, Ok(receipt))) => {
                                kept.lock().unwrap().push((body, receipt));
                                break;
                            }
                            Ok((503, _)) => {
                                refused.fetch_add(1, Ordering::Relaxed);
                                std::thread::sleep(Duration::from_millis(50));
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
        let _ending = Ending(&stop);
        for round in 0..rounds(2).min(20) {
            let before = kept.lock().unwrap().len();
            std::thread::sleep(Duration::from_millis(500));
            cluster.restart_immediately(Duration::from_millis(u64::from(round) * 400));
            let began = Instant::now();
            while kept.lock().unwrap().len() < before + 40 {
                assert!(began.elapsed() < Duration::from_secs(60), "round {round}: no entry is taken any more\n{}", server.log());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let kept = kept.into_inner().unwrap();
    for (body, receipt) in &kept {
        let again = http().post(format!("{}/api/v1/entries", server.url())).bearer_auth(&key).json(body).send().unwrap();
        let status = again.status();
        let again: Value = again.json().unwrap();
        assert_eq!(status, 200, "an acknowledged entry is lost: {body}: {again}\n{}", server.log());
        assert_eq!((&again["seq"], &again["leaf"]), (&receipt["seq"], &receipt["leaf"]));
    }
    let health: Value = http().get(format!("{}/healthz", server.url())).send().unwrap().json().unwrap();
    assert_eq!(health["role"], "leader", "the lease was taken again");
    let second = program.spawn_serve();
    let standing: Value = http().get(format!("{}/healthz", second.url())).send().unwrap().json().unwrap();
    assert_eq!(standing["role"], "stand_by", "and is held");
    program.clone().args(["verify"]).run().succeeded();
    eprintln!("{} acknowledged, {} answers 503 meanwhile", kept.len(), refused.into_inner());
}

#[test]
fn without_a_database_readiness_is_told_within_two_seconds_and_says_what_is_gone() {
    let (cluster, database) = bank();
    let dir = tempfile::tempdir().unwrap();
    let server = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
    let ready = || {
        let began = Instant::now();
        let answer = http().get(format!("{}/readyz", server.url())).send().unwrap();
        (answer.status().as_u16(), answer.json::<Value>().unwrap(), began.elapsed())
    };
    assert_eq!(ready().0, 200);
    drop(cluster);
    for _ in 0..3 {
        let (status, said, took) = ready();
        assert_eq!(status, 503, "{said}");
        // Two seconds, and what a loaded machine adds.
        assert!(took < Duration::from_secs(5), "{took:?}");
        let check = said["checks"].as_array().unwrap().iter().find(|check| check["name"] == "database").cloned().unwrap();
        let detail = check["detail"].as_str().unwrap();
        assert!(check["ok"] == false && detail.contains("postgres://") && detail.contains("/counterfoil"), "{said}");
        assert!(!detail.contains(WRITER) && !detail.contains('@'), "{said}");
    }
}

#[test]
fn a_replica_is_read_from_until_it_falls_behind() {
    let (cluster, database) = bank();
    let replica = cluster.replica();
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(dir.path()).args(["--database", &database]);
    let key = program.clone().args(["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
    let read_url = replica.url(WRITER, "counterfoil");
    let no_replica = program.clone().arg("serve").env("COUNTERFOIL_DATABASE__READ_URL", &database).run().failed_with(2);
    assert!(no_replica.stderr.contains("no replica"), "{}", no_replica.stderr);
    let server = program
        .clone()
        .env("COUNTERFOIL_DATABASE__READ_URL", &read_url)
        .env("COUNTERFOIL_DATABASE__READ_LAG_SECONDS", "2")
        .spawn_serve();
    let get = |path: &str| -> (u16, Value) {
        let answer = http().get(format!("{}{path}", server.url())).bearer_auth(&key).send().unwrap();
        (answer.status().as_u16(), answer.json().unwrap())
    };
    let said = || {
        let checks = get("/readyz").1["checks"].clone();
        let found = checks.as_array().unwrap().iter().find(|check| check["name"] == "replica").cloned();
        found.unwrap_or_else(|| panic!("{checks}"))["detail"].as_str().unwrap().to_owned()
    };
    let until = |words: &str| {
        let began = Instant::now();
        while !said().contains(words) {
            assert!(began.elapsed() < Duration::from_secs(20), "{words}: {}", said());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let entries = || get("/api/v1/accounts/1/entries").1["items"].as_array().map_or(0, Vec::len);
    let send = |n: i64| {
        let body = entry(&format!("R{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1);
        let answer = http().post(format!("{}/api/v1/entries", server.url())).bearer_auth(&key).json(&body).send().unwrap();
        assert_eq!(answer.status(), 201);
    };
    send(0);
    until("read from a replica, 0.");
    let began = Instant::now();
    while entries() != 1 {
        assert!(began.elapsed() < Duration::from_secs(10), "the replica does not follow");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Replay is held: what comes now is not on the replica, which is told from outside and by what it answers.
    let admin = replica.url("postgres", "postgres");
    let pause =
        |sql: &str| assert!(std::process::Command::new("psql").args(["-X", "-q", "-c", sql, &admin]).status().unwrap().success());
    pause("SELECT pg_wal_replay_pause()");
    send(1);
    assert_eq!(entries(), 1, "within the bound the replica is read, as it is");
    until("s behind: read from the primary");
    assert_eq!(entries(), 2, "beyond it the primary is");
    pause("SELECT pg_wal_replay_resume()");
    until("read from a replica, 0.");
    assert_eq!(entries(), 2);
    drop(replica);
    until("does not answer: read from the primary");
    assert_eq!(entries(), 2);
}
