//! Entries and changes sent at once, blocking and async; what is refused is an error that says why.

use counterfoil_client::{AsyncClient, Change, Client, Document, Error, Outcome, Record, Row, Who};
use serde_json::json;

use super::house::deposit;
use crate::bank::{Kind, on_both};
use crate::site::Site;

fn client(site: &Site) -> Client {
    Client::new(format!("http://{}", site.address), &site.key).unwrap()
}

#[test]
fn what_is_sent_is_in_the_log_with_its_receipt() {
    on_both(|kind| {
        let site = Site::open(kind);
        let client = client(&site);
        let entry = deposit("A-1", 0).by(Who::actor("ann").session("s-1").ip("192.0.2.7"));
        let Outcome::Recorded(receipt) = client.entry(&entry).unwrap() else { panic!("it is new") };
        let shown = site.get(&format!("/api/v1/entries/{}", receipt.seq)).json();
        assert_eq!((&shown["leaf"], &shown["amount"], &shown["ip"]), (&json!(receipt.leaf), &json!("1.00"), &json!("192.0.2.7")));
        assert_eq!(client.entry(&entry).unwrap(), Outcome::Duplicate(receipt));
        let mut off = deposit("A-1", 7);
        off.source_ref = "off".into();
        let breaks = client.entry(&off).unwrap().receipt().unwrap().breaks.clone();
        assert_eq!((breaks[0].kind.as_str(), breaks[0].difference.as_deref()), ("chain", Some("6.00")));

        let state = |limit: u32| Document::of(&json!({ "name": "Ann", "limit": limit })).unwrap();
        let record = || Record::new("customer", "C-1");
        assert!(matches!(client.change(&Change::create("C1", record(), &state(1))).unwrap(), Outcome::Recorded(_)));
        let between = Change::between("C2", record(), &state(1), &state(2)).unwrap().by(Who::actor("bob")).because("by letter");
        assert_eq!(client.change(&between).unwrap().receipt().unwrap().position, Some(2));
        assert!(matches!(client.change(&Change::update("C3", record(), None, &state(2))).unwrap(), Outcome::Unchanged(Some(_))));
        let stale = Change::between("C4", record(), &state(9), &state(3)).unwrap();
        let broken = client.change(&stale).unwrap().receipt().unwrap().breaks.clone();
        assert_eq!((broken[0].path.as_deref(), broken[0].expected.as_deref()), (Some("/limit"), Some("2")));
        let Error::Refused(problem) = client.change(&Change::create("C4", record(), &state(4))).unwrap_err() else {
            panic!("another content under the same reference")
        };
        assert_eq!((problem.code.as_str(), problem.first_seq.is_some()), ("source_ref_conflict", true));
        assert!(matches!(client.change(&Change::delete("C5", record(), None)).unwrap(), Outcome::Recorded(_)));
    });
}

#[test]
fn many_rows_are_answered_one_by_one_and_in_order() {
    let site = Site::open(Kind::Sqlite);
    let client = client(&site);
    let mut wrong = deposit("A-1", 1_500);
    wrong.currency = "XXQ".into();
    let mut rows: Vec<Row> =
        (0..2_500).map(|n| Row::entry(&if n == 1_500 { wrong.clone() } else { deposit("A-1", n) }).unwrap()).collect();
    rows.push(Row::parse(counterfoil_client::RowKind::Change, r#"{"source_ref": "X", "type": "NOT A TYPE"}"#).unwrap());
    let outcomes = client.send(&rows).unwrap();
    let refused: Vec<(usize, &str)> = outcomes
        .iter()
        .enumerate()
        .filter_map(|(n, outcome)| if let Outcome::Refused(problem) = outcome { Some((n, problem.code.as_str())) } else { None })
        .collect();
    assert_eq!(refused, [(1_500, "currency_unknown"), (2_500, "record_type_invalid")]);
    let places: Vec<i64> = outcomes.iter().filter_map(|outcome| Some(outcome.receipt()?.seq)).collect();
    assert!(places.is_sorted() && places.len() == 2_499);
}

#[test]
fn a_key_that_is_refused_and_a_server_that_is_away_are_told_apart() {
    let site = Site::open(Kind::Sqlite);
    let url = format!("http://{}", site.address);
    let stranger = Client::new(&url, "cf_nobody").unwrap();
    assert!(matches!(stranger.entry(&deposit("A-1", 0)), Err(Error::Denied(problem)) if problem.status == 401));
    let reader = Client::new(&url, site.issue("core", "read")).unwrap();
    assert!(matches!(reader.entry(&deposit("A-1", 0)), Err(Error::Denied(problem)) if problem.status == 403));
    let nobody = Client::builder("http://127.0.0.1:1", "key").attempts(2).build().unwrap();
    assert!(matches!(nobody.entry(&deposit("A-1", 0)), Err(Error::Unavailable { .. })));
    let other = Client::builder(format!("{url}/elsewhere"), &site.key).build().unwrap();
    assert!(matches!(other.entry(&deposit("A-1", 0)), Err(Error::Unexpected(_))));
}

#[test]
fn tasks_send_without_blocking_their_thread() {
    on_both(|kind| {
        let site = Site::open(kind);
        let client = AsyncClient::new(client(&site), 4).unwrap();
        // One thread for all tasks: were one of them blocked, the clock would stand still.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ticks = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let receipts = runtime.block_on(async {
            let ticking = ticks.clone();
            let clock = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    ticking.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
            let sending: Vec<_> = (0..40)
                .map(|n| {
                    let client = client.clone();
                    tokio::spawn(async move { client.entry(deposit(&format!("A-{n}"), 0)).await.unwrap() })
                })
                .collect();
            let mut receipts = Vec::new();
            for task in sending {
                receipts.push(task.await.unwrap().receipt().unwrap().clone());
            }
            clock.abort();
            receipts
        });
        let places: std::collections::BTreeSet<i64> = receipts.iter().map(|receipt| receipt.seq).collect();
        assert_eq!(places.len(), 40);
        assert!(ticks.load(std::sync::atomic::Ordering::Relaxed) > 2, "the tasks' thread went on");
    });
}
