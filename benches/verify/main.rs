//! How fast a log is verified, beside plain SHA-256 of the same leaves in the same run.
//!
//! `cargo bench --bench verify -- [entries] [rounds]`: a log of so many entries is written through
//! the sequencer first (10,000,000 unless said otherwise) and kept where `COUNTERFOIL_BENCH_KEEP`
//! names a file, so that the next run finds it. `COUNTERFOIL_BENCH_POSTGRES=postgres://…` (an empty
//! database, or one that this bench filled) measures PostgreSQL too. `-- continuity [entries] [rounds]` measures the
//! check of continuity by itself over the same file, `-- ingest [entries] [rounds]`
//! measures what the trail costs while entries are taken in.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod continuity;
mod ingest;
#[path = "../throughput/rows.rs"]
#[allow(dead_code)]
mod rows;

use std::sync::mpsc::channel;
use std::time::Instant;

use counterfoil::audit::{self, Given, Options};
use counterfoil::clock::Clock;
use counterfoil::config::Config;
use counterfoil::db::{self, Db, bulk};
use counterfoil::intake::{self, Delivery, DeliveryKind, Row, Submission};
use counterfoil::ledger::leaves;
use counterfoil::trail::{Changed, NewEvent, store as trail};
use sha2::{Digest, Sha256};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNTS: u64 = 100_000;
/// Entries in one submission.
const BATCH: usize = 5_000;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let entries = numbers.first().copied().unwrap_or(10_000_000);
    let rounds = numbers.get(1).copied().unwrap_or(3);
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    if std::env::args().any(|a| a == "ingest") {
        return ingest::measure(entries.min(1_000_000), rounds);
    }
    let dir = tempfile::tempdir().unwrap();
    let file = std::env::var("COUNTERFOIL_BENCH_KEEP").unwrap_or_else(|_| dir.path().join("verify.db").display().to_string());
    if std::env::args().any(|a| a == "continuity") {
        let db = written(&format!("sqlite:{file}"), &Config::default(), entries);
        return continuity::measure(&db, rounds);
    }
    println!(
        "| database | leaves | SHA-256 of the same bytes on one core, leaves/s | verify, leaves/s | ratio | CPU s |\n|---|---|---|---|---|---|"
    );
    measure("SQLite", &format!("sqlite:{file}"), entries, rounds);
    if let Ok(url) = std::env::var("COUNTERFOIL_BENCH_POSTGRES") {
        measure("PostgreSQL", &url, entries, rounds);
    }
}

fn measure(name: &str, url: &str, entries: usize, rounds: usize) {
    let config = Config::default();
    let db = written(url, &config, entries);
    let leaves = db.read(trail::state).unwrap().unwrap().size as f64;
    let (mut plain, mut ours, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.push(leaves / hash_again(&db));
        let (began, used) = (Instant::now(), cpu_seconds());
        let options = Options { config: &config, now: Clock::system().now(), progress: &|_, _| {}, given: Given::NONE };
        let outcome = audit::verify(&db, options).unwrap();
        assert!(outcome.ok, "{:?}", outcome.findings.first());
        ours.push(leaves / began.elapsed().as_secs_f64());
        cpu.push(cpu_seconds() - used);
    }
    let (plain, ours, cpu) = (median(plain), median(ours), median(cpu));
    println!("| {name} | {leaves:.0} | {plain:.0} | {ours:.0} | {:.2} | {cpu:.1} |", ours / plain);
}

/// The log, written unless a run before has left it.
fn written(url: &str, config: &Config, entries: usize) -> Db {
    let db = Db::open(url, 2).unwrap();
    db::migrate::up(&mut db.connect().unwrap()).unwrap();
    if db.read(trail::state).unwrap().is_none_or(|state| (state.size as usize) < entries) {
        write(&db, config, entries);
    }
    db
}

/// Writes the log, in submissions, at most eight waiting; answers the seconds of processor time that
/// making the entries up took.
fn write(db: &Db, config: &Config, entries: usize) -> f64 {
    let intake = intake::start(db, config, Clock::system()).unwrap();
    let act = intake.log().act(move |tx| {
        let id = tx.append(NewEvent::public("source.defined", serde_json::json!({ "name": "bench" })))?;
        let row = counterfoil::ledger::store::SourceRow { id, name: "bench".into(), created_at: tx.now().0 };
        bulk::append(tx.conn, &[row])?;
        tx.changed(Changed::Sources);
        Ok(id)
    });
    let source = act.unwrap();
    let mut stream = rows::Stream::new(ACCOUNTS, 0);
    let (send, receive) = channel();
    let (mut done, mut waiting, mut making) = (0, 0, 0.0);
    while done < entries || waiting > 0 {
        if done < entries && waiting < 8 {
            let began = Instant::now();
            let some = stream.take(BATCH.min(entries - done));
            making += began.elapsed().as_secs_f64();
            done += some.len();
            let rows = some.into_iter().map(|entry| Row { line: 1, entry: Ok(entry), with_next: false }).collect();
            let send = send.clone();
            let reply: intake::Reply = Box::new(move |results| send.send(results.unwrap().len()).unwrap());
            let delivery = Delivery { kind: DeliveryKind::Import, api_key: None, origin: None };
            intake.submit_wait(Submission { source, delivery, rows, atomic: false, history: true, reply }).unwrap();
            waiting += 1;
        } else {
            receive.recv().unwrap();
            waiting -= 1;
        }
    }
    intake.stop();
    making
}

/// Seconds that SHA-256 alone takes for every leaf's bytes on one core; reading them is not counted.
fn hash_again(db: &Db) -> f64 {
    let mut conn = db.connect().unwrap();
    let state = trail::state(&mut conn).unwrap().unwrap();
    let (mut seconds, mut sum) = (0.0, 0_u8);
    let mut from = 0;
    while from < state.size.min(1_000_000) {
        let until = state.size.min(from + 50_000);
        let bytes = leaves::bytes(&mut conn, from, until).unwrap();
        let began = Instant::now();
        for (_, leaf) in &bytes {
            sum ^= Sha256::new_with_prefix([0]).chain_update(leaf).finalize()[0];
        }
        seconds += began.elapsed().as_secs_f64();
        from = until;
    }
    std::hint::black_box(sum);
    seconds * state.size as f64 / from as f64
}

/// Processor time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
