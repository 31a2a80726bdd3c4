//! PostgreSQL: between a request to commit and its answer the server syncs its log.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::{Db, migrate};
use counterfoil::intake::{self, Delivery, DeliveryKind, Submission};

use crate::bank::{Bank, define_source, entry};
use crate::support::cluster::Cluster;

const ENTRIES: i64 = 12;

/// Traces the server and everything it starts from now on.
fn attach(cluster: &Cluster, trace: &std::path::Path) -> Child {
    let file = cluster.folder().join("data/postmaster.pid");
    let postmaster = std::fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned();
    let calls = "trace=recvfrom,sendto,fsync,fdatasync";
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-s", "200", "-e", calls, "-p", &postmaster, "-o"]).arg(trace);
    let mut strace = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let strace = strace.as_mut().expect("strace is needed for this test: run scripts/setup");
    let began = Instant::now();
    while !is_traced(&postmaster) {
        assert!(began.elapsed() < Duration::from_secs(20), "strace does not attach; may this user trace processes?");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::mem::replace(strace, Command::new("true").spawn().unwrap())
}

fn is_traced(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
}

/// How many commits of one backend were answered, and how many of them after a sync of the log that
/// began after the request.
fn commits(trace: &str) -> (usize, usize) {
    let (mut answered, mut synced) = (0, 0);
    let mut waiting: HashMap<&str, bool> = HashMap::new();
    // Syncs that strace shows in two lines because another process came between, and who waited when each began.
    let mut begun: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in trace.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.contains("recv") && call.contains("COMMIT") {
            waiting.insert(process, false);
        } else if is_log_sync(call) && call.ends_with("<unfinished ...>") {
            begun.insert(process, waiting.keys().copied().collect());
        } else if is_log_sync(call) && call.ends_with("= 0") {
            // Whoever syncs the log syncs it for everybody who wrote to it before.
            waiting.values_mut().for_each(|done| *done = true);
        } else if call.starts_with("<... f") && call.contains("sync resumed") && call.ends_with("= 0") {
            let before = begun.remove(process).unwrap_or_default();
            waiting.iter_mut().filter(|(process, _)| before.contains(process)).for_each(|(_, done)| *done = true);
        } else if call.starts_with("sendto")
            && call.contains("COMMIT")
            && let Some(done) = waiting.remove(process)
        {
            (answered, synced) = (answered + 1, synced + usize::from(done));
        }
    }
    (answered, synced)
}

fn is_log_sync(call: &str) -> bool {
    let sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
    sync && call.contains("pg_wal")
}

#[test]
fn postgres_syncs_its_log_between_a_commit_and_its_answer() {
    let cluster = Cluster::start();
    let database = cluster.empty_database();
    migrate::up(&mut Db::open(database.url(), 1).unwrap().connect().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace.txt");
    let mut strace = attach(&cluster, &trace);
    let mut config = Config::default();
    config.keys.dir = dir.path().join("keys").display().to_string();
    let db = Db::open(database.url(), 2).unwrap();
    let intake = intake::start(&db, &config, Clock::fixed(Moment(1_772_452_800_000_000), 7)).unwrap();
    let source = define_source(&intake, "core");
    for n in 0..ENTRIES {
        let (send, receive) = std::sync::mpsc::channel();
        let reply: intake::Reply = Box::new(move |results| send.send(results.is_ok()).unwrap());
        let rows = vec![Bank::row(1, entry(&format!("T{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1))];
        let delivery = Delivery { kind: DeliveryKind::Api, api_key: None, origin: None };
        intake.submit_wait(Submission { source, delivery, rows, atomic: false, history: false, reply }).unwrap();
        assert!(receive.recv().unwrap());
    }
    intake.halt();
    drop(db);
    Command::new("kill").args(["-INT", &strace.id().to_string()]).status().unwrap();
    strace.wait().unwrap();
    let trace = std::fs::read_to_string(&trace).unwrap();
    let (answered, synced) = commits(&trace);
    assert!(answered as i64 > ENTRIES, "{answered} commits were traced");
    // A commit that wrote nothing has nothing to sync: those of readers.
    assert!(synced as i64 > ENTRIES, "{synced} of {answered} commits were synced before their answer");
    let without: String = trace
        .lines()
        .filter(|line| !line.contains("sync(") && !line.contains("sync resumed"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(commits(&without), (answered, 0), "the check can fail");
}
