//! More comes in than can be recorded: the excess is told to come again, what is taken is answered in bounded time,
//! memory does not grow, and nothing that was acknowledged is lost.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bank::{Ending, entry};
use crate::support::program::Program;

/// Entries that may wait, and entries of one request: four requests fill the queue.
const QUEUE: usize = 2_000;
const BATCH: usize = 500;
/// Four times as many senders as the queue has room for, none of which waits before it sends again.
const SENDERS: usize = 16;
/// Requests that are taken before and after memory is looked at; a loaded machine is slow.
const TAKEN: u64 = 12;
const PATIENCE: Duration = Duration::from_secs(120);

/// Kilobytes of memory that a process has in use.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[derive(Debug, Default)]
struct Seen {
    taken: AtomicU64,
    refused: AtomicU64,
    /// References that were acknowledged.
    kept: Mutex<Vec<String>>,
    slowest: Mutex<Duration>,
}

impl Seen {
    fn send(&self, url: &str, key: &str, sender: usize, end: &AtomicBool) {
        let http = reqwest::blocking::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        for batch in 0.. {
            if end.load(Ordering::Relaxed) {
                return;
            }
            let reference = |n| format!("B{sender}-{batch}-{n}");
            let row = |n: usize| entry(&reference(n), &format!("{sender}-{}", n % 20), "2026-03-02T10:00:00Z", 0, 5);
            let rows: Vec<Value> = (0..BATCH).map(row).collect();
            let began = Instant::now();
            let answer = http.post(format!("{url}/api/v1/entries")).bearer_auth(key).json(&rows).send().unwrap();
            match answer.status().as_u16() {
                200 => {
                    let took = began.elapsed();
                    let body: Value = answer.json().unwrap();
                    assert_eq!(body["summary"]["recorded"], BATCH, "{body}");
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    self.kept.lock().unwrap().extend((0..BATCH).map(reference));
                    let mut slowest = self.slowest.lock().unwrap();
                    *slowest = took.max(*slowest);
                }
                503 => {
                    assert!(answer.headers().contains_key("retry-after"), "when to come again is said");
                    assert_eq!(answer.json::<Value>().unwrap()["code"], "queue_full");
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                status => panic!("{status}: {:?}", answer.text()),
            }
        }
    }
}

#[test]
fn what_is_too_much_is_refused_and_what_is_taken_is_kept_in_bounded_time_and_memory() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("bank.db").display());
    let program = Program::new(dir.path()).args(["--database", &database]);
    let key = program.clone().args(["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
    let server = program.clone().env("COUNTERFOIL_LIMITS__QUEUE_ENTRIES", QUEUE.to_string()).spawn_serve();
    let (seen, end, began) = (Seen::default(), AtomicBool::new(false), Instant::now());
    let (early, late) = std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (seen, end, key, url) = (&seen, &end, &key, server.url());
            scope.spawn(move || seen.send(&url, key, sender, end));
        }
        let _ending = Ending(&end);
        let until = |taken: u64| {
            while seen.taken.load(Ordering::Relaxed) < taken {
                assert!(began.elapsed() < PATIENCE, "{seen:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
            memory(server.pid())
        };
        (until(TAKEN), until(2 * TAKEN))
    });
    let lasted = began.elapsed();
    let (taken, refused) = (seen.taken.into_inner(), seen.refused.into_inner());
    let (mut kept, slowest) = (seen.kept.into_inner().unwrap(), seen.slowest.into_inner().unwrap());
    let rate = kept.len() as f64 / lasted.as_secs_f64();
    eprintln!("{taken} requests taken ({rate:.0} entries/s), {refused} refused, slowest {slowest:?}, {early} kB then {late} kB");
    assert!(refused > 0, "the load was none");
    // What waits before a request is at most the queue, the batch being evaluated and the one being committed.
    let bound = Duration::from_secs_f64(10.0 * (QUEUE + 4 * BATCH) as f64 / rate).max(Duration::from_secs(5));
    assert!(slowest < bound, "{slowest:?} is more than {bound:?}");
    assert!(late < early + 64 * 1024, "memory grew from {early} kB to {late} kB");
    let listed = program.clone().args(["export", "entries"]).run().succeeded().stdout;
    let mut found: Vec<String> = listed.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    found.sort();
    kept.sort();
    assert_eq!(found, kept, "every acknowledged entry is there once, and nothing that was refused");
}
