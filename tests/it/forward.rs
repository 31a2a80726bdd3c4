//! The log on its way to other systems: receivers that fail lose nothing, and each leaf brings its proof.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use sha2::Sha256;

use crate::bank::{Home, entry, on_both};
use crate::support::free_port;
use crate::support::program::{Program, Server};
use crate::support::tls::Certificates;

const SECRET: &str = "a secret of more than 24 bytes";

/// What a webhook received: the headers that sign it, and its body.
#[derive(Clone)]
struct Delivery {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

type Kept<T> = Arc<Mutex<Vec<T>>>;

/// Takes webhooks; refuses the first, hangs up on the second, takes the rest.
fn webhook() -> (String, Kept<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/log", listener.local_addr().unwrap());
    let kept: Kept<Delivery> = Kept::default();
    let keep = kept.clone();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let Some((stream, delivery)) = read_post(stream.unwrap()) else { continue };
            keep.lock().unwrap().push(delivery);
            match n {
                0 => answer(stream, "500 Internal Server Error"),
                1 => drop(stream),
                _ => answer(stream, "204 No Content"),
            }
        }
    });
    (url, kept)
}

fn answer(mut stream: TcpStream, status: &str) {
    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

fn read_post(stream: TcpStream) -> Option<(TcpStream, Delivery)> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => drop(headers.insert(name.to_ascii_lowercase(), value.to_owned())),
            None if line == "\r\n" => break,
            None if line.is_empty() => return None,
            None => {}
        }
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    let header = |name: &str| headers[name].clone();
    let delivery = Delivery {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: String::from_utf8(body).unwrap(),
    };
    Some((reader.into_inner(), delivery))
}

/// Takes syslog over TLS; hangs up on the first connection, reads the others to the end.
fn siem(tls: Arc<ServerConfig>) -> (u16, Kept<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let kept: Kept<String> = Kept::default();
    let keep = kept.clone();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            if n == 0 {
                continue;
            }
            let mut stream = StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), stream.unwrap());
            let mut bytes = Vec::new();
            if stream.read_to_end(&mut bytes).is_ok() {
                keep.lock().unwrap().extend(frames(&bytes));
            }
        }
    });
    (port, kept)
}

/// RFC 5425: each message after its length.
fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|b| *b == b' ').unwrap();
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let message = &bytes[space + 1..space + 1 + length];
        found.push(String::from_utf8(message.to_vec()).unwrap());
        bytes = &bytes[space + 1 + length..];
    }
    found
}

fn is_signed(delivery: &Delivery) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{}.{}.{}", delivery.id, delivery.timestamp, delivery.body).as_bytes());
    delivery.signature == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn until<T>(server: &Server, what: &str, look: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{what} did not come\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn receivers_that_fail_get_every_signed_leaf_with_its_proof_and_hold_nobody_up() {
    on_both(|kind| {
        let (home, dir, certificates) = (Home::new(kind), tempfile::tempdir().unwrap(), Certificates::new());
        let (url, delivered) = webhook();
        let (port, logged) = siem(certificates.server_config());
        std::fs::write(dir.path().join("secret"), SECRET).unwrap();
        let admin = format!("127.0.0.1:{}", free_port());
        let config = format!(
            "[server]\nadmin_listen = \"{admin}\"\n\
             [[forward]]\nname = \"hook\"\nurl = \"{url}\"\nformat = \"plain\"\nsecret_file = \"secret\"\nentries = true\nfrom = \"start\"\n\
             [[forward]]\nname = \"siem\"\nurl = \"syslog+tls://localhost:{port}\"\nca_file = \"{}\"\nfrom = \"start\"\n\
             [[forward]]\nname = \"dead\"\nurl = \"http://127.0.0.1:1/\"\nsecret_file = \"secret\"\nfrom = \"start\"\n",
            certificates.ca().display()
        );
        std::fs::write(dir.path().join("c.toml"), config).unwrap();
        let program = Program::new(dir.path()).args(["--config", "c.toml", "--database", &home.url()]);
        let key = program.clone().args(["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
        let server = program.spawn_serve();
        let http = reqwest::blocking::Client::new();
        let mut receipts = Vec::new();
        for n in 0..5 {
            let body = entry(&format!("E{n}"), "A-1", "2026-03-02T10:00:00Z", n, n + 1);
            let sent = http.post(format!("{}/api/v1/entries", server.url())).bearer_auth(&key).json(&body).send().unwrap();
            receipts.push(sent.json::<Value>().unwrap());
        }
        let last = receipts[4]["seq"].as_i64().unwrap();

        // The webhook: the same delivery until it is taken, then everything in order.
        let records = until(&server, "the last entry", || {
            let taken: Vec<Value> = delivered
                .lock()
                .unwrap()
                .iter()
                .skip(2)
                .flat_map(|d| serde_json::from_str::<Vec<Value>>(&d.body).unwrap())
                .collect();
            taken.iter().any(|record| record["proof"]["seq"] == last).then_some(taken)
        });
        let deliveries = delivered.lock().unwrap().clone();
        assert!(deliveries.iter().all(is_signed));
        // More may have been signed when it was tried again; it begins where it began.
        let first = |d: &Delivery| serde_json::from_str::<Value>(&d.body).unwrap()[0]["proof"]["leaf"].clone();
        assert_eq!(first(&deliveries[0]), first(&deliveries[1]));
        assert_eq!(first(&deliveries[1]), first(&deliveries[2]));
        let places: Vec<i64> = records.iter().map(|record| record["proof"]["seq"].as_i64().unwrap()).collect();
        assert_eq!(places, (0..places.len() as i64).collect::<Vec<_>>(), "each leaf once, in its order");
        for receipt in &receipts {
            let record = &records[receipt["seq"].as_u64().unwrap() as usize];
            assert_eq!((&record["kind"], &record["proof"]["leaf"]), (&Value::from("entry"), &receipt["leaf"]));
            assert!(record["proof"]["checkpoint"].as_i64() > receipt["seq"].as_i64());
            assert_eq!(record["body"]["amount"], "1.00");
        }
        let text = serde_json::to_string(&records).unwrap();
        assert!(!text.contains("A-1"), "no account number leaves: {text}");

        // The SIEM: events only, and nothing of the delivery it hung up on is missing.
        let messages = until(&server, "the start of the program", || {
            let messages = logged.lock().unwrap().clone();
            messages.iter().any(|message| message.contains("- program.started [leaf@32473 ")).then_some(messages)
        });
        assert!(messages[0].contains("- log.created [leaf@32473 "), "{}", messages[0]);
        assert!(
            messages
                .iter()
                .all(|message| message.starts_with('<') && message.contains(">1 20") && !message.contains(" - entry "))
        );
        let event: Value = serde_json::from_str(messages[0].split_once('\u{feff}').unwrap().1).unwrap();
        assert_eq!((&event["metadata"]["version"], &event["metadata"]["sequence"]), (&Value::from("1.3.0"), &Value::from(0)));

        // The dead one holds nobody up, and is seen.
        let metrics = || http.get(format!("http://{admin}/metrics")).send().unwrap().text().unwrap();
        until(&server, "the failure", || {
            metrics().contains("counterfoil_forward_failures{book=\"main\",name=\"dead\"} ").then_some(())
        });
        until(&server, "the end of the queue", || {
            metrics().contains("counterfoil_forward_behind{book=\"main\",name=\"hook\"} 0\n").then_some(())
        });
        assert!(!metrics().contains("counterfoil_forward_failures{book=\"main\",name=\"dead\"} 0\n"));
        drop(server);
        program.clone().arg("verify").run().succeeded();
    });
}

#[test]
fn a_receiver_whose_settings_cannot_work_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (settings, words) in [
        ("url = \"https://x.example\"", "needs secret_file"),
        ("url = \"http://x.example\"\nsecret_file = \"s\"", "http only to this machine"),
        ("url = \"syslog+tls://x.example\"", "needs ca_file"),
        ("url = \"udp://x.example\"", "url must be"),
        ("url = \"https://x.example\"\nsecret_file = \"s\"\nformat = \"cef\"", "takes JSON"),
    ] {
        std::fs::write(dir.path().join("c.toml"), format!("[[forward]]\nname = \"siem\"\n{settings}\n")).unwrap();
        let refused = Program::new(dir.path()).args(["--config", "c.toml", "log", "key"]).run().failed_with(2);
        assert!(refused.stderr.contains("[[forward]] siem") && refused.stderr.contains(words), "{}", refused.stderr);
    }
}
