#![allow(clippy::unwrap_used)]
use super::super::kinds::Kinds;
use super::*;
use crate::config::Records;
use proptest::prelude::*;
use serde_json::{Value, json};

fn change(body: Value) -> NewChange {
    let mut whole = json!({ "source_ref": "r", "type": "customer", "id": "C-1", "action": "update" });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    NewChange::read(whole.to_string().as_bytes(), &Kinds::new(&Records::default())).unwrap()
}

fn state(body: Value) -> State {
    let change = change(json!({ "after": body }));
    let Content::Whole { after, .. } = change.content else { panic!("sent whole") };
    let held = |value: Json| Held { seq: 1, n: 0, value: Some(value), digest: None };
    let values = after.0.into_iter().map(|(path, value)| (path, held(value))).collect();
    State { version: 3, head: 1, exists: true, effective_at: 0, values, torn: false }
}

fn digest(_: &str, value: &Json) -> String {
    format!("digest of {}", value.normal())
}

/// `path old → new`, then `! path expected / found`.
fn told(state: Option<&State>, body: Value) -> Vec<String> {
    let decision = decide(state, &change(body), &digest);
    let text = |value: &Option<Json>| value.as_ref().map_or("–".to_owned(), |value| value.as_str().to_owned());
    let field = |field: &Changed| {
        let old = match &field.old {
            Old::Nothing => "–".to_owned(),
            Old::Value(value) => value.as_str().to_owned(),
            Old::Sealed(digest) => digest.clone(),
        };
        format!("{} {old} → {}", field.path, text(&field.new))
    };
    let mismatch = |found: &Mismatch| format!("! {} {} / {}", found.path, text(&found.expected), text(&found.found));
    let lines: Vec<String> = decision.fields.iter().map(field).chain(decision.mismatches.iter().map(mismatch)).collect();
    assert!(!decision.unchanged || decision.mismatches.is_empty());
    if decision.unchanged { vec!["unchanged".into()] } else { lines }
}

#[test]
fn only_what_differs_is_kept() {
    let ours = state(json!({ "name": "Ann", "limit": 100, "tags": [1] }));
    let after = |body: Value| told(Some(&ours), json!({ "after": body }));
    assert_eq!(after(json!({ "name": "Ann", "limit": 200, "tags": [1] })), ["/limit 100 → 200"]);
    assert_eq!(after(json!({ "name": "Ann", "limit": 100.0, "tags": [1] })), ["unchanged"]);
    assert_eq!(
        after(json!({ "limit": 100, "tags": [2], "city": "Graz" })),
        ["/city – → \"Graz\"", "/name \"Ann\" → –", "/tags [1] → [2]"]
    );
}

#[test]
fn a_before_that_is_not_ours_is_told_and_the_change_kept() {
    let ours = state(json!({ "name": "Ann", "limit": 100 }));
    let both = |before: Value, after: Value| told(Some(&ours), json!({ "before": before, "after": after }));
    assert_eq!(both(json!({ "name": "Ann", "limit": 100 }), json!({ "name": "Ann", "limit": 1 })), ["/limit 100 → 1"]);
    assert_eq!(
        both(json!({ "name": "Ann", "limit": 90 }), json!({ "name": "Ann", "limit": 1 })),
        ["/limit 100 → 1", "! /limit 100 / 90"]
    );
    // The sender's change ends where we are already: it is kept, because something was changed behind our back.
    assert_eq!(
        both(json!({ "name": "Ann", "limit": 90 }), json!({ "name": "Ann", "limit": 100 })),
        ["/limit 100 → 100", "! /limit 100 / 90"]
    );
    // Nothing changed, says the sender; yet its state is not ours.
    assert_eq!(
        both(json!({ "name": "Eve", "limit": 100 }), json!({ "name": "Eve", "limit": 100 })),
        ["/name \"Ann\" → \"Eve\"", "! /name \"Ann\" / \"Eve\""]
    );
    assert_eq!(both(json!({ "name": "Ann", "limit": 100, "city": null }), json!({ "name": "Ann", "limit": 100 })), ["unchanged"]);
}

#[test]
fn a_column_that_came_since_contradicts_nothing() {
    let ours = state(json!({ "name": "Ann", "note": null }));
    let row = |before: Value, after: Value| {
        let sent = NewChange { whole_row: true, ..change(json!({ "before": before, "after": after })) };
        decide(Some(&ours), &sent, &digest)
    };
    let appeared = row(json!({ "name": "Ann", "note": null, "tier": 1 }), json!({ "name": "Anna", "note": null, "tier": 1 }));
    assert_eq!((appeared.fields.len(), appeared.mismatches), (2, vec![]));
    assert_eq!((appeared.fields[1].path.as_str(), &appeared.fields[1].old), ("/tier", &Old::Nothing));
    let moved = row(json!({ "name": "Ann", "note": null, "tier": 1 }), json!({ "name": "Ann", "note": null, "tier": 2 }));
    assert!(matches!(&moved.fields[0].old, Old::Value(old) if old.as_str() == "1") && moved.mismatches.is_empty());
    // What we have as `null` was there, and somebody changed it.
    let unseen = row(json!({ "name": "Ann", "note": "x", "tier": 1 }), json!({ "name": "Ann", "note": "y", "tier": 1 }));
    assert_eq!(unseen.mismatches.iter().map(|found| found.path.as_str()).collect::<Vec<_>>(), ["/note"]);
}

#[test]
fn single_fields_leave_the_rest_alone() {
    let ours = state(json!({ "name": "Ann", "address": { "city": "Graz", "zip": "8010" } }));
    let fields = |list: Value| told(Some(&ours), json!({ "fields": list }));
    assert_eq!(fields(json!([{ "path": "/name", "old": "Ann", "new": "Bea" }])), ["/name \"Ann\" → \"Bea\""]);
    assert_eq!(fields(json!([{ "path": "/name", "new": "Ann" }])), ["unchanged"]);
    assert_eq!(
        fields(json!([{ "path": "/address", "new": { "city": "Linz" } }])),
        ["/address/city \"Graz\" → \"Linz\"", "/address/zip \"8010\" → –"]
    );
    assert_eq!(
        fields(json!([{ "path": "/address/city", "old": "Wien", "new": "Linz" }])),
        ["/address/city \"Graz\" → \"Linz\"", "! /address/city \"Graz\" / \"Wien\""]
    );
    assert_eq!(fields(json!([{ "path": "/phone", "old": null, "new": "1" }])), ["/phone – → \"1\""]);
}

#[test]
fn a_record_that_is_new_to_us_begins_with_all_of_it() {
    assert_eq!(told(None, json!({ "before": { "a": 1, "b": 2 }, "after": { "a": 1, "b": 3 } })), ["/a 1 → 1", "/b 2 → 3"]);
    assert_eq!(told(None, json!({ "before": { "a": 1 }, "after": { "a": 1 } })), ["unchanged"]);
    assert_eq!(told(None, json!({ "action": "create", "after": {} })), Vec::<String>::new());
    assert_eq!(told(None, json!({ "action": "delete" })), Vec::<String>::new());
}

#[test]
fn creating_what_is_there_and_changing_what_is_gone_are_breaks() {
    let ours = state(json!({ "a": 1 }));
    assert_eq!(told(Some(&ours), json!({ "action": "create", "after": { "a": 1 } })), ["!  \"version 3\" / –"]);
    let gone = State { exists: false, values: BTreeMap::new(), ..ours.clone() };
    assert_eq!(told(Some(&gone), json!({ "after": { "a": 1 } })), ["/a – → 1", "!  – / \"a record\""]);
    assert_eq!(told(Some(&gone), json!({ "action": "create", "after": { "a": 1 } })), ["/a – → 1"]);
    assert_eq!(told(Some(&ours), json!({ "action": "delete" })), Vec::<String>::new());
    assert_eq!(told(Some(&gone), json!({ "action": "delete" })), ["unchanged"]);
    assert_eq!(told(Some(&ours), json!({ "action": "delete", "before": { "a": 2 } })), ["! /a 1 / 2"]);
}

#[test]
fn sealed_values_are_compared_by_their_digests() {
    let mut ours = state(json!({ "tax": "x" }));
    let held = Held { seq: 1, n: 0, value: None, digest: Some("digest of \"A1\"".into()) };
    ours.values.insert("/tax".into(), held);
    let again = ["/tax digest of \"A1\" → \"A1\""];
    assert_eq!(told(Some(&ours), json!({ "after": { "tax": "A1" } })), again, "kept, so that nothing tells that it is the same");
    let decided = decide(Some(&ours), &change(json!({ "after": { "tax": "A1" } })), &digest);
    assert!(decided.fields[0].same && !decided.unchanged);
    assert_eq!(told(Some(&ours), json!({ "after": { "tax": "A2" } })), ["/tax digest of \"A1\" → \"A2\""]);
    assert_eq!(
        told(Some(&ours), json!({ "before": { "tax": "A0" }, "after": { "tax": "A1" } })),
        ["/tax digest of \"A1\" → \"A1\"", "! /tax – / \"A0\""]
    );
}

#[test]
fn what_takes_the_place_of_a_sealed_value_is_sealed() {
    let mut ours = state(json!({ "name": "Ann" }));
    let held = || Held { seq: 1, n: 0, value: None, digest: Some("digest of 7".into()) };
    ours.values.extend([("/pin".to_owned(), held()), ("/login/code".to_owned(), held())]);
    let after = json!({ "after": { "name": "Bea", "pin": { "x": 7, "y": { "z": 8 } }, "pinned": 1, "login": 9 } });
    let decided = decide(Some(&ours), &change(after), &digest);
    let sealed = decided.fields.iter().filter(|field| field.sealed).map(|field| field.path.as_str());
    assert_eq!(sealed.collect::<Vec<_>>(), ["/login", "/login/code", "/pin", "/pin/x", "/pin/y/z"]);
    let before = json!({ "before": { "name": "Ann", "pin": { "x": 7 }, "login": { "code": 1 } }, "after": { "name": "Ann" } });
    let decided = decide(Some(&ours), &change(before), &digest);
    assert!(decided.mismatches.iter().all(|found| found.sealed), "what a sender guesses is kept nowhere: {decided:?}");
}

fn small() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), (0..3_i64).prop_map(Into::into), "[ab]?".prop_map(Into::into)];
    let inner = leaf.prop_recursive(2, 6, 3, |inner| {
        prop::collection::btree_map("[abc]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    /// The fields that are kept lead from one state to the next, exactly.
    #[test]
    fn the_kept_fields_lead_from_one_state_to_the_next(old in small(), new in small()) {
        let mut ours = state(old.clone());
        let decision = decide(Some(&ours), &change(json!({ "before": old.clone(), "after": new.clone() })), &digest);
        prop_assert_eq!(decision.unchanged, state(old) == state(new.clone()));
        prop_assert!(decision.mismatches.is_empty());
        for field in decision.fields {
            match field.new {
                Some(value) => drop(ours.values.insert(field.path, Held { seq: 1, n: 0, value: Some(value), digest: None })),
                None => drop(ours.values.remove(&field.path)),
            }
        }
        prop_assert_eq!(ours, state(new));
    }
}

#[test]
fn what_is_no_longer_known_contradicts_nothing() {
    let whole = state(json!({ "b": 1 }));
    let torn = State { torn: true, ..whole.clone() };
    let sent = json!({ "before": { "a": 5, "b": 1 }, "after": { "a": 9, "b": 1 } });
    assert_eq!(told(Some(&whole), sent.clone()), ["/a – → 9", "! /a – / 5"]);
    assert_eq!(told(Some(&torn), sent), ["/a 5 → 9"], "the sender's word is what there is");
    let other = json!({ "before": { "a": 5, "b": 2 }, "after": { "a": 5, "b": 2 } });
    assert_eq!(
        told(Some(&torn), other),
        ["/a 5 → 5", "/b 1 → 2", "! /b 1 / 2"],
        "what is known is compared, and what is sent is kept"
    );
}
