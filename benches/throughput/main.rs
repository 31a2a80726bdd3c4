//! Entries recorded per second, durably, beside what the database takes of the same rows without
//! any of it. One table in one run: alternating rounds, medians, the machine's fsync latency.
//!
//! `cargo bench --bench throughput -- [rows] [rounds] [sqlite|postgres|http …] [batch=1000]`: words choose
//! parts of it, none means all. `COUNTERFOIL_BENCH_POSTGRES=postgres://…` adds PostgreSQL: any database of a
//! server on which others may be made; `pghttp` sends to it over HTTP.
//! `-- singles [rows] [rounds]` prints only single entries over 64 connections.
//! `-- table [rows] [rounds]` prints the goals of the write path and what is reached of them.
//! `-- spike [rows] [batch=1000] [alone]` instead appends that many rows to one file, beside the raw insert.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod load;
mod ours;
mod peer;
mod postgres;
mod raw;
mod rows;
mod spike;
mod table;

use std::io::Write;
use std::time::Instant;

use load::Server;
use ours::Measured;
use rows::{Accounts, Rows};

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
        self.parts.is_empty() || self.names(part)
    }

    fn names(&self, part: &str) -> bool {
        self.parts.iter().any(|p| p == part)
    }
}

fn main() {
    let asked = Asked::read();
    println!("rows {} (fewer for small batches), rounds {}, medians; entries per second", asked.rows, asked.rounds);
    let fsync = fsync();
    if asked.names("table") {
        return table::measure(&asked, fsync);
    }
    if asked.names("singles") {
        return singles(&asked);
    }
    if asked.names("spike") {
        return spike::measure(asked.rows, asked.batches[0], asked.names("alone"));
    }
    if asked.wants("sqlite") {
        sqlite(&asked);
    }
    if let (true, Some(server)) = (asked.wants("postgres"), postgres::Server::named()) {
        on_postgres(&server, &asked);
    }
    if asked.wants("http") {
        over_http(&asked);
    }
    if let (true, Some(server)) = (asked.names("pghttp"), postgres::Server::named()) {
        postgres_over_http(&server, &asked);
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

/// Seconds of the middle one of 500.
fn fsync() -> f64 {
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
    micros[250] / 1e6
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
            let url = format!("sqlite:{}", dir.path().join("ours.db").display());
            raw.push(raw::sqlite(&dir.path().join("raw.db"), &rows::stored(n), batch));
            ours.push(ours::sequencer(&url, "", Rows::of(n, round, Accounts::New), batch, round));
        }
        report(batch, raw, ours);
    }
}

fn on_postgres(server: &postgres::Server, asked: &Asked) {
    head("PostgreSQL", "raw binary COPY");
    for &batch in &asked.batches {
        let n = rows_for(batch, asked.rows);
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for round in 0..asked.rounds {
            let database = server.database();
            raw.push(postgres::raw_copy(&database.url, n, batch));
            ours.push(ours::sequencer(&database.url, database.keys(), Rows::of(n, round, Accounts::New), batch, round));
        }
        report(batch, raw, ours);
    }
}

fn over_http(asked: &Asked) {
    println!("\n| SQLite over HTTP | entries/s |\n|---|---|");
    for (what, connections, batch, n) in [
        ("single entries, 64 connections", 64, 1, asked.rows / 4),
        ("batches of 1,000, 8 connections", 8, 1_000, asked.rows),
        ("batches of 1,000, 16 connections", 16, 1_000, asked.rows),
        ("batches of 1,000, 32 connections", 32, 1_000, asked.rows),
    ] {
        let rates = (0..asked.rounds).map(|round| {
            let dir = tempfile::tempdir().unwrap();
            let server = Server::start(&format!("sqlite:{}", dir.path().join("bench.db").display()), "");
            let requests = server.requests(&Rows::of(n, round, Accounts::New).timed, batch, connections);
            n as f64 / server.send(&requests).seconds
        });
        println!("| {what} | {:.0} |", median(rates.collect()));
    }
}

fn postgres_over_http(server: &postgres::Server, asked: &Asked) {
    println!("\n| PostgreSQL over HTTP, batches of 1,000 | entries/s |\n|---|---|");
    for connections in [8, 16, 32] {
        let rates = (0..asked.rounds).map(|round| {
            let database = server.database();
            let server = Server::start(&database.url, database.keys());
            let requests = server.requests(&Rows::of(asked.rows, round, Accounts::New).timed, 1_000, connections);
            asked.rows as f64 / server.send(&requests).seconds
        });
        println!("| {connections} connections | {:.0} |", median(rates.collect()));
    }
}

/// Entries sent one by one, which is where round trips to a server show.
fn singles(asked: &Asked) {
    println!("\n| single entries over HTTP, 64 connections | entries/s | p99, ms |\n|---|---|---|");
    let line = |what: &str, url: &str, keys: &str, round: usize| {
        let server = Server::start(url, keys);
        let requests = server.requests(&Rows::of(asked.rows, round, Accounts::New).timed, 1, 64);
        let sent = server.send(&requests);
        println!("| {what} | {:.0} | {:.1} |", asked.rows as f64 / sent.seconds, sent.p99() * 1e3);
    };
    for round in 0..asked.rounds {
        let dir = tempfile::tempdir().unwrap();
        line("SQLite", &format!("sqlite:{}", dir.path().join("bench.db").display()), "", round);
        if let Some(server) = postgres::Server::named() {
            let database = server.database();
            line("PostgreSQL", &database.url, database.keys(), round);
        }
    }
}

fn report(batch: usize, raw: Vec<f64>, ours: Vec<Measured>) {
    let ratios = raw.iter().zip(&ours).map(|(raw, ours)| ours.rate / raw).collect();
    let of = |part: fn(&Measured) -> f64| median(ours.iter().map(part).collect());
    let (rate, sequencer, committer) = (of(|m| m.rate), of(|m| m.sequencer), of(|m| m.committer));
    println!("| {batch} | {:.0} | {rate:.0} | {:.2} | {sequencer:.2} + {committer:.2} |", median(raw), median(ratios));
}
