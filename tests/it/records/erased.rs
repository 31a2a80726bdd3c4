//! What an erasure leaves of a record.

use counterfoil::privacy::{Cause, Ranges, erase};
use counterfoil::records::{ChangeResult, newest};
use serde_json::{Value, json};

use super::house::{change, record_as, verified};
use crate::bank::{Bank, on_both};
use crate::privacy::everything;

#[test]
fn an_erasure_takes_values_names_and_actors_and_leaves_every_proof() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let send = |n: usize, after: Value| {
            let row = change(&format!("R{n}"), json!({ "after": after, "reason": "REASON-CANARY", "actor": "ACTOR-CANARY" }));
            match record_as(&bank, bank.source, &[row]).remove(0) {
                ChangeResult::Recorded(receipt) => receipt.seq,
                other => panic!("{other:?}"),
            }
        };
        let places: Vec<i64> = (0..40).map(|n| send(n, json!({ "name": format!("NAME-CANARY-{n}"), "n": n }))).collect();
        let defined = places[0] - 1;
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
        let erased: Vec<i64> = std::iter::once(defined).chain(places[..39].iter().copied()).collect();
        bank.intake.log().act(move |tx| erase(tx, Cause::Register { again: 1 }, &Ranges::of(erased)).map(drop)).unwrap();
        let all = everything(&mut bank.db.connect().unwrap());
        assert!(!all.contains("NAME-CANARY-7") && !all.contains("\"C-1\""), "values and the record's name are gone");
        assert!(all.contains("NAME-CANARY-39"), "what was not to be erased is there");
        let state = bank.db.read(|conn| newest(conn, defined)).unwrap().unwrap();
        assert_eq!((state.version, state.values.len()), (40, 2));
        let findings = verified(&bank).findings;
        assert_eq!(findings, [], "{kind:?}");
    });
}
