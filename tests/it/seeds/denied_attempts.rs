//! What was refused is in the log as well as what was done, and cannot be taken out of it.

use counterfoil::access::{Door, Origin, Role};
use reqwest::Method;
use serde_json::json;

use crate::bank::on_both;
use crate::site::{Answer, Site};

#[test]
fn denied_attempts() {
    on_both(|kind| {
        let site = Site::open(kind);
        let reader = site.issue("core", "read");
        let posted = site.plain(Method::POST, "/api/v1/changes").bearer_auth(reader).json(&json!({})).send().unwrap();
        Answer::of(posted).problem(403, "scope_missing");
        site.sign_in(Role::Analyst);
        let door = Door::new(site.app.db.clone(), site.app.log(), site.app.clock.clone());
        assert!(door.sign_in("analyst@bank.example", "not the password", &Origin::default()).is_err());
        site.post("/api/v1/changes", &json!({ "source_ref": "R1", "type": "customer", "id": "C-1", "action": "rename" }));
        for event in ["access.denied", "session.refused", "changes.refused"] {
            assert_eq!(site.events(event).len(), 1, "{kind:?}: {event}");
        }
        assert_eq!(site.bank.findings(), []);
    });
}
