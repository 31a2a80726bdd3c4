//! `docs/log-format.md` prints what the code computes.

use std::collections::BTreeMap;
use std::convert::Infallible;

use counterfoil_verify::heads::{Head, Heads};
use counterfoil_verify::tree::{consistency_proof, inclusion_proof, node};
use counterfoil_verify::{Checkpoint, Frontier, Hash, Rotation, SignerKey, TlogProof, leaf};

use crate::vectors::{
    ORIGIN, bare, counted, entry_blind, entry_bytes, entry_fields, event, event_blind, event_bytes, event_fields, full, listing,
};

const DOCUMENT: &str = include_str!("../../../../docs/log-format.md");

/// The fenced blocks of the document with a name: "```hex name".
fn printed() -> BTreeMap<String, String> {
    let mut blocks = BTreeMap::new();
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<_> = lines.by_ref().take_while(|l| *l != "```").collect();
        if let Some((kind, name)) = info.split_once(' ') {
            let text = block.join(if kind == "hex" { "" } else { "\n" });
            assert!(blocks.insert(name.to_owned(), text).is_none(), "{name} twice");
        }
    }
    blocks
}

fn computed() -> BTreeMap<String, String> {
    let (entry_blind, event_blind) = (entry_blind(), event_blind());
    let (full, bare, event) = (full(&entry_blind), bare(), event(&event_blind));
    let leaves = [event_bytes(&event), entry_bytes(&full), entry_bytes(&bare)];
    let hashes = leaves.each_ref().map(|l| leaf::hash(l));
    let mut frontier = Frontier::new();
    hashes.iter().for_each(|h| frontier.push(*h));
    let read = |level: u32, index: u64| -> Result<Hash, Infallible> {
        Ok(match level {
            0 => hashes[index as usize],
            _ => node(&hashes[0], &hashes[1]),
        })
    };
    let inclusion = inclusion_proof(1, 3, read).unwrap();
    let consistency = consistency_proof(2, 3, read).unwrap();
    let [event_leaf, full_leaf, bare_leaf] = leaves;
    let (heads, travelling) = (heads(&hashes), travelling(frontier.root(), &inclusion));
    BTreeMap::from_iter(
        [
            ("entry.commitment", hex::encode(entry_blind)),
            ("event.commitment", hex::encode(event_blind)),
            ("event.fields", listing(&event_fields(&event))),
            ("event.leaf", hex::encode(event_leaf)),
            ("event.hash", hex::encode(hashes[0])),
            ("entry-full.fields", listing(&entry_fields(&full))),
            ("entry-full.leaf", hex::encode(full_leaf)),
            ("entry-full.hash", hex::encode(hashes[1])),
            ("entry-bare.fields", listing(&entry_fields(&bare))),
            ("entry-bare.leaf", hex::encode(bare_leaf)),
            ("entry-bare.hash", hex::encode(hashes[2])),
            ("tree.root", hex::encode(frontier.root())),
            ("tree.inclusion", hex::encode(inclusion.as_flattened())),
            ("tree.consistency", hex::encode(consistency.as_flattened())),
        ]
        .into_iter()
        .chain(heads)
        .chain(travelling)
        .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())),
    )
}

fn heads(hashes: &[Hash; 3]) -> Vec<(&'static str, String)> {
    let head = |i: usize, account, seq, position, balance_after| Head { account, seq, position, balance_after, leaf: hashes[i] };
    let heads = vec![head(0, 3, 70, 4, Some(12_345)), head(1, 9, 71, 1, None), head(2, 12, 65, 2, Some(-1))];
    let (second, list) = (heads[1], Heads::new(heads).unwrap());
    vec![
        ("heads.head", hex::encode(second.encode())),
        ("heads.hash", hex::encode(second.hash())),
        ("heads.root", hex::encode(list.close("2026-03-01", 100).root)),
    ]
}

fn travelling(root: Hash, inclusion: &[Hash]) -> Vec<(&'static str, String)> {
    let log = SignerKey::from_seed(ORIGIN, counted(0x60)).unwrap();
    let witness = SignerKey::witness_from_seed("witness.example/w1", counted(0x80)).unwrap();
    let note = Checkpoint::new(ORIGIN, 3, root).sign(&[&log]).unwrap();
    let mut cosigned = note.clone();
    cosigned.cosign(&witness, 1_709_285_461).unwrap();
    let cosignature = cosigned.to_string().lines().last().unwrap().to_owned();
    let proof = TlogProof { extra: None, index: 1, hashes: inclusion.to_vec(), checkpoint: note.clone() };
    let next = SignerKey::from_seed(ORIGIN, counted(0xA0)).unwrap();
    let rotation = Rotation::sign(ORIGIN, 3, root, &log, &next).unwrap();
    vec![
        ("rotation.key", next.verifier().to_string()),
        ("rotation.note", rotation.to_string()),
        ("checkpoint.key", log.verifier().to_string()),
        ("checkpoint.note", note.to_string()),
        ("checkpoint.witness", witness.verifier().to_string()),
        ("checkpoint.cosignature", cosignature),
        ("proof.file", proof.to_string()),
    ]
}

#[test]
fn the_document_prints_what_the_code_computes() {
    let (printed, computed) = (printed(), computed());
    for (name, value) in &computed {
        assert_eq!(printed.get(name), Some(value), "block {name}");
    }
    assert_eq!(printed.len(), computed.len(), "blocks beyond the vectors");
}
