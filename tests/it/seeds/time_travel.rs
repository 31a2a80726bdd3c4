//! A record as it was at any instant, and what differs between two.

use serde_json::json;

use crate::bank::on_both;
use crate::site::Site;

#[test]
fn time_travel() {
    on_both(|kind| {
        let site = Site::open(kind);
        for (n, at, limit) in [(1, "01T09", 100), (2, "01T15", 250), (3, "02T09", 90)] {
            let row = json!({ "source_ref": format!("R{n}"), "type": "customer", "id": "C-1", "action": "update",
                "changed_at": format!("2026-03-{at}:00:00Z"), "after": { "name": "Ann", "limit": limit } });
            assert_eq!(site.post("/api/v1/changes", &row).status, 201);
        }
        let at = |at: &str| site.get(&format!("/api/v1/records/customer/C-1?at={at}"));
        let limit = |instant: &str| at(instant).json()["document"]["limit"].clone();
        at("2026-03-01T08:59:59Z").problem(404, "not_found");
        assert_eq!(limit("2026-03-01T09:00:00Z"), json!(100));
        assert_eq!(limit("2026-03-01T23:00:00Z"), json!(250));
        assert_eq!(limit("2026-03-02T09:00:00Z"), json!(90));
        let path = "/api/v1/records/customer/C-1/difference?from=2026-03-01T16:00:00Z&to=2026-03-02T10:00:00Z";
        let expected = json!([{ "path": "/limit", "old": 250, "new": 90, "sealed": false }]);
        assert_eq!(site.get(path).json()["fields"], expected, "{kind:?}");
    });
}
