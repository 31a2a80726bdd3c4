//! Bounds, over the wire: bodies that stop arriving, a full queue, leaving in the middle of a
//! request, and whoever tries passwords.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use counterfoil::access::{Role, users};
use counterfoil::config::Config;
use reqwest::Method;

use crate::bank::{Home, Kind, entry, on_both};
use crate::site::{Answer, PASSWORD, Site};
use crate::support::program::Program;

/// Sends the head of a request and the beginning of its body, and keeps the connection.
fn begin(address: SocketAddr, path: &str, headers: &str, begun: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 5000\r\n{headers}\r\n\r\n{begun}");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// What is answered until the connection closes or nothing more comes.
fn answer(mut stream: TcpStream) -> String {
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        text.extend_from_slice(&piece[..n]);
        if text.windows(4).any(|w| w == b"\r\n\r\n") && text.ends_with(b"0\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

const FORM: &str = "content-type: application/x-www-form-urlencoded";

#[test]
fn a_body_that_stops_arriving_is_a_408() {
    let site = Site::with(Kind::Sqlite, |config: &mut Config| config.server.body_seconds = 1);
    let who = site.sign_in(Role::Officer);
    let key = format!("authorization: Bearer {}\r\n", site.key);
    let began = Instant::now();
    for (path, headers, begun, said) in [
        ("/sign-in", FORM.to_owned(), "email=a", "Too slow"),
        ("/accounts", format!("cookie: {}\r\n{FORM}", who.cookie), "kind=ip", "Too slow"),
        ("/api/v1/entries", format!("{key}content-type: application/json"), "{\"source_ref\":", "body_too_slow"),
        ("/api/v1/feeds/core/close", format!("{key}content-type: application/json"), "{", "body_too_slow"),
    ] {
        let text = answer(begin(site.address, path, &headers, begun));
        assert!(text.starts_with("HTTP/1.1 408 ") && text.contains(said), "{path}: {text}");
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    // A page's form must be there in all within the time: a byte now and then is no help.
    let mut dripping = begin(site.address, "/sign-in", FORM, "email=a");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) && dripping.write_all(b"a").is_ok() {
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn a_stream_that_falls_silent_keeps_what_it_sent_and_says_why_it_ended() {
    let site = Site::with(Kind::Sqlite, |config: &mut Config| config.server.body_seconds = 1);
    let headers = format!("authorization: Bearer {}\r\ncontent-type: application/x-ndjson", site.key);
    let line = entry("N1", "1", "2026-03-02T10:00:00Z", 0, 1).to_string() + "\n";
    let text = answer(begin(site.address, "/api/v1/entries", &headers, &format!("{line}{{\"source")));
    assert!(text.contains("\"recorded\"") && text.contains("body_too_slow"), "{text}");
    assert_eq!(site.get("/api/v1/accounts/1").status, 200);
}

#[test]
fn a_full_queue_is_a_503_with_a_time_and_loses_nothing() {
    on_both(|kind| {
        let site = Site::with(kind, |config: &mut Config| config.limits.queue_entries = 2);
        // Whoever holds the writer: nothing moves until it is let go.
        let (holding, held) = channel();
        let (release, released) = channel::<()>();
        let log = site.app.log();
        let holder = std::thread::spawn(move || {
            log.act(move |_| {
                holding.send(()).unwrap();
                let _ = released.recv_timeout(Duration::from_secs(60));
                Ok(())
            })
        });
        held.recv().unwrap();
        let post = |n: i64| {
            let request = site.by_key(Method::POST, "/api/v1/entries");
            let request = request.json(&entry(&format!("Q{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1));
            std::thread::spawn(move || Answer::of(request.send().unwrap()))
        };
        let asked: Vec<_> = (0..8).map(post).collect();
        let began = Instant::now();
        while !asked.iter().any(std::thread::JoinHandle::is_finished) && began.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
        release.send(()).unwrap();
        holder.join().unwrap().unwrap();
        let answers: Vec<Answer> = asked.into_iter().map(|thread| thread.join().unwrap()).collect();
        let (full, taken): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 503);
        assert!(!full.is_empty() && !taken.is_empty(), "{answers:#?}");
        for answer in full {
            answer.problem(503, "queue_full");
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{answer:#?}");
        }
        assert!(taken.iter().all(|answer| answer.status == 201), "{answers:#?}");
        let again = post(99).join().unwrap();
        assert_eq!(again.status, 201, "{again:#?}");
        let listed = site.get("/api/v1/accounts/1/entries");
        let stored = listed.json()["items"].as_array().unwrap_or_else(|| panic!("{listed:#?}")).len();
        assert_eq!(stored, taken.len() + 1, "what was refused is not there, what was taken is");
    });
}

#[test]
fn an_unfinished_request_does_not_hold_the_process_up() {
    let (home, dir) = (Home::new(Kind::Sqlite), tempfile::tempdir().unwrap());
    let mut serve = Program::new(dir.path()).args(["--database", &home.url()]).spawn_serve();
    let address: SocketAddr = serve.url().trim_start_matches("http://").parse().unwrap();
    let form = begin(address, "/sign-in", FORM, "email=a");
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    assert_eq!(serve.terminate(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let text = answer(form);
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
}

fn attempt(site: &Site, ip: &str, password: &str, cookie: &str) -> Answer {
    let form = [("email", "officer@bank.example"), ("password", password)];
    let request = site.plain(Method::POST, "/sign-in").header("x-forwarded-for", ip).header("cookie", cookie);
    Answer::of(request.form(&form).send().unwrap())
}

#[test]
fn nobody_locks_an_officer_out_from_elsewhere() {
    let site = Site::with(Kind::Sqlite, |config: &mut Config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    users::add(&site.app.log(), &site.app.clock, "officer@bank.example", Role::Officer, PASSWORD).unwrap();
    for n in 0..40 {
        assert_eq!(attempt(&site, &format!("198.51.100.{}", n % 3), "wrong wrong wrong", "").status, 422);
    }
    assert_eq!(attempt(&site, "198.51.100.1", PASSWORD, "").status, 422, "where it was tried, one waits");
    let signed_in = attempt(&site, "203.0.113.5", PASSWORD, "");
    assert_eq!(signed_in.status, 303, "{signed_in:#?}");
    let told = signed_in.headers.get_all("set-cookie").iter().any(|cookie| cookie.to_str().unwrap().contains("tried.15"));
    assert!(told, "{signed_in:#?}");
}

#[test]
fn signing_in_again_ends_the_session_before() {
    let site = Site::open(Kind::Sqlite);
    let before = site.sign_in(Role::Officer);
    let again = attempt(&site, "", PASSWORD, &before.cookie);
    assert_eq!(again.status, 303);
    let with = |cookie: &str| Answer::of(site.plain(Method::GET, "/").header("cookie", cookie).send().unwrap()).status;
    assert_eq!(with(&before.cookie), 303, "shown the way in");
    let cookie = again.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(with(&cookie), 200);
}
