//! Back-up while entries come in, and what a restored copy can prove: that it is whole up to a checkpoint, or that
//! it is older than one.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use serde_json::Value;

use crate::bank::{Home, Kind, entry, on_both};
use crate::support::cluster::cluster;
use crate::support::program::{Output, Program};

fn run(dir: &Path, database: &str, args: &[&str]) -> Output {
    Program::new(dir).args(args).args(["--database", database]).run()
}

/// Sends one entry after the other until told to end; answers how many were acknowledged.
fn send(url: &str, key: &str, next: &AtomicI64, end: &AtomicBool) -> usize {
    let http = reqwest::blocking::Client::new();
    let mut acknowledged = 0;
    while !end.load(Ordering::Relaxed) {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let body = entry(&format!("L{n}"), &format!("A{}", n % 7), "2026-03-02T10:00:00Z", 0, n);
        let answer = http.post(format!("{url}/api/v1/entries")).bearer_auth(key).json(&body).send().unwrap();
        assert_eq!(answer.status(), 201);
        acknowledged += 1;
    }
    acknowledged
}

/// Makes a copy of the database in `home` as docs/operations.md says; answers the copy's address.
fn copied(home: &Home, dir: &Path) -> String {
    match home {
        Home::Sqlite(_) => {
            let folder = dir.join("elsewhere");
            std::fs::create_dir(&folder).unwrap();
            let to = folder.join("copy.db");
            let made = run(dir, &home.url(), &["backup", "--json", "--to", to.to_str().unwrap()]).succeeded();
            let said: Value = serde_json::from_str(&made.stdout).unwrap();
            assert!(said["size"].as_i64() > Some(10) && said["root"].as_str().map(str::len) == Some(64), "{said}");
            let again = run(dir, &home.url(), &["backup", "--to", to.to_str().unwrap()]).failed_with(2);
            assert!(again.stderr.contains("exists"), "a backup is never written over: {}", again.stderr);
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
            format!("sqlite:{}", to.display())
        }
        Home::Postgres(..) => {
            let refused = run(dir, &home.url(), &["backup", "--to", "x.db"]).failed_with(2);
            assert!(refused.stderr.contains("pg_basebackup"), "{}", refused.stderr);
            let file = dir.join("bank.dump");
            let dump = Command::new("pg_dump").args(["--format=custom", "--file"]).arg(&file).arg(home.owner_url()).output();
            let dump = dump.expect("pg_dump is on the path");
            assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            let name = format!("restored_{}", std::process::id());
            let admin = cluster().url("postgres", "postgres");
            let sql = format!("CREATE DATABASE {name} OWNER counterfoil_owner TEMPLATE template0");
            assert!(Command::new("psql").args(["-X", "-q", "-c", &sql, &admin]).status().unwrap().success());
            let target = cluster().url("postgres", &name);
            let restore = Command::new("pg_restore").args(["--exit-on-error", "--dbname", &target]).arg(&file).output().unwrap();
            assert!(restore.status.success(), "{}", String::from_utf8_lossy(&restore.stderr));
            cluster().url("counterfoil_writer", &name)
        }
    }
}

#[test]
fn a_copy_made_under_load_is_proven_complete_or_older_than_a_checkpoint() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let (database, keys) = (home.url(), dir.path().join("keys"));
        let issued = Program::new(dir.path()).args(["key", "issue", "--source", "core", "--database", &database]);
        let key = issued.env("COUNTERFOIL_KEYS__DIR", &keys).run().succeeded().stdout.trim().to_owned();
        let program = Program::new(dir.path()).args(["--database", &database]).env("COUNTERFOIL_KEYS__DIR", &keys);
        let serve = program.spawn_serve();
        let checkpoint = |name: &str| {
            let path = dir.path().join(name);
            let signed = program.clone().args(["log", "checkpoint"]).run().succeeded().stdout;
            std::fs::write(&path, signed).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (next, end) = (AtomicI64::new(1), AtomicBool::new(false));
        let (copy, before) = std::thread::scope(|scope| {
            let (url, key, next, end) = (serve.url(), &key, &next, &end);
            let sender = scope.spawn(move || send(&url, key, next, end));
            while next.load(Ordering::Relaxed) < 20 {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            // The log is signed every second.
            std::thread::sleep(std::time::Duration::from_millis(1_200));
            let before = checkpoint("before.txt");
            let copy = copied(&home, dir.path());
            std::thread::sleep(std::time::Duration::from_millis(1_200));
            end.store(true, Ordering::Relaxed);
            assert!(sender.join().unwrap() > 20);
            (copy, before)
        });
        let after = checkpoint("after.txt");
        let verifier = program.clone().args(["log", "key"]).run().succeeded().stdout;
        let verify = |checkpoint: &str| {
            let elsewhere = tempfile::tempdir().unwrap();
            let args = ["verify", "--json", "--no-record", "--key", verifier.trim(), "--checkpoint", checkpoint];
            let run = run(elsewhere.path(), &copy, &args);
            (run.code, serde_json::from_str::<Value>(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run:?}")))
        };
        let (code, complete) = verify(&before);
        assert_eq!(
            (code, &complete["findings"]),
            (Some(0), &serde_json::json!([])),
            "{kind:?}: it has all that was signed before it"
        );
        let (code, older) = verify(&after);
        let findings = older["findings"].as_array().unwrap();
        assert_eq!((code, findings.len()), (Some(1), 1), "{kind:?}: {older}");
        let detail = findings[0]["detail"].as_str().unwrap();
        assert!(findings[0]["level"] == "L0" && detail.contains("leaves"), "it is older, and says so: {detail}");
        if kind == Kind::Postgres {
            let name = copy.rsplit('/').next().unwrap();
            let sql = format!("DROP DATABASE {name} WITH (FORCE)");
            let admin = cluster().url("postgres", "postgres");
            assert!(Command::new("psql").args(["-X", "-q", "-c", &sql, &admin]).status().unwrap().success());
        }
    });
}
