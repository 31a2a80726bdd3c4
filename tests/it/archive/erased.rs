//! What went before an archive was made is said to be gone, and the archive holds.

use counterfoil::clock::DAY;
use counterfoil::privacy::{Scope, retention};
use counterfoil::trail::NewEvent;
use serde_json::json;

use super::house::{House, files};
use crate::bank::on_both;
use crate::privacy::{ACCOUNT, CANARIES, erased, fill};
use crate::records::{change, record_as};

#[test]
fn what_was_erased_is_counted_and_nowhere_to_be_read() {
    on_both(|kind| {
        let house = House::with(kind, |config| config.limits.segment_entries = 1_024);
        fill(&house.bank);
        house.day(3);
        house.day(4);
        house.app.sign();
        let to = house.size() / 256 * 256;
        let (before, _) = house.archived("before", (0, to), true);
        erased(&house.bank, Scope::Account, ACCOUNT);
        house.app.sign();
        let (after, archived) = house.archived("after", (0, to), true);
        assert_eq!(house.found(&before), [], "what was handed out earlier still holds");
        assert_eq!(house.found(&after), [], "{kind:?}");
        let left = &archived.manifest.left_out;
        assert!(
            left.iter().any(|l| (l.what.as_str(), l.why.as_str()) == ("private parts", "erased") && l.count >= 8),
            "{left:?}"
        );
        for (path, content) in files(&after) {
            let text = String::from_utf8_lossy(&content).into_owned();
            for canary in CANARIES {
                assert!(!text.contains(canary), "{canary} in {path}");
            }
        }
        let all = String::from_utf8(files(&before)["tables/entries.ndjson"].clone()).unwrap();
        assert!(all.contains(ACCOUNT), "an archive with private parts is out of the reach of erasure");
    });
}

#[test]
fn values_whose_time_was_over_are_counted() {
    on_both(|kind| {
        let house = House::new(kind);
        let flag = change("F1", json!({ "type": "flag", "id": "flag-1", "after": { "on": "FLAG-CANARY" }, "reason": "why" }));
        record_as(&house.bank, house.bank.source, &[flag]);
        for _ in 0..31 {
            house.bank.clock.advance(DAY);
            house.bank.intake.log().append(NewEvent::public("program.heartbeat", json!({}))).unwrap();
        }
        let run = retention::prune(&house.bank.db, &house.bank.intake.log(), &house.bank.config.retention, &house.bank.clock);
        assert_eq!(run.unwrap().1.dropped.debug, 1);
        house.day(40);
        let (out, archived) = house.rest("after", true);
        assert_eq!(house.found(&out), [], "{kind:?}");
        let left = &archived.manifest.left_out;
        assert!(left.iter().any(|l| (l.what.as_str(), l.why.as_str(), l.count) == ("values", "erased", 1)), "{left:?}");
        assert!(!String::from_utf8_lossy(&files(&out)["tables/changes.ndjson"]).contains("FLAG-CANARY"));
    });
}
