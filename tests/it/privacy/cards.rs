//! Card numbers in the free texts of entries are not kept.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::on_both;
use crate::site::Site;

const ENTRIES: &str = "/api/v1/entries";

#[test]
fn a_card_number_in_the_texts_of_an_entry_is_masked_told_on_the_receipt_and_nowhere_in_the_database() {
    on_both(|kind| {
        let site = Site::open(kind);
        let entry = json!({
            "source_ref": "C1", "account": "A-1", "currency": "USD", "kind": "deposit", "amount": "1.00",
            "balance_before": "0.00", "balance_after": "1.00", "booked_at": "2026-03-02T10:00:00Z",
            "reason": "to 4111 1111 1111 1111 x", "counterparty_name": "5555-5555-5555-4444",
            "user_agent": "till 378282246310005", "party": "4111111111111111",
        });
        for (status, said) in [(201, "recorded"), (200, "duplicate")] {
            let answer = site.post(ENTRIES, &entry);
            assert_eq!(answer.status, status, "{}", answer.text);
            let receipt = answer.json();
            assert_eq!((&receipt["status"], &receipt["masked"]), (&json!(said), &json!(3)), "{receipt}");
        }
        let seq = site.post(ENTRIES, &json!([entry])).json()["results"][0]["seq"].clone();
        let read = site.get(&format!("{ENTRIES}/{seq}")).json();
        assert_eq!(
            (&read["reason"], &read["counterparty_name"], &read["user_agent"]),
            (&json!("to 4111 11** **** 1111 x"), &json!("5555-55**-****-4444"), &json!("till 378282*****0005")),
            "{read}"
        );
        assert_eq!(read["party"], "4111111111111111", "an identifier is what it is");
        // What is refused is kept without them too.
        let mut wrong = entry.clone();
        (wrong["source_ref"], wrong["party"], wrong["amount"]) = (json!("C2"), Value::Null, json!("1e3"));
        let refused = site.by_key(Method::POST, ENTRIES).json(&wrong).send().unwrap();
        assert_eq!(refused.status().as_u16(), 422);
        let parts = site.app.db.read(|conn| counterfoil::trail::store::event_parts_between(conn, 0, i64::MAX)).unwrap();
        let kept: Vec<&str> = parts.iter().map(|part| part.body.as_str()).filter(|body| body.contains("C2")).collect();
        assert_eq!(kept.len(), 1);
        assert!(kept[0].contains("4111 11** **** 1111") && !kept[0].contains("378282246310005"), "{}", kept[0]);
    });
}
