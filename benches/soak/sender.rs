//! One connection that sends batches and sends again what was refused.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};

/// The first business date of the entries; those of a connection go on to later ones, ten hours of each.
pub const FIRST_DATE: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
/// Accounts of one connection, each with an unbroken balance and an entry every 4,000 booked seconds, so that none
/// is frequent.
const ACCOUNTS: usize = 20_000;
/// Entries of one booked second.
const IN_A_SECOND: usize = 5;
/// How long a refused batch waits before it is sent again.
const AGAIN: Duration = Duration::from_millis(20);

/// What all connections saw since the last line.
#[derive(Default)]
pub struct Seen {
    pub taken: u64,
    pub refused: u64,
    /// Of each batch that was taken, from the first byte sent to the last received.
    pub millis: Vec<f64>,
}

pub struct Sender {
    stream: TcpStream,
    head: String,
    n: usize,
    sent: usize,
    balances: Vec<i64>,
}

impl Sender {
    pub fn new(n: usize, address: &str, key: &str) -> Sender {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "POST /api/v1/entries HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        );
        Sender { stream, head, n, sent: 0, balances: vec![0; ACCOUNTS] }
    }

    /// Sends until told to stop, a batch every so often or as fast as they are answered; answers how many entries were
    /// acknowledged.
    pub fn run(&mut self, batch: usize, every: Option<Duration>, stop: &AtomicBool, seen: &Mutex<Seen>) -> u64 {
        let (began, mut acknowledged) = (Instant::now(), 0_u64);
        for turn in 0_u32.. {
            let body = self.batch(batch);
            if let Some(every) = every {
                std::thread::sleep((every * turn).saturating_sub(began.elapsed()));
            }
            loop {
                let sent = Instant::now();
                let status = self.post(&body);
                let mut seen = seen.lock().unwrap();
                match status {
                    200 | 201 => {
                        acknowledged += batch as u64;
                        seen.taken += batch as u64;
                        seen.millis.push(sent.elapsed().as_secs_f64() * 1e3);
                        break;
                    }
                    503 => seen.refused += batch as u64,
                    other => panic!("status {other}"),
                }
                drop(seen);
                if stop.load(Ordering::Relaxed) {
                    return acknowledged;
                }
                std::thread::sleep(AGAIN);
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        acknowledged
    }

    fn batch(&mut self, size: usize) -> String {
        let mut body = String::with_capacity(size * 320);
        for _ in 0..size {
            let (n, at) = (self.n, self.sent % ACCOUNTS);
            let (before, second) = (self.balances[at], self.sent / IN_A_SECOND);
            self.balances[at] += 1;
            let date = FIRST_DATE + Days::new(second as u64 / 36_000);
            let (hour, minute, second) = (8 + second / 3600 % 10, second / 60 % 60, second % 60);
            let opening = if body.is_empty() { '[' } else { ',' };
            write!(
                body,
                "{opening}{{\"source_ref\":\"S{n}-{}\",\"account\":\"{n:03}{at:07}\",\"currency\":\"USD\",\"kind\":\"deposit\",\
                 \"direction\":\"credit\",\"amount\":\"1.00\",\"balance_before\":\"{before}.00\",\"balance_after\":\"{}.00\",\
                 \"booked_at\":\"{date}T{hour:02}:{minute:02}:{second:02}Z\",\"session_id\":\"s{at}\",\"ip\":\"10.0.{}.{}\"}}",
                self.sent,
                before + 1,
                at % 200,
                at % 250,
            )
            .unwrap();
            self.sent += 1;
        }
        body + "]"
    }

    fn post(&mut self, body: &str) -> u16 {
        let request = format!("{}content-length: {}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut buffer) = (Vec::new(), vec![0; 65_536]);
        loop {
            let read = self.stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the server closed the connection");
            answer.extend_from_slice(&buffer[..read]);
            let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().trim();
            if answer.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return head.split(' ').nth(1).unwrap().parse().unwrap();
            }
        }
    }
}
