//! Proofs that travel alone, for every leaf of small logs, and what must not pass.

use counterfoil_verify::checkpoint::{Checkpoint, CheckpointError, Origin};
use counterfoil_verify::note::NoteError;
use counterfoil_verify::tlog_proof::{HEADER, MAX_HASHES, ProofError, TlogProof};
use counterfoil_verify::{Frontier, Hash};

use crate::checkpoint::log_key;
use crate::proof::Nodes;
use crate::tree::leaf;

const LOG: &str = "bank.example/trail/prod";

fn proof(index: u64, size: u64) -> TlogProof {
    let mut frontier = Frontier::new();
    (0..size).for_each(|i| frontier.push(leaf(i)));
    let hashes = Nodes::over((0..size).map(leaf).collect()).inclusion(index, size);
    let checkpoint = Checkpoint::new(LOG, size, frontier.root()).sign(&[&log_key(1)]).unwrap();
    TlogProof { extra: None, index, hashes, checkpoint }
}

fn verify(proof: &TlogProof, leaf: &Hash, seed: u8) -> Result<u64, ProofError> {
    let signed = proof.verify(leaf, &[log_key(seed).verifier()], Origin::OfKey)?;
    Ok(signed.checkpoint.size)
}

#[test]
fn every_leaf_is_proven_and_no_other() {
    for size in 1..=40 {
        for index in 0..size {
            let made = proof(index, size);
            let read = TlogProof::parse(made.to_string()).unwrap();
            assert_eq!(read, made);
            assert_eq!(verify(&read, &leaf(index), 1), Ok(size));
            let other = verify(&read, &leaf(index + 1), 1);
            assert_eq!(other, Err(ProofError::NotIncluded { index, size }));
            let moved = TlogProof { index: index + 1, ..read };
            assert!(verify(&moved, &leaf(index), 1).is_err());
        }
    }
}

#[test]
fn the_form_is_the_specification_s() {
    let mut made = proof(2, 5);
    made.extra = Some(b"receipt".to_vec());
    let text = made.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], [HEADER, "extra cmVjZWlwdA==", "index 2"]);
    assert_eq!((lines[6], lines[7], lines[8]), ("", LOG, "5"));
    assert_eq!(TlogProof::parse(&text).unwrap(), made);
    let single = proof(0, 1).to_string();
    assert!(single.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nbank.example"), "{single}");
}

#[test]
fn a_proof_needs_the_key_of_its_log() {
    let made = proof(2, 5);
    let unknown = verify(&made, &leaf(2), 2).unwrap_err();
    assert!(matches!(unknown, ProofError::Checkpoint(CheckpointError::Note(NoteError::Untrusted { .. }))));
    let other = made.verify(&leaf(2), &[log_key(1).verifier()], Origin::Is("other.example/log"));
    assert!(matches!(other, Err(ProofError::Checkpoint(CheckpointError::OtherLog { .. }))));
}

#[test]
fn misshapen_proofs_are_refused() {
    let good = proof(2, 5).to_string();
    let hash = "index 2\n".len() + HEADER.len() + 1;
    let hash = &good[hash..hash + 44];
    let bad = [
        String::new(),
        good.replace("@v1", "@v2"),
        good.replace("index 2", "index 02"),
        good.replace("index 2", "Index 2"),
        good.replace("index 2\n", ""),
        good.replace("index 2", "extra !\nindex 2"),
        good.replace("index 2", "extra AA==\nextra AA==\nindex 2"),
        good.replacen(hash, &hash[1..], 1),
        good.replacen(hash, &format!("{hash}\n"), 1),
        good.replacen(hash, &format!("{hash}\n").repeat(MAX_HASHES + 1), 1),
        good.replace('\n', "\r\n"),
        good.split_once("\n\n").unwrap().0.to_owned(),
    ];
    for text in bad {
        let proves = TlogProof::parse(&text).is_ok_and(|p| verify(&p, &leaf(2), 1).is_ok());
        assert!(!proves, "{text}");
    }
    assert!(TlogProof::parse([0xff; 40]).is_err());
}

/// Whatever byte of a proof is changed, it proves nothing (or still exactly the same).
#[test]
fn no_byte_can_be_changed() {
    let good = proof(2, 5).to_string();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(read) = TlogProof::parse(&bytes) else { continue };
            assert!(verify(&read, &leaf(2), 1).is_err(), "bit {bit} of byte {at}");
        }
    }
}
