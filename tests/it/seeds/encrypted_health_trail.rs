//! Health data: sealed where it lies, changed and changed back provably, read back by nobody's key.

use counterfoil::records::store;
use serde_json::json;

use crate::bank::on_both;
use crate::privacy::{everything, ready_to_seal};
use crate::site::Site;

#[test]
fn encrypted_health_trail() {
    on_both(|kind| {
        let site = Site::with(kind, |config| {
            let settings = "[[type]]\nname = \"patient\"\nsensitive = [\"/health\"]\nreason = \"required\"\nclass = \"critical\"";
            config.records = toml::from_str(settings).unwrap();
        });
        let diagnosis = |n: u32, text: &str| {
            json!({ "source_ref": format!("P{n}"), "type": "patient", "id": "7", "action": "update", "actor": "dr_lee",
                "reason": "visit", "after": { "ward": "B", "health": { "diagnosis": text } } })
        };
        let send = |row: &serde_json::Value| site.post("/api/v1/changes", row);
        send(&diagnosis(1, "DIAGNOSIS-ONE")).problem(503, "recovery_key_untested");
        ready_to_seal(&site.bank);
        for (n, text) in [(1, "DIAGNOSIS-ONE"), (2, "DIAGNOSIS-TWO"), (3, "DIAGNOSIS-ONE")] {
            assert_eq!(send(&diagnosis(n, text)).status, 201);
        }
        // Known again without being read; but the sender is not told, or it could try one value after another.
        assert_eq!(send(&diagnosis(4, "DIAGNOSIS-ONE")).json()["status"], "recorded");
        let record =
            site.app.db.read(|conn| store::record_by_reference(conn, site.bank.source, "patient", "7")).unwrap().unwrap();
        let newest = site.app.db.read(|conn| store::newest(conn, record.id)).unwrap().unwrap();
        let fields = site.app.db.read(|conn| store::fields_of(conn, &[newest.seq])).unwrap();
        assert!(fields.len() == 1 && fields[0].old_digest == fields[0].new_digest, "{fields:?}");
        let stored = everything(&mut site.bank.db.connect().unwrap());
        assert!(!stored.contains("DIAGNOSIS-"), "{kind:?}: nothing of it is stored in the clear");
        let record = site.get("/api/v1/records/patient/7").json();
        assert_eq!((&record["document"], &record["sealed"]), (&json!({ "ward": "B" }), &json!(["/health/diagnosis"])));
        assert_eq!(site.bank.findings(), []);
    });
}
