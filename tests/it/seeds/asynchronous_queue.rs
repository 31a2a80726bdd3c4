//! A program that is never held up: what it records is on its own disk at once, and in the log when the server is there.

use std::time::{Duration, Instant};

use counterfoil_client::{Async, Change, Document, Record, Recorded};
use serde_json::json;

use crate::bank::on_both;
use crate::client::{Place, items};

#[test]
fn asynchronous_queue() {
    on_both(|kind| {
        let (place, folder) = (Place::new(kind), tempfile::tempdir().unwrap());
        let queue = Async::new(place.client().spooling(folder.path()).unwrap(), 2).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Nobody is there.
        let began = Instant::now();
        runtime.block_on(async {
            for n in 0..30 {
                let state = Document::of(&json!({ "read": n })).unwrap();
                let change = Change::update(format!("R{n}"), Record::new("page", "1"), None, &state);
                assert_eq!(queue.record_change(change).await.unwrap(), Recorded::Waiting);
            }
        });
        assert!(began.elapsed() < Duration::from_secs(20), "nothing waits for the server");
        assert_eq!(queue.inner().standing().waiting, 30);
        let _server = place.serve();
        queue.inner().flush(Duration::from_secs(120)).unwrap();
        let changes = items(&place.url(), &place.key, "/api/v1/records/page/1/changes");
        let expected: Vec<_> = (0..30).rev().map(|n| json!(format!("R{n}"))).collect();
        assert_eq!(changes.iter().map(|change| change["source_ref"].clone()).collect::<Vec<_>>(), expected);
    });
}
