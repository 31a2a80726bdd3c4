//! Values go when the time of their class is over; what is kept says for ever that there was a change.

use counterfoil::clock::DAY;
use counterfoil::privacy::retention;
use counterfoil::trail::NewEvent;
use serde_json::json;

use crate::bank::on_both;
use crate::site::Site;

#[test]
fn retention() {
    on_both(|kind| {
        let site = Site::with(kind, |config| {
            config.retention.quiet_days = 10;
            config.records = toml::from_str("[[type]]\nname = \"flag\"\nclass = \"debug\"").unwrap();
        });
        for (n, record) in [("R1", "flag"), ("R2", "customer")] {
            let row = json!({ "source_ref": n, "type": record, "id": "X-1", "action": "create", "after": { "note": format!("NOTE-{n}") },
                "actor": "john_doe" });
            assert_eq!(site.post("/api/v1/changes", &row).status, 201);
        }
        for _ in 0..31 {
            site.bank.clock.advance(DAY);
            site.app.log().append(NewEvent::public("program.heartbeat", json!({}))).unwrap();
        }
        let run = retention::prune(&site.bank.db, &site.app.log(), &site.app.config.retention, &site.bank.clock).unwrap().1;
        assert_eq!(run.dropped.total(), 1, "{kind:?}: debug is kept for 30 days, normal for a year");
        let changes = |record: &str| site.get(&format!("/api/v1/records/{record}/X-1/changes")).text;
        assert!(!changes("flag").contains("NOTE-R1") && !changes("flag").contains("john_doe"), "{}", changes("flag"));
        assert!(changes("flag").contains("\"version\":1") && changes("customer").contains("NOTE-R2"));
        assert_eq!(site.bank.findings(), [], "every proof holds");
    });
}
