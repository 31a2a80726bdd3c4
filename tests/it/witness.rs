//! A witness on its own: the real program, another folder, and a bank that asks it to sign.

use std::time::{Duration, Instant};

use counterfoil::db::Db;
use counterfoil::trail::store as trail;

use crate::bank::{Home, Kind, on_both};
use crate::support::program::Program;

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
