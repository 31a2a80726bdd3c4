//! The same rows through the sequencer, in process.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use counterfoil::clock::Clock;
use counterfoil::config::Config;
use counterfoil::db::{Db, bulk};
use counterfoil::intake::{self, Delivery, DeliveryKind, Intake, Row, RowResult, Submission};
use counterfoil::ledger::NewEntry;
use counterfoil::trail::NewEvent;

use super::rows::Rows;

/// What recording took.
pub struct Measured {
    /// Entries per second.
    pub rate: f64,
    /// Processor time of the two threads, microseconds an entry.
    pub sequencer: f64,
    pub committer: f64,
    /// The longest time without an acknowledgement, although entries waited: a commit that stalled.
    pub stall: f64,
}

/// Microseconds of processor time that this process's thread of that name has used.
fn thread_cpu(name: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let mut named = tasks.filter(|t| std::fs::read_to_string(t.path().join("comm")).is_ok_and(|comm| comm.trim() == name));
    let spent = named.next().and_then(|t| std::fs::read_to_string(t.path().join("schedstat")).ok());
    spent.and_then(|s| s.split(' ').next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1_000.0
}

/// Records them in submissions of `batch`, at most eight waiting, all acknowledged. `keys`: the folder of
/// the log's keys; empty where that is beside the file.
pub fn sequencer(url: &str, keys: &str, rows: Rows, batch: usize, round: usize) -> Measured {
    let db = Db::open(url, 2).unwrap();
    let mut config = Config::default();
    config.keys.dir = keys.to_owned();
    let intake = intake::start(&db, &config, Clock::system()).unwrap();
    let source = source(&intake, &format!("bench-{round}"));
    record(&intake, source, in_batches(rows.before, 1_000));
    let n = rows.timed.len() as f64;
    let batches = in_batches(rows.timed, batch);
    let cpu_before = (thread_cpu("sequencer"), thread_cpu("committer"));
    let began = Instant::now();
    let stall = record(&intake, source, batches).as_secs_f64();
    let seconds = began.elapsed().as_secs_f64();
    let each = |before: f64, name: &str| (thread_cpu(name) - before) / n;
    let (sequencer, committer) = (each(cpu_before.0, "sequencer"), each(cpu_before.1, "committer"));
    intake.stop();
    Measured { rate: n / seconds, sequencer, committer, stall }
}

pub fn in_batches(entries: Vec<NewEntry>, batch: usize) -> Vec<Vec<Row>> {
    let mut batches = Vec::new();
    let mut rest = entries.into_iter().peekable();
    while rest.peek().is_some() {
        let rows = rest.by_ref().take(batch);
        batches.push(rows.map(|entry| Row { line: 1, entry: Ok(entry), with_next: false }).collect());
    }
    batches
}

/// Submits everything, at most eight submissions waiting, and waits until all is acknowledged;
/// answers the longest time between two acknowledgements.
pub fn record(intake: &Intake, source: i64, batches: Vec<Vec<Row>>) -> Duration {
    let total: usize = batches.iter().map(Vec::len).sum();
    let (send, receive) = channel();
    let (mut waiting, mut recorded, mut last, mut longest) = (0, 0, Instant::now(), Duration::ZERO);
    let mut acknowledged = || {
        let (results, at): (Vec<RowResult>, Instant) = receive.recv().unwrap();
        longest = longest.max(at - last);
        (last, recorded) = (at, recorded + recorded_in(&results));
    };
    for rows in batches {
        while waiting >= 8 {
            acknowledged();
            waiting -= 1;
        }
        let send = send.clone();
        let reply: intake::Reply = Box::new(move |results| send.send((results.unwrap(), Instant::now())).unwrap());
        let delivery = Delivery { kind: DeliveryKind::Import, api_key: None, origin: None };
        intake.submit_wait(Submission { source, delivery, rows, atomic: false, history: true, reply }).unwrap();
        waiting += 1;
    }
    (0..waiting).for_each(|_| acknowledged());
    assert_eq!(recorded, total);
    longest
}

fn recorded_in(results: &[RowResult]) -> usize {
    results.iter().filter(|r| matches!(r, RowResult::Recorded(_))).count()
}

pub fn source(intake: &Intake, name: &str) -> i64 {
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
