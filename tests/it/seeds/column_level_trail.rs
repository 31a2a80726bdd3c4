//! Of a row with many columns, only those that changed are kept, each with its old and its new value.

use serde_json::json;

use crate::bank::on_both;
use crate::site::Site;

#[test]
fn column_level_trail() {
    on_both(|kind| {
        let site = Site::open(kind);
        let row = |n: u32, after: serde_json::Value| json!({ "source_ref": format!("R{n}"), "type": "employee", "id": "E-1", "action": "update", "actor": "hr", "after": after });
        let first = json!({ "name": "Ann", "salary": "5000.00", "grade": 7, "desk": "B4", "tags": ["x"] });
        let second = json!({ "name": "Ann", "salary": "5200.50", "grade": 7, "desk": null, "tags": ["x"] });
        site.post("/api/v1/changes", &row(1, first));
        site.post("/api/v1/changes", &row(2, second));
        let changes = site.get("/api/v1/records/employee/E-1/changes").json();
        let expected = json!([
            { "path": "/desk", "old": "B4", "new": null, "sealed": false },
            { "path": "/salary", "old": "5000.00", "new": "5200.50", "sealed": false },
        ]);
        assert_eq!(changes["items"][0]["fields"], expected, "{kind:?}");
        assert_eq!(changes["items"][1]["fields"].as_array().unwrap().len(), 5, "the first of a record keeps all of it");
    });
}
