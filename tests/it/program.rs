//! The program itself: commands beside a running `serve`, exit codes, what survives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bank::{Ending, Home, entry, on_both};
use crate::support::program::Program;

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap()
}

#[test]
fn every_command_works_beside_a_running_serve() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let command = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database]);
        let mut serve = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
        let key = command(&["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
        let password = "correct horse battery staple\n";
        let add = ["user", "add", "--email", "a@bank.example", "--role", "officer", "--password-stdin"];
        command(&add).input(password).run().succeeded();
        command(&add).input(password).run().failed_with(2);
        let file = dir.path().join("day.ndjson");
        let mut lines: Vec<String> =
            (0..3).map(|i| entry(&format!("N{i}"), "1", "2026-03-02T10:00:00Z", i, i + 1).to_string()).collect();
        lines.push("{\"source_ref\":\"bad\"}".into());
        std::fs::write(&file, lines.join("\n")).unwrap();
        let import = ["import", file.to_str().unwrap(), "--source", "core", "--json"];
        let summary = json(&command(&import).run().failed_with(1).stdout);
        assert_eq!((&summary["read"], &summary["recorded"], &summary["rejected"]), (&4.into(), &3.into(), &1.into()));
        let again = json(&command(&import).run().failed_with(1).stdout);
        assert_eq!((&again["recorded"], &again["duplicates"]), (&0.into(), &3.into()), "{kind:?}");
        let rejects = std::fs::read_to_string(dir.path().join("day.ndjson.rejects.csv")).unwrap();
        assert!(rejects.contains("field_required"), "{rejects}");
        let made = command(&["nightly", "--date", "2026-03-02"]).run().succeeded().stdout;
        assert_eq!(made.trim(), "2026-03-02 version 1 stored");
        let report =
            json(&command(&["report", "--date", "2026-03-02", "--format", "json"]).run().succeeded().stdout.replace('\n', ""));
        assert_eq!(report["totals"]["USD"]["entries"], 3);
        command(&["verify", "--json"]).run().succeeded();
        let url = serve.url();
        let answer = reqwest::blocking::Client::new().get(format!("{url}/api/v1/accounts/1")).bearer_auth(&key).send().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(serve.terminate(), Some(0), "a clean stop");
        let exported = command(&["export", "entries", "--format", "ndjson"]).run().succeeded().stdout;
        assert_eq!(exported.lines().count(), 3);
    });
}

#[test]
fn a_command_that_waits_for_a_killed_serve_does_its_work_itself_and_once() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let command = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database]);
        let mut serve = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
        // It has the lease and answers nothing.
        let stop = std::process::Command::new("kill").args(["-STOP", &serve.pid().to_string()]).status().unwrap();
        assert!(stop.success());
        let add = ["user", "add", "--email", "a@bank.example", "--role", "officer", "--password-stdin"];
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| command(&add).input("correct horse battery staple\n").run());
            std::thread::sleep(Duration::from_secs(4));
            serve.kill9();
            let killed = Instant::now();
            waiting.join().unwrap().succeeded();
            eprintln!("{kind:?}: done {:?} after the kill", killed.elapsed());
        });
        let listed = command(&["user", "list"]).run().succeeded().stdout;
        assert_eq!(listed.matches("a@bank.example").count(), 1, "{listed}");
        command(&["verify"]).run().succeeded();
    });
}

#[test]
fn verify_beside_a_busy_server_finds_nothing() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let program = Program::new(dir.path()).args(["--database", &home.url()]);
        let key = program.clone().args(["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
        let serve = program.spawn_serve();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _ending = Ending(&stop);
            scope.spawn(|| {
                let http = reqwest::blocking::Client::new();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let body = entry(&format!("L{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1);
                    let sent = http.post(format!("{}/api/v1/entries", serve.url())).bearer_auth(&key).json(&body).send();
                    assert_eq!(sent.unwrap().status(), 201);
                }
            });
            // A checkpoint is signed every second: of four runs some meet one on their way.
            for _ in 0..4 {
                let verified = program.clone().args(["verify", "--json"]).run();
                assert!(verified.code == Some(0), "{}", verified.stdout);
                std::thread::sleep(Duration::from_millis(700));
            }
        });
    });
}

#[test]
fn garbage_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("g.db").display());
    let garbage: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (name, bytes) in [
        ("noise.bin", garbage.as_slice()),
        ("empty.csv", b""),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00\x00"),
        ("head.csv", b"a,b\n1,2\n"),
    ] {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        let run = Program::new(dir.path()).args(["import", name, "--source", "x", "--database", &database]).run();
        assert!(run.code == Some(2) || run.code == Some(1), "{name}: {run:?}");
        assert!(!run.stderr.contains("panicked") && run.stderr.len() > 20, "{name}: {}", run.stderr);
    }
}

#[test]
fn the_database_file_and_those_beside_it_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("p.db").display());
    let _serve = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
    for name in ["p.db", "p.db-wal", "p.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[test]
fn a_checkpoint_kept_in_a_mailbox_tells_whether_the_log_was_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("bank.db").display());
    let command = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database]);
    command(&["key", "issue", "--source", "core"]).run().succeeded();
    let key = command(&["log", "key"]).run().succeeded().stdout.trim().to_owned();
    let note = command(&["log", "checkpoint"]).run().succeeded().stdout;
    let kept = dir.path().join("kept.eml");
    std::fs::write(&kept, format!("Subject: kept\n\n{}", note.lines().map(|l| format!("> {l}\n")).collect::<String>())).unwrap();
    command(&["key", "issue", "--source", "other"]).run().succeeded();
    let file = kept.to_str().unwrap();
    let told = json(&command(&["verify", "--json", "--key", &key, "--checkpoint", file]).run().succeeded().stdout);
    assert_eq!((&told["ok"], &told["levels"][0]["level"]), (&true.into(), &"L0".into()), "{told}");
    // Whoever has the database and the key signs another history: only what was kept outside tells.
    let origin = key.split('+').next().unwrap();
    let secret = std::fs::read_to_string(dir.path().join(format!("keys/{}.key", origin.replace('/', "_")))).unwrap();
    let signer: counterfoil_verify::SignerKey = secret.trim().parse().unwrap();
    let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
    let other = counterfoil_verify::Checkpoint::new(origin, size, [9; 32]).sign(&[&signer]).unwrap();
    std::fs::write(&kept, other.to_string()).unwrap();
    let told = json(&command(&["verify", "--json", "--checkpoint", file]).run().failed_with(1).stdout);
    assert_eq!((&told["findings"][0]["kind"], &told["findings"][0]["level"]), (&"checkpoint_contradicts".into(), &"L0".into()));
    let stranger = counterfoil_verify::SignerKey::from_seed("another/log", [4; 32]).unwrap();
    command(&["verify", "--key", &stranger.verifier().to_string()]).run().failed_with(1);
}

#[test]
fn a_password_typed_at_a_terminal_is_not_shown() {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("bank.db").display());
    let line = format!(
        "{} user add --email ada@bank.example --role officer --password-stdin --database {database}",
        env!("CARGO_BIN_EXE_counterfoil")
    );
    // `script` runs it at a terminal of its own.
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--echo", "never", "--command", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .current_dir(dir.path())
        .spawn()
        .unwrap();
    let (mut shown, mut output) = (String::new(), terminal.stdout.take().unwrap());
    let mut piece = [0; 256];
    while !shown.contains("it is not shown") {
        let read = output.read(&mut piece).unwrap();
        assert!(read > 0, "it ended before it asked: {shown}");
        shown.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    let mut input = terminal.stdin.take().unwrap();
    input.write_all(b"canary ocelot brick\n").unwrap();
    output.read_to_string(&mut shown).unwrap();
    assert!(terminal.wait().unwrap().success(), "{shown}");
    assert!(shown.contains("can sign in as officer") && !shown.contains("canary"), "{shown}");
}
