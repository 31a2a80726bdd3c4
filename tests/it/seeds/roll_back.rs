//! A record goes back to an earlier state: proposed by one officer, approved by another, and itself a new change.

use counterfoil::app::carry_out_due;
use serde_json::json;

use crate::bank::on_both;
use crate::records::proposed;
use crate::site::Site;

#[test]
fn roll_back() {
    on_both(|kind| {
        let site = Site::open(kind);
        for (n, limit) in [(1, 100), (2, 9_999)] {
            let row = json!({ "source_ref": format!("R{n}"), "type": "customer", "id": "C-1", "action": "update", "after": { "limit": limit } });
            assert_eq!(site.post("/api/v1/changes", &row).status, 201);
        }
        let state = || site.get("/api/v1/records/customer/C-1").json();
        proposed(&site, state()["record"].as_i64().unwrap(), 1);
        carry_out_due(&site.app).unwrap();
        assert_eq!((&state()["document"], &state()["version"]), (&json!({ "limit": 100 }), &json!(3)), "{kind:?}");
        let changes = site.get("/api/v1/records/customer/C-1/changes").json()["items"].clone();
        assert_eq!(changes[0]["restores"], changes[2]["seq"], "and nothing of the history is gone");
        assert_eq!(site.bank.findings(), []);
    });
}
