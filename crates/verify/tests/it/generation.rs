//! A log that went on under a new name after a loss.

use counterfoil_verify::check::Report;
use counterfoil_verify::generation::{next, parts, precedes};
use counterfoil_verify::{Checkpoint, Policy};
use serde_json::json;

use crate::bank::{Log, ORIGIN, key, next_key};

const KEPT: u64 = 320;
const LOST: u64 = 350;

fn body() -> serde_json::Value {
    json!({ "previous": ORIGIN, "origin": next(ORIGIN), "size": KEPT, "lost": [KEPT, LOST] })
}

fn verify(body: &serde_json::Value, old: bool, kept: &[(u64, [u8; 32])]) -> Report {
    let mut log = Log::recovered(KEPT, &body.to_string(), 600, 1);
    for (size, root) in kept {
        let note = Checkpoint::new(ORIGIN, *size, *root).sign(&[&key(1)]).unwrap();
        log.remembered.push((format!("mail of {size}"), note.to_string().into_bytes()));
    }
    let mut keys = vec![next_key(1).verifier()];
    keys.extend(old.then(|| key(1).verifier()));
    log.report(&Policy::of_keys(keys))
}

fn kinds(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|f| f.kind).collect()
}

#[test]
fn names_count_on() {
    assert_eq!((parts("a/g3"), parts("a"), parts("a/gx")), (("a", 3), ("a", 1), ("a/gx", 1)));
    assert!(precedes("a/g1", "a/g2") && precedes("a", "a/g2") && precedes("a/g1", "a/g3"));
    assert!(!precedes("a/g2", "a/g1") && !precedes("a/g1", "a/g1") && !precedes("b/g1", "a/g2"));
}

#[test]
fn both_generations_are_verified_each_by_its_key() {
    for old in [false, true] {
        let report = verify(&body(), old, &[]);
        assert_eq!(kinds(&report), [""; 0], "{old}: {:?}", report.findings);
        assert_eq!(report.leaves, 600);
    }
    let mut log = Log::recovered(KEPT, &body().to_string(), 600, 1);
    let only_old = log.report(&Policy::of_keys(vec![key(1).verifier()]));
    assert_eq!(kinds(&only_old), ["checkpoint_untrusted"], "nothing leads from the old key to the new name");
}

#[test]
fn a_checkpoint_over_lost_leaves_is_answered_and_one_beyond_them_contradicts() {
    let lost = verify(&body(), true, &[(LOST, [9; 32]), (KEPT + 1, [8; 32])]);
    assert_eq!(kinds(&lost), ["leaves_lost"; 2], "{lost:?}");
    assert!(lost.findings[0].detail.contains("were lost, as the recovery in leaf 320 records"));
    assert_eq!(kinds(&verify(&body(), true, &[(LOST + 1, [9; 32])])), ["log_shorter"]);
    assert_eq!(kinds(&verify(&body(), true, &[(5_000, [9; 32])])), ["log_shorter"]);
    assert_eq!(kinds(&verify(&body(), true, &[(KEPT, [9; 32])])), ["checkpoint_differs"], "what is left must be as it was");
    let silent = json!({ "previous": ORIGIN, "origin": next(ORIGIN), "size": KEPT, "lost": null });
    assert_eq!(kinds(&verify(&silent, true, &[(LOST, [9; 32])])), ["log_shorter"], "no loss was recorded");
}

#[test]
fn a_policy_may_say_that_the_loss_is_known() {
    let mut log = Log::recovered(KEPT, &body().to_string(), 600, 1);
    let note = Checkpoint::new(ORIGIN, LOST, [9; 32]).sign(&[&key(1)]).unwrap();
    log.remembered.push(("mail".to_owned(), note.to_string().into_bytes()));
    let [old, new] = [key(1).verifier(), next_key(1).verifier()];
    let policy = |more: &str| Policy::parse(&format!("log {old}\nlog {new}\n{more}quorum none\n")).unwrap();
    assert_eq!(kinds(&log.report(&policy(""))), ["leaves_lost"]);
    let report = log.report(&policy(&format!("discontinuity {new}\n")));
    assert_eq!((kinds(&report), report.said.len()), (vec![], 1));
}

#[test]
fn a_name_changes_only_by_a_recovery_that_names_both() {
    for (member, value) in [("previous", "other.example/log"), ("origin", ORIGIN)] {
        let mut wrong = body();
        wrong[member] = value.into();
        let found = kinds(&verify(&wrong, false, &[]));
        assert!(!found.is_empty() && found.iter().all(|kind| *kind == "origin_differs"), "{member}: {found:?}");
    }
}
