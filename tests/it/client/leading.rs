//! Two instances, one of which stands by: the leader it names is followed, to addresses that were given and to no other.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use counterfoil_client::{AsyncClient, Client, Error, Outcome};

use super::house::{Place, deposit};
use crate::bank::on_both;
use crate::support::program::Server;

fn client(at: &str, key: &str, others: &[&str]) -> Client {
    let begun = Client::builder(at, key).timeout(Duration::from_secs(20)).attempts(1);
    others.iter().fold(begun, |builder, other| builder.also_at(*other)).build().unwrap()
}

fn is_recorded(told: Result<Outcome, Error>) -> bool {
    matches!(told, Ok(Outcome::Recorded(_)))
}

#[test]
fn a_stand_by_s_leader_is_followed_where_its_address_was_given() {
    on_both(|kind| {
        let place = Place::new(kind);
        let mut leader = place.serve();
        let beside: Server = place.serve_beside();
        let (first, second) = (leader.url().to_owned(), beside.url().to_owned());
        let Err(Error::Unavailable { reason, .. }) = client(&second, &place.key, &[]).entry(&deposit("A-1", 0)) else {
            panic!("{kind:?}: nobody told it of the other")
        };
        assert!(reason.contains("stand_by") && reason.contains(&first) && reason.contains("also_at"), "{reason}");
        let both = client(&second, &place.key, &[&first]);
        assert!(is_recorded(both.entry(&deposit("A-1", 0))));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = AsyncClient::new(client(&second, &place.key, &[&first]), 2).unwrap();
        assert!(is_recorded(runtime.block_on(tasks.entry(deposit("A-1", 1)))));
        // The leader dies; whoever stood by takes over, and is found without being named.
        leader.kill9();
        let began = std::time::Instant::now();
        while !is_recorded(both.entry(&deposit("A-1", 2))) {
            assert!(began.elapsed() < Duration::from_secs(60), "nobody took it\n{}", beside.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        drop(beside);
        place.verified();
    });
}

#[test]
fn a_key_goes_to_no_address_that_only_an_answer_names() {
    let thief = TcpListener::bind("127.0.0.1:0").unwrap();
    thief.set_nonblocking(true).unwrap();
    let forger = TcpListener::bind("127.0.0.1:0").unwrap();
    let (here, there) = (format!("http://{}", forger.local_addr().unwrap()), format!("http://{}", thief.local_addr().unwrap()));
    let named = there.clone();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = forger.accept().unwrap();
        let mut asked = vec![0; 16 * 1024];
        let mut read = 0;
        // To the end of the row that was sent.
        while !asked[..read].ends_with(b"]") {
            read += stream.read(&mut asked[read..]).unwrap();
        }
        let body = format!(r#"{{"status":503,"code":"stand_by","detail":"It stands by.","leader":"{named}"}}"#);
        let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nconnection: close";
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8_lossy(&asked[..read]).contains("Bearer cf_secret")
    });
    let Err(Error::Unavailable { reason, .. }) = client(&here, "cf_secret", &["http://127.0.0.1:1"]).entry(&deposit("A-1", 0))
    else {
        panic!("it was not taken")
    };
    assert!(reason.contains(&there), "{reason}");
    assert!(answering.join().unwrap(), "the key went where it was sent");
    assert!(thief.accept().is_err(), "nobody came by");
}
