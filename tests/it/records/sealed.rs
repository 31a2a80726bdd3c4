//! Sensitive values: sealed, known again by keyed digests, provable.

use counterfoil::config::Config;
use counterfoil::records::ChangeResult;
use serde_json::{Value, json};

use super::house::{change, record_as, verified};
use crate::bank::{Bank, Kind, on_both};
use crate::privacy::{everything, ready_to_seal};

const SECRETS: &[&str] = &["TAX-CANARY-1", "TAX-CANARY-2", "DIAGNOSIS-CANARY"];

fn bank(kind: Kind) -> Bank {
    Bank::with(kind, |config: &mut Config| {
        config.records = toml::from_str("[[type]]\nname = \"customer\"\nsensitive = [\"/tax\"]").unwrap();
    })
}

fn send(bank: &Bank, reference: &str, more: Value) -> ChangeResult {
    record_as(bank, bank.source, &[change(reference, more)]).remove(0)
}

fn tax(n: u32) -> Value {
    json!({ "after": { "name": "Ann", "tax": { "id": format!("TAX-CANARY-{n}") } } })
}

#[track_caller]
fn nothing_in_the_clear(bank: &Bank) {
    let all = everything(&mut bank.db.connect().unwrap());
    for secret in SECRETS {
        assert!(!all.contains(secret), "{secret} is stored in the clear");
    }
}

#[test]
fn sensitive_values_are_sealed_and_their_changes_proved_without_them() {
    on_both(|kind| {
        let bank = bank(kind);
        let refused = send(&bank, "R0", tax(1));
        assert!(matches!(refused, ChangeResult::Rejected(ref refusal) if refusal.code == "recovery_key_untested"), "{refused:?}");
        ready_to_seal(&bank);
        for (reference, n) in [("R1", 1), ("R2", 2), ("R3", 1)] {
            assert!(matches!(send(&bank, reference, tax(n)), ChangeResult::Recorded(_)));
        }
        let same = send(&bank, "R4", tax(1));
        assert!(
            matches!(same, ChangeResult::Recorded(_)),
            "what is sealed is kept, and nothing tells that it is the same: {same:?}"
        );
        assert!(matches!(send(&bank, "R3", tax(1)), ChangeResult::Duplicate(_)));
        assert!(
            matches!(send(&bank, "R3", tax(2)), ChangeResult::Rejected(ref refusal) if refusal.code == "source_ref_conflict")
        );
        let more = json!({ "fields": [{ "path": "/note", "new": "DIAGNOSIS-CANARY" }], "sensitive": ["/note"] });
        assert!(matches!(send(&bank, "R5", more), ChangeResult::Recorded(_)), "a sender may add");
        let behind = json!({ "before": { "name": "Ann", "tax": { "id": "TAX-CANARY-2" }, "note": "DIAGNOSIS-CANARY" },
            "after": { "name": "Ann" }, "sensitive": ["/note"] });
        let ChangeResult::Recorded(receipt) = send(&bank, "R6", behind) else { panic!("recorded with a break") };
        assert_eq!(receipt.mismatches, [("/tax/id".to_owned(), None, None)], "where, and nothing of the value");
        nothing_in_the_clear(&bank);
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
        // Changed, and changed back: the digests of the first and the third change are the same.
        let rows = bank.db.read(|conn| counterfoil::records::store::fields_of(conn, &all_changes(&bank))).unwrap();
        let digests: Vec<&str> =
            rows.iter().filter(|row| row.path == "/tax/id").filter_map(|row| row.new_digest.as_deref()).collect();
        assert_eq!((digests[0], digests[0] == digests[1]), (digests[2], false));
        let bank = bank.restart();
        assert!(matches!(send(&bank, "R7", tax(2)), ChangeResult::Recorded(_)));
        nothing_in_the_clear(&bank);
        assert_eq!(verified(&bank).findings, [], "{kind:?}: after a restart");
    });
}

fn all_changes(bank: &Bank) -> Vec<i64> {
    let rows = bank.db.read(|conn| counterfoil::trail::store::events_of(conn, &["record.changed"], None, 1_000)).unwrap();
    let mut places: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    places.sort_unstable();
    places
}
