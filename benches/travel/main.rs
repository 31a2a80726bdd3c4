//! How long time travel takes at many changes.
//!
//! `cargo bench --bench travel -- [changes] [records]`: so many changes (200,000 on a thousandth as many records unless
//! said otherwise; half of them on one busy record) are recorded as a source sends them and kept where
//! `COUNTERFOIL_BENCH_KEEP` names a file, so that the next run finds them. Then states at random
//! instants are read, differences between two, and pages of the history.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../throughput/rows.rs"]
#[allow(dead_code)]
mod rows;

use std::time::Instant;

use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::{self, Conn, Db};
use counterfoil::ids::Seq;
use counterfoil::intake;
use counterfoil::ledger::store::{self as ledger, SourceRow};
use counterfoil::records::{self, Axis, Recorder, Row, Sender, history, store};
use counterfoil::trail::{Changed, NewEvent};
use serde_json::json;

/// Changes in one act.
const BATCH: usize = 200;
/// Readings of each kind.
const READINGS: usize = 2_000;
/// When the first change was, and how far the next is, microseconds.
const FROM: i64 = 1_700_000_000_000_000;
const STEP: i64 = 1_000_000;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let changes = numbers.first().copied().unwrap_or(200_000);
    let count = numbers.get(1).copied().unwrap_or(changes / 1_000).max(2);
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let dir = tempfile::tempdir().unwrap();
    let file = std::env::var("COUNTERFOIL_BENCH_KEEP").unwrap_or_else(|_| dir.path().join("travel.db").display().to_string());
    let db = Db::open(&format!("sqlite:{file}"), 2).unwrap();
    db::migrate::up(&mut db.connect().unwrap()).unwrap();
    let mut config = Config::default();
    config.keys.dir = dir.path().join("keys").display().to_string();
    let busy = busy(&mut db.connect().unwrap());
    if busy.is_none_or(|(_, newest)| (newest as usize) < changes / 2) {
        let began = Instant::now();
        write(&db, &config, changes, count);
        println!("{changes} changes of {count} records written in {:.1} s", began.elapsed().as_secs_f64());
    }
    println!("\n| what | p50 | p99 |\n|---|---|---|");
    read(&mut db.connect().unwrap(), changes, count);
    let disk = std::fs::metadata(&file).map_or(0, |m| m.len()) + std::fs::metadata(format!("{file}-wal")).map_or(0, |m| m.len());
    println!("| disk per change, bytes | {:.0} | |", disk as f64 / changes as f64);
}

fn name(record: usize) -> String {
    format!("C-{record}")
}

fn source(conn: &mut Conn) -> Option<Seq> {
    ledger::sources(conn).unwrap().first().map(|row| row.id)
}

/// The busy record and its newest version.
fn busy(conn: &mut Conn) -> Option<(Seq, i64)> {
    let source = source(conn)?;
    let record = store::record_by_reference(conn, source, "customer", &name(0)).unwrap()?;
    Some((record.id, store::newest(conn, record.id).unwrap()?.version))
}

fn write(db: &Db, config: &Config, changes: usize, count: usize) {
    let clock = Clock::system();
    let intake = intake::start(db, config, clock).unwrap();
    let known = source(&mut db.connect().unwrap());
    let source = known.unwrap_or_else(|| {
        let define = intake.log().act(|tx| {
            let id = tx.append(NewEvent::public("source.defined", json!({ "name": "core" })))?;
            db::bulk::append(tx.conn, &[SourceRow { id, name: "core".into(), created_at: tx.now().0 }])?;
            tx.changed(Changed::Sources);
            Ok(id)
        });
        define.unwrap()
    });
    let recorder = std::sync::Arc::new(Recorder::new(config, db.address()));
    for from in (0..changes).step_by(BATCH) {
        let row = |n: usize| {
            let record = if n.is_multiple_of(2) { 0 } else { 1 + n / 2 % (count - 1) };
            let value = json!({
                "source_ref": format!("T{n}"), "type": "customer", "id": name(record), "action": "update", "actor": "clerk",
                "changed_at": Moment(FROM + n as i64 * STEP).to_string(),
                "after": { "name": format!("Name {}", n / 97), "limit": n, "city": format!("City {}", n / 1_009), "rank": n / 11 },
            });
            Row::read(1, value.to_string().as_bytes(), &recorder.kinds)
        };
        let rows: Vec<Row> = (from..changes.min(from + BATCH)).map(row).collect();
        let (recorder, sender) = (recorder.clone(), Sender { source, key: None, origin: None });
        intake.log().act(move |tx| recorder.run(tx, &sender, &rows).map(drop)).unwrap();
    }
    intake.stop();
}

fn read(conn: &mut Conn, changes: usize, count: usize) {
    let mut random = rows::Random::new(7);
    let source = source(conn).unwrap();
    let id = |conn: &mut Conn, record| store::record_by_reference(conn, source, "customer", &name(record)).unwrap().unwrap().id;
    let hot = id(conn, 0);
    let instant = |random: &mut rows::Random| Moment(FROM + random.below((changes as i64 * STEP) as u64) as i64);
    let state = |conn: &mut Conn, record: Seq, at: Moment| {
        let change = records::in_force(conn, record, at, Axis::Effective).unwrap();
        change.map(|change| records::at_version(conn, &change).unwrap())
    };
    let (mut any, mut busy, mut both, mut pages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..READINGS {
        let (one, two) = (instant(&mut random), instant(&mut random));
        let record = id(conn, random.below(count as u64) as usize);
        any.push(timed(|| state(conn, record, one)).0);
        busy.push(timed(|| assert!(state(conn, hot, one).is_some())).0);
        if n % 4 == 0 {
            let (took, _) = timed(|| {
                let (from, to) = (state(conn, hot, one).unwrap(), state(conn, hot, two).unwrap());
                history::difference(&from, &to)
            });
            both.push(took);
            let before = 2 + random.below((changes / 2) as u64) as i64;
            pages.push(timed(|| assert!(!history::page(conn, hot, Some(before), 25).unwrap().0.is_empty())).0);
        }
    }
    line("a record's state at an instant", any);
    line("the busy record's state at an instant", busy);
    line("the busy record, difference of two instants", both);
    line("25 changes of its history, anywhere in it", pages);
}

fn line(what: &str, mut micros: Vec<f64>) {
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    println!("| {what} | {:.0} us | {:.0} us |", at(0.5), at(0.99));
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let value = work();
    (began.elapsed().as_secs_f64() * 1e6, value)
}
