//! The same over HTTP, load generator on the same cores: single entries on 64 connections, and
//! batches of 1,000 on 8.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use counterfoil::ledger::Draft;

use super::{median, rows};

/// A server of its own in a fresh folder.
struct Server {
    child: Child,
    address: String,
    key: String,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Server {
        let dir = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", dir.path().join("bench.db").display());
        let program = env!("CARGO_BIN_EXE_counterfoil");
        let issued = Command::new(program).args(["key", "issue", "--source", "bench", "--database", &database]).output().unwrap();
        let key = String::from_utf8(issued.stdout).unwrap().trim().to_owned();
        let address = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().to_string()
        };
        let mut serve = Command::new(program);
        serve.args(["serve", "--database", &database]).env("COUNTERFOIL_SERVER__LISTEN", &address).stderr(Stdio::null());
        let child = serve.stdout(Stdio::null()).spawn().unwrap();
        for _ in 0..200 {
            if TcpStream::connect(&address).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Server { child, address, key, _dir: dir }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn measure(total: usize, rounds: usize) {
    println!("\n| SQLite over HTTP | entries/s |\n|---|---|");
    let singles = (0..rounds).map(|round| run(64, 1, 20_000.min(total), round)).collect();
    println!("| single entries, 64 connections | {:.0} |", median(singles));
    let batches = (0..rounds).map(|round| run(8, 1_000, total, round)).collect();
    println!("| batches of 1,000, 8 connections | {:.0} |", median(batches));
}

fn run(connections: usize, batch: usize, total: usize, round: usize) -> f64 {
    let server = Server::start();
    let entries: Vec<String> = rows::entries(total, round).iter().map(|e| serde_json::to_string(&bare(e)).unwrap()).collect();
    let bodies: Vec<String> =
        entries.chunks(batch).map(|chunk| if batch == 1 { chunk[0].clone() } else { format!("[{}]", chunk.join(",")) }).collect();
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let (bodies, next) = (bodies.clone(), next.clone());
            let (address, key) = (server.address.clone(), server.key.clone());
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(&address).unwrap();
                stream.set_nodelay(true).unwrap();
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let status = post(&mut stream, &address, &key, body);
                    assert!(status == 200 || status == 201, "status {status}");
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    total as f64 / began.elapsed().as_secs_f64()
}

/// Without the fields that are absent.
fn bare(entry: &counterfoil::ledger::NewEntry) -> serde_json::Value {
    let mut value = serde_json::to_value(Draft::from(entry)).unwrap();
    value.as_object_mut().unwrap().retain(|_, v| !v.is_null());
    value
}

fn post(stream: &mut TcpStream, host: &str, key: &str, body: &str) -> u16 {
    let head = format!(
        "POST /api/v1/entries HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::with_capacity(4096);
    let mut buffer = [0; 65536];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server closed the connection");
        answer.extend_from_slice(&buffer[..read]);
        if let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let length =
                head.lines().find_map(|l| l.strip_prefix("content-length: ")).map(|n| n.trim().parse::<usize>().unwrap());
            match length {
                Some(length) if answer.len() >= end + 4 + length => return status,
                None if answer.ends_with(b"0\r\n\r\n") => return status,
                _ => {}
            }
        }
    }
}
