//! Sensitive values: sealed, known again by keyed digests, provable.

use counterfoil::config::Config;
use counterfoil::export::{self, ExportRequest, Format, What};
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
        let mut out = Vec::new();
        let what = ExportRequest { what: What::Changes, from: None, to: None, format: Format::Ndjson, private: false };
        assert!(export::run(&what, &bank.db, &mut out).unwrap() > 5);
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains(r#""path":"/tax/id","old":null,"new":null,"sealed":"true""#) && out.contains("Ann"), "{out}");
        SECRETS.iter().for_each(|secret| assert!(!out.contains(secret), "{out}"));
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

#[test]
fn of_what_is_refused_nothing_sensitive_is_kept() {
    on_both(|kind| {
        // No type seals anything: only rows say so.
        let bank = Bank::with(kind, |config| config.records = toml::from_str("unknown_types = \"accept\"").unwrap());
        ready_to_seal(&bank);
        let refused = |result: ChangeResult, code: &str| {
            assert!(matches!(result, ChangeResult::Rejected(ref refusal) if refusal.code == code), "{kind:?} {code}: {result:?}");
        };
        let values = json!({ "after": { "tax": "TAX-CANARY-1", "text": "x".repeat(4_000) }, "sensitive": ["/tax"] });
        // Declared only after what is kept of a row; with an escape; in what is no change; in what is no JSON.
        let mut late = values.clone();
        late["changed_at"] = json!("2099-01-01T00:00:00Z");
        refused(send(&bank, "R1", late), "time_ahead");
        let text = change("R2", values.clone()).to_string();
        let kinds = counterfoil::records::Kinds::new(&bank.config.records);
        let unread = [
            text.replace("\"sensitive\"", "\"sens\\u0069tive\"").replace("\"update\"", "\"nonsense\""),
            text.replace("\"update\"", "\"nonsense\""),
            text[..text.len() - 1].to_owned(),
            text.replace("\"sensitive\"", "\"sens\\u0069tive\"").replace("}", ""),
        ];
        for row in unread {
            let row = counterfoil::records::Row::read(1, row.as_bytes(), &kinds);
            assert!(row.change.is_err());
            let recorder = counterfoil::records::Recorder::new(&bank.config, bank.db.address());
            let sender = counterfoil::records::Sender { source: bank.source, key: None, origin: None };
            bank.intake.log().act(move |tx| recorder.run(tx, &sender, &[row])).unwrap();
        }
        // Another row of the same record says nothing of what an earlier one had sealed.
        let sealed = json!({ "after": { "tax": "TAX-CANARY-1" }, "sensitive": ["/tax"] });
        assert!(matches!(send(&bank, "R3", sealed), ChangeResult::Recorded(_)));
        refused(send(&bank, "R3", json!({ "after": { "tax": "TAX-CANARY-2" } })), "source_ref_conflict");
        nothing_in_the_clear(&bank);
        // Of another record nothing is sealed: the log keeps what was refused.
        let plain = json!({ "id": "C-2", "after": { "note": "kept as it was" }, "changed_at": "2099-01-01T00:00:00Z" });
        refused(send(&bank, "R4", plain), "time_ahead");
        assert!(everything(&mut bank.db.connect().unwrap()).contains("kept as it was"));
    });
}
