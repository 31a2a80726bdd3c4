//! Entries recorded per second, durably, beside what the database takes of the same rows without
//! any of it. One table in one run: alternating rounds, medians, the machine's fsync latency.
//!
//! `cargo bench --bench throughput -- [rows] [rounds] [sqlite|postgres|http|peer …] [batch=1000]`:
//! words choose parts of it, none means all. `COUNTERFOIL_BENCH_POSTGRES=postgres://…` adds
//! PostgreSQL (an empty database). `../shared/peers/seed_baseline.py`, where it is, is run too.
//! `-- spike [rows] [batch=1000] [alone]` instead appends that many rows to one file, beside the raw insert.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod http;
mod peer;
mod raw;
mod rows;
mod spike;

use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Instant;

use counterfoil::clock::Clock;
use counterfoil::config::Config;
use counterfoil::db::{self, Db, bulk};
use counterfoil::intake::{self, Delivery, DeliveryKind, Intake, Row, RowResult, Submission};
use counterfoil::ledger::NewEntry;
use counterfoil::trail::NewEvent;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: [usize; 4] = [1, 100, 1_000, 10_000];

/// What was asked for on the command line.
struct Asked {
    rows: usize,
    rounds: usize,
    batches: Vec<usize>,
    parts: Vec<String>,
}

impl Asked {
    fn read() -> Asked {
        // Cargo adds `--bench`.
        let (options, words): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|a| a.starts_with('-'));
        drop(options);
        let numbers: Vec<usize> = words.iter().filter_map(|a| a.parse().ok()).collect();
        let batches: Vec<usize> = words.iter().filter_map(|a| a.strip_prefix("batch=")?.parse().ok()).collect();
        let is_part = |a: &&String| a.chars().all(|c| c.is_ascii_lowercase());
        Asked {
            rows: numbers.first().copied().unwrap_or(200_000),
            rounds: numbers.get(1).copied().unwrap_or(5),
            batches: if batches.is_empty() { BATCHES.to_vec() } else { batches },
            parts: words.iter().filter(is_part).cloned().collect(),
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|p| p == part)
    }
}

fn main() {
    let asked = Asked::read();
    println!("rows {} (fewer for small batches), rounds {}, medians; entries per second", asked.rows, asked.rounds);
    fsync();
    if asked.parts.iter().any(|p| p == "spike") {
        let alone = asked.parts.iter().any(|p| p == "alone");
        return spike::measure(asked.rows, asked.batches[0], alone);
    }
    if asked.wants("sqlite") {
        sqlite(&asked);
    }
    if let (true, Ok(url)) = (asked.wants("postgres"), std::env::var("COUNTERFOIL_BENCH_POSTGRES")) {
        postgres(&url, &asked);
    }
    if asked.wants("http") {
        http::measure(asked.rows, asked.rounds);
    }
    if asked.wants("peer") {
        peer::measure();
    }
}

/// Small batches are bounded by fsync: fewer rows tell the same.
fn rows_for(batch: usize, rows: usize) -> usize {
    match batch {
        1 => 2_000.min(rows),
        100 => 50_000.min(rows),
        _ => rows,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn fsync() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(dir.path().join("f")).unwrap();
    let mut micros: Vec<f64> = (0..500)
        .map(|_| {
            file.write_all(&[7; 4096]).unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    println!("fdatasync after 4 KiB appended: p50 {:.0} us, p99 {:.0} us", micros[250], micros[495]);
}

fn head(database: &str, raw: &str) {
    println!(
        "\n| {database}, in process, batch | {raw} | through the sequencer | ratio | CPU of sequencer + committer, us per entry |"
    );
    println!("|---|---|---|---|---|");
}

fn sqlite(asked: &Asked) {
    head("SQLite", "raw prepared insert");
    for &batch in &asked.batches {
        let n = rows_for(batch, asked.rows);
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for round in 0..asked.rounds {
            let dir = tempfile::tempdir().unwrap();
            let url = |name: &str| format!("sqlite:{}", dir.path().join(name).display());
            raw.push(raw::sqlite(&dir.path().join("raw.db"), &rows::stored(n), batch));
            ours.push(sequencer(&url("ours.db"), n, batch, round));
        }
        report(batch, raw, ours);
    }
}

fn postgres(url: &str, asked: &Asked) {
    head("PostgreSQL", "raw binary COPY");
    let db = Db::open(url, 2).unwrap();
    db::migrate::up(&mut db.connect().unwrap()).unwrap();
    for &batch in &asked.batches {
        let n = rows_for(batch, asked.rows);
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for round in 0..asked.rounds {
            raw.push(raw_copy(&db, n, batch));
            ours.push(sequencer(url, n, batch, round + 100 * batch));
        }
        report(batch, raw, ours);
    }
}

fn raw_copy(db: &Db, n: usize, batch: usize) -> f64 {
    let mut conn = db.connect().unwrap();
    // A table of the same name in a schema of its own, without triggers.
    conn.execute(
        "DROP SCHEMA IF EXISTS raw CASCADE; CREATE SCHEMA raw; CREATE TABLE raw.entries (LIKE public.entries INCLUDING INDEXES)",
    )
    .unwrap();
    conn.execute("SET search_path TO raw").unwrap();
    let rows = rows::stored(n);
    let began = Instant::now();
    for chunk in rows.chunks(batch) {
        conn.write(|conn| bulk::append(conn, chunk)).map_err(|e: db::DbError| e).unwrap();
    }
    n as f64 / began.elapsed().as_secs_f64()
}

/// Entries per second, and the processor time of the two threads per entry.
struct Measured {
    rate: f64,
    sequencer: f64,
    committer: f64,
}

fn report(batch: usize, raw: Vec<f64>, ours: Vec<Measured>) {
    let ratios = raw.iter().zip(&ours).map(|(raw, ours)| ours.rate / raw).collect();
    let of = |part: fn(&Measured) -> f64| median(ours.iter().map(part).collect());
    let (rate, sequencer, committer) = (of(|m| m.rate), of(|m| m.sequencer), of(|m| m.committer));
    println!("| {batch} | {:.0} | {rate:.0} | {:.2} | {sequencer:.2} + {committer:.2} |", median(raw), median(ratios));
}

/// Microseconds of processor time that this process's thread of that name has used.
fn thread_cpu(name: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let mut named = tasks.filter(|t| std::fs::read_to_string(t.path().join("comm")).is_ok_and(|comm| comm.trim() == name));
    let spent = named.next().and_then(|t| std::fs::read_to_string(t.path().join("schedstat")).ok());
    spent.and_then(|s| s.split(' ').next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1_000.0
}

/// Records `n` entries in submissions of `batch`, at most eight waiting, all acknowledged.
fn sequencer(url: &str, n: usize, batch: usize, round: usize) -> Measured {
    let db = Db::open(url, 2).unwrap();
    let intake = intake::start(&db, &Config::default(), Clock::system()).unwrap();
    let source = source(&intake, &format!("bench-{round}"));
    let batches = in_batches(rows::entries(n, round), batch);
    let cpu_before = (thread_cpu("sequencer"), thread_cpu("committer"));
    let began = Instant::now();
    record(&intake, source, batches);
    let seconds = began.elapsed().as_secs_f64();
    let each = |before: f64, name: &str| (thread_cpu(name) - before) / n as f64;
    let measured = Measured {
        rate: n as f64 / seconds,
        sequencer: each(cpu_before.0, "sequencer"),
        committer: each(cpu_before.1, "committer"),
    };
    intake.stop();
    measured
}

fn in_batches(entries: Vec<NewEntry>, batch: usize) -> Vec<Vec<Row>> {
    let mut batches = Vec::new();
    let mut rest = entries.into_iter().peekable();
    while rest.peek().is_some() {
        let rows = rest.by_ref().take(batch);
        batches.push(rows.map(|entry| Row { line: 1, entry: Ok(entry), with_next: false }).collect());
    }
    batches
}

/// Submits everything, at most eight submissions waiting, and waits until all is acknowledged.
fn record(intake: &Intake, source: i64, batches: Vec<Vec<Row>>) {
    let total: usize = batches.iter().map(Vec::len).sum();
    let (send, receive) = channel();
    let (mut waiting, mut recorded) = (0, 0);
    for rows in batches {
        while waiting >= 8 {
            recorded += recorded_in(receive.recv().unwrap());
            waiting -= 1;
        }
        let send = send.clone();
        let reply: intake::Reply = Box::new(move |results| send.send(results.unwrap()).unwrap());
        let delivery = Delivery { kind: DeliveryKind::Import, api_key: None, origin: None };
        intake.submit_wait(Submission { source, delivery, rows, atomic: false, history: true, reply }).unwrap();
        waiting += 1;
    }
    for _ in 0..waiting {
        recorded += recorded_in(receive.recv().unwrap());
    }
    assert_eq!(recorded, total);
}

fn recorded_in(results: Vec<RowResult>) -> usize {
    results.iter().filter(|r| matches!(r, RowResult::Recorded(_))).count()
}

fn source(intake: &Intake, name: &str) -> i64 {
    let name = name.to_owned();
    let act = intake.log().act(move |tx| {
        let id = tx.append(NewEvent::public("source.defined", serde_json::json!({ "name": name })))?;
        let row = counterfoil::ledger::store::SourceRow { id, name, created_at: 0 };
        bulk::append(tx.conn, &[row])?;
        tx.changed(counterfoil::trail::Changed::Sources);
        Ok(id)
    });
    act.unwrap()
}
