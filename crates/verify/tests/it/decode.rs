//! A leaf read back: what is written is read, and nothing else.

use counterfoil_verify::decode::{Leaf, NotALeaf, decode};
use proptest::prelude::*;

use crate::vectors::{ORIGIN, bare, entry_blind, entry_bytes, event, event_blind, event_bytes, full};

#[test]
fn every_field_comes_back() {
    let (blind, event_blind) = (entry_blind(), event_blind());
    for entry in [full(&blind), bare()] {
        assert_eq!(decode(&entry_bytes(&entry)), Ok(Leaf::Entry(ORIGIN, entry)));
    }
    let event = event(&event_blind);
    assert_eq!(decode(&event_bytes(&event)), Ok(Leaf::Event(ORIGIN, event)));
}

#[test]
fn what_is_no_leaf_is_refused() {
    let blind = event_blind();
    let good = event_bytes(&event(&blind));
    let refused = |bytes: &[u8]| decode(bytes).unwrap_err();
    assert_eq!(refused(&[]), NotALeaf { field: "version" });
    assert_eq!(refused(&[2]), NotALeaf { field: "version" });
    for end in 1..good.len() {
        decode(&good[..end]).unwrap_err();
    }
    assert_eq!(refused(&[&good[..], &[0]].concat()), NotALeaf { field: "the end" });
    let mut odd = event(&blind);
    odd.blind = &blind[..17];
    assert_eq!(refused(&event_bytes(&odd)), NotALeaf { field: "blind" });
}

proptest! {
    /// Whatever is read is written the same again, so two different leaves are never read alike.
    #[test]
    fn reading_is_the_reverse_of_writing(at: prop::sample::Index, byte: u8, second: prop::sample::Index, other: u8) {
        let blind = entry_blind();
        let mut bytes = entry_bytes(&full(&blind));
        let (at, second) = (at.index(bytes.len()), second.index(bytes.len()));
        bytes[at] = byte;
        bytes[second] = other;
        let mut again = Vec::new();
        match decode(&bytes) {
            Ok(Leaf::Entry(origin, entry)) => entry.encode(origin, &mut again).unwrap(),
            Ok(Leaf::Event(origin, event)) => event.encode(origin, &mut again).unwrap(),
            Err(_) => return Ok(()),
        }
        prop_assert_eq!(again, bytes);
    }
}
