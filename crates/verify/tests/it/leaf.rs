//! Leaf bytes, commitments and the skip pointers.

use std::collections::HashSet;

use counterfoil_verify::leaf::{MAX_FIELD, VERSION, hash, jump_position};
use counterfoil_verify::{EntryLeaf, TooLong, commitment};
use proptest::prelude::*;

use crate::vectors::{
    ENTRY_PARTS, Field, ORIGIN, bare, counted, entry_blind, entry_bytes, entry_fields, entry_hash, event, event_blind,
    event_bytes, event_fields, full,
};

/// Reads a leaf as the document describes it.
fn decode(leaf: &[u8]) -> Vec<Option<Vec<u8>>> {
    let (version, mut rest) = leaf.split_first().unwrap();
    assert_eq!(*version, VERSION);
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().unwrap();
        let length = u16::from_be_bytes(*length);
        let (value, after) = match length {
            0xFFFF => (None, after),
            n => (Some(after[..n.into()].to_vec()), &after[n.into()..]),
        };
        fields.push(value);
        rest = after;
    }
    fields
}

fn values(fields: Vec<Field>) -> Vec<Option<Vec<u8>>> {
    fields.into_iter().map(|(_, value, _)| value).collect()
}

#[test]
fn fields_stand_in_order() {
    for entry in [full(&entry_blind()), bare()] {
        let leaf = entry_bytes(&entry);
        assert_eq!(decode(&leaf), values(entry_fields(&entry)));
    }
    let blind = event_blind();
    let event = event(&blind);
    assert_eq!(decode(&event_bytes(&event)), values(event_fields(&event)));
}

/// Every entry that differs from this one in one field: each number by each
/// bit, each text by its text, and each that may be null by that.
fn edits<'a>(entry: &EntryLeaf<'a>, shorter: &'a [u8]) -> Vec<EntryLeaf<'a>> {
    let mut out = Vec::new();
    macro_rules! bits {
        ($($field:ident: $type:ty),*) => {$(
            for bit in 0..<$type>::BITS {
                out.push(EntryLeaf { $field: entry.$field ^ (1 << bit), ..*entry });
            }
        )*};
    }
    macro_rules! opt_bits {
        ($($field:ident: $type:ty),*) => {$(
            out.push(match entry.$field {
                Some(_) => EntryLeaf { $field: None, ..*entry },
                None => EntryLeaf { $field: Some(0), ..*entry },
            });
            for bit in 0..<$type>::BITS {
                out.extend(entry.$field.map(|v| EntryLeaf { $field: Some(v ^ (1 << bit)), ..*entry }));
            }
        )*};
    }
    macro_rules! opt_texts {
        ($($field:ident),*) => {$(
            out.push(match entry.$field {
                Some(_) => EntryLeaf { $field: None, ..*entry },
                None => EntryLeaf { $field: Some(""), ..*entry },
            });
            out.push(EntryLeaf { $field: Some("other"), ..*entry });
            out.extend(entry.$field.map(|v| EntryLeaf { $field: Some(&v[1..]), ..*entry }));
        )*};
    }
    bits!(seq: i64, recorded_at: i64, source: i64, account: i64, position: i64, kind: i16,
        direction: i16, amount: i64, booked_at: i64, business_date: i32, flags: i16,
        context: i64, delivery: i64, status: i16, rules: i64);
    opt_bits!(prev: i64, jump: i64, balance_before: i64, balance_after: i64, value_date: i32,
        account_seq: i64, channel: i16, instrument: i16);
    opt_texts!(transaction_ref, reverses, outcomes);
    out.push(EntryLeaf { source_ref: "other", ..*entry });
    out.push(EntryLeaf { currency: "USD", ..*entry });
    out.push(EntryLeaf { blind: shorter, ..*entry });
    out
}

#[test]
fn every_edit_changes_the_hash() {
    let blind = entry_blind();
    for entry in [full(&blind), bare()] {
        let edits = edits(&entry, &entry.blind[1..]);
        assert!(edits.len() > 600);
        let mut seen: HashSet<_> = edits.iter().map(entry_hash).collect();
        assert_eq!(seen.len(), edits.len());
        assert!(seen.insert(entry_hash(&entry)));
    }
}

#[test]
fn every_bit_of_the_leaf_counts() {
    let mut leaf = entry_bytes(&full(&entry_blind()));
    let mut seen = HashSet::from([hash(&leaf)]);
    for bit in 0..leaf.len() * 8 {
        leaf[bit / 8] ^= 1 << (bit % 8);
        assert!(seen.insert(hash(&leaf)));
        leaf[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn an_entry_is_no_event_and_of_no_other_log() {
    let entry = bare();
    let mut elsewhere = Vec::new();
    entry.encode("bank.example/trail/prod/g2", &mut elsewhere).unwrap();
    assert_ne!(hash(&elsewhere), entry_hash(&entry));
    let kinds = [entry_bytes(&entry), event_bytes(&event(&[0; 16]))].map(|l| decode(&l)[1].clone());
    assert_eq!(kinds, [Some(b"entry".to_vec()), Some(b"event".to_vec())]);
}

#[test]
fn a_field_too_long_leaves_the_buffer_alone() {
    let longest = "x".repeat(MAX_FIELD);
    let too_long = "x".repeat(MAX_FIELD + 1);
    let mut out = b"before".to_vec();
    let error = EntryLeaf { outcomes: Some(&too_long), ..bare() }.encode(ORIGIN, &mut out);
    let bytes = MAX_FIELD + 1;
    assert_eq!(error, Err(TooLong { field: "outcomes", bytes }));
    assert_eq!(out, b"before");
    EntryLeaf { outcomes: Some(&longest), ..bare() }.encode(ORIGIN, &mut out).unwrap();
    assert_eq!(decode(&out[6..])[29], Some(longest.into_bytes()));
    let error = commitment(&[0; 32], &[Some(&too_long)]);
    assert_eq!(error, Err(TooLong { field: "private part", bytes }));
    let error = bare().encode(&"x".repeat(1 << 16), &mut out);
    assert_eq!(error.map_err(|e| e.field), Err("origin"));
}

#[test]
fn commitments_tell_parts_apart() {
    let salt = counted(0);
    let commit = |parts: &[Option<&str>]| commitment(&salt, parts).unwrap();
    let mut seen = HashSet::new();
    assert!(seen.insert(commit(&ENTRY_PARTS)));
    assert!(seen.insert(commit(&[Some("ab"), Some("c")])));
    assert!(seen.insert(commit(&[Some("a"), Some("bc")])));
    assert!(seen.insert(commit(&[Some("abc")])));
    assert!(seen.insert(commit(&[Some("abc"), None])));
    assert!(seen.insert(commit(&[Some("abc"), Some("")])));
    assert!(seen.insert(commitment(&counted(1), &ENTRY_PARTS).unwrap()));
}

#[test]
fn jumps_reach_every_position_fast() {
    assert_eq!(jump_position(0), None);
    assert_eq!(jump_position(i64::MIN), None);
    let first = (1..=9).map(jump_position).collect::<Vec<_>>();
    let expected = [None, Some(1), Some(1), Some(3), Some(1), Some(5), Some(5), Some(7), Some(1)];
    assert_eq!(first, expected);
    for from in [1_000_000_i64, (1 << 20) - 1, 1 << 20] {
        for to in (1..from).step_by(7_919) {
            let (mut at, mut steps) = (from, 0);
            while at != to {
                at = jump_position(at).filter(|&j| j >= to).unwrap_or(at - 1);
                steps += 1;
            }
            assert!(steps <= 21 * 22 / 2, "{from} to {to} in {steps}");
        }
    }
}

proptest! {
    #[test]
    fn any_entry_is_read_back(
        numbers: [i64; 8],
        small: [Option<i16>; 3],
        dates: (Option<i32>, i32),
        texts: [Option<String>; 4],
        blind: Vec<u8>,
    ) {
        let entry = EntryLeaf {
            seq: numbers[0],
            amount: numbers[1],
            prev: numbers.first().copied().filter(|n| n % 2 == 0),
            balance_before: Some(numbers[2]),
            balance_after: Some(numbers[3]).filter(|n| n % 2 == 0),
            booked_at: numbers[4],
            channel: small[0],
            instrument: small[1],
            kind: small[2].unwrap_or(9),
            value_date: dates.0,
            business_date: dates.1,
            source_ref: texts[0].as_deref().unwrap_or("none"),
            transaction_ref: texts[1].as_deref(),
            reverses: texts[2].as_deref(),
            outcomes: texts[3].as_deref(),
            blind: &blind,
            ..bare()
        };
        prop_assert_eq!(decode(&entry_bytes(&entry)), values(entry_fields(&entry)));
    }
}
