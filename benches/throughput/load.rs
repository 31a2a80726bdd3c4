//! A server of its own and a cheap load generator on the same cores: requests are built beforehand,
//! one thread sends them over many connections, and of an answer only status and length are read.

use std::cell::{Cell, RefCell};
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

    /// Requests of `batch` entries each; one entry is no array.
    pub fn requests(&self, entries: &[NewEntry], batch: usize) -> Vec<Vec<u8>> {
        let body = |chunk: &[NewEntry]| match chunk {
            [entry] if batch == 1 => json(entry),
            chunk => format!("[{}]", chunk.iter().map(json).collect::<Vec<_>>().join(",")),
        };
        entries.chunks(batch).map(|chunk| self.request(&body(chunk))).collect()
    }

    /// The cheapest request that goes the whole way but for recording: an array without an entry,
    /// as many bytes as an entry has.
    pub fn no_ops(&self, entries: &[NewEntry]) -> Vec<Vec<u8>> {
        entries.iter().map(|entry| self.request(&format!("[{}]", " ".repeat(json(entry).len() - 2)))).collect()
    }

    fn request(&self, body: &str) -> Vec<u8> {
        let (host, key, length) = (&self.address, &self.key, body.len());
        format!(
            "POST /api/v1/entries HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends them over so many connections, one request at a time on each; every one must succeed.
    pub fn send(&self, requests: &[Vec<u8>], connections: usize) -> Sent {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut open = Vec::new();
            for _ in 0..connections {
                let stream = TcpStream::connect(&self.address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                open.push(stream);
            }
            let (next, latencies) = (Cell::new(0), RefCell::new(Vec::with_capacity(requests.len())));
            let began = Instant::now();
            futures_util::future::join_all(open.iter().map(|stream| exchange(stream, requests, &next, &latencies))).await;
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

async fn exchange(stream: &TcpStream, requests: &[Vec<u8>], next: &Cell<usize>, latencies: &RefCell<Vec<f64>>) {
    let mut buffer = vec![0; 4096];
    while let Some(request) = requests.get(next.replace(next.get() + 1)) {
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
