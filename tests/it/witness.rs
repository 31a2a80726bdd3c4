//! A witness on its own: the real program, another folder, and a bank that asks it to sign.

use std::time::{Duration, Instant};

use counterfoil::db::Db;
use counterfoil::trail::store as trail;

use counterfoil::access::Role;
use counterfoil::config;
use counterfoil::trail::refusing;
use counterfoil_verify::Policy;
use counterfoil_verify::check::{Report, open_notes};
use reqwest::Method;
use serde_json::Value;

use crate::bank::{Home, Kind, on_both};
use crate::site::{Answer, Site};
use crate::support::program::Program;
use crate::verifier::exported;

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the newest checkpoint that came back covers at least `size` leaves.
#[track_caller]
fn wait_for_anchor(db: &Db, size: i64) -> trail::AnchorRow {
    let began = Instant::now();
    loop {
        match db.read(trail::newest_anchor).unwrap() {
            Some(anchor) if anchor.size >= size => return anchor,
            _ => assert!(began.elapsed() < PATIENCE, "no witness signed"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_bank_s_log_is_signed_by_its_witness_and_a_restored_copy_is_told_by_mail() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let (database, keys) = (home.url(), home.keys());
        let bank = Program::new(dir.path()).env("COUNTERFOIL_KEYS__DIR", &keys);
        let command = |args: &[&str]| bank.clone().args(args).args(["--database", &database]).run().succeeded().stdout;
        command(&["key", "issue", "--source", "core"]);
        let log = command(&["log", "key"]);
        let mail = dir.path().join("witness-mail");
        let witness = Program::new(dir.path())
            .args(["--log", log.trim(), "--dir", "w", "--name", "witness.example"])
            .env("COUNTERFOIL_MAIL__URL", format!("file:{}", mail.display()))
            .env("COUNTERFOIL_MAIL__ALERTS_TO", "auditor@bank.example")
            .spawn_witness();
        let told = witness.log();
        let key = told.lines().find(|line| line.starts_with("witness.example+")).expect("it prints its key").to_owned();
        let asked = format!("[{{url={:?}, key={key:?}}}]", witness.url());
        let serve = bank.clone().args(["--database", &database]).env("COUNTERFOIL_ANCHOR__WITNESS", asked).spawn_serve();
        let db = Db::open(&database, 1).unwrap();
        let anchor = wait_for_anchor(&db, 1);
        assert_eq!(anchor.kind, "witness");
        // Its signature is kept, so that a policy with a quorum can be met by what is handed out.
        let policy =
            |quorum: &str| Policy::parse(&format!("log {}\nwitness auditor {key}\nquorum {quorum}\n", log.trim())).unwrap();
        let quorum = |note: &str| {
            let mut report = Report::default();
            open_notes(&policy("auditor"), None, note.as_bytes(), &[], &mut report).unwrap();
            report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>()
        };
        let http = |path: &str| reqwest::blocking::get(format!("{}{path}", serve.url())).unwrap();
        let witnessed = http("/log/checkpoint?witnesses=1").text().unwrap();
        assert_eq!(quorum(&witnessed), [""; 0], "{witnessed}");
        assert_eq!(quorum(&http("/log/checkpoint").text().unwrap()), ["quorum_missed"], "the newest is not signed yet");
        let missing = http("/log/checkpoint?witnesses=2");
        assert_eq!((missing.status().as_u16(), missing.headers()["retry-after"].to_str().unwrap()), (503, "60"));
        assert_eq!(http("/log/checkpoint?witnesses=65").status(), 400);
        assert_eq!(quorum(&command(&["log", "checkpoint", "--witnesses", "1"])), [""; 0]);
        let out = dir.path().join("out").display().to_string();
        command(&["log", "export", "--witnesses", "1", "--out", &out]);
        let exported = exported::folder(&dir.path().join("out"));
        assert_eq!(quorum(std::str::from_utf8(&exported.0["checkpoint"]).unwrap()), [""; 0]);
        assert_eq!(exported.findings(&log.trim().parse().unwrap(), &[]), [""; 0], "leaves and tiles are those it covers");
        let many = bank.clone().args(["log", "export", "--witnesses", "2", "--out", "more", "--database", &database]);
        assert!(many.run().failed_with(2).stderr.contains("no checkpoint that 2 witnesses signed"));
        assert!(!dir.path().join("more").exists(), "what was not exported leaves nothing behind");
        drop(serve);
        if kind == Kind::Postgres {
            return;
        }
        // Somebody with the key and the database begins the log anew from an older state.
        let folder = std::fs::read_dir(dir.path().join("w")).unwrap();
        assert_eq!(folder.count(), 2, "the key and one checkpoint");
        let origin = log.split('+').next().unwrap();
        let secret = std::fs::read_to_string(format!("{keys}/{}.key", origin.replace('/', "_"))).unwrap();
        let signer: counterfoil_verify::SignerKey = secret.trim().parse().unwrap();
        let forged = counterfoil_verify::Checkpoint::new(origin, 1, [7; 32]).sign(&[&signer]).unwrap();
        let body = counterfoil::witness::Request { old: 0, proof: Vec::new(), note: forged }.body();
        let answer =
            reqwest::blocking::Client::new().post(format!("{}/add-checkpoint", witness.url())).body(body).send().unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (409, "text/x.tlog.size"));
        let began = Instant::now();
        while std::fs::read_dir(&mail).map_or(0, Iterator::count) == 0 {
            assert!(began.elapsed() < PATIENCE, "the alarm is mailed");
            std::thread::sleep(Duration::from_millis(100));
        }
        let eml = std::fs::read_dir(&mail).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(eml).unwrap();
        assert!(text.contains("it has shrunk"), "{text}");
    });
}

#[test]
fn a_witness_that_refuses_is_told_of_until_it_signs_again() {
    on_both(|kind| {
        let key = counterfoil_verify::SignerKey::witness_from_seed("w.example", [3; 32]).unwrap().verifier().to_string();
        let site = Site::with(kind, |config| {
            config.anchor.witness = vec![config::Witness { url: "http://127.0.0.1:1".into(), key: key.clone() }];
        });
        let officer = site.sign_in(Role::Officer);
        let page = || Answer::of(site.plain(Method::GET, "/trail").header("cookie", &officer.cookie).send().unwrap()).text;
        let ready = || {
            let answer = Answer::of(site.plain(Method::GET, "/readyz").send().unwrap());
            let body: Value = serde_json::from_str(&answer.text).unwrap();
            let checks = body["checks"].as_array().unwrap().clone();
            checks.into_iter().find(|check| check["name"] == "witness").unwrap()
        };
        assert!(!page().contains("refuses to sign") && ready()["warning"] == false);
        let why = || Some("it has seen another root of 5 leaves".to_owned());
        refusing::note(&site.app.log(), "w.example", why()).unwrap();
        refusing::note(&site.app.log(), "w.example", why()).unwrap();
        assert_eq!(site.events("witness.refused").len(), 1, "told once");
        assert!(page().contains("Witness w.example has not signed since"), "{}", page());
        let said = ready();
        assert!(said["warning"] == true && said["detail"].as_str().unwrap().contains("another root of 5 leaves"), "{said}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
        refusing::note(&site.app.log(), "w.example", None).unwrap();
        assert_eq!(site.events("witness.agreed").len(), 1);
        assert!(!page().contains("Needs attention") && ready()["warning"] == false, "{}", page());
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn a_server_says_that_its_witness_has_seen_more_than_it_has() {
    let (home, dir) = (Home::new(Kind::Sqlite), tempfile::tempdir().unwrap());
    let (database, keys) = (home.url(), home.keys());
    let bank = Program::new(dir.path()).env("COUNTERFOIL_KEYS__DIR", &keys);
    let command = |args: &[&str]| bank.clone().args(args).args(["--database", &database]).run().succeeded().stdout;
    command(&["key", "issue", "--source", "core"]);
    let log = command(&["log", "key"]);
    let witness = Program::new(dir.path()).args(["--log", log.trim(), "--dir", "w", "--name", "w.example"]).spawn_witness();
    let told = witness.log();
    let key = told.lines().find(|line| line.starts_with("w.example+")).expect("it prints its key").to_owned();
    let origin = log.split('+').next().unwrap();
    let secret = std::fs::read_to_string(format!("{keys}/{}.key", origin.replace('/', "_"))).unwrap();
    let signer: counterfoil_verify::SignerKey = secret.trim().parse().unwrap();
    let ahead = counterfoil_verify::Checkpoint::new(origin, 1_000_000, [7; 32]).sign(&[&signer]).unwrap();
    let body = counterfoil::witness::Request { old: 0, proof: Vec::new(), note: ahead }.body();
    let http = reqwest::blocking::Client::new();
    let answer = http.post(format!("{}/add-checkpoint", witness.url())).body(body).send().unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let asked = format!("[{{url={:?}, key={key:?}}}]", witness.url());
    let serve = bank.clone().args(["--database", &database]).env("COUNTERFOIL_ANCHOR__WITNESS", asked).spawn_serve();
    let began = Instant::now();
    loop {
        let ready: Value = http.get(format!("{}/readyz", serve.url())).send().unwrap().json().unwrap();
        let check = ready["checks"].as_array().unwrap().iter().find(|check| check["name"] == "witness").unwrap().clone();
        if check["warning"] == true {
            assert!(check["detail"].as_str().unwrap().contains("it has seen 1000000 leaves"), "{check}");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{ready}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
