//! Going back to an earlier state, by two officers; and by none, if the record changed in between.

use counterfoil::access::{Role, users};
use counterfoil::app::carry_out_due;
use counterfoil::approvals::{self, Deciding, Decision, Kind as What, State, Submission};
use counterfoil::records::{ChangeResult, Restoration, newest, store};
use serde_json::{Value, json};

use super::house::{change, record_as, verified};
use crate::bank::on_both;
use crate::privacy::ready_to_seal;
use crate::site::{PASSWORD, Site};

fn send(site: &Site, reference: &str, more: Value) {
    let done = record_as(&site.bank, site.bank.source, &[change(reference, more)]).remove(0);
    assert!(matches!(done, ChangeResult::Recorded(_)), "{done:?}");
}

pub fn proposed(site: &Site, record: i64, version: i64) -> i64 {
    let officer = |name: &str| {
        let email = format!("{name}{version}@bank.example");
        users::add(&site.app.log(), &site.app.clock, &email, Role::Officer, PASSWORD).unwrap()
    };
    let (one, two) = (officer("one"), officer("two"));
    let found = site.app.db.read(|conn| Restoration::of(conn, record, version)).unwrap();
    let reason = "The change was made in error, as the branch says.".to_owned();
    let (about, facts) = (found.about(), found.facts());
    let submission =
        Submission { kind: What::RestoreRecord, about, facts, reason, detail: None, by: Some(one), whence: json!({}) };
    let id = approvals::submit(&site.app.log(), submission).unwrap();
    let comment = "I have read what it would change.".to_owned();
    let deciding = Deciding { id, decision: Decision::Approve, comment, user: two, whence: json!({}) };
    approvals::decide(&site.app.log(), deciding).unwrap();
    id
}

#[test]
fn a_restored_record_has_its_values_again_sealed_ones_too() {
    on_both(|kind| {
        let site = Site::with(kind, |config| {
            config.records = toml::from_str("[[type]]\nname = \"customer\"\nsensitive = [\"/tax\"]").unwrap();
        });
        ready_to_seal(&site.bank);
        let ann = |limit: u32, tax: &str| json!({ "after": { "name": "Ann", "limit": limit, "tax": tax } });
        send(&site, "R1", ann(1, "T1"));
        send(&site, "R2", ann(2, "T2"));
        send(&site, "R3", json!({ "action": "delete" }));
        let read = |conn: &mut _| store::record_by_reference(conn, site.bank.source, "customer", "C-1");
        let record = site.app.db.read(read).unwrap().unwrap().id;
        let state = || site.app.db.read(|conn| newest(conn, record)).unwrap().unwrap();
        assert!(!state().exists);
        proposed(&site, record, 1);
        carry_out_due(&site.app).unwrap();
        let now = state();
        assert_eq!((now.version, now.exists, now.values["/limit"].value.as_ref().map(|v| v.as_str())), (4, true, Some("1")));
        // The digest of the sealed value is that of the first change: it is the same value.
        let first = site.app.db.read(|conn| store::version(conn, record, 1)).unwrap().unwrap();
        let fields = site.app.db.read(|conn| store::fields_of(conn, &[first.seq])).unwrap();
        let digest = fields.iter().find(|field| field.path == "/tax").unwrap().new_digest.clone();
        assert_eq!((now.values["/tax"].digest.clone(), now.values["/tax"].value.clone()), (digest, None));
        assert_eq!(site.events("record.changed").pop().unwrap()["restores"], first.seq);

        let stale = proposed(&site, record, 2);
        send(&site, "R5", ann(7, "T1"));
        carry_out_due(&site.app).unwrap();
        let proposal = site.app.db.read(|conn| approvals::find(conn, stale)).unwrap().unwrap();
        let why = proposal.end.and_then(|end| end.comment).unwrap_or_default();
        assert_eq!((proposal.state, state().version), (State::Refused, 5), "the record changed since: {why}");
        assert!(why.contains("propose it again"), "{why}");
        let same = site.app.db.read(|conn| Restoration::of(conn, record, 5)).map(drop).unwrap_err();
        assert!(same.to_string().contains("in that state now"), "{same}");
        assert_eq!(verified(&site.bank).findings, [], "{kind:?}");
    });
}
