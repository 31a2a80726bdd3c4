//! A holder's records go with the holder: those that name them as their subject, and those that bear their name.

use counterfoil::access::Role;
use counterfoil::app::carry_out_due;
use counterfoil::approvals::{self, Deciding, Decision, State};
use counterfoil::clock::{DAY, MINUTE};
use counterfoil::records::{ChangeResult, store};
use reqwest::Method;
use serde_json::{Value, json};

use super::house::{everything, verified};
use crate::bank::{entry, on_both};
use crate::records::record_as;
use crate::site::{Answer, PASSWORD, SignedIn, Site};

const WHY: &str = "Asked for by letter of the first of March, reference 9.";
const HOLDER: &str = "Ada Roe-CANARY";

fn send(site: &Site, reference: &str, kind: &str, id: &str, more: Value) {
    let mut row = json!({ "source_ref": reference, "type": kind, "id": id, "action": "update", "actor": "clerk" });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let done = record_as(&site.bank, site.bank.source, &[row]).remove(0);
    assert!(matches!(done, ChangeResult::Recorded(_)), "{done:?}");
}

fn post(site: &Site, who: &SignedIn, path: &str, name: &str, reason: &str) -> Answer {
    let form = [("csrf", who.csrf.as_str()), ("name", name), ("reason", reason)];
    Answer::of(site.plain(Method::POST, path).header("cookie", &who.cookie).form(&form).send().unwrap())
}

#[test]
fn erasing_a_holder_takes_the_records_that_are_about_them() {
    on_both(|kind| {
        let site = Site::with(kind, |config| {
            config.privacy.statutory_years = 0;
            let types = "[[type]]\nname = \"card\"\nsubject = \"/holder\"\n[[type]]\nname = \"customer\"\nsubject = \"id\"";
            config.records = toml::from_str(types).unwrap();
        });
        let mut row = entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 10);
        row["party"] = json!(HOLDER);
        site.bank.record(row);
        // By a path, by the id, by what the sender says; and others that are not theirs.
        send(&site, "C1", "card", "4711-CARD", json!({ "after": { "holder": HOLDER, "limit": "LIMIT-CARD-1" } }));
        send(&site, "C2", "card", "4711-CARD", json!({ "fields": [{ "path": "/limit", "new": "LIMIT-CARD-2" }] }));
        send(&site, "C3", "card", "4711-CARD", json!({ "action": "delete" }));
        send(&site, "C4", "customer", HOLDER, json!({ "after": { "city": "CITY-CARD-3" } }));
        send(&site, "C5", "note", "N-1", json!({ "after": { "text": "TEXT-CARD-4" }, "subject": HOLDER }));
        send(&site, "C6", "card", "4712-OTHER", json!({ "after": { "holder": "Bob Doe", "limit": "LIMIT-OTHER" } }));
        send(&site, "C7", "note", "N-2", json!({ "after": { "text": "TEXT-OTHER" }, "subject": "Bob Doe" }));
        let (ada, analyst) = (site.sign_in(Role::Officer), site.sign_in(Role::Analyst));
        let get =
            |who: &SignedIn, path: &str| Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap());
        assert!(get(&ada, "/accounts").text.contains("/holders"));
        assert_eq!((get(&ada, "/holders").status, get(&analyst, "/holders").status), (200, 403));
        assert_eq!(post(&site, &analyst, "/holders/erasure", HOLDER, WHY).status, 403);
        let short = post(&site, &ada, "/holders/erasure", HOLDER, "too short");
        assert!(short.status == 422 && short.text.contains("erase-reason-error") && short.text.contains(HOLDER), "{short:?}");
        assert_eq!(post(&site, &ada, "/holders/hold", "", WHY).status, 422);
        // A hold on another holder keeps that one, and the answer tells nothing.
        assert_eq!(post(&site, &ada, "/holders/hold", "Bob Doe", WHY).status, 303);
        for (name, what) in [("Bob Doe", "held"), ("Nobody Known", "unknown")] {
            let refused = post(&site, &ada, "/holders/erasure", name, WHY);
            assert!(refused.status == 409 && !refused.text.contains("hold "), "{what}: {refused:?}");
        }
        let asked = post(&site, &ada, "/holders/erasure", HOLDER, WHY);
        assert_eq!(asked.status, 303, "{asked:?}");
        let id: i64 = asked.header("location").strip_prefix("/approvals/").unwrap().parse().unwrap();
        let proposal = |id| site.app.db.read(|conn| approvals::find(conn, id)).unwrap().unwrap();
        assert_eq!((&proposal(id).facts["records"], &proposal(id).facts["entries"]), (&json!(3), &json!(1)), "{kind:?}");
        let bob = counterfoil::access::users::add(&site.app.log(), &site.app.clock, "bob@bank.example", Role::Officer, PASSWORD);
        let comment = "The letter was seen and is right.".to_owned();
        let deciding = Deciding { id, decision: Decision::Approve, comment, user: bob.unwrap(), whence: json!({}) };
        approvals::decide(&site.app.log(), deciding).unwrap();
        site.bank.clock.advance(7 * DAY + MINUTE);
        carry_out_due(&site.app).unwrap();
        assert_eq!(proposal(id).state, State::CarriedOut, "{kind:?}");
        let all = everything(&mut site.app.db.connect().unwrap());
        for gone in [HOLDER, "LIMIT-CARD", "CITY-CARD", "TEXT-CARD", "4711-CARD"] {
            assert!(!all.contains(gone), "{kind:?}: {gone} is still stored");
        }
        for there in ["LIMIT-OTHER", "TEXT-OTHER", "4712-OTHER"] {
            assert!(all.contains(there), "{kind:?}: {there} was not to be erased");
        }
        let source = site.bank.source;
        let read = |conn: &mut _| store::record_by_reference(conn, source, "customer", HOLDER);
        assert_eq!(site.app.db.read(read).unwrap(), None);
        let events = site.events("record.changed");
        assert_eq!(events.len(), 7, "the log keeps that they changed");
        assert!(!json!(events).to_string().contains("CANARY"));
        assert_eq!(verified(&site.bank).findings, [], "{kind:?}");
    });
}
