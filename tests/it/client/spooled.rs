//! The spool before a server that is away, killed, refuses, or must wait: each thing once, in its order, or said.

use std::time::{Duration, Instant};

use counterfoil_client::{Change, Client, Document, Record, Recorder, Spooling, Standing, Who};
use serde_json::{Value, json};

use super::house::{Place, deposit, items};
use crate::bank::{Kind, on_both};
use crate::privacy::ready_to_seal;
use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(120);

fn limit(n: u32) -> Change {
    let state = |limit: u32| Document::of(&json!({ "name": "Ann", "limit": limit })).unwrap();
    let record = Record::new("customer", "C-1");
    let reference = format!("L-{n}");
    let change = match n {
        0 => Change::create(reference, record, &state(0)),
        _ => Change::between(reference, record, &state(n - 1), &state(n)).unwrap(),
    };
    change.by(Who::actor("core")).at(format!("2026-03-02T10:{:02}:{:02}Z", n / 60, n % 60))
}

fn put(spooling: &Spooling, numbers: std::ops::Range<u32>) {
    for n in numbers {
        spooling.record_change(&limit(n)).unwrap();
        spooling.record_entry(&deposit("A-1", n)).unwrap();
    }
}

fn standing(spooling: &Spooling, what: &str, look: impl Fn(&Standing) -> bool) -> Standing {
    let began = Instant::now();
    loop {
        let standing = spooling.standing();
        if look(&standing) {
            return standing;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {standing:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn with_the_server_killed_in_the_middle_each_change_is_there_once_and_in_order() {
    on_both(|kind| {
        let (place, folder) = (Place::new(kind), tempfile::tempdir().unwrap());
        // Nobody is there yet.
        let spooling = place.client().spooling(folder.path()).unwrap();
        put(&spooling, 0..50);
        let away = standing(&spooling, "a failure", |standing| standing.failing_since.is_some());
        assert_eq!((away.waiting, away.sent), (100, 0));
        let mut server = place.serve();
        standing(&spooling, "the first", |standing| standing.sent > 0);
        for round in 1..4_u32 {
            std::thread::scope(|scope| {
                scope.spawn(|| put(&spooling, round * 50..(round + 1) * 50));
                std::thread::sleep(Duration::from_millis(u64::from(round) * 15));
                server.kill9();
            });
            server = place.serve();
        }
        // This process ends too, with rows that wait; the next one goes on where it ended.
        put(&spooling, 200..240);
        server.kill9();
        put(&spooling, 240..250);
        drop(spooling);
        let spooling = place.client().spooling(folder.path()).unwrap();
        assert!(spooling.standing().waiting >= 20);
        put(&spooling, 250..260);
        let _server = place.serve();
        spooling.flush(PATIENCE).unwrap();

        let changes = items(&place.url(), &place.key, "/api/v1/records/customer/C-1/changes");
        let expected: Vec<Value> = (0..260).rev().map(|n| json!(format!("L-{n}"))).collect();
        assert_eq!(changes.iter().map(|change| change["source_ref"].clone()).collect::<Vec<_>>(), expected, "{kind:?}");
        assert!(changes.iter().all(|change| change["breaks"] == 0), "nothing came before what it follows");
        let entries = items(&place.url(), &place.key, "/api/v1/accounts/A-1/entries");
        let references: Vec<Value> = (0..260).map(|n| json!(format!("A-1-{n}"))).collect();
        assert_eq!(entries.iter().map(|entry| entry["source_ref"].clone()).collect::<Vec<_>>(), references);
        assert!(entries.iter().all(|entry| entry["breaks"] == json!([])));
        assert_eq!(spooling.standing().refused, 0);
        place.verified();
    });
}

#[test]
fn what_is_refused_for_good_is_kept_with_its_reason_and_holds_up_nobody() {
    let (site, folder) = (Site::open(Kind::Sqlite), tempfile::tempdir().unwrap());
    let client = Client::new(format!("http://{}", site.address), &site.key).unwrap();
    let spooling = client.spooling(folder.path()).unwrap();
    put(&spooling, 0..2);
    let mut wrong = deposit("A-1", 2);
    wrong.currency = "EUR".into();
    spooling.record_entry(&wrong).unwrap();
    let nameless = Change::create("bad", Record::new("Not a type", 1), &Document::default()).at("2026-03-02T10:00:00Z");
    spooling.record_change(&nameless).unwrap();
    put(&spooling, 2..4);
    spooling.flush(PATIENCE).unwrap();
    let done = spooling.standing();
    // The entry whose reference was refused is taken with other content: nothing holds that reference.
    assert_eq!((done.sent, done.refused, done.waiting), (8, 2, 0));
    let kept = std::fs::read_to_string(folder.path().join("rejected.ndjson")).unwrap();
    let lines: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |line: &Value| (line["row"]["source_ref"].clone(), line["problem"]["code"].clone());
    assert_eq!(
        lines.iter().map(of).collect::<Vec<_>>(),
        [(json!("A-1-2"), json!("currency_mismatch")), (json!("bad"), json!("record_type_invalid"))]
    );
    assert_eq!(site.events("record.changed").len(), 4);
}

#[test]
fn a_change_that_must_wait_holds_back_those_after_it() {
    let (site, folder) = (Site::open(Kind::Sqlite), tempfile::tempdir().unwrap());
    let client = Client::new(format!("http://{}", site.address), &site.key).unwrap();
    let spooling = client.spooling(folder.path()).unwrap();
    let mut secret = limit(1);
    secret.sensitive = vec!["/limit".into()];
    for change in [limit(0), secret, limit(2)] {
        spooling.record_change(&change).unwrap();
    }
    let waits = standing(&spooling, "why it waits", |standing| standing.last_error.is_some());
    assert!(waits.last_error.unwrap().contains("recovery_key_untested"));
    assert_eq!((site.events("record.changed").len(), spooling.standing().waiting), (1, 2));
    ready_to_seal(&site.bank);
    spooling.flush(PATIENCE).unwrap();
    let taken: Vec<Value> = site.events("record.changed").iter().map(|event| event["source_ref"].clone()).collect();
    assert_eq!(taken, [json!("L-0"), json!("L-1"), json!("L-2")]);
}

#[test]
fn a_refused_key_drops_nothing() {
    let (site, folder) = (Site::open(Kind::Sqlite), tempfile::tempdir().unwrap());
    let url = format!("http://{}", site.address);
    let spooling = Client::new(&url, "cf_wrong").unwrap().spooling(folder.path()).unwrap();
    put(&spooling, 0..5);
    let denied = standing(&spooling, "the refusal", |standing| standing.last_error.is_some());
    assert!(denied.last_error.unwrap().contains("refused the key"));
    drop(spooling);
    let spooling = Client::new(&url, &site.key).unwrap().spooling(folder.path()).unwrap();
    spooling.flush(PATIENCE).unwrap();
    assert_eq!((spooling.standing().sent, site.events("record.changed").len()), (10, 5));
}
