//! A guard around a value, by the derive and without it.

use counterfoil_client::{Audited, Client, Guard, Outcome, Record, Recorded, Who};
use serde::Serialize;
use serde_json::json;

use super::house::items;
use crate::bank::on_both;
use crate::privacy::{everything, ready_to_seal};
use crate::site::Site;

/// The site's clock stands still.
const NOW: &str = "2026-03-02T12:00:00Z";

#[derive(Serialize)]
struct Address {
    city: &'static str,
    zip: u32,
}

#[derive(Audited)]
#[audited(type = "customer")]
struct Customer {
    #[audited(id)]
    number: u64,
    name: &'static str,
    address: Address,
    limit: u32,
    #[audited(sensitive)]
    diagnosis: Option<&'static str>,
    #[audited(skip)]
    clicks: u32,
}

fn customer() -> Customer {
    let address = Address { city: "Bern", zip: 3_000 };
    Customer { number: 7, name: "Ann", address, limit: 100, diagnosis: None, clicks: 0 }
}

#[test]
fn a_derived_record_keeps_its_fields_seals_what_is_sensitive_and_skips_what_is_not_said() {
    on_both(|kind| {
        let site = Site::open(kind);
        ready_to_seal(&site.bank);
        let url = format!("http://{}", site.address);
        let client = Client::new(&url, &site.key).unwrap();
        let mut ann = customer();
        let mut guard = Guard::new(&client, &mut ann).unwrap().by(Who::actor("john_doe").session("s-7").ip("192.0.2.7"));
        guard = guard.because("asked for by letter").at(NOW);
        guard.address.city = "Basel";
        guard.limit = 250;
        guard.diagnosis = Some("DIAGNOSIS-CANARY");
        guard.clicks = 3;
        let recorded = guard.finish().unwrap();
        assert!(matches!(recorded, Some(Recorded::Answered(Outcome::Recorded(_)))), "{recorded:?}");
        let change = items(&url, &site.key, "/api/v1/records/customer/7/changes").remove(0);
        let field = |path: &str| change["fields"].as_array().unwrap().iter().find(|field| field["path"] == path).cloned();
        let expected = json!({ "path": "/address/city", "old": "Bern", "new": "Basel", "sealed": false });
        assert_eq!((field("/address/city"), field("/clicks"), field("/number")), (Some(expected), None, None));
        assert_eq!(field("/diagnosis").unwrap(), json!({ "path": "/diagnosis", "sealed": true }));
        assert!(field("/name").is_some(), "the first change of a record keeps all of it");
        assert_eq!((&change["actor"], &change["reason"]), (&json!("john_doe"), &json!("asked for by letter")));
        assert!(!everything(&mut site.bank.db.connect().unwrap()).contains("DIAGNOSIS-CANARY"));

        // Only one field of an object below differs; going out of scope records it.
        Guard::new(&client, &mut ann).unwrap().at(NOW).address.zip = 4_000;
        Guard::new(&client, &mut ann).unwrap().at(NOW).clicks = 9;
        let changes = items(&url, &site.key, "/api/v1/records/customer/7/changes");
        let zip = json!({ "path": "/address/zip", "old": 3_000, "new": 4_000, "sealed": false });
        // What is sealed is kept whenever it is sent, so that nothing tells whether it is the same.
        let sealed = json!({ "path": "/diagnosis", "sealed": true });
        assert_eq!((changes.len(), &changes[0]["fields"]), (2, &json!([zip, sealed])));
        assert_eq!(changes[0]["breaks"], 0, "what the guard saw before is our last state");
        assert_eq!(site.events("record.changed").len(), 2, "what is skipped is no change");
    });
}

#[test]
fn any_value_is_guarded_as_the_record_it_is_said_to_be() {
    let site = Site::open(crate::bank::Kind::Sqlite);
    let client = Client::new(format!("http://{}", site.address), &site.key).unwrap();
    let mut price = json!({ "amount": "19.90", "currency": "CHF" });
    let mut guard = Guard::of(&client, Record::new("price", "P-1"), &mut price).unwrap().at(NOW);
    guard["amount"] = json!("24.90");
    guard.finish().unwrap();
    let record = site.get("/api/v1/records/price/P-1").json();
    assert_eq!(record["document"]["amount"], "24.90");
    let mut rate = json!({ "rate": 1.5 });
    let refused = Guard::of(&client, Record::new("rate", "R"), &mut rate).err().unwrap();
    assert!(refused.to_string().contains("/rate is a float"), "{refused}");
}
