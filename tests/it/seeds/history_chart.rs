//! The page of a record draws its numbers over time.

use counterfoil::access::Role;
use reqwest::Method;
use serde_json::json;

use crate::bank::on_both;
use crate::site::{Answer, Site};

#[test]
fn history_chart() {
    on_both(|kind| {
        let site = Site::open(kind);
        for (n, limit) in [100, 250, 90].into_iter().enumerate() {
            let row = json!({ "source_ref": format!("R{n}"), "type": "customer", "id": "C-1", "action": "update",
                "changed_at": format!("2026-03-01T1{n}:00:00Z"), "after": { "name": "Ann", "limit": limit } });
            assert_eq!(site.post("/api/v1/changes", &row).status, 201);
        }
        let record = site.get("/api/v1/records/customer/C-1").json()["record"].clone();
        let officer = site.sign_in(Role::Officer);
        let page = site.plain(Method::GET, &format!("/records/{record}")).header("cookie", &officer.cookie).send().unwrap();
        let page = Answer::of(page);
        let chart = page.text.split("<svg class=\"chart").nth(1).unwrap_or_else(|| panic!("{kind:?}: no chart\n{}", page.text));
        let chart = chart.split("</svg>").next().unwrap();
        let (title, told) =
            (">limit</title>", ">90 since 2026-03-01 12:00; 100 at first, since 2026-03-01 10:00; 3 changes looked at.</desc>");
        assert!(chart.contains(title) && chart.contains(told) && chart.contains("<path class=\"line\""), "{kind:?}: {chart}");
    });
}
