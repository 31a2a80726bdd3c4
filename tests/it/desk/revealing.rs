//! What is sealed of a record is shown once, to who may and says why; the log keeps who saw it.

use counterfoil::access::Role;
use counterfoil::privacy::{Cause, Ranges, erase};
use counterfoil::records::{ChangeResult, store};
use counterfoil::trail::store as trail;
use serde_json::{Value, json};

use super::house::{page, send};
use crate::bank::on_both;
use crate::privacy::ready_to_seal;
use crate::records::{change, record_as};
use crate::site::Site;

const WHY: &str = "The holder asked which number we keep, ticket 77 of today; reason-canary.";

#[test]
fn a_sealed_value_of_a_record_is_shown_once_for_a_reason() {
    on_both(|kind| {
        let site = Site::with(kind, |config| {
            config.records = toml::from_str("[[type]]\nname = \"customer\"\nsensitive = [\"/tax\"]").unwrap();
        });
        ready_to_seal(&site.bank);
        let tax = |n: u32| json!({ "after": { "name": "Ann", "tax": format!("TAX-CANARY-{n}") } });
        for (reference, n) in [("R1", 1), ("R2", 2)] {
            let done = record_as(&site.bank, site.bank.source, &[change(reference, tax(n))]).remove(0);
            assert!(matches!(done, ChangeResult::Recorded(_)), "{done:?}");
        }
        let read = |conn: &mut _| store::record_by_reference(conn, site.bank.source, "customer", "C-1");
        let record = site.app.db.read(read).unwrap().unwrap().id;
        let path = format!("/records/{record}");
        let (officer, auditor, analyst) = (site.sign_in(Role::Officer), site.sign_in(Role::Auditor), site.sign_in(Role::Analyst));
        let shown = page(&site, &officer, &path).text;
        assert!(shown.contains("Show what is sealed") && !shown.contains("TAX-CANARY"), "{shown}");
        assert!(!page(&site, &analyst, &path).text.contains("Show what is sealed"), "who may not has no form");
        let open = |who, version: &str, reason: &str| {
            send(&site, who, &format!("{path}/reveal"), &[("version", version), ("reason", reason)])
        };
        assert_eq!(open(&analyst, "2", WHY).status, 403);
        let short = open(&officer, "2", "too short");
        assert!(short.status == 422 && short.text.contains("too short</textarea>"), "{short:?}");
        assert!(!short.text.contains("TAX-CANARY"), "nothing without a reason");
        assert_eq!(open(&officer, "9", WHY).status, 404);
        assert!(site.events("value.revealed").is_empty());
        let seen = open(&officer, "2", WHY);
        assert!(seen.status == 200 && seen.text.contains("TAX-CANARY-2") && !seen.text.contains("TAX-CANARY-1"), "{seen:?}");
        assert_eq!(seen.header("cache-control"), "no-store");
        assert!(open(&auditor, "1", WHY).text.contains("TAX-CANARY-1"), "as it was then");
        assert!(!page(&site, &officer, &path).text.contains("TAX-CANARY"), "once");
        // Who, what and when in public; why and which fields in private.
        let events = site.events("value.revealed");
        let told: Vec<&Value> = events.iter().map(|event| &event["version"]).collect();
        assert_eq!((told, &events[0]["record"], &events[0]["fields"]), (vec![&json!(2), &json!(1)], &json!(record), &json!(1)));
        assert!(events.iter().all(|event| event["user"].is_i64() && !event.to_string().contains("canary")), "{events:?}");
        assert!(page(&site, &officer, "/trail").text.contains("opened 1 sealed value of a record"));
        // Erased, nobody sees it, and the page says so.
        let places = site.app.db.read(|conn| trail::events_between(conn, record, i64::MAX, 100_000)).unwrap();
        let places = places.into_iter().filter(|event| event.kind.starts_with("record.")).map(|event| event.seq);
        let places = Ranges::of(places.collect());
        site.app.log().act(move |tx| erase(tx, Cause::Register { again: 1 }, &places).map(drop)).unwrap();
        let gone = page(&site, &officer, &path).text;
        assert!(gone.contains("was erased") && !gone.contains("Show what is sealed"), "{gone}");
        assert_eq!(open(&officer, "2", WHY).status, 404);
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}
