//! Changes of the key: signed by both, followed from either, and no others.

use counterfoil_verify::check::{Report, follow_rotations, open_notes};
use counterfoil_verify::rotation::{RotationError, follow, retired_at};
use counterfoil_verify::{Checkpoint, Note, Policy, Rotation, SignerKey, VerifierKey};

use crate::bank::{ORIGIN, key};

const ROOT: [u8; 32] = [7; 32];

fn change(size: u64, old: &SignerKey, new: &SignerKey) -> Note {
    Rotation::sign(ORIGIN, size, ROOT, old, new).unwrap()
}

fn rotation(size: u64, old: u8, new: u8) -> Rotation {
    Rotation::open(&change(size, &key(old), &key(new))).unwrap()
}

fn verifiers(seeds: &[u8]) -> Vec<VerifierKey> {
    seeds.iter().map(|seed| key(*seed).verifier()).collect()
}

fn signed(size: u64, keys: &[&SignerKey]) -> Vec<u8> {
    Checkpoint::new(ORIGIN, size, ROOT).sign(keys).unwrap().to_string().into_bytes()
}

fn kinds(policy: Policy, rotations: &[Note], newest: &[u8]) -> Vec<&'static str> {
    let notes: Vec<_> = rotations.iter().map(|note| ("rotations/1".to_owned(), note.to_string().into_bytes())).collect();
    let mut report = Report::default();
    let policy = follow_rotations(policy, &notes, &mut report);
    open_notes(&policy, None, newest, &[], &mut report);
    report.findings.iter().map(|f| f.kind).collect()
}

#[test]
fn a_change_is_read_back_and_needs_both_signatures() {
    let (old, new) = (key(1), key(2));
    let read = Rotation::open(&change(40, &old, &new)).unwrap();
    assert_eq!((read.size, read.root, &read.old, &read.new), (40, ROOT, &old.verifier(), &new.verifier()));
    for by in [&old, &new] {
        let other = if by.verifier() == old.verifier() { &new } else { &old };
        let one = Note::sign(&read.to_string(), &[by]).unwrap();
        assert_eq!(Rotation::open(&one), Err(RotationError::OneSided(Box::new(other.verifier()))));
    }
    let changed = read.to_string().replace("\n40\n", "\n41\n");
    let text = change(40, &old, &new).to_string().replace(&read.to_string(), &changed);
    assert!(matches!(Rotation::open(&Note::parse(text).unwrap()), Err(RotationError::Note(_))));
    let checkpoint = Note::parse(signed(40, &[&old, &new])).unwrap();
    assert!(matches!(Rotation::open(&checkpoint), Err(RotationError::Form(_))));
    assert!(matches!(Rotation::open(&change(40, &old, &old)), Err(RotationError::Form(_))));
    let elsewhere = SignerKey::from_seed("other.example/log", [2; 32]).unwrap();
    assert!(matches!(Rotation::open(&change(40, &old, &elsewhere)), Err(RotationError::Form(_))));
}

#[test]
fn trust_goes_along_changes_in_their_order() {
    let chain = [rotation(90, 2, 3), rotation(40, 1, 2)];
    for pinned in [1, 2, 3] {
        let mut trusted = verifiers(&[pinned]);
        assert_eq!(follow(&mut trusted, &chain).len(), 2);
        assert_eq!(trusted, verifiers(&[1, 2, 3]), "from {pinned}");
    }
    let mut other = verifiers(&[9]);
    assert!(follow(&mut other, &chain).is_empty());
    assert_eq!(other, verifiers(&[9]), "from a key that is in none of them nothing follows");
    assert_eq!(retired_at(&chain, &verifiers(&[1]), 41), Some(40));
    assert_eq!(retired_at(&chain, &verifiers(&[1]), 40), None);
    assert_eq!(retired_at(&chain, &verifiers(&[1, 2]), 41), None, "one of them is in force");
    assert_eq!(retired_at(&chain, &verifiers(&[3]), 1_000), None);
}

#[test]
fn the_old_key_on_paper_is_enough_if_both_signed() {
    let (old, new) = (key(1), key(2));
    let policy = || Policy::of_keys(verifiers(&[1]));
    assert_eq!(kinds(policy(), &[change(40, &old, &new)], &signed(50, &[&new])), [""; 0]);
    assert_eq!(kinds(policy(), &[], &signed(50, &[&new])), ["checkpoint_untrusted"], "without the change");
    assert_eq!(kinds(policy(), &[], &signed(50, &[&old, &new])), [""; 0], "the first one bears both");
    let alone = Note::sign(&rotation(40, 1, 2).to_string(), &[&new]).unwrap();
    assert_eq!(kinds(policy(), &[alone], &signed(50, &[&new])), ["rotation_untrusted", "checkpoint_untrusted"]);
}

#[test]
fn without_the_old_key_it_is_a_discontinuity_that_only_a_policy_accepts() {
    let new = key(2);
    let both = Policy::of_keys(verifiers(&[1, 2]));
    assert_eq!(kinds(both.clone(), &[], &signed(50, &[&new])), ["key_discontinuity"]);
    assert_eq!(kinds(both, &[change(40, &key(1), &new)], &signed(50, &[&new])), [""; 0]);
    let [one, two] = [key(1).verifier(), new.verifier()];
    let listed = Policy::parse(&format!("log {one}\nlog {two}\ndiscontinuity {two}\nquorum none\n")).unwrap();
    assert_eq!(kinds(listed, &[], &signed(50, &[&new])), [""; 0]);
}

#[test]
fn a_key_that_was_replaced_signs_nothing_larger() {
    let (old, new) = (key(1), key(2));
    let policy = || Policy::of_keys(verifiers(&[1]));
    let change = [change(40, &old, &new)];
    assert_eq!(kinds(policy(), &change, &signed(40, &[&old])), [""; 0]);
    assert_eq!(kinds(policy(), &change, &signed(41, &[&old])), ["key_retired"]);
    assert_eq!(kinds(policy(), &change, &signed(41, &[&old, &new])), [""; 0]);
}

#[test]
fn of_two_changes_away_from_one_key_none_is_followed() {
    let changes = [change(40, &key(1), &key(2)), change(45, &key(1), &key(3))];
    let policy = Policy::of_keys(verifiers(&[1]));
    assert_eq!(kinds(policy, &changes, &signed(50, &[&key(3)])), ["key_rotated_twice", "checkpoint_untrusted"]);
}
