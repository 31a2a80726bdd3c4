//! The table, as far as it concerns writing, from one run: rounds alternate between everything,
//! a ratio is the median of the rounds' ratios.

use std::collections::BTreeMap;

use super::load::{Sent, Server};
use super::postgres;
use super::rows::{Accounts, Rows};
use super::{Asked, median, ours, peer, raw, rows};

/// One line: what was measured of ours, divided by what is measured beside it.
struct Line {
    work: &'static str,
    floor: &'static str,
    goal: &'static str,
    ours: &'static str,
    beside: &'static str,
}

const fn line(work: &'static str, floor: &'static str, goal: &'static str, ours: &'static str, beside: &'static str) -> Line {
    Line { work, floor, goal, ours, beside }
}

const LINES: [Line; 10] = [
    line("in process, batches of 1,000 / raw prepared insert", "0.75", "0.90", "sqlite", "insert"),
    line("HTTP, batches of 1,000 / the same", "0.55", "0.75", "sqlite http", "insert"),
    line("HTTP, single entries, 256 connections / no-op POST", "0.65", "0.80", "sqlite 256", "no-op"),
    line("p99 of a single entry, 64 connections / fsync p50", "70", "35", "p99", "fsync"),
    line("longest stall of a commit / fsync p50", "280", "100", "stall", "fsync"),
    line("PostgreSQL in process, batches of 10,000 / raw COPY", "0.85", "0.95", "postgres", "copy"),
    line("PostgreSQL over HTTP, batches of 1,000 / the same", "0.65", "0.80", "postgres http", "copy"),
    line("SQLite, single entries, 64 connections / PL/pgSQL function", "4", "6", "sqlite 64", "function"),
    line("PostgreSQL, the same", "2", "3", "postgres 64", "function"),
    line("HTTP, batches of 1,000 / the seed's baseline", "250", "400", "sqlite http", "seed"),
];

/// What was measured, by its name and by the accounts; what is measured beside it has none.
#[derive(Default)]
struct Samples(BTreeMap<(&'static str, Option<usize>), Vec<f64>>);

impl Samples {
    fn add(&mut self, name: &'static str, accounts: Option<Accounts>, value: f64) {
        self.0.entry((name, accounts.map(|accounts| accounts as usize))).or_default().push(value);
    }

    fn of(&self, name: &'static str, accounts: Option<Accounts>) -> Option<&Vec<f64>> {
        self.0.get(&(name, accounts.map(|accounts| accounts as usize)))
    }

    fn cell(&self, line: &Line, accounts: Accounts) -> String {
        let (Some(ours), Some(beside)) = (self.of(line.ours, Some(accounts)), self.of(line.beside, None)) else {
            return "not measured".to_owned();
        };
        // What was measured once is beside every round.
        let ratios = ours.iter().enumerate().map(|(round, ours)| ours / beside[round % beside.len()]).collect();
        let (ours, beside) = (median(ours.clone()), median(beside.clone()));
        match line.beside {
            "fsync" => format!("{:.1} ({:.1} ms)", median(ratios), ours * 1e3),
            _ => format!("{:.2} ({ours:.0} / {beside:.0})", median(ratios)),
        }
    }
}

pub fn measure(asked: &Asked, fsync: f64) {
    let (server, mut samples) = (postgres::Server::named(), Samples::default());
    samples.add("fsync", None, fsync);
    if let Some(rate) = peer::seed() {
        samples.add("seed", None, rate);
    }
    let beside = server.as_ref().map(postgres::Server::bare).filter(|database| peer::prepare_function(&database.url).is_some());
    for round in 0..asked.rounds {
        raw_sqlite(&mut samples, asked.rows);
        for accounts in [Accounts::New, Accounts::Known] {
            sqlite(&mut samples, asked.rows, round, accounts);
        }
        if let Some(rate) = beside.as_ref().and_then(|database| peer::function(&database.url)) {
            samples.add("function", None, rate);
        }
        for accounts in [Accounts::New, Accounts::Known] {
            let Some(server) = &server else { continue };
            postgres(&mut samples, server, asked.rows, round, accounts);
        }
    }
    println!("\n| work | floor | goal | reached, one row in twenty on a new account | accounts known before |");
    println!("|---|---|---|---|---|");
    for line in &LINES {
        let [new, known] = [Accounts::New, Accounts::Known].map(|accounts| samples.cell(line, accounts));
        println!("| {} | {} | {} | {new} | {known} |", line.work, line.floor, line.goal);
    }
}

fn raw_sqlite(samples: &mut Samples, n: usize) {
    let dir = tempfile::tempdir().unwrap();
    samples.add("insert", None, raw::sqlite(&dir.path().join("raw.db"), &rows::stored(n), 1_000));
}

fn sqlite(samples: &mut Samples, n: usize, round: usize, accounts: Accounts) {
    let dir = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", dir.path().join(name).display());
    let measured = ours::sequencer(&url("ours.db"), "", Rows::of(n, round, accounts), 1_000, round);
    samples.add("sqlite", Some(accounts), measured.rate);
    samples.add("stall", Some(accounts), measured.stall);
    let sent = over_http(&Server::start(&url("batches.db"), ""), Rows::of(n, round, accounts), 1_000, 8);
    samples.add("sqlite http", Some(accounts), n as f64 / sent.seconds);
    let few = n / 4;
    let server = Server::start(&url("singles.db"), "");
    let sent = over_http(&server, Rows::of(few, round, accounts), 1, 64);
    samples.add("sqlite 64", Some(accounts), few as f64 / sent.seconds);
    samples.add("p99", Some(accounts), sent.p99());
    let sent = over_http(&server, Rows::of(few, round + 500, accounts), 1, 256);
    samples.add("sqlite 256", Some(accounts), few as f64 / sent.seconds);
    if accounts == Accounts::New {
        let requests = server.no_ops(&Rows::of(few, round, accounts).timed, 256);
        samples.add("no-op", None, few as f64 / server.send(&requests).seconds);
    }
}

fn postgres(samples: &mut Samples, server: &postgres::Server, n: usize, round: usize, accounts: Accounts) {
    let database = server.database();
    if accounts == Accounts::New {
        samples.add("copy", None, postgres::raw_copy(&database.url, n, 10_000));
    }
    let measured = ours::sequencer(&database.url, database.keys(), Rows::of(n, round, accounts), 10_000, round);
    samples.add("postgres", Some(accounts), measured.rate);
    drop(database);
    let database = server.database();
    let served = Server::start(&database.url, database.keys());
    let sent = over_http(&served, Rows::of(n, round, accounts), 1_000, 8);
    samples.add("postgres http", Some(accounts), n as f64 / sent.seconds);
    let few = n / 8;
    let sent = over_http(&served, Rows::of(few, round + 500, accounts), 1, 64);
    samples.add("postgres 64", Some(accounts), few as f64 / sent.seconds);
}

fn over_http(server: &Server, rows: Rows, batch: usize, connections: usize) -> Sent {
    server.send(&server.requests(&rows.before, 1_000, 4));
    server.send(&server.requests(&rows.timed, batch, connections))
}
