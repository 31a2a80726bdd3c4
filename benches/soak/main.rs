//! A server under load for minutes: what it takes and refuses, how long that takes, and whether its
//! memory and files stay as they are.
//!
//! `cargo bench --bench soak -- [minutes] [entries/s] [connections]` (10 minutes of 20,000 entries/s on 16
//! connections unless said otherwise) prints a line every half minute. `0` entries/s: as many as are
//! taken and as many again, so that the queue is full throughout; what is refused is sent again. At the end
//! the entries of the log are counted: all that were acknowledged, each once.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod sender;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use counterfoil::clock::day_number;
use counterfoil::db::Db;
use counterfoil::reports;
use sender::{Seen, Sender};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Entries of one request.
const BATCH: usize = 1_000;
/// How often a line is printed.
const LINE: Duration = Duration::from_secs(30);

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let number = |n: usize, default: usize| numbers.get(n).copied().unwrap_or(default);
    let (minutes, rate, connections) = (number(0, 10), number(1, 20_000), number(2, 16));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("soak.db");
    let server = Server::start(&file);
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
    // Each connection sends its share, a batch at a time.
    let every = (rate > 0).then(|| Duration::from_secs_f64((BATCH * connections) as f64 / rate as f64));
    let senders: Vec<_> = (0..connections)
        .map(|n| {
            let mut sender = Sender::new(n, &server.address, &server.key);
            let (stop, seen) = (stop.clone(), seen.clone());
            std::thread::spawn(move || sender.run(BATCH, every, &stop, &seen))
        })
        .collect();
    println!("| s | taken/s | refused/s | p50 ms | p99 ms | longest ms | memory MB | database MB | WAL MB |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(minutes as u64 * 60) {
        std::thread::sleep(LINE);
        line(began, std::mem::take(&mut *seen.lock().unwrap()), &server, &file);
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
    drop(server);
    let db = Db::open(&format!("sqlite:{}", file.display()), 1).unwrap();
    let first = day_number(sender::FIRST_DATE);
    let on = |date: i32| db.read(|conn| reports::day_figures(conn, date)).unwrap();
    let recorded: i64 =
        (first..first + 3_650).flat_map(|date| on(date).currencies.into_values()).map(|day| day.booked.entries).sum();
    println!("\nacknowledged {acknowledged}, in the log {recorded}");
    assert_eq!(acknowledged, recorded as u64);
}

fn line(began: Instant, mut seen: Seen, server: &Server, file: &Path) {
    seen.millis.sort_by(f64::total_cmp);
    let at = |share: f64| seen.millis.get(((seen.millis.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    let (seconds, megabytes) = (LINE.as_secs_f64(), |path: &Path| path.metadata().map_or(0, |m| m.len()) >> 20);
    println!(
        "| {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {} | {} | {} |",
        began.elapsed().as_secs_f64(),
        seen.taken as f64 / seconds,
        seen.refused as f64 / seconds,
        at(0.5),
        at(0.99),
        at(1.0),
        server.resident() >> 20,
        megabytes(file),
        megabytes(&file.with_extension("db-wal")),
    );
}

/// A server over a database of its own.
struct Server {
    child: Child,
    address: String,
    key: String,
}

impl Server {
    fn start(file: &Path) -> Server {
        let program = env!("CARGO_BIN_EXE_counterfoil");
        let database = format!("sqlite:{}", file.display());
        let issued = Command::new(program).args(["key", "issue", "--source", "soak", "--database", &database]).output().unwrap();
        let key = String::from_utf8(issued.stdout).unwrap().trim().to_owned();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut serve = Command::new(program);
        serve.args(["serve", "--database", &database]).env("COUNTERFOIL_SERVER__LISTEN", &address);
        let child = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while std::net::TcpStream::connect(&address).is_err() {
            std::thread::sleep(Duration::from_millis(50));
        }
        Server { child, address, key }
    }

    /// Bytes of memory it has.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        status.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
