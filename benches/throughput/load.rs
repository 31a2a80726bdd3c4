//! A server of its own and a cheap load generator on the same cores: requests are built beforehand,
//! one thread sends them over many connections, and of an answer only status and length are read.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::Write;
use std::io::ErrorKind;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use counterfoil::ledger::NewEntry;
use counterfoil::money::Money;
use tokio::net::TcpStream;

/// A server over a database of its own.
pub struct Server {
    child: Child,
    address: String,
    key: String,
}

/// What one connection sends, in this order.
pub type Requests = Vec<Vec<u8>>;

/// What sending took.
pub struct Sent {
    pub seconds: f64,
    /// Seconds of each request.
    latencies: Vec<f64>,
}

impl Server {
    /// Starts over a database with tables that holds nothing yet, or over a file that is not there. `keys`: the
    /// folder of the log's keys; empty where that is beside the file.
    pub fn start(database: &str, keys: &str) -> Server {
        let program = || {
            let mut program = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
            program.env("COUNTERFOIL_KEYS__DIR", keys).env("COUNTERFOIL_DATABASE__URL", database);
            program
        };
        let issued = program().args(["key", "issue", "--source", "bench"]).output().unwrap();
        let key = String::from_utf8(issued.stdout).unwrap().trim().to_owned();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut serve = program();
        serve.arg("serve").env("COUNTERFOIL_SERVER__LISTEN", &address).stderr(Stdio::null());
        let child = serve.stdout(Stdio::null()).spawn().unwrap();
        for _ in 0..200 {
            if std::net::TcpStream::connect(&address).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Server { child, address, key }
    }

    /// Requests of `batch` entries each, for so many connections; one entry is no array. All entries of an account
    /// take one connection: whoever sends over several keeps the order of each account, or its chain breaks.
    pub fn requests(&self, entries: &[NewEntry], batch: usize, connections: usize) -> Vec<Requests> {
        let body = |chunk: &[&NewEntry]| match chunk {
            [entry] if batch == 1 => json(entry),
            chunk => format!("[{}]", chunk.iter().map(|entry| json(entry)).collect::<Vec<_>>().join(",")),
        };
        let requests = |lane: Vec<&NewEntry>| lane.chunks(batch).map(|chunk| self.request(&body(chunk))).collect();
        lanes(entries, connections).into_iter().map(requests).collect()
    }

    /// The cheapest request that goes the whole way but for recording: an array without an entry,
    /// as many bytes as an entry has.
    pub fn no_ops(&self, entries: &[NewEntry], connections: usize) -> Vec<Requests> {
        let no_op = |entry: &NewEntry| self.request(&format!("[{}]", " ".repeat(json(entry).len() - 2)));
        let lane = |first: usize| entries.iter().skip(first).step_by(connections).map(no_op).collect();
        (0..connections).map(lane).collect()
    }

    fn request(&self, body: &str) -> Vec<u8> {
        let (host, key, length) = (&self.address, &self.key, body.len());
        format!(
            "POST /api/v1/entries HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends each connection's, one request at a time; every one must succeed.
    pub fn send(&self, lanes: &[Requests]) -> Sent {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut open = Vec::new();
            for _ in lanes {
                let stream = TcpStream::connect(&self.address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                open.push(stream);
            }
            let latencies = RefCell::new(Vec::with_capacity(lanes.iter().map(Vec::len).sum()));
            let began = Instant::now();
            let exchanges = open.iter().zip(lanes).map(|(stream, requests)| exchange(stream, requests, &latencies));
            futures_util::future::join_all(exchanges).await;
            Sent { seconds: began.elapsed().as_secs_f64(), latencies: latencies.into_inner() }
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sent {
    /// The time that 99 of 100 requests did not exceed, seconds.
    pub fn p99(mut self) -> f64 {
        self.latencies.sort_by(f64::total_cmp);
        self.latencies[self.latencies.len() * 99 / 100]
    }
}

/// The entries for each connection: accounts go, those with most entries first, to the connection that has fewest.
fn lanes(entries: &[NewEntry], connections: usize) -> Vec<Vec<&NewEntry>> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    entries.iter().for_each(|entry| *counts.entry(&entry.account).or_default() += 1);
    let mut accounts: Vec<(usize, &str)> = counts.into_iter().map(|(account, count)| (count, account)).collect();
    accounts.sort_unstable_by_key(|(count, account)| (Reverse(*count), *account));
    let mut loads: BinaryHeap<Reverse<(usize, usize)>> = (0..connections).map(|lane| Reverse((0, lane))).collect();
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for (count, account) in accounts {
        let Some(Reverse((load, lane))) = loads.pop() else { break };
        loads.push(Reverse((load + count, lane)));
        taken.insert(account, lane);
    }
    let mut lanes = vec![Vec::new(); connections];
    entries.iter().for_each(|entry| lanes[taken[entry.account.as_str()]].push(entry));
    lanes
}

async fn exchange(stream: &TcpStream, requests: &[Vec<u8>], latencies: &RefCell<Vec<f64>>) {
    let mut buffer = vec![0; 4096];
    for request in requests {
        let began = Instant::now();
        write(stream, request).await;
        read(stream, &mut buffer).await;
        latencies.borrow_mut().push(began.elapsed().as_secs_f64());
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await.unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads one answer.
async fn read(stream: &TcpStream, buffer: &mut Vec<u8>) {
    let (mut filled, mut length) = (0, None);
    while length.is_none_or(|length| filled < length) {
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0);
        }
        match stream.try_read(&mut buffer[filled..]) {
            Ok(0) => panic!("the server closed the connection"),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.readable().await.unwrap(),
            Err(error) => panic!("{error}"),
        }
        length = length.or_else(|| whole_length(&buffer[..filled]));
    }
}

/// How long an answer is as a whole, once its head is there.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(answer));
    let length = answer[..end].split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"content-length: "));
    let length = std::str::from_utf8(length.unwrap()).unwrap().trim();
    Some(end + 4 + length.parse::<usize>().unwrap())
}

/// An entry as senders write it, without what is absent.
fn json(entry: &NewEntry) -> String {
    let money = |minor: i64| Money::new(minor, entry.currency).to_string();
    let mut text = String::with_capacity(384);
    let members = [
        ("source_ref", Some(entry.source_ref.clone())),
        ("account", Some(entry.account.clone())),
        ("currency", Some(entry.currency.code().to_owned())),
        ("kind", Some(entry.kind.to_string())),
        ("direction", Some(entry.direction.to_string())),
        ("amount", Some(money(entry.amount))),
        ("balance_before", entry.balance_before.map(money)),
        ("balance_after", entry.balance_after.map(money)),
        ("booked_at", Some(entry.booked_at.to_string())),
        ("session_id", entry.context.session_id.clone()),
        ("ip", entry.context.ip.clone()),
        ("channel", entry.channel.map(|channel| channel.to_string())),
        ("status", Some(entry.status.to_string())),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            let opening = if text.is_empty() { '{' } else { ',' };
            write!(text, "{opening}\"{name}\":\"{value}\"").unwrap();
        }
    }
    text + "}"
}
